from __future__ import annotations

from wiseft_jax.core.metrics import Accuracy, Score
from wiseft_jax.core.results import Row, accuracy_row, score_row
from wiseft_jax.reporting.score_tables import score_table, scores_section

FACTS = {"dataset": "fmow|1", "split": "test", "role": "shift", "config_hash": "h"}


def rows() -> list[Row]:
    found = []
    for alpha in (0.0, 0.25, 1.0):
        found.append(accuracy_row(Accuracy(5, 10), alpha=alpha, **FACTS))  # type: ignore[arg-type]
        score = Score(0.25 + alpha / 2, 4, 0.125, 0.875, 1)
        score = score_row(score, metric="worst_region", group="Asia", alpha=alpha, **FACTS)  # type: ignore[arg-type]
        found.append(score)
    found[-1]["band_low"], found[-1]["band_high"] = 0.5, 0.9
    return found


def test_a_line_for_each_metric_beside_top1():
    found = score_table(rows()[:2])
    assert found is not None
    header, lines = found
    assert header == ("dataset", "metric", "%", "95 % interval", "n")
    assert lines == [("fmow|1", "worst region: Asia", "25.0", "12.5 to 87.5", "4")]
    several = score_table([{**row, "model": "m/a"} for row in rows()], {"m/a": "a"})
    assert several is not None
    assert several[0][1] == "model"
    assert {line[1] for line in several[1]} == {"a"}
    assert score_table(rows()[:1]) is None


def test_the_reports_table_has_the_alphas_asked_for_and_bands():
    found = scores_section(rows(), {0.0, 1.0}).splitlines()
    assert found[2:] == [
        "| fmow\\|1 | worst region: Asia | 0 | 25.0 | 12.5 to 87.5 | 4 |",
        "| fmow\\|1 | worst region: Asia | 1 | 75.0 | 12.5 to 87.5;"
        " by what is uncertain 50.0 to 90.0 | 4 |",
    ]
    assert scores_section(rows()[:1], {0.0}) == ""
