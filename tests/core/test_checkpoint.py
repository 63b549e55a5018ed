"""Checkpoints: what is kept, what is refused, and what a damaged disk does."""

from __future__ import annotations

import json
import logging
import resource
import shutil
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from wiseft_jax.core import checkpoint
from wiseft_jax.core.checkpoint import Checkpoints, restore_params
from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.errors import CheckpointWriteError, InputError
from wiseft_jax.core.mesh import Layout, make_mesh, replicated
from wiseft_jax.core.trees import flatten_paths

OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))


def _params(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "encoder": {"layer": {"kernel": random.normal(size=(64, 48)).astype(np.float32)}},
        "head": {"bias": random.normal(size=(3,)).astype(np.float32), "scale": np.float32(seed)},
    }


def _opt(seed: int) -> Any:
    grads = jax.tree_util.tree_map(jnp.asarray, _params(seed + 100))
    params = jax.tree_util.tree_map(jnp.asarray, _params(seed))
    return OPTIMIZER.update(grads, OPTIMIZER.init(params), params)[1]


def _save_runs(run_dir: Path, metrics: list[float | None]) -> None:
    with Checkpoints(run_dir) as checkpoints:
        for step, metric in enumerate(metrics, 1):
            found = {} if metric is None else {"validation_accuracy": metric, "loss": 1.5}
            checkpoints.save(step, _params(step), _opt(step), {"step": step}, found)


def _assert_equal(found: Any, expected: Any) -> None:
    found, expected = flatten_paths(found), flatten_paths(expected)
    assert list(found) == list(expected)
    for name, leaf in expected.items():
        assert found[name].dtype == leaf.dtype
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)


def test_round_trip_is_bitwise_and_on_the_wanted_devices(tmp_path: Path) -> None:
    mesh = make_mesh(4)
    _save_runs(tmp_path, [0.25])
    target = jax.tree_util.tree_map(
        lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype, sharding=replicated(mesh)),
        (_params(1), _opt(1)),
    )
    checkpoint = Checkpoints(tmp_path).restore(*target)
    assert checkpoint is not None
    assert checkpoint.step == 1
    assert checkpoint.meta == {"step": 1}
    assert checkpoint.metrics == {"validation_accuracy": 0.25, "loss": 1.5}
    _assert_equal(checkpoint.params, _params(1))
    _assert_equal(checkpoint.opt, _opt(1))
    structure = jax.tree_util.tree_structure
    assert structure(checkpoint.opt) == structure(_opt(1))
    assert all(
        leaf.sharding == replicated(mesh) for leaf in jax.tree_util.tree_leaves(checkpoint.params)
    )


def test_keeps_the_newest_two_and_the_best(tmp_path: Path) -> None:
    _save_runs(tmp_path, [0.5, 0.9, 0.7, None, 0.6])
    assert Checkpoints(tmp_path).steps() == (2, 4, 5)
    assert restore_params(tmp_path)[1] == 5
    params, step = restore_params(tmp_path, "best")
    assert step == 2
    _assert_equal(params, _params(2))
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree_util.tree_leaves(params))
    _assert_equal(restore_params(tmp_path, 4)[0], _params(4))


def test_the_newest_stays_when_it_is_the_worst(tmp_path: Path) -> None:
    _save_runs(tmp_path, [0.9, 0.8, 0.7, 0.6])
    assert Checkpoints(tmp_path).steps() == (1, 3, 4)


def test_saving_copies_before_the_buffers_are_donated(tmp_path: Path) -> None:
    add = jax.jit(
        lambda tree: jax.tree_util.tree_map(lambda leaf: leaf + 1, tree), donate_argnums=0
    )
    params = Layout(make_mesh()).place({"kernel": np.zeros((500, 1000), np.float32)})
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, params, {"count": np.zeros((), np.int32)}, {})
        for _ in range(5):
            params = add(params)
        jax.block_until_ready(params)
    stored = restore_params(tmp_path)[0]["kernel"]
    assert stored.min() == stored.max() == 0


def test_nothing_to_restore(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "absent").steps() == ()
    assert Checkpoints(tmp_path).restore(_params(0), _opt(0)) is None
    with pytest.raises(InputError, match="no checkpoint 'latest'; there are: none"):
        restore_params(tmp_path)
    _save_runs(tmp_path, [None])
    with pytest.raises(InputError, match="no checkpoint 7; there are: 1"):
        restore_params(tmp_path, 7)


def test_what_a_killed_process_left_is_ignored_and_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _save_runs(tmp_path, [None])
    directory = tmp_path / "checkpoints"
    for name in ("2.orbax-checkpoint-tmp", "9.orbax-checkpoint-tmp-1732"):
        (directory / name / "params").mkdir(parents=True)
    assert Checkpoints(tmp_path).steps() == (1,)
    assert restore_params(tmp_path)[1] == 1
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(2, _params(2), _opt(2), {})
    assert Checkpoints(tmp_path).steps() == (1, 2)
    assert sorted(path.name for path in directory.iterdir()) == ["1", "2"]
    assert "9.orbax-checkpoint-tmp-1732: an incomplete save of an earlier process" in caplog.text


