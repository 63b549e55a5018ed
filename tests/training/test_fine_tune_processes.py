"""``fine_tune`` in 2 and 4 processes gives what it gives in one: losses, accuracies, parameters."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.processes import run_processes
from tests.training.toy import toy_config
from wiseft_jax.training.recipes import RECIPES

PROGRAM = """
import json, sys
from pathlib import Path

import jax

from tests.training.toy import toy_classifier, toy_config, toy_dataset, toy_for, toy_train
from wiseft_jax.core.distributed import gather_json
from wiseft_jax.core.errors import NonFiniteLossError
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.training.fine_tune import fine_tune
from wiseft_jax.training.options import TrainOptions

for case in CASES:
    classifier, theta_0 = toy_for(case["recipe"])
    options = TrainOptions(probe_c=(0.1, 10.0)) if case["recipe"] == "lp_ft" else TrainOptions()
    config = toy_config(recipe=case["recipe"], eval_every_epochs=1.0, options=options)
    mesh = MeshConfig(fsdp=case["fsdp"], min_shard_elements=0)
    theta_1 = fine_tune(
        classifier, theta_0, toy_train(case["recipe"], 50),
        toy_dataset(37, seed=3, name="held-out"), config,
        run_dir=Path(OUT) / case["name"], mesh=mesh,
    )
    leaves = {name: leaf.tolist() for name, leaf in flatten_paths(theta_1).items()}
    if jax.process_index() == 0:
        print("theta_1", case["name"], json.dumps(leaves), flush=True)
    found = gather_json(leaves)
    print("same", case["name"], found == [leaves] * jax.process_count(), flush=True)

classifier, theta_0 = toy_classifier()
config = toy_config(eval_every_epochs=1.0)
broken = jax.tree_util.tree_map(lambda leaf: leaf * float("nan"), theta_0)
try:
    fine_tune(
        classifier, broken, toy_dataset(50), None, config, run_dir=Path(OUT) / "broken", mesh=mesh
    )
except NonFiniteLossError as error:
    said = gather_json(str(error))
    print("stopped", said == [str(error)] * jax.process_count(), flush=True)
"""

RECIPE_NAMES = sorted(RECIPES)


def cases(fsdp: int) -> list[dict[str, Any]]:
    return [{"name": recipe, "recipe": recipe, "fsdp": fsdp} for recipe in RECIPE_NAMES]


def outcome(processes: int, devices: int, directory: Path, cases: list[Any]) -> dict[str, Any]:
    """Return parameters and log of each case, as ``processes`` processes find them."""
    program = f"OUT, CASES = {str(directory)!r}, {cases!r}\n{PROGRAM}"
    done = run_processes(processes, program, devices_per_process=devices)
    assert [each.returncode for each in done] == [0] * processes, done
    for each in done:
        same = [line for line in each.stdout.splitlines() if line.startswith("same ")]
        assert same == [f"same {case['name']} True" for case in cases]
        assert each.stdout.splitlines()[-1] == "stopped True"
    (record,) = (directory / "broken" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(json.loads(record)["ids"]) == toy_config().batch_size  # of all the processes
    found = {}
    for line in done[0].stdout.splitlines():
        if line.startswith("theta_1 "):
            _, name, leaves = line.split(" ", 2)
            log = (directory / name / "train.jsonl").read_text(encoding="utf-8").splitlines()
            found[name] = (json.loads(leaves), [json.loads(record) for record in log])
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the outcomes in one process with one device."""
    return outcome(1, 1, tmp_path_factory.mktemp("alone"), cases(fsdp=1))


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, (leaves, log) in found.items():
        others, other_log = expected[name]
        for path, leaf in leaves.items():
            np.testing.assert_allclose(leaf, others[path], rtol=0, atol=2e-6, err_msg=path)
        assert [r["step"] for r in log] == [r["step"] for r in other_log]
        for record, other in zip(log, other_log, strict=True):
            assert record.get("validation_accuracy") == other.get("validation_accuracy")
            if "loss" in record:
                close = functools.partial(pytest.approx, rel=1e-5)
                assert record["loss"] == close(other["loss"])
                assert record["grad_norm"] == close(other["grad_norm"])
                assert record["hits"] == other["hits"]


@pytest.mark.slow
def test_two_processes_equal_one(alone: dict[str, Any], tmp_path: Path):
    assert_equal(outcome(2, 1, tmp_path, cases(fsdp=2)), alone)


@pytest.mark.slow
@pytest.mark.parametrize("fsdp", [1, 2, 8])
def test_four_processes_equal_one(alone: dict[str, Any], tmp_path: Path, fsdp: int):
    assert_equal(outcome(4, 2, tmp_path, cases(fsdp)), alone)
