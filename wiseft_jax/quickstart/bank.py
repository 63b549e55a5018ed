"""The bank of rendered glyphs that pre-training draws from: built once, in parallel, from fonts."""

from __future__ import annotations

import json
import logging
import multiprocessing
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from wiseft_jax.quickstart.fonts import (
    EXCLUDED_FAMILIES,
    PEN_LIKE,
    UNREADABLE_FAMILIES,
    FaceInfo,
    collection_size,
    digit_pictures,
    face_hash,
    font_files,
    matplotlib_faces,
    outline_hashes,
    unit_pictures,
)
from wiseft_jax.quickstart.glyphs import CHARACTERS, Face, glyph_fields

logger = logging.getLogger(__name__)

TWIN_CORRELATION = 0.985
"""Faces whose digits correlate more than this, on average, with a matplotlib face are twins."""
MATPLOTLIB_HASHES = 3
"""Faces that share this many digit outlines with a matplotlib face are twins."""


@dataclass(frozen=True)
class Bank:
    """Glyphs of many faces.

    Attributes:
        fields: ``uint8[faces, characters, 2, FIELD, FIELD]`` (see ``glyphs.distance_fields``).
        families: family name of each face.
        pen_like: whether each face looks drawn by hand.
    """

    fields: UInt8[np.ndarray, "F C 2 S S"]
    families: tuple[str, ...]
    pen_like: Bool[np.ndarray, " F"]

    def weights(self, pen_factor: float = 3.0) -> Float[np.ndarray, " F"]:
        """Return sampling weights: families by the root of their size, pen-like ones more often."""
        size = Counter(self.families)
        weights = np.asarray([size[family] ** -0.5 for family in self.families])
        weights = weights * np.where(self.pen_like, pen_factor, 1.0)
        return weights / weights.sum()

    def save(self, folder: Path) -> None:
        """Write the bank into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "fields.npy", self.fields)
        facts = {"families": list(self.families), "pen_like": self.pen_like.tolist()}
        (folder / "faces.json").write_text(json.dumps(facts))

    @classmethod
    def load(cls, folder: Path) -> Bank:
        """Read a bank that ``save`` wrote."""
        facts = json.loads((folder / "faces.json").read_text())
        fields = np.load(folder / "fields.npy", allow_pickle=False)
        return cls(fields, tuple(facts["families"]), np.asarray(facts["pen_like"], bool))


def _parallel_map(function: Callable, items: list, processes: int) -> Iterator:
    """Map over items in order, in spawned processes if there is to be more than one."""
    if processes == 1:
        yield from map(function, items)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(function, items, chunksize=8)


def _inspect(path: Path) -> list[tuple[FaceInfo, dict[str, str], np.ndarray] | str]:
    """Read every face of a file: what it is and draws, or why it is left out."""
    results: list[tuple[FaceInfo, dict[str, str], np.ndarray] | str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for index in range(collection_size(path)):
                named = outline_hashes(path, index)
                if named is None:
                    results.append("characters missing")
                    continue
                family, hashes = named
                if UNREADABLE_FAMILIES.search(family):
                    results.append("family of symbols")
                elif EXCLUDED_FAMILIES.search(family):
                    results.append("excluded family")
                else:
                    pictures = digit_pictures(Face(path, index))
                    info = FaceInfo(Face(path, index), family, face_hash(hashes))
                    results.append("blank" if pictures is None else (info, hashes, pictures))
    except Exception as error:  # a broken font must not end the survey: counted by its error
        results.append(f"unreadable ({type(error).__name__})")
    return results


def survey(folders: Iterable[Path], processes: int) -> tuple[list[FaceInfo], Counter[str]]:
    """Find the usable faces under some folders.

    Left out: faces without our 62 characters, blank or repeated digits, excluded families, outline
    twins and look-alikes of matplotlib's faces, repeated outlines, and faces most of whose digits
    don't look like the digit they should be (nearest mean picture).

    Args:
        folders: where fonts are installed.
        processes: worker processes.

    Returns:
        The faces, and how many were left out for each reason.
    """
    reasons: Counter[str] = Counter()
    found: list[tuple[FaceInfo, dict[str, str], np.ndarray]] = []
    known = {item for face in matplotlib_faces() for item in _digit_hashes(face)}
    seen: set[str] = set()
    for results in _parallel_map(_inspect, font_files(folders), processes):
        for result in results:
            if isinstance(result, str):
                reasons[result] += 1
            elif sum(value in known for value in result[1].values()) >= MATPLOTLIB_HASHES:
                reasons["outlines of a matplotlib font"] += 1
            elif result[0].outline_hash in seen:
                reasons["repeated outlines"] += 1
            else:
                seen.add(result[0].outline_hash)
                found.append(result)
    if not found:
        return [], reasons
    pictures = np.stack([result[2] for result in found])
    twin, odd = _lookalikes(pictures), _oddities(pictures)
    reasons["look-alike of a matplotlib font"] += int(twin.sum())
    reasons["digits don't look like digits"] += int((odd & ~twin).sum())
    kept = [result[0] for result, out in zip(found, twin | odd, strict=True) if not out]
    return kept, reasons


def _digit_hashes(face: Face) -> list[str]:
    named = outline_hashes(face.path, face.index)
    return list(named[1].values()) if named else []


def _lookalikes(pictures: UInt8[np.ndarray, "F 10 S S"]) -> Bool[np.ndarray, " F"]:
    """Tell which faces draw nearly the same digits as a face of matplotlib's."""
    theirs = [digit_pictures(face) for face in matplotlib_faces()]
    reference = unit_pictures(np.stack([masks for masks in theirs if masks is not None]))
    correlation = np.einsum("fdp,mdp->fm", unit_pictures(pictures), reference) / 10
    return correlation.max(1) > TWIN_CORRELATION


def _oddities(pictures: UInt8[np.ndarray, "F 10 S S"]) -> Bool[np.ndarray, " F"]:
    """Tell which faces have fewer than four digits nearest to that digit's mean picture."""
    units = unit_pictures(pictures)
    means = units.mean(0)
    means = means / np.linalg.norm(means, axis=-1, keepdims=True)
    nearest = np.einsum("fdp,ep->fde", units, means).argmax(-1)
    return (nearest == np.arange(10)).sum(1) < 4


def _all_fields(face: Face) -> UInt8[np.ndarray, "C 2 S S"] | None:
    try:
        fields = np.stack([glyph_fields(face, character) for character in CHARACTERS])
    except OSError as error:
        logger.warning("%s: %s", face.path.name, error)
        return None
    drawn = (fields[:, 0] > 128).any((1, 2))
    return fields if drawn.all() else None


def build_bank(faces: list[FaceInfo], processes: int) -> Bank:
    """Render every character of every face.

    Args:
        faces: the faces, as ``survey`` found them.
        processes: worker processes.

    Returns:
        The bank, without the faces in which a character came out blank.
    """
    fields, kept = [], []
    rendered = _parallel_map(_all_fields, [info.face for info in faces], processes)
    for number, (info, glyphs) in enumerate(zip(faces, rendered, strict=True)):
        if glyphs is not None:
            fields.append(glyphs)
            kept.append(info)
        if number % 100 == 0:
            logger.info("rendered %d of %d faces", number, len(faces))
    pen_like = np.asarray([bool(PEN_LIKE.search(info.family)) for info in kept])
    return Bank(np.stack(fields), tuple(info.family for info in kept), pen_like)
