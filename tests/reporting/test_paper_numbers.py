"""The papers' numbers: fractions, rising alphas, the mean of the shifts, presets that exist."""

from __future__ import annotations

import pytest

from wiseft_jax.cli.presets import all_presets
from wiseft_jax.clip.architectures import ARCHITECTURES
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.specs import parse_spec
from wiseft_jax.reporting.paper_numbers import (
    IMAGENET,
    IMAGENET_SHIFTS,
    OBJECTNET_CAVEAT,
    PAPER_NUMBERS,
    ROUNDED_TO,
    SET_SIZES,
    numbers_of,
    presets_with_numbers,
    summary_of,
)
from wiseft_jax.reporting.series import MEAN_OF_SHIFTS


def curve(preset: str, dataset: str) -> dict[float, float]:
    return {each.alpha: each.value for each in numbers_of(preset) if each.dataset == dataset}


def test_each_is_a_fraction_with_a_source_and_no_number_is_there_twice():
    for each in PAPER_NUMBERS:
        assert 0.5 < each.value < 0.9
        assert each.value == round(each.value, 3)
        assert 0 <= each.alpha <= 1
        assert "arXiv 2109.01903" in each.source
    keys = [(each.preset, each.dataset, each.alpha) for each in PAPER_NUMBERS]
    assert len(set(keys)) == len(keys) == 11 * 2 + 5 + 3 * 2 + 6 * 2


@pytest.mark.parametrize("preset", presets_with_numbers())
def test_they_are_of_a_preset_by_the_names_that_its_sets_have(preset: str):
    config = all_presets()[preset].load()
    numbers = numbers_of(preset)
    assert {each.recipe for each in numbers} == {config.training.recipe}
    (model,) = {each.model for each in numbers}
    assert config.model.name in ARCHITECTURES[model].hub_ids
    assert parse_spec(str(config.data.test)).name == IMAGENET
    assert tuple(parse_spec(shift).name for shift in config.data.shifts) == IMAGENET_SHIFTS
    assert {each.alpha for each in numbers} <= set(config.sweep.alphas)


def test_the_shifts_of_vit_b16_have_the_mean_that_is_printed():
    shifts = {
        each.dataset: each.value
        for each in numbers_of("imagenet/vit_b16")
        if each.dataset in IMAGENET_SHIFTS
    }
    assert tuple(shifts) == IMAGENET_SHIFTS
    mean = sum(shifts.values()) / len(shifts)
    assert abs(mean - curve("imagenet/vit_b16", MEAN_OF_SHIFTS)[0.5]) <= ROUNDED_TO / 2


@pytest.mark.parametrize("preset", presets_with_numbers())
def test_interpolation_beats_both_ends_under_shift(preset: str):
    shifts = curve(preset, MEAN_OF_SHIFTS)
    assert shifts[0.5] > max(shifts[0.0], shifts[1.0])
    assert list(shifts) == sorted(shifts) == sorted(curve(preset, IMAGENET))


def test_sizes_are_those_of_the_catalog():
    assert SET_SIZES.keys() == {IMAGENET, *IMAGENET_SHIFTS}
    for name, size in SET_SIZES.items():
        dataset, _, split = name.rpartition("-")
        splits = {each.name: each.images for each in DATASETS[dataset].layout.splits}
        assert splits[split] == size


def test_notebooks_and_numbers_agree():
    for name, preset in all_presets().items():
        at_half = {each.dataset: each.value for each in numbers_of(name) if each.alpha == 0.5}
        if at_half:
            reference, shifts = 100 * at_half[IMAGENET], 100 * at_half[MEAN_OF_SHIFTS]
            assert f"ImageNet {reference:.1f} and {shifts:.1f} on the mean" in preset.notes
            assert summary_of(name) == f"{reference:.1f}, {shifts:.1f}"
            assert OBJECTNET_CAVEAT in " ".join(preset.notes.split())
        else:
            assert summary_of(name) == "not recorded"
            assert "arXiv 2109" not in preset.notes
