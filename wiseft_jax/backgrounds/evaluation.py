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
from wiseft_jax.backgrounds.loading import even_choice, load_masked, read_images, what_lacks
from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.backgrounds.predictor import Predictor
from wiseft_jax.backgrounds.release import Release
from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.core.errors import InputError

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
    besides.

    Args:
      images: In memory, or a release.
      predictors: The models.
      seeds: Pairings of the BG-Gap; 0 for a release's files alone.
      limit: At most so many images of a release, as many of each class; the rest isn't read.
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
        return _of_memory(images, predictors, seeds, batch_size)
    return _of_release(images, predictors, seeds, limit, batch_size)


def _of_memory(
    images: MaskedImages, predictors: Sequence[Predictor], seeds: int, batch_size: int
) -> Answers:
    pairings = _composed(images, predictors, seeds, batch_size)
    kinds, origins = {}, {}
    for kind, variant in VARIANTS.items():
        made = pairings.get(kind)
        if made is not None:
            kinds[kind] = made[0]
        else:
            kinds[kind] = _ask_array(predictors, images.variant(kind, 0), batch_size)
        origins[kind] = "composed, pairing seed 0" if variant.partner else "composed"
    return Answers(
        images.name,
        images.class_names,
        images.ids,
        images.labels.astype(np.int32),
        kinds,
        origins,
        pairings,
        _fed(images.images.shape[1], images.images.shape[2], predictors),
        (),
    )


def _of_release(
    release: Release,
    predictors: Sequence[Predictor],
    seeds: int,
    limit: int | None,
    batch_size: int,
) -> Answers:
    names = [name for name in _REFERENCES if name in release.variants]
    if not names:
        raise InputError(
            f"{release.root}: expected one of {', '.join(_REFERENCES)}, by whose files images are"
            f" named, found {', '.join(release.variants)} alone"
        )
    reference = release.dataset(names[0])
    chosen = even_choice(reference.labels, limit)
    every_id = release.image_ids(reference)
    ids = [every_id[at] for at in chosen]
    notes = [] if names[0] == "original" else [f"no original: images are named by {names[0]}"]
    if len(chosen) < len(reference):
        notes.append(f"{len(chosen)} of {len(reference)} images are taken (--limit)")
    kinds, origins, height, width = {}, {}, 0, 0
    for kind in release.variants:
        dataset, place = release.align(kind, every_id)
        place = place[chosen]
        there = np.flatnonzero(place >= 0)
        if len(there) < len(ids):
            notes.append(f"{kind}: {len(ids) - len(there)} of {len(ids)} images aren't there")
        found = np.full((len(predictors), len(ids)), UNTRIED, np.int32)
        step = min(batch_size, len(ids))
        for start in range(0, len(there), step):
            part = there[start : start + step]
            pixels = read_images(dataset, place[part])
            height, width = pixels.shape[1:3]
            found[:, part] = _ask(predictors, pixels, step)
        kinds[kind], origins[kind] = found, "files"
    lacks = what_lacks(release)
    pairings: dict[str, np.ndarray] = {}
    labels = reference.labels[chosen].astype(np.int32)
    if lacks:
        notes.append(f"pairings can't be composed: {lacks}")
    elif seeds:
        masked = load_masked(release, limit)
        pairings = _placed(masked, ids, _composed(masked, predictors, seeds, batch_size))
        for kind, made in pairings.items():
            if kind not in kinds:
                kinds[kind], origins[kind] = made[0], "composed, pairing seed 0"
    notes += [f"{kind}: not there" for kind in VARIANTS if kind not in kinds]
    for note in notes:
        logger.warning("%s: %s", release.root, note)
    fed = _fed(height, width, predictors)
    ordered = {kind: kinds[kind] for kind in VARIANTS if kind in kinds}
    name = f"{release.root.name} {release.split}"
    return Answers(
        name, release.class_names, tuple(ids), labels, ordered, origins, pairings, fed, tuple(notes)
    )


def _fed(height: int, width: int, predictors: Sequence[Predictor]) -> tuple[str, ...]:
    return tuple(how_fed(height, width, each.preprocess) for each in predictors)


def _placed(
    masked: MaskedImages, ids: Sequence[str], pairings: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return composed images' answers at the places of all images; ``UNTRIED`` elsewhere."""
    at = {each: index for index, each in enumerate(ids)}
    both = [(place, at[each]) for place, each in enumerate(masked.ids) if each in at]
    source, target = (np.asarray(each, np.int64) for each in zip(*both, strict=True))
    found = {}
    for kind, made in pairings.items():
        found[kind] = np.full((*made.shape[:2], len(ids)), UNTRIED, np.int32)
        found[kind][..., target] = made[..., source]
    return found


def _composed(
    images: MaskedImages, predictors: Sequence[Predictor], seeds: int, batch_size: int
) -> dict[str, Any]:
    return {
        kind: np.stack(
            [
                _ask_array(predictors, images.variant(kind, seed), batch_size)
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
