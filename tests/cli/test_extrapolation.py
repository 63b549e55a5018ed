"""Alphas beyond the two models: one warning, and of which end."""

from __future__ import annotations

import logging

import pytest

from wiseft_jax.cli.extrapolation import warn_of_extrapolation
from wiseft_jax.cli.main import main


@pytest.mark.parametrize(
    ("alphas", "said"),
    [
        ([0.0, 0.5, 1.0], []),
        (
            [0.0, 1.2],
            ["alpha = 1.2 is outside of [0, 1]: it extrapolates beyond the fine-tuned model, where"
             " accuracy may collapse; look"],
        ),
        (
            [-0.5, 0.0, 1.5],
            ["alphas -0.5, 1.5 are outside of [0, 1]: they extrapolate beyond the zero-shot model"
             " and the fine-tuned model, where accuracy may collapse; look"],
        ),
    ],
)  # fmt: skip
def test_says_once_which_alphas_and_beyond_what(
    alphas: list[float], said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "wiseft_jax"):
        warn_of_extrapolation(alphas, "look")
    assert caplog.messages == said


def test_run_warns_before_it_reads_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.delenv("WISEFT_DATA_ROOT", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for alphas, times in ((["0", "1.2"], 1), (["0", "1"], 0)):
        options = ["--dry-run", "-q", "--sweep.alphas", *alphas]
        assert main(["run", "cifar10/vit_b16", *options]) == 2
        assert capsys.readouterr().err.count("outside of [0, 1]") == times
