"""Which pictures an analysis has, and what their files are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import matplotlib
from matplotlib.figure import Figure

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.reporting.analysis_calibration import calibration_figure
from wiseft_jax.reporting.analysis_classes import classes_figure
from wiseft_jax.reporting.analysis_diversity import diversity_figure
from wiseft_jax.reporting.analysis_ensembles import ensembles_figure
from wiseft_jax.reporting.analysis_figures import rows_of
from wiseft_jax.reporting.analysis_flips import turns_figure
from wiseft_jax.reporting.analysis_landscape import landscape_figure
from wiseft_jax.reporting.analysis_other_sets import other_sets_figure
from wiseft_jax.reporting.analysis_overrides import overrides_figure
from wiseft_jax.reporting.analysis_robustness import robustness_figure
from wiseft_jax.reporting.layer_bars import layer_bars_figure
from wiseft_jax.reporting.layer_heatmaps import layer_heatmaps_figure
from wiseft_jax.reporting.plane_contours import plane_figure
from wiseft_jax.reporting.saving import PNG_AND_SVG, save_kinds
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


def _heatmaps(rows: Sequence[AnalysisRow], _: float) -> dict[str, Figure]:
    """One picture a set; the first set's has no name in its file."""
    sets = list(dict.fromkeys(str(row["dataset"]) for row in rows))
    stems = ["cka", *(f"cka-{quote(name, safe=' ,=@+()')}".replace(".", "_") for name in sets[1:])]
    return {stem: layer_heatmaps_figure(rows, name) for stem, name in zip(stems, sets, strict=True)}


def _ensembles(rows: Sequence[AnalysisRow], chosen: float) -> dict[str, Figure]:
    """Return the picture; none where no set's outputs could be mixed, which the analysis said."""
    return {"ensembles": ensembles_figure(rows, chosen)} if rows else {}


PICTURES: dict[str, Figures] = {
    "effective_robustness": _scatters,
    "diversity": lambda rows, _: {"diversity": diversity_figure(rows)},
    "overrides": lambda rows, _: {"overrides": overrides_figure(rows)},
    "landscape": _landscapes,
    "calibration": lambda rows, chosen: {"calibration": calibration_figure(rows, chosen)},
    "ensembles": _ensembles,
    "classes": lambda rows, chosen: {"classes": classes_figure(rows, chosen)},
    "flips": lambda rows, chosen: {"flips": turns_figure(rows, chosen)},
    "other_sets": lambda rows, chosen: {"other_sets": other_sets_figure(rows, chosen)},
    "cka": _heatmaps,
    "layers": lambda rows, _: {"layers": layer_bars_figure(rows)},
    "plane": lambda rows, _: {"plane": plane_figure(rows)},
}
"""Analysis -> its pictures; one without a line here has none."""


def draw_analysis(
    name: str,
    rows: Sequence[AnalysisRow],
    directory: Path | str,
    *,
    chosen: float,
    kinds: Sequence[str] = PNG_AND_SVG,
    prefix: str = "",
) -> list[Path]:
    """Draw the pictures of an analysis, as PNG and SVG if not told otherwise; return the files.

    Args:
      name: The analysis; one without pictures gives none.
      rows: Its rows.
      directory: Where to; ``diversity`` gives ``diversity.png`` and ``diversity.svg`` there.
      chosen: The chosen alpha, which is marked.
      kinds: Formats, of ``reporting.saving.KINDS``.
      prefix: Of the files' names.

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
            for path in save_kinds(figure, Path(directory) / f"{prefix}{stem}", kinds)
        ]
