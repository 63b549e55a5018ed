"""A study's directory is made, gone on with, or refused; its rows are read, or named as damaged."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.studies.continued import prepare_study, read_model_rows


@dataclasses.dataclass(frozen=True)
class Config:
    seeds: int = 1
    epochs: float = 2.0


def prepare(path: Path, config: Config, *, overwrite: bool = False) -> None:
    prepare_study(RunDirectory(path), config, overwrite=overwrite, may_change=("seeds",))


def test_a_study_goes_on_with_what_may_change_alone(tmp_path: Path):
    prepare(tmp_path / "study", Config())
    (tmp_path / "study" / "rows.jsonl").touch()
    prepare(tmp_path / "study", Config(seeds=3))
    with pytest.raises(InputError, match="epochs"):
        prepare(tmp_path / "study", Config(epochs=4.0))
    prepare(tmp_path / "study", Config(epochs=4.0), overwrite=True)


def test_something_else_is_refused(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="isn't empty, and no study is there"):
        prepare(tmp_path, Config())


def test_rows_are_read_or_named(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"seed": 0}\n{"seed": 1}\n')
    assert read_model_rows(path, "test") == [{"seed": 0}, {"seed": 1}]
    path.write_text('{"seed": ')
    with pytest.raises(InputError, match=r"rows\.jsonl: not JSON lines .* to test again"):
        read_model_rows(path, "test")
