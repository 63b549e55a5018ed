"""Names and notes in pictures; labels that cover neither each other nor the points."""

from __future__ import annotations

import dataclasses
import itertools
import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Annotation, Text
from matplotlib.textpath import TextToPath
from matplotlib.transforms import Bbox, BboxBase

_DIRECTIONS = tuple(math.radians(degrees) for degrees in (135, 45, -45, -135, 90, 0, -90, 180))
_DISTANCES = (7.0, 11.0, 16.0, 24.0, 34.0, 48.0, 64.0)
_LEADER_FROM = 16.0


_NOTE_SIZE = 8.5
_CHARACTERS_A_POINT = 1.9  # of the font's size, on an average


def named(name: str, split: str, role: str | None = None) -> str:
    """Return a set's name with what it is for, where that is neither to be tested nor the name.

    Args:
      name: As it is shown.
      split: ``"train"``, ``"validation"`` or ``"test"``.
      role: Its role: of test sets matched references are told.
    """
    if split == "test" and role == "matched_reference":
        return f"{name} (matched ref.)"
    return name if split in ("test", name) else f"{name} ({split})"


def text_width(text: str, size: float, weight: str = "bold") -> float:
    """Return how wide a text is in the default font, in points.

    Args:
      text: One line.
      size: The font's, in points.
      weight: The font's.
    """
    font = FontProperties(size=size, weight=weight)
    return TextToPath().get_text_width_height_descent(text, font, False)[0]


def shortened(text: str, room: float, size: float) -> str:
    """Return a bold text, if it is too wide with an ellipsis for its middle.

    Names of sets differ at their ends.

    Args:
      text: One line.
      room: Points.
      size: The font's, in points.
    """
    if text_width(text, size) <= room:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: -(-kept // 2)]}…{text[len(text) - kept // 2 :]}"
        if text_width(short, size) <= room:
            return short
    return "…"


def broken(text: str, room: float, size: float) -> str:
    """Return a text in lines that aren't wider than ``room``, if no word of it is.

    Args:
      text: Of words.
      room: Points.
      size: The font's, in points.
    """
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, "normal") <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def add_footnote(figure: Figure, text: str) -> None:
    """Write a small grey text under the panels, in lines that the figure is wide enough for.

    Args:
      figure: With a layout that makes room for it.
      text: Its lines; those that are too long are broken.
    """
    width = int(72 * figure.get_figwidth() / _NOTE_SIZE * _CHARACTERS_A_POINT) - 4
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, width)]
    note = "\n".join(lines)
    figure.supxlabel(note, x=0.012, ha="left", fontsize=_NOTE_SIZE, color="0.35")


@dataclasses.dataclass(frozen=True)
class Label:
    """A text that belongs to a point.

    Attributes:
      x: In data units.
      y: In data units.
      text: What it says.
      required: Whether it is placed even if it covers something.
      style: Text properties.
    """

    x: float
    y: float
    text: str
    required: bool = False
    style: dict[str, Any] = dataclasses.field(default_factory=dict)


def place_labels(
    axes: Axes, labels: Sequence[Label], lines: Sequence[Sequence[tuple[float, float]]]
) -> list[str]:
    """Write each label beside its point, at the nearest free place; return the texts written.

    Earlier labels choose first. One that finds no free place is left out unless it is required.

    Args:
      axes: The panel, with its limits set.
      labels: The most important first.
      lines: What no label may cover: lines through points in data units.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    renderer = FigureCanvasAgg(figure).get_renderer()
    scale = float(figure.dpi) / 72  # pixels a point
    figure.draw_without_rendering()
    frame = axes.get_window_extent(renderer)
    to_pixels = axes.transData.transform
    blocked = np.concatenate(
        [_along(to_pixels(np.asarray(line, float)), step=4 * scale) for line in lines]
    )
    taken: list[Bbox] = []
    written = []
    for label in labels:
        best: tuple[float, Any, Bbox] | None = None
        for distance in _DISTANCES:
            for angle in _DIRECTIONS:
                text = _annotate(axes, label, distance, angle)
                box = _extent(text, label.required, renderer).padded(1.5 * scale)
                cost = _cost(box, frame, taken, blocked)
                if best is None or cost < best[0]:
                    if best is not None:
                        best[1].remove()
                    best = (cost, text, box)
                else:
                    text.remove()
                if cost == 0:
                    break
            if best is not None and best[0] == 0:
                break
        assert best is not None
        if best[0] > 0 and not label.required:
            best[1].remove()
            continue
        best[1].set_in_layout(False)
        taken.append(best[2])
        written.append(label.text)
    return written


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions at least ``gap`` apart, in the same order, near the given ones.

    Neighbours that are too close become a block around their mean (as in isotonic regression), and
    blocks stay inside ``[low, high]`` where they fit.
    """
    order = np.argsort(positions, kind="stable")
    blocks: list[list[float]] = []  # [sum of wanted starts, count]
    for rank, index in enumerate(order):
        blocks.append([positions[index] - rank * gap, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    last = low + max(0.0, high - low - gap * (len(order) - 1))
    starts = [
        min(max(total / count, low), last) for total, count in blocks for _ in range(int(count))
    ]
    found = [0.0] * len(order)
    for rank, index in enumerate(order):
        found[index] = starts[rank] + rank * gap
    return found


def _annotate(axes: Axes, label: Label, distance: float, angle: float) -> Annotation:
    dx, dy = distance * math.cos(angle), distance * math.sin(angle)
    horizontal = "center" if abs(dx) < 1e-6 else ("left" if dx > 0 else "right")
    vertical = "center" if abs(dy) < 1e-6 else ("bottom" if dy > 0 else "top")
    leader = {"arrowstyle": "-", "color": "0.55", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
    return axes.annotate(
        label.text,
        (label.x, label.y),
        xytext=(dx, dy),
        textcoords="offset points",
        ha=horizontal,
        va=vertical,
        arrowprops=leader if distance >= _LEADER_FROM else None,
        **label.style,
    )


def _extent(text: Annotation, required: bool, renderer: Any) -> Bbox:
    """Return what a label covers: a required one's leader may cross lines, another's may not."""
    if not required:
        return text.get_window_extent(renderer)
    text.update_positions(renderer)
    return Text.get_window_extent(text, renderer)


def _cost(box: Bbox, frame: BboxBase, taken: Sequence[Bbox], blocked: np.ndarray) -> float:
    inside = (blocked >= [[box.x0, box.y0]]) & (blocked <= [[box.x1, box.y1]])
    covered = float(inside.all(axis=1).sum())
    overlaps = 20.0 * sum(box.overlaps(other) for other in taken)
    out = box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1
    return covered + overlaps + 100.0 * out


def _along(points: np.ndarray, step: float) -> np.ndarray:
    """Return points no further than ``step`` apart on the line through ``points``."""
    pieces = [points]
    for start, end in itertools.pairwise(points):
        count = int(np.hypot(*(end - start)) // step)
        pieces.append(np.linspace(start, end, count + 2)[1:-1])
    return np.concatenate(pieces)
