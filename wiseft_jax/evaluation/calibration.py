"""How many alphas at once: timed on the first batch of a sweep, where that can pay.

One alpha after another needs two copies of the weights and runs small products; all at once
(``vmap``) needs a copy for each alpha and runs large ones. Which is faster depends on the chip, the
model and the batch, so it is measured, but a second program takes seconds to compile: only a sweep
that is long beside what the timing costs is timed, or one that is asked to be.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import jax

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.distributed import of_first
from wiseft_jax.core.mesh_config import ALPHA_AXIS
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.backend import available_bytes
from wiseft_jax.evaluation.engine import CAPACITY, EngineConfig, compiled_step, padded_alphas
from wiseft_jax.evaluation.evaluator import own_batches, with_images

Calibrate: TypeAlias = Literal["auto", "always", "never"]
"""When chunks are timed: where it pays, whatever it costs, or not at all."""

_SPARE = 0.8
"""Share of the free memory that copies of the weights may take."""
_BYTES_AN_ALPHA = 2
"""Memory that one more alpha at once needs, in models: its weights, and as much for activations."""
_TRIED_CHUNK = 4
_PAYS_OFF = 50
"""How many times as long as the timing of the other candidates a sweep must take: it costs 2 %."""
_FASTER = 0.95
"""Another candidate is taken when it needs at most this share of the default's time."""
_LONG_ENOUGH_SECS = 0.5
_MOST_RUNS = 3


