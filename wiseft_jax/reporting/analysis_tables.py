"""Rows of analyses as tables for a terminal: what a metric is called, its unit, what is shown."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Sequence
from typing import Literal, TypeAlias

from wiseft_jax.core.analysis_rows import ANALYSES_DIR, AnalysisRow
from wiseft_jax.core.baseline_range import beyond_baselines
from wiseft_jax.core.errors import counted
from wiseft_jax.reporting.paper_tables import PaperTable
from wiseft_jax.reporting.tables import p_text

Unit: TypeAlias = Literal["share", "points", "nats", "logits", "number", "cosine"]
"""Shares are printed in percent, differences of shares in points."""

METRICS: dict[str, tuple[str, Unit]] = {
    "effective_robustness": ("effective robustness", "points"),
    "effective_robustness_gain": ("gain in effective robustness", "points"),
    "baseline_slope": ("slope of the baselines", "number"),
    "baseline_intercept": ("intercept of the baselines", "number"),
    "baseline_r_squared": ("R^2 of the baselines", "number"),
    "baseline_accuracy": ("accuracy of a baseline", "share"),
    "share_of_classes": ("share of the axis's classes", "share"),
    "accuracy": ("accuracy", "share"),
    "prediction_diversity": ("exactly one is right", "share"),
    "kappa_complement": ("kappa's complement", "number"),
    "kl_divergence": ("KL divergence", "nats"),
    "disagreement": ("the ends disagree", "share"),
    "zero_shot_overrides": ("zero-shot overrides", "share"),
    "zero_shot_overridden": ("zero-shot is overridden", "share"),
    "neither": ("neither's answer", "share"),
    "confidence": ("confidence", "logits"),
    "confidence_gain": ("gain in confidence", "logits"),
    "accuracy_above_chord": ("accuracy above the chord", "points"),
    "loss_above_chord": ("loss below the chord", "nats"),
    "barrier_accuracy": ("barrier in accuracy", "points"),
    "barrier_loss": ("barrier in loss", "nats"),
    "observation_1": ("least gain over the chord", "points"),
    "observation_2": ("best alpha against the better end", "points"),
    "loss": ("loss", "nats"),
    "ece": ("calibration error", "share"),
    "ece_scaled": ("calibration error, scaled", "share"),
    "nll": ("negative log-likelihood", "nats"),
    "nll_scaled": ("negative log-likelihood, scaled", "nats"),
    "brier": ("Brier score", "number"),
    "temperature": ("best temperature", "number"),
    "weight_space": ("accuracy of the merged weights", "share"),
    "output_ensemble": ("accuracy of the ensemble of logits", "share"),
    "output_ensemble_gain": ("gain of the ensemble of logits", "points"),
    "probability_ensemble": ("accuracy of the ensemble of probabilities", "share"),
    "probability_ensemble_gain": ("gain of the ensemble of probabilities", "points"),
    "class_gain": ("gain of a class", "points"),
    "classes_up": ("classes that gain, corrected", "share"),
    "classes_down": ("classes that lose, corrected", "share"),
    "accuracy_change": ("change of accuracy", "points"),
    "ability_kept": ("ability kept", "share"),
    "flips": ("examples that flip", "share"),
    "won": ("turn right", "share"),
    "lost": ("turn wrong", "share"),
    "changed": ("turn from wrong to wrong", "share"),
    "flip_won": ("turns right, with the margin", "logits"),
    "flip_lost": ("turns wrong, with the margin", "logits"),
    "flip_changed": ("turns from wrong to wrong, with the margin", "logits"),
    "minibatch_cka": ("CKA of a layer with itself", "number"),
    "cka_complement": ("CKA's complement", "number"),
    "distance": ("distance moved", "number"),
    "relative_distance": ("distance over the start's length", "share"),
    "cosine": ("cosine of the two ends", "cosine"),
    "task_cosine": ("cosine of change and start", "cosine"),
}
"""Metric -> its name in words and its unit; others are printed as plain numbers."""

MODELS = {
    "zero_shot": "zero-shot",
    "fine_tuned": "fine-tuned",
    "better_end": "the better end",
    "weight_space": "the merged weights",
}
PAIRS = {
    f"{one}/{other}": f"{MODELS.get(one, one)} / {MODELS.get(other, other)}"
    for one in ("zero_shot", "merged", "fine_tuned")
    for other in ("zero_shot", "merged", "fine_tuned")
}

HEADER = ("set", "what", "alpha", "against", "of", "value", "95 %", "n", "p")
ALONG_ALPHA = (
    "effective_robustness",
    "accuracy",
    "accuracy_change",
    "ability_kept",
    "accuracy_above_chord",
    "loss_above_chord",
    "loss",
    "ece",
    "ece_scaled",
    "nll",
    "nll_scaled",
    "brier",
    "temperature",
    "weight_space",
    "output_ensemble",
    "output_ensemble_gain",
    "probability_ensemble",
    "probability_ensemble_gain",
)
"""Metrics with a row for every alpha, of which a table shows a few."""
LISTED = ("baseline_accuracy", "won", "lost", "changed", "flip_won", "flip_lost", "flip_changed")
"""Metrics that pictures and files show."""
_MOST = 150
_MOST_CLASSES = 3
_LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class AnalysisTable:
    """A table of texts.

    Attributes:
      header: Of the columns; those that are empty throughout are left out.
      lines: The cells.
      left_out: How many rows of the analysis it doesn't show.
    """

    header: tuple[str, ...]
    lines: list[tuple[str, ...]]
    left_out: int


def analysis_table(rows: Sequence[AnalysisRow], alphas: Collection[float]) -> AnalysisTable:
    """Return what a terminal shows of the rows of an analysis.

    Of metrics with a row for every alpha, those of a few alphas; of classes the largest significant
    changes; never more than 60 lines.

    Args:
      rows: Of one analysis.
      alphas: Those to show: the ends, and the chosen one.
    """
    shown = [row for row in rows if _is_shown(row, alphas)]
    shown = _without_small_classes(shown)[:_MOST]
    cells = [_cells(row) for row in shown]
    kept = [place for place in range(len(HEADER)) if any(line[place] for line in cells)]
    return AnalysisTable(
        tuple(HEADER[place] for place in kept),
        [tuple(line[place] for place in kept) for line in cells],
        len(rows) - len(shown),
    )


def analysis_paper_table(
    name: str, rows: Sequence[AnalysisRow], alphas: Collection[float], help_: str
) -> PaperTable:
    """Return the same table for files; the CSV has every row of the analysis, in full.

    Args:
      name: The analysis; the files are called ``analyses-NAME``.
      rows: Its rows.
      alphas: Those to show: the ends, and the chosen one.
      help_: What the analysis answers, in a line.
    """
    table = analysis_table(rows, alphas)
    caption = f"{name.replace('_', ' ').capitalize()}: {help_}."
    if "95 %" in table.header:
        caption += " In brackets: 95 % intervals, of each number by itself."
    if any(row["p_holm"] is not None for row in rows):
        caption += " p: corrected by Holm's method, where the rows have that."
    caption += "".join(f" {each}." for each in beyond_baselines(rows))
    if table.left_out:
        caption += f" {counted(table.left_out, 'row')} more in the CSV file."
    return PaperTable(f"{ANALYSES_DIR}-{name}", caption, table.header, table.lines, rows)


def metric_name(metric: str) -> str:
    """Return what a metric is called in words."""
    return METRICS[metric][0] if metric in METRICS else metric.replace("_", " ")


def value_text(metric: str, value: float) -> str:
    """Return a value with its unit: ``"12.3 %"``, ``"+1.4 points"``, ``"0.231"``."""
    unit = METRICS.get(metric, ("", "number"))[1]
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit == "points":
        return f"{round(100 * value, 1) + 0.0:+.1f} points"
    if unit == "cosine":  # so near to 1 that three digits say nothing
        return f"{value:.5f}"
    text = f"{value:.3g}"
    return f"{text} {unit}" if unit != "number" else text


def corrected_p(row: AnalysisRow) -> float | None:
    """Return the p-value after Holm's correction where there is one, else the plain one."""
    return row["p_value"] if row["p_holm"] is None else row["p_holm"]


