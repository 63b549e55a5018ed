"""The survey of fonts, and the bank's weights and files."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from tests.quickstart.test_fonts import renamed
from wiseft_jax.quickstart.bank import Bank, build_bank, survey
from wiseft_jax.quickstart.fonts import FaceInfo, matplotlib_faces
from wiseft_jax.quickstart.glyphs import CHARACTERS, FIELD


def tiny_bank() -> Bank:
    fields = np.random.default_rng(0).integers(0, 255, (4, 62, 2, FIELD, FIELD), dtype=np.uint8)
    return Bank(fields, ("Lato", "Lato", "Lato", "Caveat"), np.array([False, False, False, True]))


def test_nothing_that_matplotlib_ships_is_kept():
    folder = Path(matplotlib.get_data_path()) / "fonts"
    kept, reasons = survey([folder], processes=1)
    assert kept == []
    assert reasons["excluded family"] > 0


def test_a_renamed_matplotlib_font_is_recognised_by_its_outlines(tmp_path: Path):
    face = next(f for f in matplotlib_faces() if f.path.stem == "DejaVuSerif-Bold")
    renamed(face.path, tmp_path / "innocent.ttf", "Innocent Serif")
    kept, reasons = survey([tmp_path], processes=1)
    assert kept == []
    assert reasons["outlines of a matplotlib font"] == 1


def test_a_broken_file_is_counted_not_fatal(tmp_path: Path):
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    kept, reasons = survey([tmp_path], processes=1)
    assert kept == []
    assert any(reason.startswith("unreadable") for reason in reasons)


def test_weights_favour_small_families_and_pens():
    weights = tiny_bank().weights(pen_factor=3.0)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[3] / weights[0] == pytest.approx(3 * 3**0.5)


def test_a_bank_survives_its_files(tmp_path: Path):
    bank = tiny_bank()
    bank.save(tmp_path / "bank")
    again = Bank.load(tmp_path / "bank")
    np.testing.assert_array_equal(again.fields, bank.fields)
    np.testing.assert_array_equal(again.pen_like, bank.pen_like)
    assert again.families == bank.families


def test_a_face_becomes_62_fields():
    face = next(f for f in matplotlib_faces() if f.path.stem == "STIXGeneral")
    bank = build_bank([FaceInfo(face, "Some Script", "0")], processes=1)
    assert bank.fields.shape == (1, len(CHARACTERS), 2, FIELD, FIELD)
    assert bank.pen_like.tolist() == [True]
