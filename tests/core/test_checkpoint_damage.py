"""Every file of a checkpoint is cut, emptied, removed and changed: never a wrong number, never a
traceback.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from wiseft_jax.core.checkpoint import Checkpoints, restore_params
from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.trees import flatten_paths

KEEP = CheckpointConfig(keep_latest=3)


def state(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    random = np.random.default_rng(seed)
    params = {
        "encoder": {"kernel": random.normal(size=(32, 24)).astype(np.float32)},
        "head": {"bias": random.normal(size=(3,)).astype(np.float32)},
    }
    opt = {"count": np.int32(seed), "mu": jax.tree_util.tree_map(lambda leaf: leaf / 3, params)}
    return params, opt


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("saved")
    with Checkpoints(run_dir, KEEP) as checkpoints:
        for step in (1, 2):
            metrics = {"validation_accuracy": 0.5 + step / 10}
            checkpoints.save(step, *state(step), {"learning rate": 0.125}, metrics)
    return run_dir


def _empty(data: bytearray) -> bytearray:
    return data[:0]


def _half(data: bytearray) -> bytearray:
    return data[: len(data) // 2]


def _flip(where: float, bit: int) -> Callable[[bytearray], bytearray]:
    def flip(data: bytearray) -> bytearray:
        if data:
            data[int(where * (len(data) - 1))] ^= 1 << bit
        return data

    return flip


DAMAGES: dict[str, Callable[[bytearray], bytearray] | None] = {
    "removed": None,
    "emptied": _empty,
    "cut": _half,
    "garbage": lambda data: bytearray(b"\x93" * len(data)),
    **{
        f"bit at {where:g}": _flip(where, bit)
        for where, bit in ((0, 7), (0.3, 0), (0.5, 2), (1, 0))
    },
}


def _files(step_dir: Path) -> Iterator[str]:
    for file in sorted(step_dir.rglob("*")):
        if file.is_file():
            yield file.relative_to(step_dir).as_posix()


SOME_SLOW = [
    pytest.param(what, marks=() if what in ("removed", "cut", "bit at 0.3") else pytest.mark.slow)
    for what in DAMAGES
]


def _assert_is(step: int, params: Any, opt: Any = None) -> None:
    wanted_params, wanted_opt = state(step)
    pairs = [(params, wanted_params)] + ([] if opt is None else [(opt, wanted_opt)])
    for found, wanted in pairs:
        found, wanted = flatten_paths(found), flatten_paths(wanted)
        assert found.keys() == wanted.keys()
        for name, leaf in wanted.items():
            np.testing.assert_array_equal(np.asarray(found[name]), leaf, err_msg=name, strict=True)


def _damage(run_dir: Path, name: str, change: Callable[[bytearray], bytearray] | None) -> bytes:
    file = run_dir / "checkpoints" / "2" / name
    before = file.read_bytes()
    if change is None:
        file.unlink()
    else:
        file.write_bytes(bytes(change(bytearray(before))))
    return before


@pytest.mark.parametrize("what", SOME_SLOW)
def test_every_file(
    saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    names = list(_files(saved / "checkpoints" / "2"))
    assert {name.split("/")[0] for name in names} == {
        *("params", "opt", "meta", "metrics", "_CHECKPOINT_METADATA", "commit_success.txt")
    }
    used_before = []
    for name in names:
        caplog.clear()
        run_dir = tmp_path / "run"
        shutil.copytree(saved, run_dir)
        before = _damage(run_dir, name, DAMAGES[what])
        with Checkpoints(run_dir, KEEP) as checkpoints:
            checkpoint = checkpoints.restore(*state(0))
            assert checkpoint is not None, name
            _assert_is(checkpoint.step, checkpoint.params, checkpoint.opt)
            assert checkpoint.meta == {"learning rate": 0.125}
            assert checkpoint.metrics == {"validation_accuracy": 0.5 + checkpoint.step / 10}
            said = f"{run_dir}/checkpoints/2 is damaged" in caplog.text
            assert said == (checkpoint.step == 1), name
            checkpoints.save(3, *state(3), {})
        kept = (1, 3) if said else (1, 2, 3)
        assert Checkpoints(run_dir).steps() == kept, name
        _assert_is(3, restore_params(run_dir)[0])
        used_before += [name] if said and before else []
        shutil.rmtree(run_dir)
    assert {name.split("/")[0] for name in used_before} >= {"params", "opt", "meta"}


@pytest.mark.parametrize("what", SOME_SLOW)
def test_every_file_of_the_parameters_alone(saved: Path, tmp_path: Path, what: str) -> None:
    for name in _files(saved / "checkpoints" / "2"):
        run_dir = tmp_path / "run"
        shutil.copytree(saved, run_dir)
        _damage(run_dir, name, DAMAGES[what])
        params, step = restore_params(run_dir, "best")
        _assert_is(step, params)
        if step == 2:
            _assert_is(2, restore_params(run_dir, 2)[0])
        else:
            with pytest.raises(InputError, match="checkpoint 2 is damaged and can't be read"):
                restore_params(run_dir, 2)
        shutil.rmtree(run_dir)


def test_arrays_that_go_to_devices(
    saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Orbax reads those in another way, and wraps the errors of some files."""
    names = [name for name in _files(saved / "checkpoints" / "2") if "/ocdbt.process_0/" in name]
    assert names
    target = jax.tree_util.tree_map(jnp.asarray, state(0))
    for number, name in enumerate(names):
        run_dir = tmp_path / str(number)
        shutil.copytree(saved, run_dir)
        _damage(run_dir, name, _half)
        caplog.clear()
        checkpoint = Checkpoints(run_dir, KEEP).restore(*target)
        assert checkpoint is not None
        _assert_is(checkpoint.step, checkpoint.params, checkpoint.opt)
        assert ("2 is damaged" in caplog.text) == (checkpoint.step == 1)


