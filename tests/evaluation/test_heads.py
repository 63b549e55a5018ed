"""Heads made once for each alpha are those that the merged text towers make."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from tests.evaluation.conftest import Tiny, moved
from tests.helpers.tiny import tiny_clip
from wiseft_jax.clip.two_towers import two_tower_classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.typing import Params
from wiseft_jax.evaluation.curve import curve
from wiseft_jax.evaluation.evaluator import evaluate
from wiseft_jax.evaluation.heads import with_heads
from wiseft_jax.evaluation.racing_live import LiveRace
from wiseft_jax.evaluation.sweep import sweep
from wiseft_jax.weights.interpolate import lerp

ALPHAS = (-0.25, 0.0, 0.3, 1.0)


@pytest.fixture(scope="module")
def towers(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Params, Params]:
    clip = tiny_clip(tmp_path_factory.mktemp("clip"), vision_layers=1)
    classifier, theta_0 = two_tower_classifier(clip, tiny.classifier.class_names)
    return classifier, theta_0, moved(theta_0, 0.3)


def test_logits_are_those_of_the_merged_towers(towers: Any, tiny: Tiny):
    classifier, *ends = towers
    start, end = with_heads(classifier, *ends, ALPHAS)
    images = tiny.datasets[1].source.images[:4]  # type: ignore[attr-defined]
    logits = jax.jit(classifier.logits)
    for alpha in ALPHAS:
        # What the compiled step does: heads are shared by both ends, and aren't merged.
        merged = {**lerp({"encoder": start["encoder"], "at": start["at"]},
                         {"encoder": end["encoder"], "at": end["at"]}, alpha),
                  "heads": start["heads"]}  # fmt: skip
        expected = logits(lerp(*ends, alpha), images)
        np.testing.assert_allclose(logits(merged, images), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "backend",
    ["map", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sharded", "vmap"))],
)
def test_a_sweep_is_the_evaluation_of_every_merged_model(towers: Any, tiny: Tiny, backend: str):
    classifier, *ends = towers
    data = tiny.datasets[1]
    options = {"batch_size": 8, "backend": backend, "keep_logits": True}
    found = sweep(classifier, *ends, [data], ALPHAS, **options).predictions[data.name]
    for place, alpha in enumerate(ALPHAS):
        alone = evaluate(classifier, lerp(*ends, alpha), data, batch_size=8, keep_logits=True)
        np.testing.assert_allclose(found.logits[place], alone.logits[0], rtol=0, atol=2e-4)
    assert np.ptp(found.logits, axis=0).max() > 0.1


def test_prompts_are_embedded_once_an_alpha(
    towers: Any, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
):
    classifier, *ends = towers
    traced = []
    head = type(classifier).head

    def counted(self: Any, text: Params) -> Any:
        traced.append(1)
        return head(self, text)

    monkeypatch.setattr(type(classifier), "head", counted)
    sweep(classifier, *ends, tiny.datasets, ALPHAS, batch_size=8)
    assert len(traced) == 1  # one program; no step has the text tower in it


def test_ends_with_a_head_stay_as_they_are(tiny: Tiny):
    start, end = with_heads(tiny.classifier, tiny.theta_0, tiny.theta_1, ALPHAS)
    assert start is tiny.theta_0
    assert end is tiny.theta_1


def test_a_race_gives_what_the_sweep_gives(towers: Any, tiny: Tiny):
    classifier, *ends = towers
    data = tiny.datasets[1]
    swept = sweep(classifier, *ends, [data], ALPHAS, batch_size=8).predictions[data.name]
    live = LiveRace(classifier, *ends, data, ALPHAS)
    wanted = np.ones((4, 8), bool)
    right = live(np.arange(4), np.arange(8), wanted)
    clear = swept.margin[:, :8] > 1e-4
    np.testing.assert_array_equal(right[clear], swept.correct[:, :8][clear])


def test_a_curve_is_refused_with_the_reason(towers: Any, tiny: Tiny):
    with pytest.raises(InputError, match="text tower is trained is made of it at each alpha"):
        curve(*towers, tiny.datasets, ALPHAS)


def test_a_race_says_when_it_saves_nothing(tiny: Tiny, caplog: pytest.LogCaptureFixture):
    end = {"encoder": tiny.theta_0["encoder"], "head": tiny.theta_1["head"]}
    LiveRace(tiny.classifier, tiny.theta_0, end, tiny.datasets[1], ALPHAS)
    assert "a race saves nothing" in caplog.text


def test_a_race_says_that_logits_are_not_finite(tiny: Tiny, caplog: pytest.LogCaptureFixture):
    bias = np.full_like(tiny.theta_1["head"]["bias"], np.nan)
    end = {**tiny.theta_1, "head": {**tiny.theta_1["head"], "bias": bias}}
    data = tiny.datasets[1]
    live = LiveRace(tiny.classifier, tiny.theta_0, end, data, (0.0, 0.5, 1.0))
    for _ in range(2):
        right = live(np.arange(3), np.arange(4), np.ones((3, 4), bool))
    assert not right[1:].any()
    assert caplog.text.count("logits that are not finite at alpha 0.5") == 1
