"""Ask models for every variant of a set's images; what they answer, aligned image by image."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, Integer

from wiseft_jax.backgrounds.challenge import UNTRIED
from wiseft_jax.backgrounds.feeding import fed_images, how_fed
from wiseft_jax.backgrounds.loading import (
    MaskedRelease,
    even_choice,
    open_masked,
    read_images,
    what_lacks,
)
from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.backgrounds.predictor import Predictor
from wiseft_jax.backgrounds.release import Release
from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_arrays, hash_json
from wiseft_jax.data.source import Dataset

logger = logging.getLogger(__name__)

GAP_KINDS = ("mixed_same", "mixed_rand")
_REFERENCES = ("original", "only_fg", "no_fg", "only_bg_t", "only_bg_b")
"""Variants whose files are called as the originals; the first that is there names the images."""


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What M models answer to the variants of N images.

    Attributes:
      name: Of the set.
      class_names: The set's K classes, in the order of labels.
      ids: One an image.
      labels: int32[N].
      kinds: Variant -> int32[M, N]: the class that is answered, -1 outside of ImageNet-9,
        ``UNTRIED`` (-2) where the variant has no such image.
      origins: Variant -> ``"files"``, or ``"composed, pairing seed 0"``.
      seeds: ``mixed_same`` and ``mixed_rand`` -> int32[S, M, N], composed by the pairings of seeds
        0 to S - 1; empty where they can't be.
      fed: For each model, what was done to the images.
      notes: What isn't there, or was left out, and why.
      fingerprint: Changes when an image, a mask or a label of the whole set does.
      originals: Of the originals that were asked about; by it results are compared with those of
        others. Empty where there are none.
    """

    name: str
    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    labels: Int[np.ndarray, " N"]
    kinds: dict[str, Int[np.ndarray, "M N"]]
    origins: dict[str, str]
    seeds: dict[str, Int[np.ndarray, "S M N"]]
    fed: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str = ""
    originals: str = ""


def evaluate_backgrounds(
    images: MaskedImages | Release,
    predictors: Sequence[Predictor],
    *,
    seeds: int = 3,
    limit: int | None = None,
    batch_size: int = 256,
) -> Answers:
    """Ask models for every variant that is there, or that can be composed.

    Each image is read once for all models. Mixed-Same and Mixed-Rand are composed anew by several
    pairings where originals, masks and Only-BG-T images are there; a release's own files are asked
    besides. Of a release a batch is in memory at a time, for which an Only-BG-T image is read again
    whenever a pairing lends it; pairings are drawn over the whole set, whatever the limit, so an
    image's answers don't depend on it.

    Args:
      images: In memory, or a release.
      predictors: The models.
      seeds: Pairings of the BG-Gap; 0 for a release's files alone.
      limit: At most so many images, as many of each class; of the rest of a release only the
        backgrounds that these get are read.
      batch_size: Images at a time.

    Raises:
      InputError: There is no model, or an image or a mask can't be read or doesn't fit.

    Source: Xiao et al. 2020 (arXiv 2006.09994), section 3.

    Example:
      >>> answers = evaluate_backgrounds(open_release("bg_challenge"), [predictor])
      >>> evaluation_summary(answers, [predictor])["models"][0]["variants"]["original"]
    """
    if not predictors:
        raise InputError("expected at least one model, found none")
    if seeds < 0:
        raise InputError(f"--seeds: expected at least 0, found {seeds}")
    if isinstance(images, MaskedImages):
        return _of_memory(images, predictors, seeds, limit, batch_size)
    return _of_release(images, predictors, seeds, limit, batch_size)


