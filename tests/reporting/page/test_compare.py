"""Several runs side by side."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reporting.page.page_facts import HOSTILE, SETS, facts
from wiseft_jax.core.paired import mcnemar
from wiseft_jax.reporting.page.compare import compare


def test_one_run_has_nothing_to_compare():
    assert compare([facts()]) is None


def test_runs_on_the_same_images_are_tested_by_pairs():
    first, second = facts("a"), facts("b", seed=1)
    found = compare([first, second])
    assert found is not None
    assert [pair.name for pair in found.pairs] == list(first.predictions)
    pair = next(pair for pair in found.pairs if pair.name == "prints")
    right = [run.predictions["prints"].correct[2] for run in (first, second)]
    assert pair.p_value == mcnemar(*right).p_value
    assert pair.difference == pytest.approx(np.mean(right[1]) - np.mean(right[0]))
    assert pair.low <= pair.difference <= pair.high
    assert (pair.first, pair.second, pair.n) == ("a", "b", 40)
    assert found.config == [("training.seed", ["0", "1"])]
    assert found.notes == []


def test_what_cannot_be_compared_is_said():
    other_sets = compare([facts("a"), facts("b", sets=[("elsewhere", "test", "reference")])])
    assert other_sets is not None
    assert other_sets.pairs == []
    assert other_sets.notes == ["a and b have no set in common; their numbers aren't comparable."]

    fewer = compare([facts("a"), facts("b", sets=SETS)])
    assert fewer is not None
    assert len(fewer.pairs) == 2
    assert fewer.notes[0].startswith("Of a and b only one has sketches, <b>fog</b> & rain;")

    other_classes = compare([facts("a"), facts("b", classes=[*HOSTILE[:3], "another"])])
    assert other_classes is not None
    assert other_classes.pairs == []
    assert "prints: no paired test of a and b, which have other classes." in other_classes.notes

    bare = compare([facts("a"), facts("b", predictions={})])
    assert bare is not None
    assert any("without stored predictions of both" in note for note in bare.notes)

    third = facts("b")
    moved = third.predictions["prints"]
    moved.ids = moved.ids[::-1]
    other_images = compare([facts("a"), third])
    assert other_images is not None
    assert "prints: no paired test of a and b, which were evaluated on other images." in (
        other_images.notes
    )
