"""Which fonts are found and left out; matplotlib's own must never get into pre-training."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from wiseft_jax.quickstart.fonts import (
    EXCLUDED_FAMILIES,
    UNREADABLE_FAMILIES,
    digit_pictures,
    face_hash,
    font_files,
    matplotlib_faces,
    outline_hashes,
    unit_pictures,
)

FACES = matplotlib_faces()


def renamed(path: Path, target: Path, family: str) -> Path:
    """Write a copy of a font under another family name."""
    with TTFont(path) as font:
        for record in font["name"].names:
            if record.nameID in (1, 3, 4, 6, 16):
                record.string = family
        font.save(target)
    return target


def test_matplotlibs_text_faces_draw_ten_digits():
    assert len(FACES) == 21
    for face in FACES:
        assert digit_pictures(face) is not None, face.path.name


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.path.stem)
def test_matplotlibs_families_are_excluded_by_name(face):
    named = outline_hashes(face.path, face.index)
    assert named is None or EXCLUDED_FAMILIES.search(named[0])


@pytest.mark.parametrize(
    "family",
    ["Bitstream Vera Sans", "DejaVu Serif", "STIX Two Text", "Latin Modern Roman", "CMU Serif",
     "LM Sans 10", "cmr10", "XITS", "Hack", "Veranda", "Bera Mono"],
)  # fmt: skip
def test_twins_are_excluded_by_name(family: str):
    assert EXCLUDED_FAMILIES.search(family)


@pytest.mark.parametrize("family", ["Caveat", "Lato", "Hackney", "Vollkorn", "Comic Neue"])
def test_other_families_are_not(family: str):
    assert not EXCLUDED_FAMILIES.search(family)
    assert not UNREADABLE_FAMILIES.search(family)


def test_outline_hashes_survive_renaming_and_tell_faces_apart(tmp_path: Path):
    path = next(f.path for f in FACES if f.path.stem == "DejaVuSans")
    copy = renamed(path, tmp_path / "other.ttf", "Innocent Sans")
    family, hashes = outline_hashes(copy, 0)
    _, original = outline_hashes(path, 0)
    assert family == "Innocent Sans"
    assert hashes == original
    assert face_hash(hashes) == face_hash(original)
    bold = next(f.path for f in FACES if f.path.stem == "DejaVuSans-Bold")
    assert face_hash(outline_hashes(bold, 0)[1]) != face_hash(original)


def test_only_latin_subsets_of_split_fonts_are_listed(tmp_path: Path):
    path = FACES[0].path
    split = tmp_path / "@fontsource" / "caveat" / "files"
    split.mkdir(parents=True)
    for name in ("caveat-latin-400-normal", "caveat-latin-ext-400-normal", "caveat-cyrillic-400"):
        shutil.copy(path, split / f"{name}.woff")
    shutil.copy(path, tmp_path / "plain.TTF")
    (tmp_path / "notes.txt").write_text("no font")
    names = [file.name for file in font_files([tmp_path])]
    assert sorted(names) == ["caveat-latin-400-normal.woff", "plain.TTF"]


def test_unit_pictures_correlate_fully_with_themselves():
    units = unit_pictures(digit_pictures(FACES[0]))
    assert units.shape == (10, 32 * 32)
    assert (units * units).sum(-1) == pytest.approx(1.0)
    assert (units[1] * units[8]).sum() < 0.9