def calibrated(
    classifier: Classifier,
    ends: tuple[Params, Params],
    config: EngineConfig,
    alphas: tuple[float, ...],
    datasets: Sequence[Dataset],
    calibrate: Calibrate = "auto",
    free_bytes: int | None = None,
) -> tuple[EngineConfig, str]:
    """Return the configuration with the fastest number of alphas at once, and what was timed.

    Each candidate is compiled once, and the chosen one stays compiled. Process 0 decides.

    Args:
      classifier: The model.
      ends: Both ends, on the devices.
      config: The default; its chunk is the first candidate.
      alphas: The sweep's.
      datasets: The sweep's; the first batch of the first one is read for the timing.
      calibrate: When to time.
      free_bytes: Free memory, of each device; looked up when None.

    Returns:
      ``(config, why)``; all alphas at once is the back-end ``"vmap"``.
    """
    if calibrate == "never":
        return config, "nothing was timed, as asked for"
    default, others = candidates(config, ends[0], len(alphas), free_bytes)
    if not others:
        return default, "no other number of alphas at once fits, so nothing was timed"
    # Each candidate takes a batch's time at least, so a sweep of fewer batches can't pay for that.
    batches = sum(-(-len(dataset) // config.batch_size) for dataset in datasets)
    pays = _PAYS_OFF * len(others)
    if calibrate == "auto" and batches <= pays:
        return default, f"{batches} batches of images, too few to time another number at once"
    batch = _first_batch(classifier, datasets[0], config)
    compiling, one = _compiled_and_tried(classifier, ends, default, alphas, batch)
    whole = one * len(alphas) * batches
    cost = pays * (compiling + one * len(alphas))
    if calibrate == "auto" and of_first(whole < cost):
        return default, (
            f"about {whole:.0f} s of work and {compiling:.1f} s of compiling, too little work to"
            " time another number at once"
        )
    seconds = {default: time_step(classifier, ends, default, alphas, batch)}
    best = default
    for tried in others:
        seconds[tried] = time_step(classifier, ends, tried, alphas, batch)
        limit = _FASTER * seconds[default] if best is default else seconds[best]
        best = tried if of_first(seconds[tried] < limit) else best
        compiled_step(classifier, best)  # the two used last are kept: the best one is among them
    return best, of_first(_told(seconds, default, best, len(alphas)))


def candidates(
    config: EngineConfig, theta: Params, num_alphas: int, free_bytes: int | None = None
) -> tuple[EngineConfig, list[EngineConfig]]:
    """Return the default, as far as it fits into memory, and what to time beside it.

    These are one alpha at once (on each device of ``mesh.alpha``), four, and as many as a call of
    the step takes: where that is all of them, the back-end ``vmap``.

    Args:
      config: The default.
      theta: One end, on the devices.
      num_alphas: The sweep's.
      free_bytes: Free memory, of each device; looked up when None.
    """
    mesh = config.layout.mesh
    at_once = mesh.shape[ALPHA_AXIS]
    largest = -(-min(num_alphas, CAPACITY) // at_once) * at_once
    free = free_bytes if free_bytes is not None else available_bytes(mesh)
    if free is not None:
        if free_bytes is None and mesh.devices.flat[0].platform == "cpu":
            free //= mesh.size  # the devices of a CPU share its memory
        size = sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(theta))
        fitting = int(_SPARE * free / max(_BYTES_AN_ALPHA * size, 1)) * at_once
        largest = min(largest, max(fitting, at_once))
    wanted = [min(config.chunk_size, largest), at_once, _TRIED_CHUNK * at_once, largest]
    sizes = of_first([size for size in dict.fromkeys(wanted) if size <= largest])

    def sized(size: int) -> EngineConfig:
        all_at_once = config.backend == "map" and size == num_alphas > 1
        name = "vmap" if all_at_once and size != config.chunk_size else config.backend
        return dataclasses.replace(config, chunk_size=size, backend=name)

    default, *others = map(sized, sizes)
    return default, others


def _first_batch(classifier: Classifier, dataset: Dataset, config: EngineConfig) -> Any:
    batches = own_batches(classifier, dataset, config)
    with batches:
        return next(with_images(batches, config.layout.mesh))[1]


def _compiled_and_tried(
    classifier: Classifier, ends: Any, config: EngineConfig, alphas: tuple[float, ...], batch: Any
) -> tuple[float, float]:
    """Return the seconds of compiling the step, and of one alpha on a batch."""
    step = compiled_step(classifier, config)
    padded, most = padded_alphas(alphas, config.chunk_size)[0]
    count = min(most, config.chunk_size)
    compiling = _seconds(lambda: step(*ends, padded, 0, batch))  # with no alpha to evaluate
    return compiling, _seconds(lambda: step(*ends, padded, count, batch)) / count


def time_step(
    classifier: Classifier,
    ends: tuple[Params, Params],
    config: EngineConfig,
    alphas: tuple[float, ...],
    batch: Any,
) -> float:
    """Return the seconds of all alphas on one batch: the least of up to three runs.

    Compiling isn't counted. inf where the device hasn't the memory.

    Args:
      classifier: The model.
      ends: Both ends, on the devices.
      config: How.
      alphas: The sweep's.
      batch: On the devices.
    """
    step, groups = compiled_step(classifier, config), padded_alphas(alphas, config.chunk_size)
    try:
        jax.block_until_ready(step(*ends, groups[0][0], 0, batch))
        taken = []
        while len(taken) < _MOST_RUNS and sum(taken) < _LONG_ENOUGH_SECS:
            taken.append(
                _seconds(lambda: [step(*ends, padded, count, batch) for padded, count in groups])
            )
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return float("inf")
    return min(taken)


def _seconds(run: Any) -> float:
    begin = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - begin


def _told(
    seconds: dict[EngineConfig, float], default: EngineConfig, best: EngineConfig, num_alphas: int
) -> str:
    listed = ", ".join(
        f"{config.chunk_size}: {1e3 * taken:.0f} ms"
        if taken < float("inf")
        else f"{config.chunk_size}: not enough memory"
        for config, taken in sorted(seconds.items(), key=lambda item: item[0].chunk_size)
    )
    if best is default:
        why = f"no other was at least {100 * (1 - _FASTER):.0f} % faster than {best.chunk_size}"
    else:
        why = f"{best.chunk_size} was the fastest"
    return f"all {num_alphas} alphas on the first batch took, by alphas at once, {listed}; {why}"
