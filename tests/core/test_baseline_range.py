"""What is said of points beyond the baselines that a line was fitted to."""

from __future__ import annotations

from wiseft_jax.core.analysis_rows import AnalysisRow, analysis_row
from wiseft_jax.core.baseline_range import beyond_baselines


def rows_of(shift: str, accuracies: list[float], baselines: list[float]) -> list[AnalysisRow]:
    def row(metric: str, value: float, dataset: str, other: str, **more: object) -> AnalysisRow:
        fields = {"dataset": dataset, "other": other, "config_hash": "x", **more}
        return analysis_row("effective_robustness", metric, value, 10, **fields)  # type: ignore[arg-type]

    rows = [row("effective_robustness", 0.0, shift, "test", alpha=0.0, group="logit")]
    for place, value in enumerate(accuracies):
        rows.append(row("accuracy", value, "test", shift, alpha=place / 2))
        rows.append(row("accuracy", 0.01, shift, "test", alpha=place / 2))
    for place, value in enumerate(baselines):
        rows.append(row("baseline_accuracy", value, "test", shift, group=f"m{place}"))
        rows.append(row("baseline_accuracy", 0.5, shift, "test", group=f"m{place}"))
    return rows


def test_says_how_far_and_at_how_many_alphas():
    rows = [
        *rows_of("fog", [0.6, 0.973, 0.95], [0.6, 0.9]),
        *rows_of("rain", [0.6, 0.9, 0.75], [0.6, 0.9]),
        *rows_of("snow", [0.2, 0.7, 0.75], [0.6, 0.9]),
    ]
    assert beyond_baselines(rows) == [
        "fog: at 2 of 3 alphas accuracy on test (up to 97.3 % at alpha = 0.5) is beyond the"
        " baselines' 60.0 to 90.0 %: their line is extrapolated there",
        "snow: at 1 of 3 alphas accuracy on test (down to 20.0 % at alpha = 0) is beyond the"
        " baselines' 60.0 to 90.0 %: their line is extrapolated there",
    ]


def test_of_rows_without_baselines_nothing_is_said():
    assert beyond_baselines(rows_of("fog", [0.6], [])) == []
    assert beyond_baselines([]) == []
