"""The chart of WiSE-FT on top of each augmentation."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from tests.reporting.patch_facts import MIXERS, summary
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.patch_curves import draw_patch_curves, patch_curves_figure
from wiseft_jax.reporting.style import STYLE


def test_each_augmentation_has_a_line_and_a_band_in_both_panels():
    facts = summary()
    with matplotlib.rc_context(STYLE):
        figure = patch_curves_figure(facts)
    left, right = figure.axes
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [
        "none", "Cutout", "CutMix", "SmoothMix",
    ]  # fmt: skip
    assert len(left.collections) == len(right.collections) == 4
    long = [line for line in left.lines if len(np.asarray(line.get_xdata())) == 11]
    for mixer, line in zip(MIXERS, long, strict=True):
        lines = facts["curves"][mixer]["lines"]
        assert list(line.get_xdata()) == lines["reference"]["mean"]
        assert list(line.get_ydata()) == lines["shifts"]["mean"]


def test_one_seed_has_no_bands(tmp_path: Path):
    with matplotlib.rc_context(STYLE):
        figure = patch_curves_figure(summary(seeds=1))
    assert [len(axes.collections) for axes in figure.axes] == [0, 0]
    paths = draw_patch_curves(summary(seeds=1), tmp_path / "curves.png")
    assert [path.name for path in paths] == ["curves.png", "curves.svg"]
    assert all(path.stat().st_size > 10_000 for path in paths)


def test_without_clips_there_is_no_curve():
    with pytest.raises(InputError, match="no CLIP is among"):
        patch_curves_figure(summary(families=("resnet",)))
