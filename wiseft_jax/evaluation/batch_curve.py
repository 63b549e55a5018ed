"""One batch's predictions at every alpha: nodes are added until few predictions are in doubt."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32

from wiseft_jax.core.lobatto import LEVELS
from wiseft_jax.core.mesh import to_host
from wiseft_jax.core.projection import Projection
from wiseft_jax.core.typing import Params
from wiseft_jax.evaluation.curve_config import UNTRUSTED, CurveConfig
from wiseft_jax.evaluation.engine import EngineConfig
from wiseft_jax.evaluation.features import features_at
from wiseft_jax.evaluation.interpolant import NodePlan, read_logits, read_off, residual

BARRIER = "a loss barrier?"
TOO_FEW = "too few nodes to judge smoothness by: raise max_nodes"
NOISE = "at the noise floor of rounded products"
AUDIT_FAILED = "the audit failed at every level: the alphas asked for were evaluated directly"
TIES = "ties within float32's rounding"
CHEAPER = "uncertain predictions evaluated directly, which costs less than more nodes"

_TOL = 0.01
_ROUNDING = {"float32": 1e-6, "bfloat16": 5e-3}
"""Noise of a logit, as a share of the logits' scale: two programs for one model differ by it."""
_FLOAT32_PRODUCTS = ("highest", "float32", "BF16_BF16_F32_X6")
"""Values of ``jax_default_matmul_precision`` that leave products of float32 its own rounding."""
_SMOOTH = 0.5
"""More nodes pay while they make the residual at least this much smaller."""


@dataclasses.dataclass(frozen=True)
class CurveJob:
    """What all batches of a dataset share.

    Attributes:
      classifier: The model.
      engine: How batches are run.
      ends: Both ends' parameters, on the devices.
      grid: The alphas asked for, then the tabulated ones: rising, distinct in float32.
      asked: Places of the former in ``grid``.
      config: How.
      least: The fewest nodes.
      scale: The logits' scale: the largest norm of a class's weights; of logits without a head
        each batch finds its own.
      projection: Of the set; None where its classes are the classifier's.
      kept: The alphas whose logits are stored.
    """

    classifier: Any
    engine: EngineConfig
    ends: tuple[Params, Params]
    grid: Float64[np.ndarray, " W"]
    asked: np.ndarray
    config: CurveConfig
    least: int
    scale: float
    projection: Projection | None = None
    kept: tuple[float, ...] = ()

    @property
    def low(self) -> float:
        """The first node."""
        return min(0.0, float(self.grid[0]))

    @property
    def high(self) -> float:
        """The last node."""
        return max(1.0, float(self.grid[-1]))

    @functools.cached_property
    def plan(self) -> NodePlan:
        """The nodes."""
        most = max(self.least, self.config.max_nodes)
        return NodePlan(tuple(count for count in LEVELS if count <= most), self.low, self.high)

    @property
    def heads(self) -> tuple[Params, Params] | None:
        """The heads of both ends; None of a model of logits, which are interpolated then."""
        if "head" not in self.ends[0]:
            return None
        return self.ends[0]["head"], self.ends[1]["head"]

    @property
    def slots(self) -> Int32[np.ndarray, " S"] | None:
        """Of a projected set, ``Projection.slots``."""
        return None if self.projection is None else self.projection.slots

    @property
    def low_precision(self) -> bool:
        """Whether products are rounded more coarsely than float32's: in bfloat16, and by default
        in float32 on a GPU (TF32) or TPU (a pass in bfloat16).
        """
        if self.classifier.tower.dtype == "bfloat16":
            return True
        platform = self.engine.layout.mesh.devices.flat[0].platform
        precision = getattr(jax.config, "jax_default_matmul_precision", None)
        return platform != "cpu" and precision not in _FLOAT32_PRODUCTS

    @property
    def noise(self) -> float:
        """A logit's rounding in float32: by so much two programs for one model may differ."""
        return _ROUNDING["float32"] * self.scale


