"""Tables of analyses: units, what is shown of many rows, and names as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.runs import default_sets, write_baselines, write_run
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.analysis.table import ANALYSES, analyse
from wiseft_jax.core.analysis_rows import AnalysisRow, analysis_row
from wiseft_jax.reporting.analysis_tables import (
    METRICS,
    analysis_table,
    interval_text,
    metric_name,
    value_text,
)

NAMES = [each.dataset for each in default_sets()]


def row(metric: str, value: float, **fields) -> AnalysisRow:
    return analysis_row("x", metric, value, 10, config_hash="", **fields)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("prediction_diversity", 0.1234, "12.3 %"),
        ("class_gain", -0.0004, "+0.0 points"),
        ("observation_1", 0.0149, "+1.5 points"),
        ("kl_divergence", 0.12345, "0.123 nats"),
        ("confidence", 4.0, "4 logits"),
        ("kappa_complement", 0.5, "0.5"),
        ("something_else", 0.5, "0.5"),
    ],
)
def test_values_have_their_units(metric: str, value: float, text: str):
    assert value_text(metric, value) == text


def test_intervals_have_the_units_of_the_values():
    assert interval_text(row("class_gain", 0.1, interval=(0.01, 0.2))) == "[+1.0, +20.0]"
    assert interval_text(row("won", 0.1, interval=(0.01, 0.2))) == "[1.0, 20.0]"
    assert interval_text(row("nll", 0.1, interval=(0.0123, 0.2))) == "[0.0123, 0.2]"
    assert interval_text(row("nll", 0.1)) == ""


def test_every_metric_of_the_analyses_has_a_name(tmp_path: Path):
    run = StoredRun.load(write_run(tmp_path / "run"))
    file = write_baselines(tmp_path / "b.csv", NAMES)
    options = AnalysisOptions(samples=10, baselines=file)
    own = ("effective_robustness", "diversity", "overrides", "landscape", "calibration", "classes")
    for name in (*own, "flips"):
        assert name in ANALYSES
        assert {each["metric"] for each in analyse(run, name, options)} <= METRICS.keys()
    assert metric_name("some_other") == "some other"


def test_of_every_alpha_a_few_are_shown():
    rows = [row("ece", 0.1, dataset="a", alpha=alpha) for alpha in (0.0, 0.3, 0.5, 1.0)]
    table = analysis_table(rows, {0.0, 0.5, 1.0})
    assert table.header == ("set", "what", "alpha", "value", "n")
    assert [line[2] for line in table.lines] == ["0", "0.5", "1"]
    assert table.left_out == 1


def test_the_largest_significant_changes_of_classes_are_shown():
    rows = [
        row("class_gain", k / 100 - 0.1, dataset="a", alpha=0.5, other="zero_shot",
            group=f"class_{k}", p_value=0.001, p_holm=0.01 if k != 20 else 0.9)
        for k in range(21)
    ]  # fmt: skip
    table = analysis_table(rows, {0.5})
    place = table.header.index("of")
    assert [line[place] for line in table.lines] == [
        "class_0", "class_1", "class_2", "class_17", "class_18", "class_19",
    ]  # fmt: skip
    assert table.left_out == 15
    against = table.header.index("against")
    assert table.lines[0][against] == "zero-shot"
    assert table.lines[0][-1] == "0.01"


def test_names_of_sets_stay_as_they_are():
    table = analysis_table([row("disagreement", 0.1, dataset="a_b", other="c_d/e")], {0.0})
    assert table.lines == [("a_b", "the ends disagree", "c_d/e", "10.0 %", "10")]
