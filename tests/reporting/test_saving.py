"""Figures as files: both formats, the same bytes again, whatever the name says."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from wiseft_jax.reporting.saving import KINDS, save_figure, save_kinds, save_png_and_svg
from wiseft_jax.reporting.style import STYLE


def figure() -> Figure:
    made = Figure(figsize=(2, 1), dpi=100)
    FigureCanvasAgg(made)
    made.subplots().plot([0, 1], [1, 0])
    return made


def test_both_formats_and_the_same_bytes_again(tmp_path: Path):
    written = []
    for name in ("a", "b"):
        with matplotlib.rc_context(STYLE):
            paths = save_png_and_svg(figure(), tmp_path / "new" / f"{name}.png")
        assert [path.name for path in paths] == [f"{name}.png", f"{name}.svg"]
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert b"Matplotlib" not in written[0][0]
    assert b"<dc:date>" not in written[0][1]


def test_a_picture_is_a_png_whatever_its_name(tmp_path: Path):
    path = save_figure(figure(), tmp_path / "picture")
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", (200, 100))


def test_a_pdf_has_its_fonts_and_no_date(tmp_path: Path):
    with matplotlib.rc_context(STYLE):
        paths = save_kinds(figure(), tmp_path / "a.png", KINDS)
    assert [path.name for path in paths] == ["a.png", "a.svg", "a.pdf"]
    pdf = paths[-1].read_bytes()
    assert b"/FontName /AAAAAA+DejaVuSans" in pdf
    assert b"/BaseFont /AAAAAA+DejaVuSans" in pdf
    assert b"/Subtype /Type0" in pdf
    assert b"/Type3" not in pdf
    for word in (b"Date", b"Matplotlib"):
        assert word not in pdf
    start = int(pdf.rsplit(b"startxref", 1)[1].split()[0])
    assert pdf[start : start + 4] == b"xref"  # offsets are right: names kept their length
