"""Merged models without merging: every example at an alpha of its own, for two products a layer.

Each layer of a CLIP is linear in its own parameters (a dense layer or a convolution in kernel and
bias, LayerNorm in scale and bias, an embedding in its table), so that with D = theta_1 - theta_0

    y(theta_0 + alpha D) = y(theta_0) + alpha y(D) = x W0 + b0 + alpha (x D + db),

where ``alpha`` may differ from row to row of ``x``. transformers' own modules run, once with each
set of leaves, through ``flax.linen.intercept_methods``. The model is that of ``lerp``, WiSE-FT's
weight-space ensemble: Wortsman et al. 2022 (arXiv 2109.01903), section 3.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, UInt8

from wiseft_jax.clip.classifier import Classifier, head_logits
from wiseft_jax.clip.load import make_tower
from wiseft_jax.clip.towers import Tower
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.trees import check_same_structure, flatten_paths
from wiseft_jax.core.typing import Params

_LEAVES = {
    "Dense": ("kernel", "bias"),
    "Conv": ("kernel", "bias"),
    "LayerNorm": ("scale", "bias"),
    "Embed": ("embedding",),
    "FlaxCLIPVisionEmbeddings": ("class_embedding",),
}
"""The modules that are linear in leaves of their own, and these leaves."""

_HEAD = ("head/kernel", "head/bias")
_LISTED = 5


def delta_features(
    tower: Tower,
    theta_0: Params,
    theta_1: Params,
    alphas: Float[Array | np.ndarray, " B"],
    pixels: Float[Array | np.ndarray, "B H W 3"],
    same: frozenset[str] = frozenset(),
) -> Float32[Array, "B D"]:
    """Return the features of each image by the encoder ``theta_0 + alpha (theta_1 - theta_0)``.

    Row i is ``tower.image_features(lerp(theta_0, theta_1, alphas[i]), pixels[i : i + 1])`` but for
    rounding, computed by transformers' modules whichever tower it is. A function for ``jax.jit``:
    the difference of the trees is made inside.

    Args:
      tower: The image encoder; has the compute dtype.
      theta_0: The encoder at alpha = 0, in the tower's layout.
      theta_1: The encoder at alpha = 1.
      alphas: One for each image; outside [0, 1] they extrapolate.
      pixels: Normalised by the model's mean and standard deviation.
      same: Canonical key paths of leaves that both trees share (``same_paths``); they cost no
        second product.

    Returns:
      Not L2-normalised.

    Raises:
      InputError: The trees differ in structure; there isn't one finite alpha for each image;
        ``same`` has an unknown path; a leaf may differ that no rule covers (names its path).
    """
    coefficients = _checked(alphas, len(pixels))
    base, slopes = _line(tower, theta_0, theta_1, same)
    with _moved(slopes, coefficients):
        return _modules(tower).image_features(base, pixels)


def delta_logits(
    classifier: Classifier,
    theta_0: Params,
    theta_1: Params,
    alphas: Float[Array | np.ndarray, " B"],
    images: UInt8[Array | np.ndarray, "B H W 3"] | Float[Array | np.ndarray, "B H W 3"],
    same: frozenset[str] = frozenset(),
) -> Float32[Array, "B K"]:
    """Return the logits of each image by the classifier ``theta_0 + alpha (theta_1 - theta_0)``.

    ``unit(features) (W0 + alpha D) + b0 + alpha db``, the features those of ``delta_features``, the
    head in float32.

    Args:
      classifier: What ``theta_0`` and ``theta_1`` are parameters of.
      theta_0: ``{"encoder", "head"}`` at alpha = 0, the encoder in the tower's layout.
      theta_1: The same at alpha = 1.
      alphas: One for each image; outside [0, 1] they extrapolate.
      images: RGB in 0..255, ``preprocess.size`` square.
      same: As in ``delta_features``, the paths from the root of ``theta_0``.

    Raises:
      InputError: As in ``delta_features``; the images are of another size.

    Example:
      >>> delta = jax.jit(functools.partial(delta_logits, classifier))
      >>> logits = delta(theta_0, theta_1, jnp.linspace(0, 1, len(images)), images)
    """
    coefficients = _checked(alphas, len(images))
    base, slopes = _line(classifier.tower, theta_0, theta_1, same)
    head = {path.split("/")[1]: slopes.pop(path) for path in _HEAD if path in slopes}
    modules = dataclasses.replace(classifier, tower=_modules(classifier.tower))
    with _moved(slopes, coefficients, root="encoder/"):
        features = modules.features(base, images)

    def apply(head: Params) -> Any:
        return head_logits(head, features)

    return _along(coefficients, apply, apply(base["head"]), base["head"], head)


def same_paths(tower: Tower, theta_0: Params, theta_1: Params) -> frozenset[str]:
    """Return the canonical key paths of the leaves that are equal in two trees.

    Args:
      tower: Whose layout the trees are in.
      theta_0: Encoders or classifiers; arrays, not tracers of ``jax.jit``.
      theta_1: A tree of the same structure.
    """
    check_same_structure(theta_1, theta_0)
    leaves, others = (flatten_paths(tower.to_canonical(tree)) for tree in (theta_0, theta_1))
    return frozenset(path for path in leaves if bool((leaves[path] == others[path]).all()))


def _checked(alphas: Any, count: int) -> jax.Array:
    if np.shape(alphas) != (count,):
        raise InputError(
            f"alphas: expected shape ({count},), one for each image; found {np.shape(alphas)}."
        )
    if not isinstance(alphas, jax.core.Tracer) and not np.isfinite(np.asarray(alphas)).all():
        raise InputError(f"alphas: expected finite numbers, found {np.asarray(alphas)}.")
    return jnp.asarray(alphas, jnp.float32)


def _line(
    tower: Tower, theta_0: Params, theta_1: Params, same: frozenset[str]
) -> tuple[Params, dict[str, jax.Array]]:
    """Return canonical ``theta_0``, and ``theta_1 - theta_0`` by path where they may differ."""
    check_same_structure(theta_1, theta_0)
    base = jax.tree_util.tree_map(jnp.asarray, tower.to_canonical(theta_0))
    starts, ends = flatten_paths(base), flatten_paths(tower.to_canonical(theta_1))
    for path in sorted(same - starts.keys()):
        raise unknown_name("key path in same:", path, starts)
    slopes = {}
    for path in starts:
        if path in same:
            continue
        start, end = starts[path], jnp.asarray(ends[path])
        if not jnp.issubdtype(start.dtype, jnp.floating):
            raise InputError(f"{path}: expected floating numbers, found {start.dtype}.")
        slopes[path] = end.astype(jnp.float32) - start.astype(jnp.float32)
    return base, slopes


def _modules(tower: Tower) -> Any:
    if tower.name == "transformers":
        return tower
    return make_tower(tower.config, tower.dtype, "transformers", tower.remat)


@contextlib.contextmanager
def _moved(slopes: Params, alphas: jax.Array, root: str = "") -> Iterator[None]:
    """Run modules with each row's parameters moved by its alpha along the slopes.

    Interceptors that are added inside, such as a tower's own, see the two plain calls.

    Args:
      slopes: ``theta_1 - theta_0`` by key path; each must be a leaf of a module that runs.
      alphas: One for each row.
      root: What the key paths begin with, before the path of a module.
    """
    left = set(slopes)

    def intercept(
        call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext
    ) -> Any:
        result, module = call(*args, **kwargs), context.module
        if context.method_name != "__call__" or not module.path:
            return result
        leaves = _own_leaves(module)
        paths = {name: root + "/".join((*module.path, name)) for name in leaves}
        own = {name: slopes[path] for name, path in paths.items() if path in slopes}
        left.difference_update(paths.values())

        def apply(leaves: Params) -> Any:
            if "class_embedding" in leaves:
                return _first_token(leaves["class_embedding"], result.shape[1])
            return module.clone(parent=None).apply({"params": leaves}, *args, **kwargs)

        return _along(alphas, apply, result, leaves, own)

    with nn.intercept_methods(intercept):
        yield
    if left:
        listed = ", ".join(sorted(left)[:_LISTED])
        more = f" and {len(left) - _LISTED} more" if len(left) > _LISTED else ""
        raise InputError(
            f"no rule gives each image its own {listed}{more}: expected leaves of dense layers, "
            "convolutions, LayerNorms, embeddings and the head of an image classifier. Merge with "
            "lerp and evaluate each alpha by itself; or, if both trees share these leaves, name "
            "them in same."
        )


def _own_leaves(module: nn.Module) -> Params:
    """Return the leaves that a module reads itself; empty if it isn't known to be linear in them.

    A tree may have more: a bias beside ``use_bias=False``.
    """
    names = _LEAVES.get(type(module).__name__, ())
    params = module.variables.get("params", {}) if names else {}
    used = [name for name in names if getattr(module, f"use_{name}", True)]
    return {name: params[name] for name in used if name in params}


def _first_token(row: Any, tokens: int) -> jax.Array:
    """Return ``[1, tokens, D]`` that is zero but for the first token."""
    return jnp.pad(row[None, None], ((0, 0), (0, tokens - 1), (0, 0)))


def _along(
    alphas: jax.Array, apply: Callable[[Params], Any], result: Any, leaves: Params, slopes: Params
) -> Any:
    """Return ``apply(leaves + alpha slopes)`` row by row, where ``result = apply(leaves)``.

    Args:
      alphas: One for each row.
      apply: Linear in its leaves.
      result: Its value at alpha = 0; keeps its dtype, the sum is made in float32.
      leaves: What there is at alpha = 0.
      slopes: What ``alpha`` multiplies; no slope is 0.
    """
    if not slopes:
        return result
    if slopes.keys() == {"bias"}:  # apply would spend a product of zeros on it
        slope = slopes["bias"].reshape((1,) * (result.ndim - 1) + (-1,))
    else:
        zeros = {name: jnp.zeros_like(leaf) for name, leaf in leaves.items()}
        slope = apply({**zeros, **slopes})
    factor = alphas.reshape((-1,) + (1,) * (result.ndim - 1))
    moved = result.astype(jnp.float32) + factor * slope.astype(jnp.float32)
    return moved.astype(result.dtype)
