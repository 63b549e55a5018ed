"""The option has four values, and what was written before there were four is still read."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from wiseft_jax.cli.parse import parse
from wiseft_jax.core.config_io import from_dict, to_dict
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.config import SweepConfig
from wiseft_jax.evaluation.keep_logits_config import KEEP_LOGITS, keep_logits_of
from wiseft_jax.experiment import RESUME_MAY_CHANGE, ExperimentConfig


@dataclasses.dataclass(frozen=True)
class Args:
    """Options."""

    sweep: SweepConfig = SweepConfig()
    race: bool = False


def test_the_values_are_themselves_and_booleans_what_they_meant() -> None:
    assert [keep_logits_of(value) for value in KEEP_LOGITS] == list(KEEP_LOGITS)
    assert (keep_logits_of(True), keep_logits_of(False)) == ("all", "none")
    with pytest.raises(
        InputError, match=r"sweep\.keep_logits: .*found 'end'\. Did you mean 'ends'"
    ):
        keep_logits_of("end")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], "auto"),
        (["--sweep.keep-logits", "ends"], "ends"),
        (["--sweep.keep-logits=none"], "none"),
        (["--sweep.keep-logits"], "all"),
        (["--sweep.keep-logits", "--race"], "all"),
        (["--sweep.keep-logits", "True"], "all"),
        (["--sweep.keep-logits", "false"], "none"),
    ],
    ids=str,
)
def test_the_command_line_takes_a_value_a_boolean_or_nothing(given: Any, expected: str) -> None:
    assert parse(Args, given, "sweep", default=Args()).sweep.keep_logits == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["end"], "expected auto, all, ends, none, found 'end'. Did you mean 'ends'?"),
        (["all", "ends"], "expected one of auto, all, ends, none, found all ends"),
    ],
)
def test_the_command_line_refuses_what_is_none(given: list[str], message: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(Args, ["--sweep.keep-logits", *given], "sweep", default=Args())
    assert message in str(raised.value)


@pytest.mark.parametrize(("stored", "expected"), [(True, "all"), (False, "none")])
def test_a_run_of_an_older_version_is_read_and_continued(
    tmp_path: Any, stored: bool, expected: str
) -> None:
    value = to_dict(ExperimentConfig())
    value["sweep"]["keep_logits"] = stored
    assert from_dict(ExperimentConfig, value, "config.json").sweep.keep_logits == expected
    directory = RunDirectory(tmp_path)
    write_json(directory.config_file, {"config": value, "config_hash": "x"})
    (tmp_path / "train.jsonl").touch()
    now = {"resume": True, "overwrite": False}
    directory.check(ExperimentConfig(), neutral=RESUME_MAY_CHANGE, **now)
    with pytest.raises(InputError, match=r"sweep\.keep_logits"):
        directory.check(ExperimentConfig(), **now)


def test_a_preset_of_an_older_version_is_taken(no_type_checks: None) -> None:
    assert SweepConfig(keep_logits=True).keep_logits == "all"  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Did you mean 'none'"):
        SweepConfig(keep_logits="non")  # type: ignore[arg-type]
