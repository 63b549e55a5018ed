"""The scatter of Original against each variant: points, ends, several models, other images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from tests.reporting.alphas_facts import summary
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.backgrounds_progress import draw_progress, progress_figure
from wiseft_jax.reporting.style import STYLE


def test_each_variant_has_a_panel_with_every_model_and_alpha():
    one, two = summary(), summary() | {"name": "two"}
    with matplotlib.rc_context(STYLE):
        figure = progress_figure([one, two])
    shown = [axes for axes in figure.axes if axes.get_title(loc="left")]
    titles = [axes.get_title(loc="left") for axes in shown]
    assert titles == ["Only-BG-T", "No-FG", "Mixed-Same", "Mixed-Rand", "Mixed-Next"]
    curves = one["curves"]["test"]
    for axes, kind in zip(shown, ("only_bg_t", "no_fg", "mixed_same"), strict=False):
        lines = {line.get_label(): line for line in axes.lines}
        for name in ("one", "two"):
            x, y = (np.asarray(each).tolist() for each in lines[name].get_data())
            assert x == curves["accuracy/original"]["value"]
            assert y == curves[f"accuracy/{kind}"]["value"]
        start, end = lines["zero-shot (α = 0)"], lines["fine-tuned (α = 1)"]
        assert np.asarray(start.get_ydata()) == curves[f"accuracy/{kind}"]["value"][0]
        assert np.asarray(end.get_xdata()) == curves["accuracy/original"]["value"][-1]
        low, high = axes.get_ylim()
        assert low < min(curves[f"accuracy/{kind}"]["low"])
        assert high > max(curves[f"accuracy/{kind}"]["high"])


def test_a_variant_that_a_study_lacks_has_no_panel(tmp_path: Path):
    other: dict[str, Any] = summary() | {"name": "two"}
    del other["curves"]["test"]["accuracy/no_fg"]
    with matplotlib.rc_context(STYLE):
        figure = progress_figure([summary(), other])
    assert "No-FG" not in [axes.get_title(loc="left") for axes in figure.axes]
    paths = draw_progress([summary(), other], tmp_path / "progress.png")
    assert all(path.stat().st_size > 10_000 for path in paths)


def evaluation(originals: str = "abc") -> dict[str, Any]:
    def found(accuracy: float, n: int = 200) -> dict[str, Any]:
        return {"accuracy": accuracy, "ci_low": accuracy - 0.1, "ci_high": accuracy + 0.1, "n": n}

    models = [
        {"name": f"m{k}", "variants": {"original": found(0.5 + k / 10), "mixed_rand": found(k / 5)}}
        for k in (1, 2, 3)
    ]
    return {"name": "e", "set": "demo test", "originals": originals, "n": 200, "models": models}


def test_models_of_an_evaluation_are_points_alone_and_beside_a_study():
    study = summary() | {"originals": "abc"}
    for summaries in ([evaluation()], [study, evaluation()]):
        with matplotlib.rc_context(STYLE):
            figure = progress_figure(summaries)
        (axes,) = [each for each in figure.axes if each.get_title(loc="left")]
        assert axes.get_title(loc="left") == "Mixed-Rand"
        bars: list[Any] = list(axes.containers)
        points = {each.get_label(): each.lines[0] for each in bars}
        for k in (1, 2, 3):
            data = points[f"m{k}"].get_data()
            assert [float(each[0]) for each in data] == pytest.approx([0.5 + k / 10, k / 5])
    for other in (evaluation("xyz"), evaluation("")):
        with pytest.raises(InputError, match="e: is of other images than one"):
            progress_figure([study, other])


def test_studies_of_other_images_are_refused():
    other = summary() | {"name": "two", "made_from": {"data": {"test": "4567"}}}
    with pytest.raises(InputError, match="two: is of other images than one"):
        progress_figure([summary(), other])
