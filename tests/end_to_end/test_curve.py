"""``wiseft sweep --sweep.method curve`` on a finished run: the same numbers, and what it adds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Workshop
from wiseft_jax.cli.main import main
from wiseft_jax.core.curve_rows import read_curve_rows
from wiseft_jax.core.results import read_rows
from wiseft_jax.evaluation.predictions import Predictions, load_predictions

EXACT = ("--sweep.method", "curve", "--sweep.curve.exact")


def test_the_exact_curve_has_the_sweeps_numbers(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = tmp_path / "run"
    shutil.copytree(workshop.run, run)
    assert main(["sweep", str(run), *EXACT, "--json", "-q"]) == 0
    printed = json.loads(capsys.readouterr().out)
    values = {(row["dataset"], row["alpha"]): (row["value"], row["n"]) for row in read_rows(run)}
    direct = {
        (row["dataset"], row["alpha"]): (row["value"], row["n"]) for row in read_rows(workshop.run)
    }
    assert values == direct
    curves = read_curve_rows(run)
    assert {row["dataset"] for row in curves} == {name for name, _ in values}
    assert [row["summary"] for row in curves] == printed["curves"]
    assert (run / "flips.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "the continuous curve" in (run / "report.md").read_text()
    assert all(each.logit_alphas is None for each in with_logits(run))
    # The stored method is direct.
    assert main(["sweep", str(run), "--sweep.keep-logits", "ends", "-q"]) == 0
    assert {each.logit_alphas for each in with_logits(run)} == {(0.0, 1.0)}
    assert not (run / "flips.png").exists()
    assert read_curve_rows(run) == []


def with_logits(run: Path) -> list[Predictions]:
    """Return what is stored, with logits at both ends at least, whose argmax is the class."""
    found = list(load_predictions(run).values())
    for each in found:
        for end in (0.0, 1.0):
            top1 = each.top1[each.alphas.index(end)]
            assert (each.logits_at(end).argmax(axis=1) == top1).all()
    return found


def test_options_of_the_direct_method_are_refused(
    workshop: Workshop, capsys: pytest.CaptureFixture
) -> None:
    command = ["sweep", str(workshop.run), "--sweep.method", "curve", "--sweep.backend", "map"]
    assert main(command) == 2
    assert "sweep.backend: has no meaning" in capsys.readouterr().err
