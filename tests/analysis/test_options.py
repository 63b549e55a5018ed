"""Options are checked, and every need has its words."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from tests.analysis.runs import made_predictions, write_run
from wiseft_jax.analysis.options import NEEDS, AnalysisOptions, Need, missing, stored_logits
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.errors import InputError


def test_numbers_are_checked():
    with pytest.raises(InputError, match="--seed: expected 0 or more, found -1"):
        AnalysisOptions(seed=-1)
    with pytest.raises(InputError, match="--samples: expected at least 1, found 0"):
        AnalysisOptions(samples=0)
    with pytest.raises(InputError, match="--override-alpha: expected a number, found nan"):
        AnalysisOptions(override_alpha=float("nan"))


def test_every_need_is_looked_for(tmp_path: Path):
    assert set(NEEDS) == set(get_args(Need))
    run = StoredRun.load(write_run(tmp_path))
    options = AnalysisOptions(baselines=tmp_path)
    lacking = [need for need in NEEDS if missing(run, options, need)]
    assert lacking == ["other_sets"]


def test_sets_without_labels_are_said(tmp_path: Path):
    run = StoredRun.load(write_run(tmp_path))
    bare = {"test": made_predictions("test", 5, unlabelled=5)}
    unlabelled = dataclasses.replace(run, predictions=bare)
    assert missing(unlabelled, AnalysisOptions(), "labels").startswith("no set has labels")


def test_logits_are_there_or_none():
    with_logits, without = made_predictions("a"), made_predictions("a", keep_logits=False)
    found = stored_logits(with_logits, 0.5)
    assert with_logits.logits is not None
    assert np.array_equal(found, with_logits.logits[2])  # type: ignore[arg-type]
    assert stored_logits(with_logits, 0.3) is None
    assert stored_logits(without, 0.5) is None
