"""Which parameters are trained, and how fast: frozen ones, and smaller rates near the input."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from wiseft_jax.clip.towers import Tower
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import count_parameters, flatten_paths, unflatten_paths
from wiseft_jax.core.typing import Params, PyTree
from wiseft_jax.training.config import TrainConfig

FROZEN_BY_RECIPE = {"paint": ("head/*",)}
"""What a recipe freezes, as patterns of key paths."""

_LAYER = re.compile(r"(.*)/encoder/layers/(\d+)/.*")
_SHOWN = 5


def learning_rate_factors(tower: Tower, params: Params, config: TrainConfig) -> PyTree | None:
    """Return the factor on the learning rate of each parameter; 0 where it is frozen.

    With L blocks and d = ``layer_decay``, block l counted from 0 gets ``d ** (L - l)``, the
    embeddings and the norm before the blocks ``d ** (L + 1)``, what comes after them 1 (Clark et
    al. 2020, ELECTRA; Bao et al. 2022, BEiT).

    Args:
      tower: Knows how ``params`` are laid out.
      params: What is trained, in the tower's layout.
      config: ``options.freeze`` holds patterns of key paths in Hugging Face's layout, one block a
        path, whichever the tower; the recipe may freeze more.

    Returns:
      None if every factor is 1; else a tree like ``params`` of ``float32[]``, or of
      ``float32[L, 1, ...]`` where the tower stacks blocks.

    Raises:
      InputError: If a pattern matches nothing, or nothing is left to train.
    """
    options = config.options
    patterns = (*FROZEN_BY_RECIPE.get(config.recipe, ()), *options.freeze)
    if not patterns and options.layer_decay == 1.0:
        return None
    paths = list(flatten_paths(tower.to_canonical(_of_shapes(params))))
    for pattern in options.freeze:
        if not fnmatch.filter(paths, pattern):
            raise InputError(
                f"training.options.freeze: {pattern!r} matches no parameter; expected a pattern of"
                f" key paths such as {', '.join(paths[:: max(1, len(paths) // _SHOWN)][:_SHOWN])}"
            )
    depths = _depths(paths)
    factors = {}
    for path in paths:
        frozen = any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
        distance = _distance(path, depths)
        factors[path] = np.float32(0.0 if frozen else options.layer_decay**distance)
    if not any(factors.values()):
        raise InputError(
            f"training.options.freeze: {', '.join(options.freeze)} freeze every parameter; expected"
            " some to be left to train"
        )
    return _like(tower, params, factors)


def count_trained(params: Params, factors: PyTree | None) -> int:
    """Return how many numbers of ``params`` aren't frozen.

    Args:
      params: Of arrays, or of shapes.
      factors: What ``learning_rate_factors`` returned for them.
    """
    if factors is None:
        return count_parameters(params)

    def trained(leaf: Any, factor: np.ndarray) -> int:
        return round(np.size(leaf) * float(np.mean(factor != 0)))

    return sum(jax.tree_util.tree_leaves(jax.tree_util.tree_map(trained, params, factors)))


def drop_frozen(grads: PyTree, factors: PyTree | None) -> PyTree:
    """Return gradients with zeros where parameters are frozen, so that no norm counts them.

    Args:
      grads: A tree of arrays, or tracers.
      factors: What ``learning_rate_factors`` returned.
    """
    if factors is None:
        return grads

    def kept(grad: Any, factor: np.ndarray) -> Any:
        if (factor != 0).all():
            return grad
        return jnp.zeros_like(grad) if not factor.any() else jnp.where(factor != 0, grad, 0)

    return jax.tree_util.tree_map(kept, grads, factors)


def scale_updates(factors: PyTree) -> optax.GradientTransformation:
    """Return the transformation that multiplies updates by factors.

    A frozen parameter gets -0.0, the only number whose sum with any other is that other, bit for
    bit (0.0 would turn a parameter of -0.0 into 0.0).
    """

    def scaled(update: Any, factor: np.ndarray) -> Any:
        return jnp.where(factor == 0, -0.0, update * factor)

    return optax.stateless(lambda updates, _: jax.tree_util.tree_map(scaled, updates, factors))


def _of_shapes(params: Params) -> PyTree:
    """Return the shapes of a tree, whose conversion between layouts costs nothing."""
    return jax.tree_util.tree_map(
        lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), np.float32), params
    )


def _depths(paths: list[str]) -> dict[str, int]:
    """Return how many blocks each tower has."""
    depths: dict[str, int] = {}
    for path in paths:
        found = _LAYER.fullmatch(path)
        if found:
            depths[found[1]] = max(depths.get(found[1], 0), int(found[2]) + 1)
    return depths


def _distance(path: str, depths: dict[str, int]) -> int:
    """Return how many blocks lie between a parameter and the tower's output."""
    found = _LAYER.fullmatch(path)
    if found:
        return depths[found[1]] - int(found[2])
    for tower, depth in depths.items():
        if path.startswith((f"{tower}/embeddings/", f"{tower}/pre_layrnorm/")):
            return depth + 1
    return 0


def _like(tower: Tower, params: Params, factors: dict[str, np.float32]) -> PyTree:
    """Return factors by canonical key path as a tree in the tower's layout."""
    canonical = unflatten_paths({path: np.full((1,), value) for path, value in factors.items()})
    laid_out = flatten_paths(tower.from_canonical(canonical))

    def shaped(path: str, leaf: Any) -> np.ndarray:
        values = laid_out[path]  # [1], or [L, 1] of stacked blocks, or [L, 3] of fused projections
        if values.ndim == 1:
            return np.asarray(values[0], np.float32)
        if values.shape[1] > 1:
            rows, width = values.shape[0], np.shape(leaf)[-1] // values.shape[1]
            spread = np.repeat(values, width, axis=1)
            return spread.reshape(rows, *(1,) * (np.ndim(leaf) - 2), -1).astype(np.float32)
        return values.reshape(-1, *(1,) * (np.ndim(leaf) - 1)).astype(np.float32)

    leaves = {path: shaped(path, leaf) for path, leaf in flatten_paths(params).items()}
    return unflatten_paths(leaves)
