"""Overrides and confidences against loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest, ttest_rel

from tests.analysis.runs import made_predictions, write_run
from wiseft_jax.analysis.disagreement import overridden, overrides
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun

CLASSES = arrays(np.int64, st.shared(st.integers(0, 30), key="n"), elements=st.integers(0, 3))


@given(zero_shot=CLASSES, fine_tuned=CLASSES, merged=CLASSES)
def test_overrides_are_counted(zero_shot: np.ndarray, fine_tuned: np.ndarray, merged: np.ndarray):
    found = overrides(zero_shot, fine_tuned, merged)
    triples = [t for t in zip(zero_shot, fine_tuned, merged, strict=True) if t[0] != t[1]]
    assert found.n == len(triples)
    assert found.first == sum(m == z for z, _, m in triples)
    assert found.second == sum(m == f for _, f, m in triples)
    assert found.first + found.second + found.neither == found.n
    turned = overrides(fine_tuned, zero_shot, merged)
    assert (turned.first, turned.second) == (found.second, found.first)


def test_overrides_exactly():
    found = overrides(np.array([0, 1, 2, 3]), np.array([0, 2, 1, 0]), np.array([0, 1, 0, 0]))
    assert (found.first, found.second, found.neither, found.n) == (1, 1, 1, 3)
    many = overrides(np.zeros(9, int), np.ones(9, int), np.repeat([0, 1], [8, 1]))
    assert many.p_value == pytest.approx(binomtest(8, 9).pvalue)


def test_the_analysis(tmp_path: Path):
    predictions = made_predictions("test", 80)
    rows = overridden(StoredRun.load(write_run(tmp_path, [predictions])), AnalysisOptions())
    zero_shot, merged, fine_tuned = predictions.top1[[0, 2, 4]]
    differ = zero_shot != fine_tuned
    found = {(row["metric"], row["group"], row["alpha"]): row for row in rows}
    over = found["zero_shot_overrides", None, 0.5]
    assert over["value"] == np.mean((merged == zero_shot)[differ])
    assert over["n"] == differ.sum()
    assert found["disagreement", None, 0.0]["value"] == differ.mean()
    shares = ["zero_shot_overrides", "zero_shot_overridden", "neither"]
    assert sum(found[name, None, 0.5]["value"] for name in shares) == pytest.approx(1)
    margins = predictions.margin.astype(float)
    assert found["confidence", "all", 0.0]["value"] == pytest.approx(margins[0].mean())
    among = found["confidence", "disagreement", 1.0]
    assert among["value"] == pytest.approx(margins[4][differ].mean())
    gain = found["confidence_gain", "all", 1.0]
    assert gain["value"] == pytest.approx((margins[4] - margins[0]).mean())
    assert gain["p_value"] == pytest.approx(ttest_rel(margins[4], margins[0]).pvalue)


def test_confidences_are_the_margins_of_the_logits(tmp_path: Path):
    predictions = made_predictions("test", 30)
    assert predictions.logits is not None
    rows = overridden(StoredRun.load(write_run(tmp_path, [predictions])), AnalysisOptions())
    top = np.sort(predictions.logits[0].astype(float), axis=1)
    (row,) = [r for r in rows if (r["metric"], r["group"], r["alpha"]) == ("confidence", "all", 0)]
    assert row["value"] == pytest.approx((top[:, -1] - top[:, -2]).mean())


def test_ends_that_agree_override_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    predictions = made_predictions("test", 20)
    predictions.top1[4] = predictions.top1[0]
    predictions.margin[0, 0] = np.nan
    rows = overridden(StoredRun.load(write_run(tmp_path, [predictions])), AnalysisOptions())
    assert {row["metric"] for row in rows} == {"disagreement", "confidence", "confidence_gain"}
    assert {row["group"] for row in rows} == {None, "all"}
    assert "the ends never disagree" in caplog.text
    assert "1 examples have no finite margin" in caplog.text
    assert {row["n"] for row in rows if row["group"] == "all"} == {19}


def test_a_set_without_the_alpha_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    sets = [made_predictions("test"), made_predictions("short", alphas=(0.0, 1.0))]
    rows = overridden(StoredRun.load(write_run(tmp_path, sets)), AnalysisOptions())
    assert {row["dataset"] for row in rows} == {"test"}
    assert "short: left out, it has no predictions at alpha 0, 0.5 or 1" in caplog.text