def test_what_others_put_there_is_left_alone(tmp_path: Path) -> None:
    _save_runs(tmp_path, [None])
    directory = tmp_path / "checkpoints"
    (directory / "notes.txt").write_text("good one")
    (directory / "7").write_text("a file")
    shutil.copytree(directory / "1", directory / "copy_8")
    shutil.copytree(directory / "1", directory / "1.bak")
    assert Checkpoints(tmp_path).steps() == (1,)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoint = checkpoints.restore(_params(0), _opt(0))
        assert checkpoint is not None
        assert checkpoint.step == 1
        for step in (2, 3, 4):
            checkpoints.save(step, _params(step), _opt(step), {})
    assert Checkpoints(tmp_path).steps() == (3, 4)
    names = {path.name for path in directory.iterdir()}
    assert names == {"notes.txt", "7", "copy_8", "1.bak", "3", "4"}


def test_an_old_step_that_was_removed_in_part_is_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _save_runs(tmp_path, [None, None])
    directory = tmp_path / "checkpoints"
    (directory / "1" / "meta" / "metadata").unlink()
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, _params(3), _opt(3), {})
    assert "checkpoints/1: an old checkpoint that was removed in part; removed" in caplog.text
    assert sorted(path.name for path in directory.iterdir()) == ["2", "3"]


def test_an_empty_directory_of_a_step_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _save_runs(tmp_path, [None])
    (tmp_path / "checkpoints" / "5").mkdir()
    checkpoint = Checkpoints(tmp_path).restore(_params(0), _opt(0))
    assert checkpoint is not None
    assert checkpoint.step == 1
    assert "checkpoints/5 is damaged (meta/metadata: " in caplog.text


def test_another_models_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    _save_runs(tmp_path, [None])
    wider = _params(1)
    wider["encoder"]["layer"]["kernel"] = np.zeros((64, 50), np.float32)
    with pytest.raises(InputError, match=r"encoder/layer/kernel: .*\(64, 48\).*\(64, 50\)") as info:
        Checkpoints(tmp_path).restore(wider, _opt(1))
    assert "\n" not in str(info.value)
    with pytest.raises(InputError, match="not in the model: head/bias"):
        Checkpoints(tmp_path).restore({"encoder": _params(1)["encoder"]}, _opt(1))
    assert Checkpoints(tmp_path).steps() == (1,)


def test_meta_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    _save_runs(tmp_path, [None])

    def refuse(meta: dict[str, Any], path: PurePath) -> None:
        assert path.name == "1"
        raise InputError(f"not this one: {meta}")

    with pytest.raises(InputError, match=r"not this one: \{'step': 1\}"):
        Checkpoints(tmp_path).restore(_params(1), _opt(1), refuse)


