"""Which pictures an analysis has, and what their files are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import matplotlib
from matplotlib.figure import Figure

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.reporting.analysis_calibration import calibration_figure
from wiseft_jax.reporting.analysis_classes import classes_figure
from wiseft_jax.reporting.analysis_diversity import diversity_figure
from wiseft_jax.reporting.analysis_figures import rows_of
from wiseft_jax.reporting.analysis_landscape import landscape_figure
from wiseft_jax.reporting.analysis_other_sets import other_sets_figure
from wiseft_jax.reporting.analysis_overrides import overrides_figure
from wiseft_jax.reporting.analysis_robustness import robustness_figure
from wiseft_jax.reporting.saving import save_png_and_svg
from wiseft_jax.reporting.style import STYLE

Figures: TypeAlias = Callable[[Sequence[AnalysisRow], float], Mapping[str, Figure]]
"""``(rows, chosen alpha) -> file name without suffix -> figure``."""


def _landscapes(rows: Sequence[AnalysisRow], _: float) -> dict[str, Figure]:
    found = {"landscape": landscape_figure(rows)}
    return found | (
        {"landscape-loss": landscape_figure(rows, "loss")} if rows_of(rows, "loss") else {}
    )


def _scatters(rows: Sequence[AnalysisRow], chosen: float) -> dict[str, Figure]:
    return {
        "effective_robustness": robustness_figure(rows, "logit", chosen),
        "effective_robustness-probit": robustness_figure(rows, "probit", chosen),
    }


PICTURES: dict[str, Figures] = {
    "effective_robustness": _scatters,
    "diversity": lambda rows, _: {"diversity": diversity_figure(rows)},
    "overrides": lambda rows, _: {"overrides": overrides_figure(rows)},
    "landscape": _landscapes,
    "calibration": lambda rows, chosen: {"calibration": calibration_figure(rows, chosen)},
    "classes": lambda rows, chosen: {"classes": classes_figure(rows, chosen)},
    "other_sets": lambda rows, chosen: {"other_sets": other_sets_figure(rows, chosen)},
}
"""Analysis -> its pictures; an analysis without a line here has none."""


def draw_analysis(
    name: str, rows: Sequence[AnalysisRow], directory: Path | str, *, chosen: float
) -> list[Path]:
    """Draw the pictures of an analysis as PNG and SVG, and return the files.

    Args:
      name: The analysis; one without pictures gives none.
      rows: Its rows.
      directory: Where to; ``diversity`` gives ``diversity.png`` and ``diversity.svg`` there.
      chosen: The chosen alpha, which is marked.

    Raises:
      InputError: If the rows have nothing to draw.
    """
    if name not in PICTURES:
        return []
    with matplotlib.rc_context(STYLE):
        figures = PICTURES[name](rows, chosen)
        return [
            path
            for stem, figure in figures.items()
            for path in save_png_and_svg(figure, Path(directory) / stem)
        ]
