"""Models that are about to be evaluated on what their run was trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import write_folder
from wiseft_jax.cli.trained_on import warn_of_models, warn_of_trained_images
from wiseft_jax.core.run_directory import describe
from wiseft_jax.core.writers import write_json
from wiseft_jax.data.config import DataConfig
from wiseft_jax.data.load import load_dataset
from wiseft_jax.data.source import ArraySource, Dataset
from wiseft_jax.experiment import ExperimentConfig


def write_run(directory: Path, train: str) -> Path:
    config = ExperimentConfig(name="x", data=DataConfig(train=train))
    (directory / "merged").mkdir(parents=True)
    write_json(directory / "config.json", describe(config))
    return directory


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_folder(tmp_path / "photos", {"cat": 3, "dog": 2})
    write_folder(tmp_path / "others", {"cat": 2}, seed=50)
    (tmp_path / "others" / "dog").mkdir()
    shutil.copy(tmp_path / "photos" / "dog" / "001.png", tmp_path / "others" / "dog" / "new.png")
    return tmp_path / "photos"


def opened(path: Path) -> Dataset:
    return load_dataset(f"folder:{path}")


def test_images_that_both_have_are_counted_and_named(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    run = write_run(tmp_path / "run", f"folder:{photos}")
    assert warn_of_trained_images(run, [opened(tmp_path / "others"), opened(photos)]) == 6
    first, second = caplog.messages
    assert first.startswith(
        "1 of 3 images of others is also in photos, which run was trained on (but for what it held"
        f" out): {photos}/dog/001.png = "
    )
    assert second.startswith("5 of 5 images of photos")


def test_the_merged_model_of_a_run_is_known_by_its_place(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    run = write_run(tmp_path / "run", f"folder:{photos}")
    shutil.copytree(run / "merged", tmp_path / "copy")
    warn_of_models([str(tmp_path / "copy"), "openai/clip-vit-base-patch32"], [opened(photos)])
    assert caplog.messages == []
    (tmp_path / "link").symlink_to(run / "merged")
    (tmp_path / "run-link").symlink_to(run)
    for model in (run / "merged", tmp_path / "link", tmp_path / "run-link" / "merged"):
        caplog.clear()
        warn_of_models([str(model)], [opened(photos)])
        assert len(caplog.messages) == 1, model
        assert caplog.messages[0].startswith("5 of 5 images of photos")


def test_a_merged_model_that_lies_elsewhere_is_known_by_the_link_in_its_run(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    run = write_run(tmp_path / "run", f"folder:{photos}")
    (run / "merged").rename(tmp_path / "stored")
    (run / "merged").symlink_to(tmp_path / "stored")
    warn_of_models([str(run / "merged")], [opened(photos)])
    assert len(caplog.messages) == 1


def test_of_an_export_it_is_said_that_nothing_is_compared(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "wiseft_jax")
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "wiseft.json").touch()
    sets = [opened(photos)]
    caplog.clear()
    warn_of_models([str(tmp_path / "exp"), "openai/clip-vit-base-patch32"], sets)
    (line,) = caplog.messages
    assert line.startswith(f"{tmp_path / 'exp'}: not compared with the images that it was trained")


def test_sets_that_cannot_be_compared_are_said(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "wiseft_jax")
    run = write_run(tmp_path / "run", f"folder:{photos}")
    labels = np.zeros(2, np.int64)
    pixels = ArraySource(np.zeros((2, 4, 4, 3), np.uint8), labels, ("cat", "dog"), "pixels")
    dataset = Dataset("pixels", pixels, labels, split="test")
    assert warn_of_trained_images(run, [dataset]) == 0
    assert "pixels can't be compared with photos, which run was trained on" in caplog.text


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ("folder:/nowhere", "/nowhere"),
        ("quickstart:digits", "the embedded digits"),
        ("", "no training set"),
    ],
)
def test_training_images_that_are_not_at_hand_are_none_and_said_to_be(
    train: str, said: str, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    sets = [opened(photos)]
    caplog.set_level("INFO", "wiseft_jax")
    run = write_run(tmp_path / "run", train)
    assert warn_of_trained_images(run, sets) == 0
    (line,) = caplog.messages
    assert "its training images aren't compared: " in line
    assert said in line


def test_a_training_set_of_very_many_images_is_not_even_listed(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    caplog.set_level("INFO", "wiseft_jax")
    run = write_run(tmp_path / "a", "published:imagenet:train@/nowhere")
    assert warn_of_trained_images(run, [opened(photos)]) == 0
    monkeypatch.setattr("wiseft_jax.cli.trained_on._MOST_IMAGES", 3)
    run = write_run(tmp_path / "b", f"folder:{photos}")  # 2 folders, of 2 or 3 images the first
    assert warn_of_trained_images(run, [opened(photos)]) == 0
    told = [line for line in caplog.messages if line.endswith("they are too many")]
    assert len(told) == 2
    assert "listing" not in caplog.text
