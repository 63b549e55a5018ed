"""The sheet of saliency: what is written on it, and where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.saliency import METHODS
from wiseft_jax.reporting.saliency_sheet import SaliencyColumn, draw_saliency, saliency_figure

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)


def columns_of(count: int, methods: list[str], target: str = "seven") -> list[SaliencyColumn]:
    rng = np.random.default_rng(1)
    maps = {
        name: rng.normal(size=(4, 4)) if METHODS[name].signed else rng.random((4, 4))
        for name in methods
    }
    return [SaliencyColumn(f"α = {k}", target, 0.25 + k, maps) for k in range(count)]


def test_rows_are_methods_and_columns_are_models():
    figure = saliency_figure(IMAGE, columns_of(3, list(METHODS)), title="seven.png")
    rows = len(METHODS)
    panels = figure.axes[: 4 * rows]
    assert [panels[4 * row].get_ylabel().split("\n")[0] for row in range(rows)] == [
        facts.label for facts in METHODS.values()
    ]
    assert panels[0].get_title() == "image"
    assert panels[2].get_title() == "α = 1\nseven\ncos 1.250"
    assert figure.get_suptitle() == "seven.png"
    assert "scale of its own" in figure.get_supxlabel()


def test_rollout_is_marked_as_class_agnostic_and_nothing_else_is():
    figure = saliency_figure(IMAGE, columns_of(1, list(METHODS)))
    marked = [
        name
        for name, axes in zip(METHODS, figure.axes[::2], strict=False)
        if "for no class" in axes.get_ylabel()
    ]
    assert marked == ["attention_rollout"]


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (["grad_cam"], [["low", "high"]]),
        (["gradient_x_input"], [["against", "0", "for"]]),
        (["grad_cam", "gradient_x_input"], [["low", "high"], ["against", "0", "for"]]),
    ],
)
def test_a_colour_bar_for_each_kind_of_map(methods: list[str], words: list[list[str]]):
    figure = saliency_figure(IMAGE, columns_of(1, methods))
    bars = figure.axes[2 * len(methods) :]
    assert [[tick.get_text() for tick in bar.get_xticklabels()] for bar in bars] == words


def test_a_mask_is_outlined_in_every_panel():
    mask = np.zeros((32, 32), bool)
    mask[:16, 8:] = True  # it touches the border
    figure = saliency_figure(IMAGE, columns_of(1, ["grad_cam"]), mask=mask)
    for axes in figure.axes[:2]:
        outline = axes.collections[-1].get_paths()[0].vertices
        assert axes.get_xlim() == (0, 224)
        np.testing.assert_allclose(outline.min(0), [56, 0], atol=1)
        np.testing.assert_allclose(outline.max(0), [224, 112], atol=1)
    plain = saliency_figure(IMAGE, columns_of(1, ["grad_cam"]))
    assert not plain.axes[0].collections


def test_a_long_text_is_broken_and_cut():
    target = "a photo of a very large dog that runs over a meadow full of flowers"
    figure = saliency_figure(IMAGE, columns_of(1, ["grad_cam"], target))
    lines = figure.axes[1].get_title().split("\n")
    assert max(map(len, lines)) <= 20
    assert "…" in lines[-2]


def test_the_same_sheet_is_the_same_bytes(tmp_path: Path):
    columns = columns_of(2, ["grad_cam", "chefer"])
    first = draw_saliency(IMAGE, columns, tmp_path / "a.png")
    second = draw_saliency(IMAGE, columns, tmp_path / "b.png")
    assert first.read_bytes() == second.read_bytes()
    with Image.open(first) as picture:
        assert picture.width > 500
        assert picture.height > 500


def test_without_maps_there_is_no_sheet():
    with pytest.raises(InputError, match="no saliency maps"):
        saliency_figure(IMAGE, [])
    with pytest.raises(InputError, match="no saliency maps"):
        saliency_figure(IMAGE, columns_of(1, []))