def _of_memory(
    images: MaskedImages,
    predictors: Sequence[Predictor],
    seeds: int,
    limit: int | None,
    batch_size: int,
) -> Answers:
    chosen = even_choice(images.labels, limit)
    notes = _taken(len(chosen), len(images))
    for note in notes:
        logger.warning("%s: %s", images.name, note)
    pairings = _composed(images, chosen, predictors, seeds, batch_size)
    kinds, origins = {}, {}
    for kind, variant in VARIANTS.items():
        made = pairings.get(kind)
        if made is not None:
            kinds[kind] = made[0]
        else:
            kinds[kind] = _ask_array(predictors, images.variant(kind, 0)[chosen], batch_size)
        origins[kind] = "composed, pairing seed 0" if variant.partner else "composed"
    return Answers(
        images.name,
        images.class_names,
        tuple(images.ids[at] for at in chosen),
        images.labels[chosen].astype(np.int32),
        kinds,
        origins,
        pairings,
        _fed(images.images.shape[1], images.images.shape[2], predictors),
        tuple(notes),
        _fingerprint_of_memory(images),
        images.dataset("original").subset(chosen).fingerprint(),
    )


def _of_release(
    release: Release,
    predictors: Sequence[Predictor],
    seeds: int,
    limit: int | None,
    batch_size: int,
) -> Answers:
    reference = _reference(release)
    every_id = release.image_ids(reference)
    chosen = even_choice(reference.labels, limit)
    count = len(chosen)
    kept = reference.name == "original"
    notes = [] if kept else [f"no original: images are named by {reference.name}"]
    notes += _taken(count, len(reference))
    sets = {kind: release.align(kind, every_id) for kind in release.variants}
    for kind, (_, place) in sets.items():
        if missing := int((place[chosen] < 0).sum()):
            notes.append(f"{kind}: {missing} of {count} images aren't there")
    masked = _masked(release, chosen, notes) if seeds else None
    kinds, pairings, sizes = _asked(predictors, sets, masked, chosen, seeds, batch_size)
    origins = dict.fromkeys(kinds, "files")
    for kind, made in pairings.items():
        if kind not in kinds:
            kinds[kind], origins[kind] = made[0], "composed, pairing seed 0"
    if len(sizes) > 1:
        notes.append(f"images of several sizes: {', '.join(f'{w} x {h}' for h, w in sizes)}")
    notes += [f"{kind}: not there" for kind in VARIANTS if kind not in kinds]
    for note in notes:
        logger.warning("%s: %s", release.root, note)
    return Answers(
        f"{release.root.name} {release.split}",
        release.class_names,
        tuple(every_id[at] for at in chosen),
        reference.labels[chosen].astype(np.int32),
        {kind: kinds[kind] for kind in VARIANTS if kind in kinds},
        origins,
        pairings,
        _fed(*sizes[0], predictors),
        tuple(notes),
        _fingerprint_of_release(release, sets, every_id),
        reference.subset(chosen).fingerprint() if kept else "",
    )


def _fingerprint_of_memory(images: MaskedImages) -> str:
    arrays = {field: getattr(images, field) for field in ("images", "masks", "tiled", "labels")}
    return hash_json([hash_arrays(arrays), images.class_names, images.ids])


def _fingerprint_of_release(release: Release, sets: dict[Any, Any], image_ids: list[str]) -> str:
    """Return the hash of what its files are called, their sizes and times; reads none."""
    paths = [release.mask_path(each) for each in image_ids]
    stats = [path.stat() for path in paths if path.is_file()]
    masks = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
    return hash_json([{kind: found.fingerprint() for kind, (found, _) in sets.items()}, masks])


def _taken(count: int, whole: int) -> list[str]:
    return [f"{count} of {whole} images are taken (--limit)"] if count < whole else []


def _reference(release: Release) -> Dataset:
    """Return the variant by whose files images are named."""
    for name in _REFERENCES:
        if name in release.variants:
            return release.dataset(name)
    raise InputError(
        f"{release.root}: expected one of {', '.join(_REFERENCES)}, by whose files images are"
        f" named, found {', '.join(release.variants)} alone"
    )


def _masked(
    release: Release, chosen: Int[np.ndarray, " N"], notes: list[str]
) -> MaskedRelease | None:
    """Return what pairings are composed of, or None where they can't be; notes say why."""
    lacks = what_lacks(release)
    if lacks:
        notes.append(f"pairings can't be composed: {lacks}")
        return None
    masked = open_masked(release)
    missing = int((~masked.whole[chosen]).sum())
    if missing == len(chosen):
        notes.append("pairings can't be composed: no image has both a mask and an Only-BG-T image")
        return None
    if missing:
        notes.append(
            f"pairings: {missing} of {len(chosen)} images aren't composed, for want of a mask or an"
            " Only-BG-T image"
        )
    return masked


