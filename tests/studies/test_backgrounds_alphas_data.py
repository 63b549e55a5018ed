"""Image i of every set is of the same foreground, in memory and on disk, in the model's classes."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.backgrounds.square_cutouts import make_cutouts, make_predictor
from tests.helpers.small_release import write_release
from wiseft_jax.backgrounds.class_folders import spoken_names
from wiseft_jax.backgrounds.evaluation import evaluate_backgrounds
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.core.errors import InputError
from wiseft_jax.studies.backgrounds_alphas_data import (
    AlphasData,
    alphas_data_of_masked,
    alphas_data_of_release,
)

CUTOUTS = make_cutouts(12)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("data") / "set", CUTOUTS)


def pixels(data: AlphasData, name: str, index: int) -> np.ndarray:
    from wiseft_jax.data.pipeline import load_image

    return np.asarray(load_image(data.sets[name], index))


def test_originals_are_known_again_in_an_evaluation(root: Path):
    """By them the scatter tells whether a study and an evaluation are of the same images."""
    predictor = make_predictor()
    evaluated = [
        evaluate_backgrounds(images, [predictor], seeds=0, limit=limit).originals
        for images in (CUTOUTS, open_release(root))
        for limit in (None, 6)
    ]
    studied = [
        data.sets["original"].fingerprint()
        for data in (
            alphas_data_of_masked(CUTOUTS, 1),
            alphas_data_of_masked(CUTOUTS, 1, 6),
            alphas_data_of_release(root, "val"),
            alphas_data_of_release(root, "val", limit=6),
        )
    ]
    assert evaluated == studied
    assert len(set(studied)) == 4


def test_sets_in_memory_are_the_variants_of_each_pairing():
    data = alphas_data_of_masked(CUTOUTS, 2, limit=5)
    assert data.seeds == 2
    assert {name for name in data.sets if name.startswith("mixed_same")} == {
        "mixed_same/0",
        "mixed_same/1",
    }
    assert data.attack_of.tolist() == [0, 1, 2, 9, 11]  # of each class
    for row, index in enumerate(data.attack_of):
        assert data.attack.foregrounds.ids[index] == CUTOUTS.ids[index]
        expected = CUTOUTS.variant("mixed_rand", 1)[index]
        assert np.array_equal(pixels(data, "mixed_rand/1", row), expected)
        assert data.sets["no_fg"].labels[row] == CUTOUTS.labels[index]


@pytest.mark.parametrize("seeds", [None, 2])
def test_a_release_is_aligned_by_foreground(root: Path, seeds: int | None):
    data = alphas_data_of_release(root, "val", seeds)
    assert data.seeds == (seeds or 1)
    names = set(data.sets)
    assert {"original", "only_bg_t", "mixed_same/0", "mixed_rand/0", "mixed_next/0"} <= names
    masked = {f"{each}": index for index, each in enumerate(CUTOUTS.ids)}
    for row, place in enumerate(data.attack_of):
        own = masked[data.attack.foregrounds.ids[place]]
        assert np.array_equal(pixels(data, "original", row), CUTOUTS.images[own])
        assert np.array_equal(pixels(data, "only_bg_t", row), CUTOUTS.tiled[own])
        inside = CUTOUTS.masks[own]
        for name in ("mixed_same/0", "mixed_rand/0"):
            mixed = pixels(data, name, row)
            assert np.array_equal(mixed[inside], CUTOUTS.images[own][inside])
        if seeds is None:
            assert np.array_equal(
                pixels(data, "mixed_same/0", row), CUTOUTS.variant("mixed_same")[own]
            )


def test_an_original_that_lacks_a_variant_is_left_out_and_named(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    copy = shutil.copytree(root, tmp_path / "set")
    next((copy / "mixed_rand").rglob("n04.png")).unlink()
    with caplog.at_level("WARNING"):
        data = alphas_data_of_release(copy, "val")
    assert len(data.attack_of) == 11
    assert "1 of 12 originals are left out: they lack images of mixed_rand/0" in caplog.text
    assert all(len(each) == 11 for each in data.sets.values())


def test_missing_variants_are_named(root: Path, tmp_path: Path):
    copy = shutil.copytree(root, tmp_path / "set")
    shutil.rmtree(copy / "mixed_same")
    shutil.rmtree(copy / "only_bg_b")
    with pytest.raises(InputError, match=r"lacks mixed_same; mixed ones can be composed"):
        alphas_data_of_release(copy, "val")
    assert "mixed_same/1" in alphas_data_of_release(copy, "val", 2).sets
    shutil.rmtree(copy / "only_bg_t")
    with pytest.raises(InputError, match="lacks only_bg_t"):
        alphas_data_of_release(copy, "val", 2)


def test_labels_follow_the_models_order_of_classes():
    data = alphas_data_of_masked(CUTOUTS, 1)
    fitted = data.fitted(("cat", "ant", "Big_Bee"))
    table = np.asarray([1, 2, 0])
    for name, dataset in data.sets.items():
        assert np.array_equal(fitted.sets[name].labels, table[dataset.labels])
        assert fitted.sets[name].class_names == ("cat", "ant", "Big_Bee")
    assert np.array_equal(fitted.attack.backgrounds.labels, table[CUTOUTS.labels])
    assert fitted.attack.class_names == ("cat", "ant", "Big_Bee")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("ant", "big bee"), r"the run has 2 classes, these images 3(.|\n)*'02_cat'"),
        (("ant", "big bee", "cow"), "'02_cat'"),
        (("ant", "big bee", "cat", "dog"), "the run has 4 classes, these images 3"),
    ],
)
def test_a_run_of_other_classes_is_refused(names: tuple[str, ...], message: str):
    with pytest.raises(InputError, match=message):
        alphas_data_of_masked(CUTOUTS, 1).fitted(names)


def test_other_images_or_pairings_have_another_fingerprint():
    same = alphas_data_of_masked(CUTOUTS, 1).fingerprint()
    assert alphas_data_of_masked(make_cutouts(12), 1).fingerprint() == same
    other = dataclasses.replace(CUTOUTS, masks=~CUTOUTS.masks)
    found = {alphas_data_of_masked(each, 1).fingerprint() for each in (make_cutouts(12, 1), other)}
    assert len(found | {same, alphas_data_of_masked(CUTOUTS, 2).fingerprint()}) == 4


def test_prompts_say_classes_without_numbers():
    assert spoken_names(("02_wheeled vehicle", "1_a_b", "07")) == ("wheeled vehicle", "a b", "07")
