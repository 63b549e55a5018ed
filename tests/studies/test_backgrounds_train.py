"""The train-on x test-on study as a library: a few images, resumed, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.helpers.small_release import masked_images
from tests.helpers.small_resnet import random_variables, small_resnet
from wiseft_jax.clip.resnet_files import load_resnet, save_resnet
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.studies import backgrounds_train as study
from wiseft_jax.studies.backgrounds_train_config import MatrixConfig
from wiseft_jax.studies.backgrounds_train_data import MatrixData, data_of_masked

TESTS = ("original", "mixed_same", "mixed_rand")


def few_images(tests: tuple[str, ...] = TESTS, per_class: int = 4) -> MatrixData:
    return data_of_masked(masked_images(per_class), masked_images(5), tests)


def studied(path: Path, config: MatrixConfig, data: MatrixData) -> dict[str, Any]:
    study.prepare(RunDirectory(path), config, overwrite=False)
    return study.matrix_study(config, data, RunDirectory(path))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> MatrixConfig:
    published = tmp_path_factory.mktemp("published")
    resnet = small_resnet()
    save_resnet(published, resnet, random_variables(resnet), ("dog", "musical box", "fish"))
    return MatrixConfig(
        families=("resnet",),
        train_on=("original", "mixed_rand"),
        test_on=TESTS,
        seeds=2,
        epochs=2,
        batch_size=6,
        resnet=str(published),
    )


@pytest.fixture(scope="module")
def done(config: MatrixConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    path = tmp_path_factory.mktemp("study") / "matrix"
    return path, studied(path, config, few_images())


def models_of(path: Path) -> dict[Path, int]:
    return {each: each.stat().st_mtime_ns for each in (path / "models").rglob("*.safetensors")}


def test_the_matrix_is_what_the_stored_models_answer(done: Any):
    path, matrix = done
    assert json.loads((path / "matrix.json").read_text()) == matrix
    test = masked_images(5)
    values = {(each["train_on"], each["test_on"]): each["values"] for each in matrix["cells"]}
    assert list(values)[:3] == [("start", name) for name in TESTS]
    logits_of = jax.jit(small_resnet().logits)
    for train_on in ("original", "mixed_rand"):
        for seed in (0, 1):
            _, variables, names = load_resnet(path / "models" / f"resnet-{train_on}-{seed}")
            assert names == test.class_names
            for name in TESTS:
                answers = np.asarray(logits_of(variables, test.variant(name))).argmax(1)
                right = (answers == test.labels).mean()
                assert values[train_on, name][seed] == pytest.approx(right)
    gaps = {each["train_on"]: each for each in matrix["gaps"]}
    same, rand = (values["original", name] for name in TESTS[1:])
    assert gaps["original"]["values"] == pytest.approx([same[0] - rand[0], same[1] - rand[1]])
    assert gaps["start"]["over"] == "images"
    assert gaps["original"]["over"] == "seeds"
    assert matrix["n_train"] == {"original": 12, "mixed_rand": 12}
    assert matrix["chance"] == pytest.approx(1 / 3)


@pytest.mark.slow
def test_published_weights_are_tested_as_they_are_and_trained_from(done: Any, config: MatrixConfig):
    path, matrix = done
    assert config.resnet is not None
    _, published, _ = load_resnet(config.resnet)
    test = masked_images(5)
    answers = np.asarray(jax.jit(small_resnet().logits)(published, test.images)).argmax(1)
    start = matrix["cells"][0]
    assert start["values"] == [pytest.approx((answers == test.labels).mean())]
    _, moved, _ = load_resnet(path / "models" / "resnet-original-0")
    kernels = [
        np.asarray(each["params"]["body"]["embedder"]["embedder"]["convolution"]["kernel"])
        for each in (published, moved)
    ]
    assert 0 < np.abs(kernels[0] - kernels[1]).max() < 0.2  # it began there, not at random
    assert config.resnet in matrix["weights"]["resnet"]


@pytest.mark.slow
def test_a_second_call_trains_what_is_missing_alone(
    done: Any, config: MatrixConfig, tmp_path: Path
):
    path = tmp_path / "copy"
    shutil.copytree(done[0], path)
    lines = (path / "rows.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 5
    (path / "rows.jsonl").write_text("".join(lines[:2] + lines[3:]))  # killed before it was written
    shutil.rmtree(path / "models" / "resnet-mixed_rand-1")
    (path / "answers" / "resnet-mixed_rand-1.safetensors").unlink()
    times = models_of(path)
    again = studied(path, config, few_images())
    assert {each: models_of(path)[each] for each in times} == times
    assert len(models_of(path)) == len(times) + 1
    for key in ("cells", "gaps"):
        assert again[key] == done[1][key]


@pytest.mark.slow
def test_further_test_sets_are_answered_by_the_models_that_are_there(
    done: Any, config: MatrixConfig, tmp_path: Path
):
    path = tmp_path / "copy"
    shutil.copytree(done[0], path)
    times = models_of(path)
    more = dataclasses.replace(config, test_on=(*TESTS, "only_fg"), seeds=1)
    found = studied(path, more, few_images(more.test_on))
    assert models_of(path) == times
    assert found["test_on"] == [*TESTS, "only_fg"]
    cells = [each for each in found["cells"] if each["test_on"] != "only_fg"]
    before = [each["values"][0] for each in done[1]["cells"]]
    assert [each["values"] for each in cells] == [[value] for value in before]


@pytest.mark.slow
def test_other_options_images_and_weights_are_refused(
    done: Any, config: MatrixConfig, tmp_path: Path
):
    path, _ = done
    with pytest.raises(InputError, match=r"these differ: epochs \(2\.0 -> 3\.0\)"):
        studied(path, dataclasses.replace(config, epochs=3), few_images())
    with pytest.raises(InputError, match="resnet-original-0 was trained on others"):
        studied(path, config, few_images(per_class=5))
    shutil.copytree(path, tmp_path / "copy")
    there = (tmp_path / "copy" / "rows.jsonl").read_text()
    (tmp_path / "copy" / "rows.jsonl").write_text(there.replace(" a new head", " another head"))
    with pytest.raises(InputError, match="resnet-start-0 started from other weights"):
        studied(tmp_path / "copy", config, few_images())
    other = data_of_masked(masked_images(4), masked_images(6), TESTS)
    with pytest.raises(InputError, match=r"tested on other images \(original, mixed_same, mixed_r"):
        studied(path, config, other)


def test_what_is_no_study_is_not_written_into(tmp_path: Path, config: MatrixConfig):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(InputError, match="isn't empty, and no study is there"):
        study.prepare(RunDirectory(tmp_path), config, overwrite=False)
    with pytest.raises(InputError, match="this isn't one"):
        study.prepare(RunDirectory(tmp_path), config, overwrite=True)