def _asked(
    predictors: Sequence[Predictor],
    sets: dict[Any, tuple[Dataset, Int[np.ndarray, " N"]]],
    masked: MaskedRelease | None,
    chosen: Int[np.ndarray, " C"],
    seeds: int,
    batch_size: int,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], list[tuple[int, int]]]:
    """Return what is answered to files and to composed images, and of which sizes images are.

    A batch of each is in memory at a time. Where pairings are composed, originals have files, and
    all of them: they name the images.
    """
    shape = len(predictors), len(chosen)
    kinds = {kind: np.full(shape, UNTRIED, np.int32) for kind in sets}
    pairings, partners = {}, {}
    if masked is not None:
        for kind in GAP_KINDS:
            pairings[kind] = np.full((seeds, *shape), UNTRIED, np.int32)
            partners[kind] = [masked.partners(kind, seed) for seed in range(seeds)]
    sizes: dict[tuple[int, int], None] = {}
    step = min(batch_size, len(chosen))
    for start in range(0, len(chosen), step):
        at, originals = chosen[start : start + step], None
        columns = np.arange(start, start + len(at))
        for kind, (dataset, place) in sets.items():
            there = np.flatnonzero(place[at] >= 0)
            if not len(there):
                continue
            pixels = read_images(dataset, place[at[there]])
            sizes.setdefault((pixels.shape[1], pixels.shape[2]))
            kinds[kind][:, columns[there]] = _ask(predictors, pixels, step)
            originals = pixels if kind == "original" else originals
        if masked is None or originals is None or not masked.whole[at].any():
            continue
        there = np.flatnonzero(masked.whole[at])
        images, fronts = originals[there], at[there]
        masks = masked.read_masks(fronts, *images.shape[1:3])
        for kind, tables in partners.items():
            for seed, table in enumerate(tables):
                pixels = masked.compose(images, masks, table[fronts], kind)
                pairings[kind][seed][:, columns[there]] = _ask(predictors, pixels, step)
    return kinds, pairings, list(sizes)


def _fed(height: int, width: int, predictors: Sequence[Predictor]) -> tuple[str, ...]:
    return tuple(how_fed(height, width, each.preprocess) for each in predictors)


def _composed(
    images: MaskedImages,
    chosen: Int[np.ndarray, " C"],
    predictors: Sequence[Predictor],
    seeds: int,
    batch_size: int,
) -> dict[str, Any]:
    """Return what is answered to pairings over all images, of the chosen ones."""
    return {
        kind: np.stack(
            [
                _ask_array(predictors, images.variant(kind, seed)[chosen], batch_size)
                for seed in range(seeds)
            ]
        )
        for kind in GAP_KINDS
        if seeds
    }


def _ask_array(
    predictors: Sequence[Predictor], pixels: Integer[np.ndarray, "N H W 3"], batch_size: int
) -> Int[np.ndarray, "M N"]:
    step = min(batch_size, len(pixels))
    parts = [_ask(predictors, part, step) for part in _parts(pixels, step)]
    return np.concatenate(parts, axis=1)


def _parts(pixels: np.ndarray, step: int) -> Iterator[np.ndarray]:
    for start in range(0, len(pixels), step):
        yield pixels[start : start + step]


def _ask(
    predictors: Sequence[Predictor], pixels: Integer[np.ndarray, "B H W 3"], step: int
) -> Int[np.ndarray, "M B"]:
    """Return what each model answers; filled up to ``step``, so that one shape is compiled."""
    count = len(pixels)
    if count < step:
        pixels = np.concatenate([pixels, pixels[-1:].repeat(step - count, 0)])
    found, fed = [], {}
    for each in predictors:
        if each.preprocess not in fed:
            fed[each.preprocess] = fed_images(pixels, each.preprocess)
        found.append(each.predict(fed[each.preprocess], step)[:count])
    return np.stack(found)
