"""Which trackers a run has: what is refused, and before any work."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.tracking_config import TrackingConfig
from wiseft_jax.experiment import RESUME_MAY_CHANGE, ExperimentConfig
from wiseft_jax.studies.grid_config import decides

DESCRIBED = {"config": {"name": "x"}, "config_hash": "h", "python": "3", "versions": {}}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"writers": ("tensorbord",)}, "unknown tracking.writers 'tensorbord'. Did you mean"),
        ({"writers": ("wandb", "wandb")}, "tracking.writers: wandb is given twice"),
        ({"project": ""}, "tracking.project: expected a name"),
    ],
)
@pytest.mark.usefixtures("no_type_checks")
def test_what_is_refused(fields: dict, said: str):
    with pytest.raises(InputError, match=said):
        TrackingConfig(**fields)


def test_a_missing_package_is_one_message_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    TrackingConfig().check()
    both = TrackingConfig(writers=("tensorboard", "wandb"))
    with pytest.raises(
        InputError,
        match=r"tensorboard wandb: not installed here: tensorboardX, wandb; install: pip install"
        r" 'wiseft-jax\[tensorboard,wandb\]'",
    ):
        both.build(tmp_path, DESCRIBED)
    assert list(tmp_path.iterdir()) == []


def test_tracking_decides_no_result_and_may_change_in_a_resumed_run():
    assert "tracking.writers".startswith(RESUME_MAY_CHANGE)
    assert "tracking (None -> {...})".startswith(RESUME_MAY_CHANGE), "a run of before the field"
    assert not decides("tracking.writers")
    assert ExperimentConfig().tracking.writers == ()


def test_a_copy_that_is_not_continued_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "wandb").mkdir()
    with caplog.at_level(logging.WARNING, "wiseft_jax"):
        TrackingConfig().build(tmp_path, DESCRIBED).close()
    assert "wandb: of an earlier session, and not continued" in caplog.text
    assert "tensorboard" not in caplog.text