def _largest_file(step: Path) -> Path:
    return max(
        (p for p in (step / "params").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size
    )


def _truncate(step: Path) -> None:
    file = _largest_file(step)
    file.write_bytes(file.read_bytes()[:100])


def _flip_a_bit(step: Path) -> None:
    file = _largest_file(step)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def _no_manifest(step: Path) -> None:
    (step / "params" / "manifest.ocdbt").unlink()


def _broken_meta(step: Path) -> None:
    (step / "meta" / "metadata").write_text('{"step": ')


def _broken_opt(step: Path) -> None:
    (step / "opt" / "_METADATA").write_text("")


def _broken_metric(step: Path) -> None:
    (step / "metrics" / "metrics").write_text("")


def _wrong_metric(step: Path) -> None:
    file = step / "metrics" / "metrics"
    file.write_text(file.read_text().replace("0.6", "0.2"))


def _no_metric(step: Path) -> None:
    shutil.rmtree(step / "metrics")


@pytest.mark.parametrize(
    "damage", [_truncate, _flip_a_bit, _no_manifest, _broken_meta, _broken_opt]
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    _save_runs(tmp_path, [0.5, 0.6])
    damage(tmp_path / "checkpoints" / "2")
    with caplog.at_level(logging.WARNING):
        checkpoint = Checkpoints(tmp_path).restore(_params(0), _opt(0))
    assert checkpoint is not None
    assert checkpoint.step == 1
    _assert_equal(checkpoint.params, _params(1))
    messages = [r.getMessage() for r in caplog.records if r.name.startswith("wiseft_jax")]
    assert len(messages) == 1
    assert f"{tmp_path}/checkpoints/2 is damaged" in messages[0]
    assert (tmp_path / "checkpoints" / "damaged-2").is_dir()
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(2, _params(2), _opt(2), {})
    assert Checkpoints(tmp_path).steps() == (1, 2)


@pytest.mark.parametrize("which", ["latest", "best", 2])
def test_params_alone_of_a_damaged_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, which: Any
) -> None:
    _save_runs(tmp_path, [0.5, 0.6])
    _truncate(tmp_path / "checkpoints" / "2")
    if which == 2:
        with pytest.raises(InputError, match="checkpoint 2 is damaged"):
            restore_params(tmp_path, which)
    else:
        assert restore_params(tmp_path, which)[1] == 1
        assert f"{tmp_path}/checkpoints/2 is damaged" in caplog.text
    assert Checkpoints(tmp_path).steps() == (1, 2)


@pytest.mark.parametrize("damage", [_broken_metric, _wrong_metric, _no_metric])
def test_the_ranking_survives_its_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    _save_runs(tmp_path, [0.5, 0.6])
    damage(tmp_path / "checkpoints" / "2")
    assert restore_params(tmp_path, "best")[1] == 2
    with Checkpoints(tmp_path, CheckpointConfig(keep_latest=1)) as checkpoints:
        checkpoints.save(3, _params(3), _opt(3), {}, {"validation_accuracy": 0.1})
    assert "2/metrics/metrics: damaged" in caplog.text
    assert Checkpoints(tmp_path).steps() == (2, 3)


def test_a_directory_of_an_earlier_run_says_how_to_begin_anew(tmp_path: Path) -> None:
    outside = CheckpointConfig(directory=str(tmp_path / "kept here"))
    Checkpoints(tmp_path / "run", outside).check_unused()
    with Checkpoints(tmp_path / "run", outside) as checkpoints:
        checkpoints.save(1, _params(1), _opt(1), {})
    with pytest.raises(InputError) as error:
        Checkpoints(tmp_path / "run", outside).check_unused()
    said = str(error.value)
    assert said.startswith(f"{tmp_path}/kept here: there are checkpoints of an earlier run;")
    assert "continue it with --resume; to start again, remove them by hand" in said
    assert f"(rm -r '{tmp_path}/kept here'), or give another --checkpoints.directory" in said
    # Those that were set aside count: a run that starts would meet them when it is continued.
    _broken_meta(tmp_path / "kept here" / "1")
    for _ in range(2):
        with pytest.raises(InputError, match=r"every checkpoint is damaged; .*\(rm -r '/"):
            Checkpoints(tmp_path / "run", outside).restore(_params(0), _opt(0))
    with pytest.raises(InputError, match="continue it with --resume"):
        Checkpoints(tmp_path / "run", outside).check_unused()
    shutil.rmtree(tmp_path / "kept here")
    Checkpoints(tmp_path / "run", outside).check_unused()
    _save_runs(tmp_path / "run", [None])
    with pytest.raises(InputError, match="--resume; start again with --overwrite, or"):
        Checkpoints(tmp_path / "run").check_unused()


def test_all_damaged(tmp_path: Path) -> None:
    _save_runs(tmp_path, [None, None])
    for step in (1, 2):
        _broken_meta(tmp_path / "checkpoints" / str(step))
    for _ in range(2):  # what was set aside isn't forgotten
        with pytest.raises(InputError, match="every checkpoint is damaged; start again with"):
            Checkpoints(tmp_path).restore(_params(0), _opt(0))
    assert Checkpoints(tmp_path).steps() == ()


def test_a_step_may_be_damaged_twice(tmp_path: Path) -> None:
    _save_runs(tmp_path, [None, None])
    for aside in ("damaged-2", "damaged-2-2", "damaged-2-3"):
        _broken_meta(tmp_path / "checkpoints" / "2")
        with Checkpoints(tmp_path) as checkpoints:
            checkpoint = checkpoints.restore(_params(0), _opt(0))
            assert checkpoint is not None
            assert checkpoint.step == 1
            checkpoints.save(2, _params(2), _opt(2), {})
        assert (tmp_path / "checkpoints" / aside).is_dir()
    assert Checkpoints(tmp_path).steps() == (1, 2)


def test_all_processes_tell_the_name_that_the_first_one_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _save_runs(tmp_path, [None, None])
    _broken_meta(tmp_path / "checkpoints" / "2")
    (tmp_path / "checkpoints" / "damaged-2").mkdir()  # of the first process, by now
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    monkeypatch.setattr(checkpoint, "of_first", lambda value: "damaged-2")
    found = Checkpoints(tmp_path).restore(_params(0), _opt(0))
    assert found is not None
    assert found.step == 1
    assert "kept as damaged-2\n" in caplog.text


def test_a_run_directory_can_be_moved(tmp_path: Path) -> None:
    _save_runs(tmp_path / "old", [0.1])
    (tmp_path / "old").rename(tmp_path / "new")
    checkpoint = Checkpoints(tmp_path / "new").restore(_params(0), _opt(0))
    assert checkpoint is not None
    _assert_equal(checkpoint.params, _params(1))
    for file in (tmp_path / "new").rglob("*"):
        if file.suffix == ".json" or file.name == "metadata":
            assert str(tmp_path) not in json.dumps(file.read_text())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_disk_that_takes_no_more_is_said_and_costs_nothing(tmp_path: Path):
    _save_runs(tmp_path, [None])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def save() -> None:
        with Checkpoints(tmp_path) as checkpoints:
            checkpoints.save(2, _params(2), _opt(2), {})

    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        with pytest.raises(
            CheckpointWriteError, match=r"can't be written .*complete checkpoints: 1; make"
        ):
            save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    _assert_equal(restore_params(tmp_path)[0], _params(1))
    save()
    assert Checkpoints(tmp_path).steps() == (1, 2)
