"""An interrupted run continues bit for bit, and never as another run."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.toy import (
    toy_classifier,
    toy_config,
    toy_dataset,
    toy_for,
    toy_options,
    toy_train,
)
from wiseft_jax.core.checkpoint import Checkpoints, restore_params
from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.checkpoint_files import read_facts
from wiseft_jax.core.errors import InputError, Interrupted
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.training.fine_tune import fine_tune
from wiseft_jax.training.recipes import RECIPES

FOUR_STEPS = toy_config(epochs=4 / 3, eval_every_epochs=1 / 3)
"""48 images in batches of 16: four steps, validation (and a checkpoint) after each."""


def train(
    run_dir: Path,
    config: Any = FOUR_STEPS,
    *,
    evaluate: Callable[[Any], float] | None = None,
    resume: bool = False,
    devices: int = 1,
    layout: MeshConfig | None = None,
    checkpoints: CheckpointConfig = CheckpointConfig(),
    **changes: Any,
) -> Any:
    classifier, theta_0 = toy_for(config.recipe)
    arguments = {"theta_0": theta_0, "train": toy_train(config.recipe), **changes}
    return fine_tune(
        classifier,
        arguments["theta_0"],
        arguments["train"],
        toy_dataset(12, seed=9),
        config,
        run_dir=run_dir,
        resume=resume,
        evaluate=evaluate,
        mesh=layout or make_mesh(devices),
        checkpoints=checkpoints,
    )


def stops_at(call: int, stop: Callable[[], None]) -> Callable[[Any], float]:
    """Return an evaluation that stops the run at its n-th call."""
    calls = []

    def evaluate(theta: Any) -> float:
        calls.append(theta)
        if len(calls) == call:
            stop()
        return 0.5

    return evaluate


def crash() -> None:
    raise RuntimeError("power cut")


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def steps_and_losses(run_dir: Path) -> list[tuple[int, float]]:
    lines = (run_dir / "train.jsonl").read_text(encoding="utf-8").splitlines()
    values = [json.loads(line) for line in lines]
    return [(record["step"], record["loss"]) for record in values if "loss" in record]


def assert_equal(found: Any, expected: Any) -> None:
    found, expected = flatten_paths(found), flatten_paths(expected)
    assert list(found) == list(expected)
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)


@pytest.mark.parametrize("recipe", sorted(RECIPES))
@pytest.mark.parametrize(
    ("stop", "at", "error", "said"),
    [
        (crash, 3, RuntimeError, "power cut"),
        (terminate, 2, Interrupted, "stopped by SIGTERM; saved after step 2 in"),
    ],
)
def test_two_steps_a_stop_and_two_steps_are_four_steps(
    tmp_path: Path,
    recipe: str,
    stop: Callable[[], None],
    at: int,
    error: type[Exception],
    said: str,
):
    config = dataclasses.replace(FOUR_STEPS, recipe=recipe, options=toy_options(recipe))
    whole = train(tmp_path / "whole", config)
    broken = tmp_path / "broken"
    with pytest.raises(error, match=said):
        train(broken, config, evaluate=stops_at(at, stop))
    assert Checkpoints(broken).steps() == (1, 2)
    resumed = train(broken, config, resume=True)
    assert_equal(resumed, whole)
    assert steps_and_losses(broken) == steps_and_losses(tmp_path / "whole")
    assert [step for step, _ in steps_and_losses(broken)] == [1, 2, 3, 4]


def test_a_signal_between_evaluations_saves_too(tmp_path: Path):
    config = dataclasses.replace(FOUR_STEPS, eval_every_epochs=None)
    whole = train(tmp_path / "whole", config)
    dataset = toy_dataset(48)
    reads = []

    def read(index: int) -> Any:
        reads.append(index)
        if len(reads) == 1:
            terminate()
        return type(dataset.source).read(dataset.source, index)

    dataset.source.read = read  # type: ignore[attr-defined]
    with pytest.raises(Interrupted, match="saved after step 1 in"):
        train(tmp_path / "broken", config, train=dataset)
    assert Checkpoints(tmp_path / "broken").steps() == (1,)
    assert_equal(train(tmp_path / "broken", config, resume=True), whole)


def test_a_signal_at_the_last_step_stops_a_complete_run(tmp_path: Path):
    theta_1 = train(tmp_path / "whole")
    broken = tmp_path / "broken"
    with pytest.raises(Interrupted, match="stopped by SIGTERM; saved after step 4 in"):
        train(broken, evaluate=stops_at(4, terminate))
    assert_equal(train(broken, resume=True, evaluate=stops_at(1, crash)), theta_1)


def test_a_signal_while_a_complete_run_is_restored_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    theta_1 = train(tmp_path)
    restore = Checkpoints.restore

    def slow_restore(*args: Any) -> Any:
        terminate()
        return restore(*args)

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "restore", slow_restore)
        with pytest.raises(Interrupted, match="step 4 is saved in"):
            train(tmp_path, resume=True)
    assert_equal(train(tmp_path, resume=True), theta_1)


@pytest.mark.usefixtures("heeded_sigint")
def test_without_a_run_directory_a_signal_keeps_its_effect():
    classifier, theta_0 = toy_classifier()

    def interrupt(theta: Any) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        fine_tune(classifier, theta_0, toy_dataset(48), None, FOUR_STEPS, evaluate=interrupt)


def test_a_complete_run_is_read_not_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    theta_1 = train(tmp_path)
    log = (tmp_path / "train.jsonl").read_bytes()
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        assert_equal(train(tmp_path, resume=True), theta_1)
    assert "all 4 steps are complete already" in caplog.text
    assert (tmp_path / "train.jsonl").read_bytes() == log
    assert_equal(restore_params(tmp_path)[0], theta_1)


def test_resuming_nothing_starts_afresh(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        train(tmp_path, resume=True)
    assert "nothing to resume, starting afresh" in caplog.text
    assert [step for step, _ in steps_and_losses(tmp_path)] == [1, 2, 3, 4]


def test_an_earlier_run_is_not_overwritten(tmp_path: Path):
    train(tmp_path)
    said = "checkpoints of an earlier run; continue it with --resume; start again with --overwrite"
    with pytest.raises(InputError, match=said):
        train(tmp_path)


def test_a_directory_that_takes_no_checkpoints_is_found_before_a_step(tmp_path: Path):
    (tmp_path / "elsewhere").write_text("a file in the way")
    classifier, theta_0 = toy_classifier()
    dataset, reads = toy_dataset(48), []

    def read(index: int) -> Any:
        reads.append(index)
        return type(dataset.source).read(dataset.source, index)

    dataset.source.read = read  # type: ignore[attr-defined]
    keeping = CheckpointConfig(directory=str(tmp_path / "elsewhere"))
    for resume in (False, True):
        with pytest.raises(InputError, match="elsewhere: checkpoints can't be written there"):
            fine_tune(
                classifier,
                theta_0,
                dataset,
                None,
                FOUR_STEPS,
                run_dir=tmp_path / "run",
                resume=resume,
                checkpoints=keeping,
                mesh=make_mesh(1),
            )
    assert not reads
    assert not (tmp_path / "run").exists()


def test_the_best_checkpoint_is_kept(tmp_path: Path):
    seen = []

    def evaluate(theta: Any) -> float:
        seen.append(theta)
        return [0.2, 0.9, 0.3, 0.4][len(seen) - 1]

    theta_1 = train(tmp_path, evaluate=evaluate)
    assert Checkpoints(tmp_path).steps() == (2, 3, 4)
    best, step = restore_params(tmp_path, "best")
    assert step == 2
    assert_equal(best, seen[1])
    assert_equal(seen[3], theta_1)


def test_checkpoints_by_count(tmp_path: Path):
    config = dataclasses.replace(FOUR_STEPS, eval_every_epochs=None)
    train(tmp_path, config, checkpoints=CheckpointConfig(save_every_steps=3))
    assert Checkpoints(tmp_path).steps() == (3, 4)


def test_a_damaged_checkpoint_costs_only_its_steps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    whole = train(tmp_path / "whole")
    broken = tmp_path / "broken"
    with pytest.raises(Interrupted):
        train(broken, evaluate=stops_at(3, terminate))
    files = (broken / "checkpoints" / "3" / "opt").rglob("*")
    largest = max((f for f in files if f.is_file()), key=lambda file: file.stat().st_size)
    largest.write_bytes(b"")
    assert_equal(train(broken, resume=True), whole)
    assert f"{broken}/checkpoints/3 is damaged" in caplog.text
    assert steps_and_losses(broken) == steps_and_losses(tmp_path / "whole")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("rate", r"training\.learning_rate \(0\.05 -> 0\.04\); training\.seed \(0 -> 3\)\. Give"),
        ("recipe", r"training\.recipe \('end_to_end' -> 'linear_probe'\)"),
        ("data", r"training set \(.*'images': 48.* -> .*'images': 40"),
        ("pixels", r"training set \("),
        ("theta_0", r"theta_0 \([0-9a-f]{16} -> [0-9a-f]{16}\)"),
        ("devices", r"batch \(16 -> 15\)"),
    ],
)
def test_another_run_is_not_continued(tmp_path: Path, what: str, message: str):
    train(tmp_path, dataclasses.replace(FOUR_STEPS, epochs=1 / 3))
    config = dataclasses.replace(FOUR_STEPS, epochs=1 / 3)
    changes: dict[str, Any] = {}
    if what == "rate":
        config = dataclasses.replace(config, learning_rate=0.04, seed=3)
    elif what == "recipe":
        config = dataclasses.replace(config, recipe="linear_probe")
    elif what == "data":
        changes = {"train": toy_dataset(40)}
    elif what == "pixels":
        changes = {"train": toy_dataset(48, seed=1)}
    elif what == "theta_0":
        changes = {"theta_0": toy_classifier(1)[1]}
    elif what == "devices":
        changes = {"devices": 5}
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message) as info:
        train(tmp_path, config, resume=True, **changes)
    assert "\n" not in str(info.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_what_does_not_change_the_weights_may_change(tmp_path: Path):
    whole = train(tmp_path / "whole")
    broken = tmp_path / "broken"
    with pytest.raises(Interrupted):
        train(broken, evaluate=stops_at(2, terminate))
    config = dataclasses.replace(FOUR_STEPS, eval_every_epochs=None)
    checkpoints = CheckpointConfig(save_every_steps=1)
    assert_equal(train(broken, config, resume=True, checkpoints=checkpoints), whole)


LAYOUTS = {
    "data 8": MeshConfig(),
    "data 2 x fsdp 4": MeshConfig(fsdp=4, min_shard_elements=1),
    "fsdp 8": MeshConfig(fsdp=8, min_shard_elements=1),
}


@pytest.mark.parametrize(
    ("layout", "k"),
    [
        ("data 8", 2),
        ("data 2 x fsdp 4", 2),
        pytest.param("data 2 x fsdp 4", 1, marks=pytest.mark.slow),
        pytest.param("data 2 x fsdp 4", 3, marks=pytest.mark.slow),
        pytest.param("fsdp 8", 2, marks=pytest.mark.slow),
    ],
)
def test_k_steps_a_resume_and_the_rest_on_eight_devices(
    tmp_path: Path, layout: str, k: int
) -> None:
    where = LAYOUTS[layout]
    whole = train(tmp_path / "whole", layout=where)
    broken = tmp_path / "broken"
    with pytest.raises(Interrupted, match=f"saved after step {k} in"):
        train(broken, evaluate=stops_at(k, terminate), layout=where)
    resumed = train(broken, resume=True, layout=where)
    assert_equal(resumed, whole)
    assert steps_and_losses(broken) == steps_and_losses(tmp_path / "whole")


@pytest.mark.parametrize(
    ("saved_on", "restored_on"),
    [
        (MeshConfig(), LAYOUTS["data 2 x fsdp 4"]),
        (LAYOUTS["data 2 x fsdp 4"], LAYOUTS["fsdp 8"]),
        (LAYOUTS["data 2 x fsdp 4"], 1),
        (1, LAYOUTS["data 2 x fsdp 4"]),
    ],
)
def test_resumed_on_eight_devices_or_from_them_the_state_is_the_same_bit_for_bit(
    tmp_path: Path, saved_on: MeshConfig | int, restored_on: MeshConfig | int
) -> None:
    """A run that is complete is restored, on other devices, and nothing is added to it."""

    def on(where: MeshConfig | int, **options: Any) -> Any:
        layout, devices = (None, where) if isinstance(where, int) else (where, 8)
        return train(tmp_path, layout=layout, devices=devices, **options)

    theta_1 = on(saved_on)
    assert_equal(on(restored_on, resume=True, evaluate=stops_at(1, crash)), theta_1)


def test_a_checkpoint_holds_the_task_and_the_metrics(tmp_path: Path) -> None:
    train(tmp_path, evaluate=lambda theta: 0.25)
    facts = read_facts(Checkpoints(tmp_path).path(4))
    assert facts.metrics["validation_accuracy"] == 0.25
    records = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    last = [record for record in records if "loss" in record][-1]
    for name in ("loss", "accuracy", "learning_rate"):
        assert facts.metrics[name] == last[name]
    assert facts.meta["task"]["config"]["batch_size"] == 16
    assert facts.meta["task"]["training set"]["images"] == 48
    assert sorted(facts.arrays["params"]) == sorted(flatten_paths(toy_classifier()[1]))


def test_the_configuration_says_how_many_checkpoints_and_where(tmp_path: Path) -> None:
    keeping = CheckpointConfig(keep_latest=1, keep_best=2, directory=str(tmp_path / "elsewhere"))
    accuracies = iter([0.9, 0.8, 0.1, 0.2])
    theta_1 = train(tmp_path / "run", evaluate=lambda _: next(accuracies), checkpoints=keeping)
    assert Checkpoints(tmp_path / "run", keeping).steps() == (1, 2, 4)
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert_equal(restore_params(tmp_path / "run", "latest", keeping)[0], theta_1)
    assert restore_params(tmp_path / "run", "best", keeping)[1] == 1


def test_another_number_of_devices_may_continue(tmp_path: Path):
    whole = train(tmp_path / "whole")
    broken = tmp_path / "broken"
    with pytest.raises(Interrupted):
        train(broken, evaluate=stops_at(2, terminate))
    resumed = flatten_paths(train(broken, resume=True, devices=8))
    for name, leaf in flatten_paths(whole).items():
        np.testing.assert_allclose(resumed[name], leaf, rtol=0, atol=2e-6, err_msg=name)
