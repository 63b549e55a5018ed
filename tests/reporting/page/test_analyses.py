"""The stored analyses, as a page has them."""

from __future__ import annotations

from tests.reporting.page.page_facts import analysis_rows
from wiseft_jax.reporting.page.analyses import (
    KNOWN,
    MOST_ROWS,
    analyses_of,
    missing_commands,
)


def test_known_ones_come_first_and_unknown_ones_too():
    stored = {name: analysis_rows(name) for name in ("my_own", "layers", "calibration")}
    found = analyses_of(stored)
    assert [each.name for each in found] == ["calibration", "layers", "my_own"]
    assert found[0].title == KNOWN["calibration"][0]
    assert found[2].title == "My own"
    assert found[0].rows[1] == [
        "ece", "prints", "test", 0.25, None, None, 0.0325, 40, None, None, None, None,
    ]  # fmt: skip


def test_the_units_of_known_metrics_are_told():
    stored = {"calibration": analysis_rows("calibration"), "mine": analysis_rows("mine", "mine")}
    known, own = analyses_of(stored)
    assert (known.units, own.units) == ({"ece": "share"}, {})


def test_of_a_large_table_the_rest_is_counted():
    (found,) = analyses_of({"layers": analysis_rows("layers", count=MOST_ROWS)})
    assert (len(found.rows), found.left_out) == (MOST_ROWS, 4 * MOST_ROWS)


def test_flips_of_single_images_are_left_to_the_section_on_them():
    rows = [*analysis_rows("flips"), *analysis_rows("flips", group="/data/1.png")]
    (found,) = analyses_of({"flips": rows})
    assert len(found.rows) == 5
    assert analyses_of({"flips": analysis_rows("flips", group="/data/1.png")}) == []


def test_the_commands_of_those_that_are_missing():
    missing = dict(missing_commands({"calibration": analysis_rows("calibration")}))
    assert missing["Diversity of predictions"] == "wiseft report RUN --analyses diversity"
    assert "Calibration" not in missing
    assert missing["Effective robustness"].endswith("effective_robustness --baselines FILE.csv")