@dataclasses.dataclass(frozen=True)
class BatchCurve:
    """What was found for the B examples of a batch.

    Attributes:
      nodes: How many nodes were run.
      forwards: How many alphas were run.
      values: float32[nodes, B, D], the features at the nodes, on the devices.
      top1: int32[W, B].
      certain: bool[W, B]: whether the margin exceeds the safety factor times the estimate.
      margin: float32[W, B].
      entropy: float32[W, B], of the softmax, in nats.
      estimate: float32[B], of the error of a logit.
      trusted: Whether the features are smooth in alpha.
      note: Why no nodes were added, where that isn't because few predictions are uncertain.
      logits: float32[P, B, G] at the alphas where they are stored; None without any.
    """

    nodes: int
    forwards: int
    values: Any
    top1: Int32[np.ndarray, "W B"]
    certain: Bool[np.ndarray, "W B"]
    margin: Float32[np.ndarray, "W B"]
    entropy: Float32[np.ndarray, "W B"]
    estimate: Float32[np.ndarray, " B"]
    trusted: bool
    note: str
    logits: Float32[np.ndarray, "P B G"] | None = None


@dataclasses.dataclass(frozen=True)
class Sureness:
    """How sure a batch is at a level.

    Attributes:
      count: Its nodes.
      share: Of the pairs asked for, how many are uncertain.
      error: The median estimate.
      fell: The error over that of the level before; None at the first.
    """

    count: int
    share: float
    error: float
    fell: float | None


def evaluate_batch(job: CurveJob, images: Any, mask: Bool[np.ndarray, " B"]) -> BatchCurve:
    """Run a batch at 5 nodes, and at more while that is worth it.

    Args:
      job: What all batches share.
      images: uint8[B, S, S, 3] on the devices.
      mask: Which rows hold an image; the others don't decide anything.
    """
    plan = job.plan
    ends_apart = (job.low, job.high) != (0.0, 1.0)
    own = np.asarray([0.0, 1.0] if ends_apart else [])
    levels = [count for count in plan.levels if count >= job.least]
    first = levels[0]
    parts = features_at(
        job.classifier, job.engine, job.ends, np.concatenate([own, plan.nodes[:first]]), images
    )
    values = jnp.concatenate(parts)
    if job.heads is None:
        job = dataclasses.replace(job, scale=_largest(values))
    at_ends, values = values[: len(own)], values[len(own) :]
    previous = None
    for count in levels:
        if count > len(values):
            new = plan.nodes[len(values) : count]
            values = jnp.concatenate(
                [values, *features_at(job.classifier, job.engine, job.ends, new, images)]
            )
        batch = _read(job, plan, values, at_ends)
        certain = batch.certain[job.asked][:, mask]
        error = _middle(batch.estimate[mask])
        state = Sureness(
            count,
            1 - float(np.mean(certain)) if mask.any() else 0.0,
            error,
            None if previous is None else error / previous,
        )
        found = verdict(job, state, last=count == levels[-1])
        if found is not None:
            trusted, note = found
            logits = _kept_logits(job, plan, values, at_ends)
            return dataclasses.replace(batch, trusted=trusted, note=note, logits=logits)
        previous = error
    raise AssertionError("the last level always has a verdict")


def _largest(values: Any) -> float:
    """Return the largest absolute value of those that are finite."""
    finite = jnp.where(jnp.isfinite(values), jnp.abs(values), 0.0)
    return float(to_host(jnp.max(finite)))


def _middle(estimates: np.ndarray) -> float:
    """Return the median estimate of a batch; NaN where half of the images or more have none.

    An image whose logits aren't finite has none. It is uncertain by itself, and tells nothing of
    how smooth the others are.
    """
    finite = estimates[np.isfinite(estimates)]
    if 2 * len(finite) <= len(estimates):
        return float("nan") if len(estimates) else 0.0
    return float(np.median(finite))


