from __future__ import annotations

import subprocess
import sys

import jax
import numpy as np

from wiseft_jax.core import rng


def key_data(key: jax.Array) -> tuple[int, ...]:
    return tuple(int(word) for word in np.ravel(jax.random.key_data(key)))


def test_stable_hash_is_the_published_value():
    """Stored runs depend on these numbers: they may never change."""
    assert rng.stable_hash("mixup") == 1_722_760_647
    assert rng.stable_hash("") == 1_120_186_595
    assert 0 <= rng.stable_hash("crop") < 2**31


def test_stable_hash_is_the_same_in_another_process():
    code = "from wiseft_jax.core.rng import stable_hash; print(stable_hash('crop'))"
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", code]
    other = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert int(other.stdout) == rng.stable_hash("crop")


def test_streams_differ_by_root_name_and_step():
    keys = {
        key_data(rng.stream(jax.random.key(seed), name, step))
        for seed in (0, 1)
        for name in ("mixup", "cutmix", "")
        for step in (0, 1, 2)
    }
    assert len(keys) == 2 * 3 * 3


def test_a_stream_depends_on_nothing_else():
    root = jax.random.key(3)
    before = key_data(rng.stream(root, "mixup", 5))
    rng.stream(root, "cutmix", 1)
    assert key_data(rng.stream(root, "mixup", 5)) == before


def test_the_step_may_be_traced():
    root = jax.random.key(3)
    traced = jax.jit(lambda step: rng.stream(root, "mixup", step))(5)
    assert key_data(traced) == key_data(rng.stream(root, "mixup", 5))


def test_numpy_streams_repeat_and_differ():
    def draw(*arguments: object) -> tuple[int, ...]:
        generator = rng.numpy_stream(*arguments)  # type: ignore[arg-type]
        return tuple(generator.integers(0, 2**62, 4).tolist())

    assert draw(0, "crop", 1) == draw(0, "crop", 1)
    different = {draw(0, "crop"), draw(1, "crop"), draw(0, "order"), draw(0, "crop", 1)}
    assert len(different) == 4
