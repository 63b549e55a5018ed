"""The patch study as a library: both families on a few images, resumed, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.tensors import read_tensors
from wiseft_jax.experiment import ExperimentData
from wiseft_jax.quickstart.job import embedded_data, quickstart_config
from wiseft_jax.studies import patch
from wiseft_jax.studies.patch_config import PatchConfig

CONFIG = PatchConfig(
    mixers=("none", "smoothmix"),
    seeds=1,
    epochs=1,
    batch_size=16,
    alphas=(0.0, 1.0),
    bootstrap_samples=20,
)


def few_images(train: int = 32, test: int = 24) -> ExperimentData:
    data = embedded_data(quickstart_config())
    tests = tuple(each.subset(np.arange(test)) for each in data.tests[:3])
    return dataclasses.replace(data, train=data.train.subset(np.arange(train)), tests=tests)


def studied(directory: RunDirectory, config: PatchConfig = CONFIG, **options: Any) -> Any:
    patch.prepare(directory, config, overwrite=False)
    return patch.patch_study(config, quickstart_config(), few_images(**options), directory)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, Any, Any]:
    directory = RunDirectory(tmp_path_factory.mktemp("study") / "patch")
    summary, sheet = studied(directory)
    return directory, summary, sheet


@pytest.mark.slow
def test_every_model_is_measured(study: Any):
    directory, summary, sheet = study
    rows = [json.loads(line) for line in (directory.path / "rows.jsonl").read_text().splitlines()]
    assert [(row["family"], row["mixer"]) for row in rows] == [
        ("resnet", "none"),
        ("resnet", "smoothmix"),
        ("clip", "none"),
        ("clip", "smoothmix"),
    ]
    assert [row["curve"] is not None for row in rows] == [False, False, True, True]
    for row in rows:
        values = row["values"]
        assert values["drop/image"] == pytest.approx(values["clean"] - values["patched/image"])
        ratio = values["energy/noise"] / (100 / 32**2)
        assert values["energy_ratio/noise"] == pytest.approx(ratio)
        found = read_tensors(
            directory.path / "examples" / f"{row['family']}-{row['mixer']}-0.safetensors"
        )
        assert found["clean"].mean() == pytest.approx(values["clean"])
    assert summary["shifts"] == ["optical_digits", "font_digits"]
    assert json.loads((directory.path / "summary.json").read_text()) == summary
    for row in sheet:
        assert row["mask"].sum() == 100
        assert [model["family"] for model in row["models"]] == ["resnet"] * 2 + ["clip"] * 2
        assert all(model["map"].shape == (32, 32) for model in row["models"])


@pytest.mark.slow
def test_a_curve_ends_at_the_measured_model_and_starts_at_one_for_all(study: Any):
    directory, summary, _ = study
    rows = [json.loads(line) for line in (directory.path / "rows.jsonl").read_text().splitlines()]
    clips = [row for row in rows if row["family"] == "clip"]
    for row in clips:
        curve, values = row["curve"], row["values"]
        assert curve["reference"][1] == pytest.approx(values["clean"])
        assert curve["shifts"][1] == pytest.approx(values["shifts"])
        assert curve["flip/image"][1] == pytest.approx(values["flip/image"])
        assert curve["patched/noise"][1] == pytest.approx(values["patched/noise"])
    for name in clips[0]["curve"]:
        assert clips[0]["curve"][name][0] == clips[1]["curve"][name][0]
    assert summary["curves"].keys() == {"none", "smoothmix"}


@pytest.mark.slow
def test_a_second_call_trains_what_is_missing_alone(study: Any):
    directory, summary, _ = study
    models = sorted((directory.path / "models").iterdir())
    times = {path: path.stat().st_mtime_ns for path in models}
    rows = directory.path / "rows.jsonl"
    lines = rows.read_text().splitlines(keepends=True)
    rows.write_text("".join(lines[:2] + lines[3:]))  # killed before the third row was written
    shutil.rmtree(models[-1])  # a model that is asked for again, though it was measured
    again, _ = studied(directory)
    assert {path: path.stat().st_mtime_ns for path in models[:-1]} == {
        path: times[path] for path in models[:-1]
    }
    assert (models[-1] / "config.json").is_file()
    assert again["measures"] == summary["measures"]
    assert again["differences"] == summary["differences"]


@pytest.mark.slow
def test_other_options_and_other_images_are_refused(study: Any):
    directory, _, _ = study
    with pytest.raises(InputError, match=r"these differ: epochs \(1\.0 -> 2\.0\)"):
        patch.prepare(directory, dataclasses.replace(CONFIG, epochs=2), overwrite=False)
    patch.prepare(directory, dataclasses.replace(CONFIG, seeds=2), overwrite=False)
    patch.prepare(directory, CONFIG, overwrite=False)
    with pytest.raises(InputError, match="on other images than today's"):
        studied(directory, test=23)


def test_what_is_no_study_is_not_written_into(tmp_path: Path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(InputError, match="isn't empty, and no study is there"):
        patch.prepare(RunDirectory(tmp_path), CONFIG, overwrite=False)
    with pytest.raises(InputError, match="this isn't one"):
        patch.prepare(RunDirectory(tmp_path), CONFIG, overwrite=True)


def test_stored_models_of_other_data_are_refused_before_anything_is_trained(tmp_path: Path):
    directory, data = RunDirectory(tmp_path / "study"), few_images()
    patch.prepare(directory, CONFIG, overwrite=False)
    patch.check_data(directory, data)
    patch.check_data(directory, data)
    reversed_names = dataclasses.replace(data, class_names=data.class_names[::-1])
    cases = {
        "train": few_images(train=31),
        "tests": few_images(test=23),
        "class_names": reversed_names,
    }
    for name, other in cases.items():
        with pytest.raises(InputError, match=rf"other classes \({name} differ"):
            patch.patch_study(CONFIG, quickstart_config(), other, directory)
    models = directory.path / "models"
    (models / "resnet-none-0").mkdir(parents=True)
    (directory.path / "data.json").unlink()
    with pytest.raises(InputError, match=r"models are there, and no data\.json says"):
        patch.patch_study(CONFIG, quickstart_config(), data, directory)
    assert not (directory.path / "data.json").exists()
