"""Multinomial logistic regression by L-BFGS: a linear probe to convergence, C by validation."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float32, Int

from wiseft_jax.core.errors import InputError, NonFiniteLossError
from wiseft_jax.core.typing import Params
from wiseft_jax.training.losses import cross_entropy

logger = logging.getLogger(__name__)

_MAX_STEPS = 1000
_TOLERANCE = 1e-6
"""Of the largest component of the gradient of the mean loss."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """A linear probe.

    Attributes:
      head: ``{"kernel": float32[D, K], "bias": float32[K]}`` on features that aren't standardised.
      c: The inverse strength of the penalty that was chosen.
      accuracies: ``(c, validation accuracy)`` of each that was tried; empty for a single one.
    """

    head: Params
    c: float
    accuracies: tuple[tuple[float, float], ...]


def fit_probe(
    features: Float[np.ndarray, "N D"],
    labels: Int[np.ndarray, " N"],
    num_classes: int,
    c_values: Sequence[float],
    validation: tuple[Float[np.ndarray, "M D"], Int[np.ndarray, " M"]] | None = None,
    label_smoothing: float = 0.0,
) -> Probe:
    """Return the best of some linear probes, each minimised to convergence.

    With x standardised by the mean m and deviation s of ``features``, for each C::

        min_{W, b}  mean_i CE(W^T x_i + b, y_i) + |W|^2 / (2 C N)

    which is scikit-learn's ``LogisticRegression(C)``. Standardisation is folded back: W / s, and
    b - m^T (W / s). Each C starts from the finite solution below it. Of equal accuracies the
    smallest C wins; a probe that isn't finite never does.

    Args:
      features: One row an image; as the head will see them, so L2-normalised.
      labels: Their classes.
      num_classes: K.
      c_values: The C to try.
      validation: Features and labels to choose on; needed for more than one C.
      label_smoothing: As in ``cross_entropy``.

    Raises:
      InputError: More than one C and nothing to choose on.
      NonFiniteLossError: If no probe is finite.

    Source: Kumar et al. 2022 (LP-FT, arXiv 2202.10054), appendix B, for the probe before
    fine-tuning; Radford et al. 2021, appendix A.3, for L-BFGS.
    """
    ordered = sorted({float(c) for c in c_values})
    if len(ordered) > 1 and validation is None:
        raise InputError(
            "training.options.probe_c: several values need validation images to choose on, found"
            f" none; give one value, found {', '.join(f'{c:g}' for c in ordered)}"
        )
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = features.std(axis=0, dtype=np.float64).astype(np.float32)
    deviation = np.where(deviation > 0, deviation, np.float32(1))
    standard = jnp.asarray((features - mean) / deviation)
    targets = jnp.asarray(labels, jnp.int32)
    start = {
        "kernel": jnp.zeros((features.shape[1], num_classes), jnp.float32),
        "bias": jnp.zeros(num_classes, jnp.float32),
    }
    best: tuple[float, float, Params] | None = None
    tried = []
    for c in ordered:
        with np.errstate(over="ignore"):  # infinite: such a probe is left out below
            strength = np.float32(1.0 / (c * len(features)))
        found, steps, slope = _minimise(start, standard, targets, strength, label_smoothing)
        head = _folded(found, mean, deviation)
        if not all(np.isfinite(each).all() for each in head.values()):
            logger.warning("linear probe, C = %g: not finite after %d steps; left out", c, steps)
            continue
        start = found
        if not slope <= _TOLERANCE:
            logger.warning(
                "linear probe, C = %g: stopped after %d steps with a gradient of %.1e; expected at"
                " most %.0e", c, steps, slope, _TOLERANCE,
            )  # fmt: skip
        accuracy = _accuracy(head, validation)
        logger.info("linear probe, C = %g: %d steps, validation accuracy %s", c, steps,
                    "not known" if accuracy is None else f"{accuracy:.4f}")  # fmt: skip
        tried.append((c, accuracy))
        if best is None or (accuracy or 0.0) > best[1]:
            best = (c, accuracy or 0.0, head)
    if best is None:
        raise NonFiniteLossError(
            "training.options.probe_c: expected a linear probe of finite weights, found none with"
            f" C = {', '.join(f'{c:g}' for c in ordered)}; give other values, and check that the"
            " model's features are finite"
        )
    known = tuple((c, accuracy) for c, accuracy in tried if accuracy is not None)
    return Probe(best[2], best[0], known)


def _folded(params: Params, mean: np.ndarray, deviation: np.ndarray) -> Params:
    kernel = np.asarray(params["kernel"], np.float64) / deviation[:, None].astype(np.float64)
    bias = np.asarray(params["bias"], np.float64) - mean.astype(np.float64) @ kernel
    return {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}


def _accuracy(head: Params, validation: tuple[np.ndarray, np.ndarray] | None) -> float | None:
    if validation is None:
        return None
    features, labels = validation
    return float(np.mean(np.argmax(features @ head["kernel"] + head["bias"], axis=1) == labels))


@functools.partial(jax.jit, static_argnums=4)
def _minimise(
    start: Params,
    features: Float32[Array, "N D"],
    labels: Int[Array, " N"],
    strength: Any,
    label_smoothing: float,
) -> tuple[Params, Any, Any]:
    """Return the minimum, how many steps it took, and the largest component of the gradient."""

    def objective(params: Params) -> Any:
        products = jnp.matmul(features, params["kernel"], precision=jax.lax.Precision.HIGHEST)
        loss = cross_entropy(products + params["bias"][None], labels, label_smoothing)
        return loss + strength / 2 * jnp.sum(params["kernel"] ** 2)

    solver = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(objective)

    def step(carry: tuple[Params, Any, Any]) -> tuple[Params, Any, Any]:
        params, state, _ = carry
        value, grad = value_and_grad(params, state=state)
        updates, state = solver.update(
            grad, state, params, value=value, grad=grad, value_fn=objective
        )
        params = optax.apply_updates(params, updates)
        slope = optax.tree.norm(optax.tree.get(state, "grad"), ord=jnp.inf)
        return params, state, slope

    def goes_on(carry: tuple[Params, Any, Any]) -> Any:
        _, state, slope = carry
        count = optax.tree.get(state, "count")
        return (count == 0) | ((count < _MAX_STEPS) & (slope > _TOLERANCE))

    params, state, slope = jax.lax.while_loop(
        goes_on, step, (start, solver.init(start), jnp.asarray(jnp.inf, jnp.float32))
    )
    return params, optax.tree.get(state, "count"), slope
