"""``wiseft explain --mixing``: the sheet, its numbers, and what it needs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.photos import write_photos
from wiseft_jax.cli.explain_mixing import BLOCKS
from wiseft_jax.cli.main import main


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos", per_class=1)


def test_every_mixer_has_its_block(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "out"
    assert main(["explain", "--mixing", str(photos), "--out", str(out), "-q"]) == 0
    assert "5 mixers -> " in capsys.readouterr().out
    with Image.open(out / "mixing.png") as sheet:
        assert min(sheet.size) > 700
    facts = json.loads((out / "mixing.json").read_text())
    assert [block["mixer"] for block in facts["blocks"]] == list(BLOCKS)
    for block in facts["blocks"]:
        assert len(block["images"]) == 3
        for told in block["images"]:
            if block["mixer"].startswith("Cutout"):
                assert told["partner"] is None
                assert told["lambda"] == 1
                assert 0.25 <= told["mean_of_mask"] < 1
            else:
                assert told["lambda"] == pytest.approx(told["mean_of_mask"], abs=1e-5)
                assert told["partner"] != told["source"]


def test_one_mixer_with_options_of_its_own(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    options = ["--mixing-options.name", "smoothmix", "--mixing-options.sigma", "9", "9"]
    command = ["explain", str(photos), "--mixing", *options, "--out", str(tmp_path), "--json"]
    assert main([*command, "-q"]) == 0
    (block,) = json.loads(capsys.readouterr().out)["blocks"]
    assert block["mixer"] == "smoothmix, circle"
    shares = np.asarray([told["lambda"] for told in block["images"]])
    assert (shares > 0.9).all()  # so wide a mask is next to 1 everywhere


def test_one_image_is_too_few(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    image = photos / "red" / "0.png"
    assert main(["explain", "--mixing", str(image), "--out", str(tmp_path / "out"), "-q"]) == 2
    assert "--mixing: expected at least two images to mix, found 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