def verdict(job: CurveJob, state: Sureness, *, last: bool) -> tuple[bool, str] | None:
    """Return ``(trusted, note)`` if no nodes are to be added to a batch, else None.

    Args:
      job: What was asked for.
      state: How sure the present level is.
      last: Whether there is no further level.
    """
    config, num_alphas = job.config, len(job.asked)
    more = state.count - 1  # nodes that the next level adds
    cheapest = config.tol is None
    tol = _TOL if config.tol is None else config.tol
    if not (cheapest and config.exact) and state.share <= tol:
        return True, ""
    noise = _ROUNDING["bfloat16"] * job.scale if job.low_precision else 1.01 * job.noise
    # "not <": a NaN is rough too.
    unsmooth = state.fell is not None and not state.fell < _SMOOTH and not state.error <= noise
    if unsmooth and state.share > UNTRUSTED:
        return False, BARRIER
    if config.exact and cheapest and state.share * num_alphas <= more:
        return True, ""
    if state.error <= 1.01 * job.noise:
        return True, TIES
    if cheapest and state.share * num_alphas <= more:
        return True, CHEAPER
    if job.low_precision and state.error <= noise:
        return True, NOISE
    if unsmooth:
        return False, BARRIER
    if cheapest and state.count + more >= num_alphas:
        # Whatever is uncertain is evaluated: no more than all of the grid. Nothing more is known
        # of smoothness than that much of a batch is in doubt, as after the last level.
        rough = state.fell is not None and state.share > UNTRUSTED
        return not rough, BARRIER if rough else "" if config.exact else CHEAPER
    if last:
        if state.share <= UNTRUSTED:
            return True, ""
        return False, TOO_FEW if state.fell is None else BARRIER
    return None


def _read(job: CurveJob, plan: NodePlan, values: Any, at_ends: Any) -> BatchCurve:
    count = len(values)
    coarse = plan.levels[plan.levels.index(count) - 1]
    new = plan.nodes[coarse:count]
    error = _residual(job, plan, values[:coarse], new, values[coarse:])
    read = functools.partial(read_off, job.engine.layout, heads=job.heads, slots=job.slots)
    found = _host(read(values, plan.matrix(job.grid, count), job.grid.astype(np.float32)))
    if len(at_ends):
        ends = np.asarray([0.0, 1.0])
        error = np.maximum(error, _residual(job, plan, values, ends, at_ends))
        places = _places(job.grid, ends)
        own = _host(read(at_ends, np.eye(2, dtype=np.float32), ends.astype(np.float32)))
        for name, array in found.items():
            array[places] = own[name]
    estimate = np.maximum(error, np.float32(job.noise))
    return BatchCurve(
        nodes=count,
        forwards=count + len(at_ends),
        values=values,
        certain=found["margin"] > job.config.safety * estimate[None],
        **found,
        estimate=estimate,
        trusted=True,
        note="",
    )


def _kept_logits(job: CurveJob, plan: NodePlan, values: Any, at_ends: Any) -> np.ndarray | None:
    """Return the logits that are stored of a batch, those of 0 and 1 from their own features."""
    if not job.kept:
        return None
    read = functools.partial(read_logits, job.engine.layout, heads=job.heads, slots=job.slots)
    alphas = np.asarray(job.kept)
    found = np.array(read(values, plan.matrix(alphas, len(values)), alphas.astype(np.float32)))
    if len(at_ends):
        ends = np.asarray([0.0, 1.0], np.float32)
        own = np.asarray(read(at_ends, np.eye(2, dtype=np.float32), ends))
        for end, logits in zip(ends, own, strict=True):
            found[alphas.astype(np.float32) == end] = logits
    return found


def _places(grid: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Return where the grid has these alphas; as float32, as which 0.9999999999999996 is 1."""
    rounded = np.float32(alphas)
    places = np.asarray(np.searchsorted(grid.astype(np.float32), rounded))
    assert (np.float32(grid[places]) == rounded).all(), "an end isn't on the grid"
    return places


def _residual(job: CurveJob, plan: NodePlan, values: Any, at: np.ndarray, truth: Any) -> np.ndarray:
    matrix = plan.matrix(at, len(values))
    return np.array(
        residual(job.engine.layout, values, matrix, at.astype(np.float32), truth, job.heads)
    )


def _host(arrays: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in arrays.items()}
