"""Where accuracy on the line is read beyond the models that the line was fitted to."""

from __future__ import annotations

from collections.abc import Sequence

from wiseft_jax.core.analysis_rows import AnalysisRow


def beyond_baselines(rows: Sequence[AnalysisRow]) -> list[str]:
    """Return a sentence for each shift with alphas beyond its baselines' reference accuracies.

    Args:
      rows: Of the analysis ``effective_robustness``.

    Example:
      >>> beyond_baselines(read_analysis_rows("runs/mine", "effective_robustness"))
      ['fog: at 3 of 11 alphas accuracy on photos (up to 97.3 % at alpha = 0.8) is beyond ...']
    """
    shifts = dict.fromkeys(
        (row["other"], row["dataset"]) for row in rows if row["metric"] == "effective_robustness"
    )
    said = (_of_shift(rows, axis, shift) for axis, shift in shifts)
    return [each for each in said if each]


def _of_shift(rows: Sequence[AnalysisRow], axis: str | None, shift: str | None) -> str:
    own = [row for row in rows if (row["dataset"], row["other"]) == (axis, shift)]
    baselines = [row["value"] for row in own if row["metric"] == "baseline_accuracy"]
    points = [row for row in own if row["metric"] == "accuracy"]
    if not baselines:
        return ""
    low, high = min(baselines), max(baselines)
    outside = [row for row in points if not low <= row["value"] <= high]
    if not outside:
        return ""
    far = max(outside, key=lambda row: max(low - row["value"], row["value"] - high))
    way = "up" if far["value"] > high else "down"
    return (
        f"{shift}: at {len(outside)} of {len(points)} alphas accuracy on {axis} ({way} to"
        f" {100 * far['value']:.1f} % at alpha = {far['alpha']:g}) is beyond the baselines'"
        f" {100 * low:.1f} to {100 * high:.1f} %: their line is extrapolated there"
    )
