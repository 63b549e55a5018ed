"""The font faces of a machine: which exist, which draw Latin characters, which are excluded.

Pre-training leaves out every family that matplotlib ships and its twins, by family name and by a
hash of the outlines, so that digits set in matplotlib's fonts are a shift the model hasn't seen.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from wiseft_jax.quickstart.glyphs import CHARACTERS, DIGITS, Face, glyph_mask

EXCLUDED_FAMILIES = re.compile(
    r"dejavu|\bvera\b|\bbera|veranda|arev|verajja|menlo|hack\b|stix|xits|computer modern|"
    r"latin modern|\blm ?(roman|sans|mono|math)|\bcmu\b|^cm[a-z]{1,4}\d*$|^cm\b|last ?resort|"
    r"mathjax|katex",
    re.IGNORECASE,
)
"""Families that matplotlib ships (DejaVu, STIX, Computer Modern) and their twins."""

UNREADABLE_FAMILIES = re.compile(
    r"barcode|redacted|icon|symbol|emoji|dingbat|ornament|braille|blank|flow|adobe", re.IGNORECASE
)
"""Families that don't draw letters."""

PEN_LIKE = re.compile(
    r"hand|script|caveat|pen\b|marker|kalam|gaegu|patrick|schoolbell|shadows|indie|gloria|gochi|"
    r"architect|annie|bad s|cedarville|comic|covered|handrawn|delius|finger|happy monkey|homemade|"
    r"itim|kiwi|mansalva|neucha|oooh|playpen|poor story|reenie|rock salt|shantell|short stack|"
    r"sriracha|ellen|swanky|girl next|twinkle|yomogi|kurenaido|amatic|balsamiq|brush|cang|mang|"
    r"mao cao|kuaile|belle aurore|klee|breip|femke|humor|rufscript|sjfonts|delphine|bwht|"
    r"ecolier|kristi|isabella|domestic|tomson|note|scribble|yusei|purisa|dustin|journal|aenigma",
    re.IGNORECASE,
)
"""Families whose strokes look drawn by hand: sampled more often."""

_FONT_SUFFIXES = (".ttf", ".otf", ".ttc", ".woff")


@dataclass(frozen=True)
class FaceInfo:
    """A face that passed the filters.

    Attributes:
        face: where it is.
        family: family name of its file.
        outline_hash: hash of its digits' outlines (see ``outline_hashes``).
    """

    face: Face
    family: str
    outline_hash: str


def font_files(folders: Iterable[Path]) -> list[Path]:
    """List the font files under some folders, Latin subsets only where files are split."""
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in _FONT_SUFFIXES or not path.is_file():
                continue
            split = "@fontsource" in path.parts  # one file for each script
            if not split or re.search(r"-latin-\d+-(normal|italic)\.woff$", path.name):
                found.append(path)
    return found


def matplotlib_faces() -> list[Face]:
    """List matplotlib's own TrueType faces that draw the ten digits as text."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    text = re.compile(r"DejaVu(Sans|Serif)(?!Display)|STIXGeneral|cm(b|r|ss|tt|mi)10")
    return [Face(path) for path in sorted(folder.glob("*.ttf")) if text.match(path.stem)]


def outline_hashes(path: Path, index: int) -> tuple[str, dict[str, str]] | None:
    """Read a face's family name and hashes the outlines of its digits.

    Coordinates are divided by the em and rounded to 1/250, so that copies and rescaled copies of a
    font have the same hashes.

    Args:
        path: the font file.
        index: face of a collection.

    Returns:
        The family name and ``{digit: hash}``, or None when a character of ours is missing.
    """
    from fontTools.pens.recordingPen import DecomposingRecordingPen
    from fontTools.ttLib import TTFont

    with path.open("rb") as file, TTFont(file, fontNumber=index, lazy=True) as font:
        table = font.getBestCmap() or {}
        if any(ord(character) not in table for character in CHARACTERS):
            return None
        family = font["name"].getBestFamilyName() or path.stem
        glyphs, em = font.getGlyphSet(), getattr(font["head"], "unitsPerEm")  # noqa: B009
        hashes = {}
        for digit in DIGITS:
            pen = DecomposingRecordingPen(glyphs)
            glyphs[table[ord(digit)]].draw(pen)
            value = [
                (verb, [(round(250 * p[0] / em), round(250 * p[1] / em)) for p in points if p])
                for verb, points in pen.value
            ]
            hashes[digit] = hashlib.sha256(repr(value).encode()).hexdigest()[:16]
    return family, hashes


def collection_size(path: Path) -> int:
    """Return the number of faces in a font file."""
    if path.suffix.lower() != ".ttc":
        return 1
    from fontTools.ttLib import TTCollection

    with path.open("rb") as file, TTCollection(file, lazy=True) as collection:
        return len(collection.fonts)


def face_hash(hashes: dict[str, str]) -> str:
    """Return one hash for a face, from the hashes of its digits."""
    return hashlib.sha256("".join(hashes[d] for d in DIGITS).encode()).hexdigest()[:16]


def digit_pictures(face: Face) -> UInt8[np.ndarray, "10 S S"] | None:
    """Draw a face's digits, or returns None if one is blank or two are the same."""
    masks = np.stack([glyph_mask(face, digit, side=32, span=28) for digit in DIGITS])
    filled = (masks > 127).mean((1, 2))
    distinct = {mask.tobytes() for mask in masks}
    if len(distinct) < len(DIGITS) or filled.min() < 0.01 or filled.max() > 0.75:
        return None
    return masks


def unit_pictures(masks: UInt8[np.ndarray, "... S S"]) -> Float[np.ndarray, "... P"]:
    """Flattens pictures to centred vectors of unit length, whose dot product is a correlation."""
    flat = masks.reshape(*masks.shape[:-2], -1).astype(np.float32)
    flat = flat - flat.mean(-1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-6)
