"""The images of a report: small, without metadata, from the run's own data."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wiseft_jax.cli.report_images import (
    MOST_PIXELS,
    roots_of,
    set_classes,
    specs_of,
    thumbnail,
    with_images,
)
from wiseft_jax.data.class_lists import class_names
from wiseft_jax.data.config import DataConfig
from wiseft_jax.data.source import ArraySource
from wiseft_jax.data.specs import parse_spec
from wiseft_jax.reporting.page.flipped import Flip


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


@pytest.mark.parametrize(("size", "small"), [((300, 150), (96, 48)), ((20, 28), (20, 28))])
def test_thumbnails_are_small_and_keep_their_shape(
    size: tuple[int, int], small: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (*size[::-1], 3), np.uint8)
    image = Image.fromarray(pixels)
    image.info["exif"] = image.info["icc_profile"] = b"secret"
    uri, found = thumbnail(image)
    assert found == small == decoded(uri).size
    assert max(found) <= MOST_PIXELS
    assert b"secret" not in base64.b64decode(uri.partition(",")[2])
    assert thumbnail(image)[0] == uri
    if size == small:
        np.testing.assert_array_equal(decoded(uri), pixels)


def test_held_out_sets_come_from_the_training_set() -> None:
    config = DataConfig(train="folder:/d/train", shifts=("fog=folder:/d/fog",))
    specs = specs_of(config, ["train-validation", "train-test", "fog"])
    assert {name: spec.target for name, spec in specs.items()} == {
        "train-validation": "/d/train", "train-test": "/d/train", "fog": "/d/fog",
    }  # fmt: skip
    assert roots_of(specs.values()) == ["/d/train", "/d/fog"]
    assert specs_of(DataConfig(train="quickstart:digits"), ["test"]) == {}


def test_roots_are_of_folders_tables_and_published_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = ("folder:pets", "table:lists/a.csv", "published:imagenet:val@/data", "tfds:mnist:test")
    found = roots_of(map(parse_spec, texts))
    assert found == [f"{tmp_path}/lists", f"{tmp_path}/pets", "/data", "lists", "pets"]


def test_classes_of_projected_sets_are_their_own() -> None:
    imagenet = class_names("imagenet")
    assert set_classes(parse_spec("folder:x"), ["a"]) == ["a"]
    assert set_classes(parse_spec("published:imagenet-r"), ["a"]) == ["a"]
    own = set_classes(parse_spec("published:imagenet-r"), imagenet)
    assert own is not None
    assert len(own) == 200
    assert set_classes(parse_spec("published:imagenet:val"), imagenet) == imagenet
    assert set_classes(parse_spec("tfds:imagenet_r:test"), imagenet) is None


def flip(identity: str, name: str = "fog") -> Flip:
    return Flip(name, identity, 0, "learnt", 0, [[0.0, 0, 1]])


def test_images_are_found_by_id_and_what_is_gone_is_counted() -> None:
    images = np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3)
    source = ArraySource(images, np.zeros(3, int), ["a"], "fog", ["x", "y", "z"])
    flips = [flip("z"), flip("gone"), flip("x")]
    found, said = with_images(flips, {"fog": lambda: source})
    np.testing.assert_array_equal(decoded(found[0].image), images[2])
    np.testing.assert_array_equal(decoded(found[2].image), images[0])
    assert found[1] == flips[1]
    assert said == ["1 of 3 images of fog aren't shown: they can't be read any more."]


def test_a_set_that_cannot_be_opened_is_said() -> None:
    found, said = with_images([flip("x", "rain")], {})
    assert found == [flip("x", "rain")]
    assert said == ["The images of rain aren't shown: its data can't be opened any more."]