def interval_text(row: AnalysisRow) -> str:
    """Return ``"[0.1, 0.2]"``, in the unit of the value; empty without an interval."""
    low, high = row["ci_low"], row["ci_high"]
    if low is None or high is None:
        return ""
    unit = METRICS.get(row["metric"], ("", "number"))[1]
    if unit in ("share", "points"):
        sign = "+" if unit == "points" else ""
        low, high = (round(100 * end, 1) + 0.0 for end in (low, high))
        return f"[{low:{sign}.1f}, {high:{sign}.1f}]"
    return f"[{low:.3g}, {high:.3g}]"


def _is_shown(row: AnalysisRow, alphas: Collection[float]) -> bool:
    if row["metric"] in LISTED or row["group"] == "probit":
        return False
    if row["metric"] == "minibatch_cka":  # of a heat map the diagonal
        first, _, second = str(row["group"]).partition(":")
        return first == second
    if row["analysis"] == "plane":  # of the plane the models that have names
        return row["other"] is not None
    if row["metric"] == "share_of_classes":  # all of them is as it should be
        return row["value"] < 1
    if row["metric"] == "accuracy" and row["other"] is not None:  # of a scatter
        return False
    return row["metric"] not in ALONG_ALPHA or row["alpha"] in alphas


def _without_small_classes(rows: list[AnalysisRow]) -> list[AnalysisRow]:
    """Return the rows with only the largest significant changes of classes, up and down."""
    kept: dict[tuple, list[AnalysisRow]] = {}
    for row in rows:
        if row["metric"] == "class_gain" and (row["p_holm"] or 0) <= _LEVEL:
            key = (row["dataset"], row["alpha"], row["other"], row["value"] > 0)
            kept.setdefault(key, []).append(row)
    largest = {
        id(row)
        for found in kept.values()
        for row in sorted(found, key=lambda row: -abs(row["value"]))[:_MOST_CLASSES]
    }
    return [row for row in rows if row["metric"] != "class_gain" or id(row) in largest]


def _shorter(row: AnalysisRow) -> str:
    """Return the group; the coordinates of a point of a plane with four digits."""
    group = row["group"] or ""
    if row["analysis"] != "plane":
        return group
    return re.sub(r"[-\d][\d.e+-]*", lambda found: f"{float(found[0]):.4g}", group)


def _cells(row: AnalysisRow) -> tuple[str, ...]:
    p_value = corrected_p(row)
    return (
        row["dataset"] or "",
        metric_name(row["metric"]),
        "" if row["alpha"] is None else f"{row['alpha']:g}",
        MODELS.get(row["other"] or "", row["other"] or ""),
        PAIRS.get(row["group"] or "", _shorter(row)),
        value_text(row["metric"], row["value"]),
        interval_text(row),
        f"{row['n']}",
        "" if p_value is None else p_text(p_value).removeprefix("p = ").removeprefix("p "),
    )
