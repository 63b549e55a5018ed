"""Studies that are run: one row a run, stopped between and inside of runs, and continued."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, dataset
from tests.helpers.tiny import tiny_clip_directory, tiny_images
from wiseft_jax.core.errors import InputError, Interrupted
from wiseft_jax.core.results import read_rows
from wiseft_jax.data.source import ArraySource, Dataset
from wiseft_jax.evaluation.config import SweepConfig
from wiseft_jax.evaluation.predictions import load_predictions
from wiseft_jax.experiment import ExperimentConfig, ExperimentData, ModelConfig
from wiseft_jax.studies.grid import base_of_study, run_study, unfinished
from wiseft_jax.studies.grid_axes import parse_axes
from wiseft_jax.studies.grid_config import Variation, full_grid, replaced
from wiseft_jax.studies.grid_files import StudyDirectory
from wiseft_jax.studies.grid_results import load_results
from wiseft_jax.studies.grid_summary import run_dawin, stored_costs, summarise
from wiseft_jax.training.config import TrainConfig

ALPHAS = (0.0, 0.5, 1.0)
RATES = ["training.learning_rate=1e-3,1e-2"]


class Images(ArraySource):
    """Images in memory; reading one of them may send this process a signal, once."""

    sends_at: int | None = None

    def read(self, index: int) -> np.ndarray:
        if index == self.sends_at:
            self.sends_at = None
            os.kill(os.getpid(), signal.SIGTERM)
        return super().read(index)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ExperimentConfig:
    clip = tiny_clip_directory(tmp_path_factory.mktemp("clip"), vision_layers=1)
    config = ExperimentConfig(
        name="tiny",
        model=ModelConfig(name=str(clip)),
        training=TrainConfig(recipe="linear_probe", epochs=2, batch_size=8, warmup_fraction=0.0),
        sweep=SweepConfig(alphas=ALPHAS, batch_size=16),
    )
    return base_of_study(config, keep_checkpoints=False)


@pytest.fixture(scope="module")
def data() -> ExperimentData:
    labels = np.arange(16) % len(NAMES)
    images = Images(tiny_images(16, seed=3), labels, NAMES, "train")
    return ExperimentData(
        NAMES,
        Dataset("train", images, images.labels, "train", class_names=NAMES),
        dataset(11, "validation", split="validation"),
        (dataset(23, "test"), dataset(16, "shift", role="shift"), dataset(9, "b", role="shift")),
    )


def prepared(
    path: Path, base: ExperimentConfig, texts: Sequence[str]
) -> tuple[StudyDirectory, list[Variation]]:
    axes = parse_axes(base, texts)
    directory = StudyDirectory(path)
    directory.prepare(base, [axis.field for axis in axes], {})
    return directory, full_grid(base, axes)


def reached(directory: StudyDirectory) -> dict[str, Any]:
    """Return by key what a run found, without its times."""
    return {
        row["key"]: {name: row.get(name) for name in ("index", "run", "varied", "sets")}
        for row in directory.read_rows()
    }


@pytest.fixture(scope="module")
def whole(
    base: ExperimentConfig, data: ExperimentData, tmp_path_factory: pytest.TempPathFactory
) -> StudyDirectory:
    """Return a study of two runs that nothing stopped."""
    directory, variations = prepared(tmp_path_factory.mktemp("whole"), base, RATES)
    assert run_study(variations, data, directory) == directory.read_rows()
    return directory


def test_a_row_says_what_the_run_stored(whole: StudyDirectory) -> None:
    rows = whole.read_rows()
    assert [row["varied"]["training.learning_rate"] for row in rows] == [1e-3, 1e-2]
    for row in rows:
        run = whole.run_of(row)
        assert {each.name for each in run.path.iterdir()} >= {"checkpoints", "predictions"}
        assert not run.merged_dir.exists()
        assert {each["config_hash"] for each in read_rows(run.path)} == {row["config_hash"]}
        stored = load_predictions(run.path)
        assert [each["dataset"] for each in row["sets"]] == ["validation", "test", "shift", "b"]
        for each in row["sets"]:
            found = stored[each["dataset"]]
            counts = [found.accuracy(place) for place in range(3)]
            best = int(np.argmax([count.hits for count in counts]))
            places = {"zero_shot": 0, "constant": 1, "chosen": 1, "fine_tuned": 2, "best": best}
            for name, place in places.items():
                low, high = counts[place].interval()
                value = counts[place].compute()
                wanted = {"alpha": ALPHAS[place], "value": value, "ci_low": low, "ci_high": high}
                assert each[name] == wanted
            assert each["n"] == len(found)
        kept = [path.name for path in (run.path / "checkpoints").iterdir() if path.is_dir()]
        assert len(kept) == 1  # of theta_1, and no others


def test_finished_runs_are_left_alone_and_other_values_extend_the_study(
    whole: StudyDirectory, base: ExperimentConfig, data: ExperimentData, tmp_path: Path
) -> None:
    directory, variations = prepared(tmp_path / "a", base, ["training.learning_rate=1e-2"])
    run_study(variations, data, directory)
    before = directory.rows_file.read_text()
    assert run_study(variations, data, directory) == directory.read_rows()
    assert directory.rows_file.read_text() == before
    directory, more = prepared(directory.path, base, RATES)
    todo, rows = unfinished(more, directory)
    assert ([each.varied for each in todo], len(rows)) == ([more[0].varied], 1)
    run_study(more, data, directory)
    assert directory.rows_file.read_text().startswith(before)  # the same run, with its index
    sets = {key: each["sets"] for key, each in reached(directory).items()}
    assert sets == {key: each["sets"] for key, each in reached(whole).items()}


def test_a_run_that_is_gone_is_made_again(
    whole: StudyDirectory, base: ExperimentConfig, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    directory, variations = prepared(tmp_path, base, RATES)
    directory.write_rows(whole.read_rows())
    todo, rows = unfinished(variations, directory)
    assert (len(todo), rows) == (2, [])
    assert "is gone; it is made again" in caplog.text


def test_stopped_between_runs_it_goes_on(
    whole: StudyDirectory, base: ExperimentConfig, data: ExperimentData, tmp_path: Path
) -> None:
    directory, variations = prepared(tmp_path, base, RATES)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(variations, data, directory, finished=stop)  # after its sweep, before its row
    assert directory.read_rows() == []
    rows = run_study(variations, data, directory)
    assert [row["resumed"] for row in rows] == [True, False]
    assert reached(directory) == reached(whole)


@pytest.mark.slow
def test_stopped_inside_a_run_it_goes_on_from_the_checkpoint(
    base: ExperimentConfig, data: ExperimentData, tmp_path: Path
) -> None:
    base = replaced(base, {"training.recipe": "end_to_end", "training.epochs": 4.0})
    whole, variations = prepared(tmp_path / "whole", base, RATES)
    run_study(variations[:1], data, whole)
    directory, variations = prepared(tmp_path / "stopped", base, RATES)
    data.train.source.sends_at = 7  # type: ignore[attr-defined]
    message = r"stopped by SIGTERM; saved after step \d in .*; 0 finished runs are in "
    with pytest.raises(Interrupted, match=message) as stopped:
        run_study(variations[:1], data, directory)
    assert str(stopped.value).endswith("to continue: the same call with resume=True")
    (row,) = run_study(variations[:1], data, directory)
    assert row["resumed"]
    assert reached(directory) == reached(whole)


def test_a_run_that_diverges_is_said_and_the_study_goes_on(
    base: ExperimentConfig, data: ExperimentData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = ["training.learning_rate=1e38,1e-3"]
    base = replaced(base, {"training.clip_norm": None})
    directory, variations = prepared(tmp_path, base, texts)
    rows = run_study(variations, data, directory)
    assert ["failed" in row for row in rows] == [True, False]
    assert "the study goes on without it" in caplog.text
    assert unfinished(variations, directory)[0] == []
    results = load_results(directory)
    assert (len(results.rows), len(results.failed)) == (1, 1)
    assert summarise(directory)["study"]["failed"][0]["varied"] == variations[0].varied
    directory.write_rows(rows[:1])
    with pytest.raises(InputError, match="no run of the study is finished: "):
        load_results(directory)


def test_everything_is_computed_from_what_is_stored(whole: StudyDirectory) -> None:
    facts = summarise(whole)
    assert json.loads(whole.facts_file.read_text()) == json.loads(json.dumps(facts))
    results = load_results(whole)
    assert results.accuracies.shape == (2, 4, 3)
    for m, row in enumerate(whole.read_rows()):
        values = {
            (r["dataset"], r["alpha"]): r["value"] for r in read_rows(whole.path / row["run"])
        }
        for d, each in enumerate(results.sets):
            assert results.accuracies[m, d].tolist() == [values[each.name, at] for at in ALPHAS]
        run = facts["runs"][m]
        assert run["reference"] == [values["test", at] for at in ALPHAS]
        means = [(values["shift", at] + values["b", at]) / 2 for at in ALPHAS]
        assert run["shifts"] == pytest.approx(means)
    assert facts["study"]["shifts"] == {"shift": 16, "b": 9}
    assert facts["rules"]["runs"] == 2
    assert facts["rules"]["rules"]["dawin"]["missing"]


def test_a_field_that_varies_later_has_its_value_in_the_runs_before(
    whole: StudyDirectory, base: ExperimentConfig, tmp_path: Path
) -> None:
    directory = StudyDirectory(Path(shutil.copytree(whole.path, tmp_path / "copy")))
    directory.prepare(base, ["training.epochs", "mixing.name"], {})
    varied = [run["varied"] for run in summarise(directory)["runs"]]
    assert [*varied[0]] == ["training.learning_rate", "training.epochs", "mixing.name"]
    assert [tuple(each.values()) for each in varied] == [(1e-3, 2.0, "none"), (1e-2, 2.0, "none")]


def test_dawin_takes_part_when_it_was_run(whole: StudyDirectory, data: ExperimentData) -> None:
    rows = whole.read_rows()
    run_dawin(rows, data, whole)
    for row in rows:
        costs = {cost["rule"] for cost in stored_costs(whole.run_of(row))}
        assert "dawin" in costs
    dawin = summarise(whole)["rules"]["rules"]["dawin"]
    assert not dawin["missing"]
    files = [whole.run_of(row).path / "rules.json" for row in rows]
    written = [file.stat().st_mtime_ns for file in files]
    run_dawin(rows, data, whole)  # nothing is left to do
    assert [file.stat().st_mtime_ns for file in files] == written
    for file in files:
        file.unlink()


def test_a_run_that_was_swept_otherwise_is_refused(
    whole: StudyDirectory, base: ExperimentConfig, tmp_path: Path
) -> None:
    directory = StudyDirectory(Path(shutil.copytree(whole.path, tmp_path / "copy")))
    run = directory.run_of(directory.read_rows()[1])
    for each in load_predictions(run.path).values():
        other = dataclasses.replace(each, alphas=(0.0, 0.4, 1.0))
        other.save(run.path / "predictions")
    with pytest.raises(InputError, match="it was swept again with other options"):
        load_results(directory)


def test_a_shared_directory_of_checkpoints_is_refused(base: ExperimentConfig) -> None:
    with pytest.raises(InputError, match=r"checkpoints.directory: each run of a study keeps"):
        base_of_study(replaced(base, {"checkpoints.directory": "x"}), keep_checkpoints=True)
    kept = base_of_study(replaced(base, {"checkpoints.keep_latest": 3}), keep_checkpoints=True)
    assert (kept.checkpoints.keep_latest, kept.export) == (3, False)
