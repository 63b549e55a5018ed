"""Figures as files: the same bytes for the same figure, written atomically."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wiseft_jax.core.writers import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What matplotlib would write into the file by itself: its version, or the time.
_METADATA: dict[str, Any] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_FONT_NAME = re.compile(rb"/FontName /([A-Z]{6})[+]")
PNG_AND_SVG = ("png", "svg")
KINDS = tuple(_METADATA)
"""What a figure can be written as: pixels, or lines with outlined (SVG) or embedded (PDF) fonts."""


def save_figure(figure: Figure, path: Path | str, kind: str = "png") -> Path:
    """Write a figure, and return its path.

    Call it within the style's ``rc_context``, which an SVG reads when it is saved.

    Args:
      figure: What to write.
      path: Where to, whatever its suffix.
      kind: One of ``KINDS``.
    """
    target, encoded = Path(path), io.BytesIO()
    figure.savefig(encoded, format=kind, metadata=_METADATA[kind])
    data = encoded.getvalue()
    write_bytes(target, _with_steady_names(data) if kind == "pdf" else data)
    return target


def _with_steady_names(pdf: bytes) -> bytes:
    """Return a PDF whose embedded fonts are named by their order: AAAAAA+..., AAAAAB+...

    matplotlib names them by Python's ``hash`` of their letters, another one in each process. Names
    keep their length, so that the offsets in the file stay right.
    """
    found = dict.fromkeys(_FONT_NAME.findall(pdf))
    steady = {prefix: b"AAAAA%c" % (ord("A") + place) for place, prefix in enumerate(found)}
    if not steady:
        return pdf
    names = re.compile(b"/(%s)[+]" % b"|".join(steady))
    return names.sub(lambda name: b"/%s+" % steady[name[1]], pdf)


def save_png_and_svg(figure: Figure, path: Path | str) -> list[Path]:
    """Write a figure in both formats, and return both paths; see ``save_kinds``."""
    return save_kinds(figure, path, PNG_AND_SVG)


def save_kinds(figure: Figure, path: Path | str, kinds: Sequence[str]) -> list[Path]:
    """Write a figure in several formats, and return the files; see ``save_figure``.

    Args:
      figure: What to write.
      path: Where to; its suffix is left out.
      kinds: Some of ``KINDS``.
    """
    stem = Path(path).with_suffix("")
    return [save_figure(figure, stem.with_suffix(f".{kind}"), kind) for kind in kinds]
