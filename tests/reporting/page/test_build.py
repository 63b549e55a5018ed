"""From a run's facts to the data of its page."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.reporting.page.page_facts import ALPHAS, facts
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.page.build import run_page


def test_a_page_is_json_and_has_what_was_stored():
    page = run_page(facts())
    json.dumps(dataclasses.asdict(page), allow_nan=False)
    assert page.alphas == list(ALPHAS)
    assert [each.name for each in page.classes] == [
        "prints", "sketches", "<b>fog</b> & rain", "photos",
    ]  # fmt: skip
    assert {flip.name for flip in page.flips} <= {"prints", "sketches", "<b>fog</b> & rain"}
    assert page.flip_counts.keys() == {"prints", "sketches", "<b>fog</b> & rain"}
    assert [each.name for each in page.analyses] == ["calibration", "layers", "cka"]
    assert ["training.seed", "0"] in page.how["configuration"]
    assert run_page(facts()) == page


def test_without_predictions_the_curves_are_left():
    page = run_page(facts(predictions={}, class_names={}, omitted=["No predictions."]))
    assert (page.classes, page.flips, page.flip_counts) == ([], [], {})
    assert len(page.lines) == 5
    assert page.omitted == ["No predictions."]


def test_the_number_of_images_is_limited():
    assert len(run_page(facts(), 3).flips) == 3


def test_a_run_with_a_validation_set_alone_shows_its_flips():
    page = run_page(facts(sets=[("photos", "validation", "reference")]))
    assert page.flip_counts.keys() == {"photos"}


def test_rows_without_accuracies_are_refused():
    with pytest.raises(InputError, match="no top-1 rows"):
        run_page(facts(rows=[]))
