"""What a sweep that was broken off left behind is told from results."""

from __future__ import annotations

import dataclasses

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.sweep import SweepResult, sweep

ALPHAS = (0.0, 0.25, 0.5, 0.9, 1.0)


@pytest.fixture(scope="module")
def result(tiny) -> SweepResult:
    ends = tiny.theta_0, tiny.theta_1
    return sweep(tiny.classifier, *ends, tiny.datasets, ALPHAS, batch_size=8)


def rehashed(result, config_hash, keep=slice(None)):
    """Return a result of another configuration, of some of the alphas."""
    predictions = {
        name: dataclasses.replace(
            each,
            alphas=each.alphas[keep],
            top1=each.top1[keep],
            correct=each.correct[keep],
            margin=each.margin[keep],
            entropy=None if each.entropy is None else each.entropy[keep],
            logits=None,
        )
        for name, each in result.predictions.items()
    }
    rows = [row for each in predictions.values() for row in each.rows(config_hash)]
    alphas = result.alphas[keep]
    return SweepResult(alphas, rows, predictions, config_hash=config_hash)


@pytest.mark.parametrize(
    ("config_hash", "keep", "said"),
    [
        ("second", slice(None), "configurations: first of the rows, second of the predictions"),
        ("", slice(2), "validation: 5 alphas in the rows and 2 in the predictions, or others"),
    ],
)
def test_what_a_sweep_that_was_broken_off_left_is_not_taken_for_results(
    tmp_path, result, monkeypatch, config_hash, keep, said
):
    def broken_off(*arguments):
        raise KeyboardInterrupt

    first, second = rehashed(result, "first"), rehashed(result, config_hash, keep)
    first.save(tmp_path)
    assert SweepResult.load(tmp_path).config_hash == "first"
    with monkeypatch.context() as patched:
        patched.setattr("wiseft_jax.evaluation.sweep.write_rows", broken_off)
        with pytest.raises(KeyboardInterrupt):
            second.save(tmp_path)
    with pytest.raises(InputError, match=f"are of two sweeps .*{said}.*again: wiseft sweep RUN"):
        SweepResult.load(tmp_path)
    second.save(tmp_path)
    assert SweepResult.load(tmp_path).rows == second.rows