@pytest.mark.slow
def test_any_bit_of_any_file(saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """300 bits drawn at random: half over the files, half over the bytes."""
    random = np.random.default_rng(0)
    files = [saved / "checkpoints" / "2" / name for name in _files(saved / "checkpoints" / "2")]
    sizes = np.asarray([file.stat().st_size for file in files])
    files, sizes = [f for f, n in zip(files, sizes, strict=True) if n], sizes[sizes > 0]
    outcomes = []
    for trial in range(300):
        weights = sizes / sizes.sum() if trial % 2 else None
        index = random.choice(len(files), p=weights)
        position, bit = random.integers(sizes[index]), int(random.integers(8))
        run_dir = tmp_path / str(trial)
        shutil.copytree(saved, run_dir)
        name = files[index].relative_to(saved / "checkpoints" / "2").as_posix()
        _damage(run_dir, name, _flip(position / max(sizes[index] - 1, 1), bit))
        caplog.clear()
        checkpoint = Checkpoints(run_dir, KEEP).restore(*state(0))
        assert checkpoint is not None
        _assert_is(checkpoint.step, checkpoint.params, checkpoint.opt)
        assert checkpoint.meta == {"learning rate": 0.125}
        assert ("2 is damaged" in caplog.text) == (checkpoint.step == 1)
        outcomes.append(checkpoint.step)
        shutil.rmtree(run_dir)
    assert set(outcomes) == {1, 2}


def test_wrong_numbers_that_no_file_betrays_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Arrays of another step, written well: only our checksums can tell."""
    with Checkpoints(tmp_path, KEEP) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, *state(step), {})
    directory = tmp_path / "checkpoints"
    shutil.rmtree(directory / "2" / "opt")
    shutil.copytree(directory / "1" / "opt", directory / "2" / "opt")
    checkpoint = Checkpoints(tmp_path).restore(*state(0))
    assert checkpoint is not None
    assert checkpoint.step == 1
    named = "opt: the checksum is wrong of count, mu/encoder/kernel, mu/head/bias"
    assert f"checkpoints/2 is damaged ({named})" in caplog.text


def test_facts_that_were_changed_are_not_believed(
    saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "checkpoints" / "2" / "meta" / "metadata"
    stored = json.loads(file.read_text())
    stored["values"]["meta"]["learning rate"] = 0.25
    file.write_text(json.dumps(stored))
    seen = []
    checkpoint = Checkpoints(tmp_path).restore(
        *state(0), lambda meta, path: seen.append((meta, path.name))
    )
    assert checkpoint is not None
    assert seen == [({"learning rate": 0.125}, "1")]
    assert "2 is damaged (meta/metadata: the checksum is wrong)" in caplog.text


@pytest.mark.parametrize(("data", "fsdp"), [(8, 1), (2, 4), (4, 2)])
def test_the_checksums_hold_on_other_devices(tmp_path: Path, data: int, fsdp: int) -> None:
    mesh = jax.make_mesh((data, fsdp), ("data", "fsdp"), axis_types=make_mesh().axis_types[:2])

    def split(leaf: Any) -> Any:
        axis = "fsdp" if np.shape(leaf)[:1] == (32,) else None
        spec = PartitionSpec(*([axis] + [None] * (np.ndim(leaf) - 1) if np.ndim(leaf) else []))
        return jax.device_put(jnp.asarray(leaf), NamedSharding(mesh, spec))

    one = jax.tree_util.tree_map(jnp.asarray, state(4))
    spread = jax.tree_util.tree_map(split, state(4))
    for source, target in ((one, spread), (spread, one), (spread, spread)):
        run_dir = tmp_path / f"{source is one}-{target is one}"
        with Checkpoints(run_dir) as checkpoints:
            checkpoints.save(4, source[0], source[1], {})
        checkpoint = Checkpoints(run_dir).restore(target[0], target[1])
        assert checkpoint is not None
        _assert_is(4, checkpoint.params, checkpoint.opt)
        for found, wanted in zip(
            jax.tree_util.tree_leaves((checkpoint.params, checkpoint.opt)),
            jax.tree_util.tree_leaves(target),
            strict=True,
        ):
            assert found.sharding.is_equivalent_to(wanted.sharding, found.ndim)
