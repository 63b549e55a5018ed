"""Draw the curves of several runs on one chart, and print them as a table.

Each run's path from alpha = 0 to 1: the mean of its shifts against its reference. The runs have the
same test sets. For example, the recipes of docs/recipes.md, after ``wiseft run`` of each:

    python scripts/draw_runs.py --out docs/images/recipes.png runs/end_to_end runs/lp_ft
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import matplotlib  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import FuncFormatter  # noqa: E402

from wiseft_jax.core.errors import InputError  # noqa: E402
from wiseft_jax.core.results import read_rows  # noqa: E402
from wiseft_jax.reporting.axes import percent  # noqa: E402
from wiseft_jax.reporting.labels import add_footnote  # noqa: E402
from wiseft_jax.reporting.saving import save_figure  # noqa: E402
from wiseft_jax.reporting.series import Curves, Series  # noqa: E402
from wiseft_jax.reporting.style import BLACK, BLUE, GREY, STYLE, VERMILLION  # noqa: E402

COLOURS = (BLACK, VERMILLION, BLUE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", GREY)
MARKERS = "o^Dsv<>P"
SHOWN = (0.0, 0.5, 1.0)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="run directories, named by their folder")
    parser.add_argument("--out", type=Path, required=True, help="the picture, .png or .svg")
    args = parser.parse_args(argv)
    if args.out.suffix not in (".png", ".svg"):
        parser.error(f"--out: expected a name that ends in .png or .svg, found {args.out}")
    return args


def read_run(run: Path) -> tuple[Series, Series]:
    """Return the reference and the mean of the shifts of a run.

    Raises:
      InputError: If it has no shifts, or no reference.
    """
    curves = Curves.of(read_rows(run))
    if curves.reference is None or curves.mean is None:
        raise InputError(f"{run}: expected a reference and shifts among its results")
    return curves.reference, curves.mean


def draw(axes: Axes, name: str, run: tuple[Series, Series], place: int) -> None:
    """Draw a run's path; the alphas of ``SHOWN`` are large, the last one is filled."""
    reference, mean = run
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    alphas = [alpha for alpha in mean.alphas if alpha in reference.points]
    x = [reference.points[alpha].value for alpha in alphas]
    y = [mean.points[alpha].value for alpha in alphas]
    axes.plot(x, y, color=colour, linewidth=1.5, label=name, marker=marker, markersize=3)
    for alpha in SHOWN:
        if alpha in alphas:
            at = alphas.index(alpha)
            face = colour if alpha == 1.0 else "white"
            axes.plot(x[at], y[at], marker, color=colour, markersize=8, markerfacecolor=face)


def table(runs: dict[str, tuple[Series, Series]]) -> str:
    """Return reference and mean of shifts, in percent, as Markdown."""
    lines = ["| | α = 0 | α = 0.5 | α = 1 | best mean of shifts |", "|---|--:|--:|--:|--:|"]
    for name, (reference, mean) in runs.items():
        cells = []
        for alpha in SHOWN:
            both = reference.at(alpha), mean.at(alpha)
            cells.append(" / ".join("-" if v is None else f"{100 * v.value:.1f}" for v in both))
        best = max(mean.alphas, key=lambda alpha: mean.points[alpha].value)
        at = reference.points[best].value, mean.points[best].value
        cells.append(" / ".join(f"{100 * value:.1f}" for value in at) + f" at {best:g}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw and print."""
    args = parse(argv)
    try:
        runs = {run.name: read_run(run) for run in args.runs}
    except InputError as error:
        print(f"draw_runs.py: {error}", file=sys.stderr)
        return 2
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.6, 5.6), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for place, (name, run) in enumerate(runs.items()):
            draw(axes, name, run, place)
        reference, mean = next(iter(runs.values()))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: percent(round(value, 4))))
        axes.set_xlabel(f"accuracy on {reference.name} (reference, n = {reference.n})")
        axes.set_ylabel(f"mean accuracy on the shifts (n = {mean.n})")
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        add_footnote(figure, "large markers: α = 0, 0.5 and, filled, 1; all start at α = 0")
        save_figure(figure, args.out, args.out.suffix[1:])
    print(table(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
