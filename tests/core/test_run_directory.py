"""A run directory is made, refused, continued or replaced; never by accident."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory, model_name


@dataclasses.dataclass(frozen=True)
class Config:
    seed: int = 0


def prepared(path: Path, config: Config = Config()) -> RunDirectory:
    directory = RunDirectory(path)
    directory.prepare(config, resume=False, overwrite=False)
    (path / "train.jsonl").touch()
    return directory


def test_a_new_one_holds_configuration_and_versions(tmp_path: Path) -> None:
    directory = prepared(tmp_path / "new" / "run")
    stored = json.loads(directory.config_file.read_text())
    assert stored["config"] == {"seed": 0} == directory.read_config()
    assert set(stored["versions"]) >= {"jax", "transformers", "numpy"}


def test_an_empty_directory_will_do(tmp_path: Path) -> None:
    assert prepared(tmp_path).config_file.is_file()


def test_an_occupied_one_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    directory = prepared(tmp_path / "run")
    with pytest.raises(InputError, match=r"--resume.*--overwrite"):
        directory.prepare(Config(), resume=False, overwrite=False)


def test_resume_needs_the_same_configuration(tmp_path: Path) -> None:
    directory = prepared(tmp_path / "run")
    directory.prepare(Config(), resume=True, overwrite=False)
    with pytest.raises(InputError, match=r"seed \(0 -> 1\)"):
        directory.prepare(Config(1), resume=True, overwrite=False)


def test_a_run_that_never_began_is_in_nobodys_way(tmp_path: Path) -> None:
    directory = prepared(tmp_path / "run")
    (directory.path / "train.jsonl").unlink()
    directory.prepare(Config(1), resume=False, overwrite=False)
    assert directory.read_config() == {"seed": 1}


def test_resume_of_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    RunDirectory(tmp_path / "typo").prepare(Config(), resume=True, overwrite=False)
    assert "no run to resume there" in caplog.text


def test_overwrite_spares_a_model_directory(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    (tmp_path / "model.safetensors").write_bytes(b"precious")
    with pytest.raises(InputError, match="this isn't one"):
        RunDirectory(tmp_path).prepare(Config(), resume=False, overwrite=True)
    assert (tmp_path / "model.safetensors").read_bytes() == b"precious"


def test_resume_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="nothing to resume"):
        RunDirectory(tmp_path).prepare(Config(), resume=True, overwrite=False)


def test_overwrite_replaces_a_run_and_nothing_else(tmp_path: Path) -> None:
    directory = prepared(tmp_path / "run")
    (directory.path / "old.txt").write_text("old")
    directory.prepare(Config(2), resume=False, overwrite=True)
    assert not (directory.path / "old.txt").exists()
    assert directory.read_config() == {"seed": 2}
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "holiday.jpg").write_text("precious")
    with pytest.raises(InputError, match="remove it by hand"):
        RunDirectory(photos).prepare(Config(), resume=False, overwrite=True)
    assert (photos / "holiday.jpg").exists()


def test_both_flags_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exclude each other"):
        RunDirectory(tmp_path).prepare(Config(), resume=True, overwrite=True)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(InputError, match="found a file"):
        prepared(tmp_path / "run")
    with pytest.raises(InputError, match="can't write there"):
        prepared(tmp_path / "run" / "below")


def test_reading_what_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such run directory.*There is no run in /"):
        RunDirectory(tmp_path / "missing").read_config()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="expected a run directory, found a file"):
        RunDirectory(tmp_path / "file").read_config()
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(InputError, match="not the configuration of a run"):
        RunDirectory(tmp_path).read_config()


def test_an_export_is_not_a_run_nor_a_run_a_model(tmp_path: Path) -> None:
    directory = prepared(tmp_path / "run")
    said = directory.instead_of_model()
    assert "run: this is a run directory, not a model; it has no merged model, and wiseft" in said
    directory.merged_dir.mkdir()
    (directory.merged_dir / "wiseft.json").write_text("{}")
    (directory.merged_dir / "config.json").write_text("{}")
    assert directory.instead_of_model().endswith(f"its merged model is {tmp_path}/run/merged")
    inside = rf"found an exported model, .*the run that it lies in is {tmp_path}/run\."
    with pytest.raises(InputError, match=inside):
        RunDirectory(directory.merged_dir).read_config()


def test_a_run_that_is_not_there_says_which_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(12):
        config_file = prepared(tmp_path / "runs" / f"flowers-{index:02}").config_file
        os.utime(config_file, (index, index))
    (tmp_path / "runs" / "notes").mkdir()
    (tmp_path / "runs" / "notes" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        RunDirectory(Path("runs/flower-03")).read_config()
    said = str(raised.value)
    assert said.startswith(
        f"runs/flower-03: no such run directory; {tmp_path}/runs exists, without"
    )
    assert "Did you mean 'flowers-03'?" in said
    newest = ", ".join(f"runs/flowers-{index:02}" for index in range(11, 1, -1))
    listed = f"Runs in {tmp_path}/runs, the newest first: {newest} and 2 more."
    assert said.endswith(listed)
    with pytest.raises(InputError) as raised:
        RunDirectory(Path("runs")).read_config()
    assert str(raised.value) == f"runs: not a run directory, there is no config.json. {listed}"


def test_a_model_is_called_after_its_run_or_its_directory(tmp_path: Path) -> None:
    run = prepared(tmp_path / "photos")
    assert model_name(run.merged_dir) == "photos"
    assert model_name(run.path / "other") == "other"
    assert model_name(tmp_path / "merged") == "merged"  # in no run
