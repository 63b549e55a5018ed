from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wiseft_jax.clip.processor import preprocess_settings, read_preprocess
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import OPENAI_MEAN, OPENAI_STD, Preprocess

MEAN, STD = [0.5, 0.4, 0.3], [0.1, 0.2, 0.3]


def read(directory: Path, settings: Any, image_size: int = 32) -> Preprocess:
    (directory / "preprocessor_config.json").write_text(json.dumps(settings))
    return read_preprocess(directory, image_size)


def test_the_modern_form_is_read(tmp_path: Path):
    settings = {
        "size": {"shortest_edge": 36},
        "crop_size": {"height": 32, "width": 32},
        "image_mean": MEAN,
        "image_std": STD,
        "resample": 2,
    }
    found = read(tmp_path, settings)
    assert found == Preprocess(32, 36, (0.5, 0.4, 0.3), (0.1, 0.2, 0.3), "bilinear")


def test_the_old_form_is_read(tmp_path: Path):
    # As in OpenAI's own files.
    settings = {"size": 224, "crop_size": 224, "resample": 3, "do_center_crop": True}
    assert read(tmp_path, settings, 224) == Preprocess()


@pytest.mark.parametrize("name", ["bicubic", "bilinear", "nearest", "lanczos"])
def test_written_settings_are_read_back(tmp_path: Path, name: Any):
    preprocess = Preprocess(32, 40, (0.5, 0.4, 0.3), (0.1, 0.2, 0.3), name)
    assert read(tmp_path, preprocess_settings(preprocess)) == preprocess


def test_transformers_reads_the_settings_the_same(tmp_path: Path):
    import numpy as np
    from PIL import Image
    from transformers import CLIPImageProcessor

    preprocess = Preprocess(16, 16)
    read(tmp_path, preprocess_settings(preprocess), 16)
    theirs = CLIPImageProcessor.from_pretrained(tmp_path)
    image = Image.fromarray(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3))
    expected = (np.asarray(image) / 255 - np.array(OPENAI_MEAN)) / np.array(OPENAI_STD)
    pixels = theirs(image, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
    np.testing.assert_allclose(pixels, expected, atol=1e-5)


def test_a_missing_file_falls_back_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert read_preprocess(tmp_path, 48) == Preprocess(48, 48)
    assert "preprocessor_config.json is missing: assuming 48 pixels" in caplog.text


def test_without_a_crop_the_size_counts(tmp_path: Path):
    settings = {"size": 32, "crop_size": 99, "do_center_crop": False}
    assert read(tmp_path, settings) == Preprocess(32, 32)


def test_a_squeezing_size_is_said_to_be_cropped(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert read(tmp_path, {"size": {"height": 32, "width": 32}}).resize == 32
    assert "not squeezed to a square" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([], "expected a JSON object, found list"),
        ({"do_normalize": False}, "do_normalize is false"),
        ({"rescale_factor": 1}, "rescale_factor is 1; only 1/255"),
        ({"rescale_factor": "a"}, "rescale_factor is a"),
        ({"size": "big"}, "size is 'big'; expected pixels"),
        ({"size": True}, "size is True"),
        ({"size": {"height": 32, "width": 16}}, "a square"),
        ({"crop_size": 0}, "crop_size is 0"),
        (
            {"crop_size": 48, "size": 48},
            "images of 48 pixels, but config.json's image tower takes 32",
        ),
        ({"size": 16}, "size 16 is smaller than crop_size 32"),
        ({"image_mean": [0.5]}, "image_mean is .* expected three numbers"),
        ({"image_mean": None}, "image_mean is None"),
        ({"image_std": [1, 1, 0]}, "expected positive numbers"),
        ({"resample": 9}, "resample is 9; supported"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path: Path, settings: Any, message: str):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, settings)
    assert "preprocessor_config.json" in str(caught.value)


def test_broken_json_is_named(tmp_path: Path):
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(InputError, match=r"preprocessor_config\.json: not JSON"):
        read_preprocess(tmp_path, 32)
