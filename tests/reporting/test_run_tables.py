"""The tables of a run and of a study: which there are, their cells and their records."""

from __future__ import annotations

import pytest

from tests.reporting.grid_facts import grid_facts
from tests.reporting.rows import set_rows
from tests.reporting.test_study_tables import LEARNED, RULES
from wiseft_jax.core.metrics import Score
from wiseft_jax.core.results import score_row
from wiseft_jax.reporting.paper_tables import csv_text, latex_text, markdown_text
from wiseft_jax.reporting.run_tables import tables_of_run, tables_of_study

ROWS = [
    *set_rows("test", (0.8, 0.9, 0.95), n=100),
    *set_rows("sketch", (0.7, 0.75, 0.6), n=100, role="shift"),
]
GAIN = {
    "dataset": "sketch", "split": "test", "end": 0.0, "difference": 0.05, "low": 0.01,
    "high": 0.09, "p_value": 0.04,
}  # fmt: skip


def of_run(rows=ROWS, gains=(GAIN,), studies=None, alpha: float = 0.5) -> dict:
    found = tables_of_run(rows, {"alpha": alpha}, gains, studies or {})
    return {table.name: table for table in found}


def test_accuracy_has_each_alpha_and_all_rows_for_computing():
    table = of_run()["accuracy"]
    assert table.heads == ["alpha", "test (n=100)", "sketch (n=100)"]
    assert table.lines[1] == ["0.5 chosen", "90.0", "75.0"]
    assert table.bold == (1,)
    assert table.records is not None
    assert len(table.records) == 6
    assert [record["chosen"] for record in table.records] == [False, True, False] * 2


def test_gains_have_tests_where_there_are_any():
    table = of_run()["gains"]
    (line,) = [line for line in table.lines if line[0] == "sketch"]
    assert line[-2:] == ["+5.0 points [+1.0, +9.0], p = 0.04", "+15.0 points"]
    assert table.records is not None
    (tested,) = [record for record in table.records if record["p_value"] is not None]
    assert (tested["dataset"], tested["against"]) == ("sketch", "zero-shot")
    assert tested["difference"] == pytest.approx(0.05)
    assert tested["difference_low"] == 0.01
    assert "there are no predictions" in of_run(gains=())["gains"].caption


def test_an_alpha_that_was_not_measured_has_no_gains():
    found = of_run(alpha=0.3)
    assert list(found) == ["accuracy"]
    assert found["accuracy"].bold == ()


def test_other_metrics_and_studies_have_tables_of_their_own():
    more = score_row(
        Score(0.5, 100, 0.4, 0.6), metric="worst_region", dataset="test", split="test",
        role="reference", alpha=0.5, config_hash="h", group="Asia",
    )  # fmt: skip
    found = of_run(rows=[*ROWS, more], studies={"learned": LEARNED, "rules": RULES})
    assert list(found) == ["accuracy", "gains", "scores", "learned", "rules"]
    assert found["scores"].lines == [
        ("0.5", "test", "worst region: Asia", "50.0", "40.0 to 60.0", "100")
    ]
    assert found["learned"].lines[3] == [
        "constant", "0.5", "[red]", "1000", "90.0", "(<.001)",
    ]  # fmt: skip
    assert found["rules"].heads[0] == "rule"
    assert "points_lost" in csv_text(found["rules"])


def test_every_table_of_a_study_can_be_written():
    found = {table.name: table for table in tables_of_study(grid_facts())}
    assert list(found) == ["spread", "runs", "rules"]
    for table in found.values():
        assert all(len(line) == len(table.heads) for line in table.lines)
        columns = {
            line.replace(r"\&", "").count("&") for line in latex_text(table).splitlines()[4:-3]
        }
        assert columns - {0} == {len(table.heads) - 1}
        assert table.caption in markdown_text(table)
    assert r"test\textbar{}1" in latex_text(found["spread"])
