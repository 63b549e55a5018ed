"""Saliency for CLIP: which parts of an image a text's or a class's score comes from.

The score is the cosine ``s = z . t / (|z| |t|)`` of the image's features z and a direction t: a
text's features, or the head's column of a class. It is never a softmax's probability, whose
gradient vanishes where the model is sure. All is float32, by transformers' modules whichever tower
has the parameters; maps are raw, as ``core.saliency`` needs them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, UInt8

from wiseft_jax.clip.attention_maps import (
    gradients_inside,
    look_inside,
    relevance,
    rollout,
    score_images,
)
from wiseft_jax.clip.towers import VISION_KEYS, Tower, check_image_size, normalise_pixels
from wiseft_jax.core.errors import unknown_name
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.rng import stream
from wiseft_jax.core.typing import Params

_COMPILED = 64


def grad_cam(
    tower: Tower,
    params: Params,
    pixels: Float[Array | np.ndarray, "B H W 3"],
    directions: Float[Array | np.ndarray, "B D"],
) -> Float32[Array, "B h w"]:
    """Return ``max(0, sum_d w_d A_nd)`` for each patch n, ``w`` the mean over patches of ``ds/dA``.

    A is what the last block's attention reads (its ``layer_norm1``'s output). At the block's output
    only the class token is read on, so that there the gradients of all patches are exactly 0.
    Selvaraju et al. 2017 (arXiv 1610.02391), equations 1 and 2, with tokens for pixels.

    Args:
      tower: The image encoder.
      params: Its parameters, in its layout.
      pixels: Normalised by the model's mean and standard deviation.
      directions: Of the score, one for each image; of any length.
    """
    values, gradients = gradients_inside(tower, params, pixels, directions, "last_attention_input")
    weights = jnp.mean(gradients[:, 1:], axis=1, keepdims=True)
    return _on_grid(jnp.maximum(jnp.sum(weights * values[:, 1:], axis=-1), 0.0))


def gradient_x_input(
    tower: Tower,
    params: Params,
    pixels: Float[Array | np.ndarray, "B H W 3"],
    directions: Float[Array | np.ndarray, "B D"],
) -> Float32[Array, "B H W"]:
    """Return ``sum_c x_c ds/dx_c`` at each pixel, signed; x is normalised, so 0 is the mean colour.

    Shrikumar et al. 2016 (arXiv 1605.01713).

    Args:
      tower: As in ``grad_cam``.
      params: As in ``grad_cam``.
      pixels: As in ``grad_cam``.
      directions: As in ``grad_cam``.
    """
    gradient = _pixel_gradients(tower, params, pixels, directions)
    return jnp.sum(pixels * gradient, axis=-1)


def smooth_grad(
    tower: Tower,
    params: Params,
    pixels: Float[Array | np.ndarray, "B H W 3"],
    directions: Float[Array | np.ndarray, "B D"],
    *,
    samples: int = 25,
    spread: float = 0.15,
    seed: int = 0,
) -> Float32[Array, "B H W"]:
    """Return ``max_c |mean ds/dx_c|`` over noisy copies of the image: where the score is sensitive.

    The noise is normal, of standard deviation ``spread (max x - min x)``, and the same draws serve
    every image, so that a map doesn't depend on its batch. Smilkov et al. 2017 (arXiv 1706.03825).

    Args:
      tower: As in ``grad_cam``.
      params: As in ``grad_cam``.
      pixels: As in ``grad_cam``.
      directions: As in ``grad_cam``.
      samples: Noisy copies.
      spread: Of the noise, over the range of the image's normalised values.
      seed: Of the noise.
    """
    pixels = jnp.asarray(pixels)
    axes = (1, 2, 3)
    widths = jnp.max(pixels, axes, keepdims=True) - jnp.min(pixels, axes, keepdims=True)

    def add(total: Array, key: Array) -> tuple[Array, None]:
        noise = jax.random.normal(key, pixels.shape[1:], jnp.float32)[None]
        noisy = pixels + spread * widths * noise
        return total + _pixel_gradients(tower, params, noisy, directions), None

    keys = jax.random.split(stream(jax.random.key(seed), "smooth_grad"), samples)
    total, _ = jax.lax.scan(add, jnp.zeros_like(pixels), keys)
    return jnp.max(jnp.abs(total / samples), axis=-1)


def integrated_gradients(
    tower: Tower,
    params: Params,
    pixels: Float[Array | np.ndarray, "B H W 3"],
    directions: Float[Array | np.ndarray, "B D"],
    *,
    points: int = 32,
) -> Float32[Array, "B H W"]:
    """Return ``sum_c x_c int_0^1 ds/dx_c(t x) dt`` at each pixel, signed, by Gauss and Legendre.

    From the image of the mean colour (x = 0) to the image. Complete: a map's sum is ``s(x) - s(0)``
    but for the error of the rule. Sundararajan et al. 2017 (arXiv 1703.01365), equation 1.

    Args:
      tower: As in ``grad_cam``.
      params: As in ``grad_cam``.
      pixels: As in ``grad_cam``.
      directions: As in ``grad_cam``.
      points: Of the rule, each a forward and a backward pass.
    """
    pixels = jnp.asarray(pixels)
    nodes, weights = np.polynomial.legendre.leggauss(points)
    steps = jnp.asarray(np.stack([(nodes + 1) / 2, weights / 2], axis=1), jnp.float32)

    def add(total: Array, step: Array) -> tuple[Array, None]:
        gradient = _pixel_gradients(tower, params, step[0] * pixels, directions)
        return total + step[1] * gradient, None

    total, _ = jax.lax.scan(add, jnp.zeros_like(pixels), steps)
    return jnp.sum(pixels * total, axis=-1)


def attention_rollout(
    tower: Tower,
    params: Params,
    pixels: Float[Array | np.ndarray, "B H W 3"],
    directions: Float[Array | np.ndarray, "B D"] | None = None,
) -> Float32[Array, "B h w"]:
    """Return how much of each patch the class token holds at the end, by attention alone.

    The same for every class and text, so an explanation of none: it says what was looked at, not
    what for. See ``attention_maps.rollout``.

    Args:
      tower: As in ``grad_cam``.
      params: As in ``grad_cam``.
      pixels: As in ``grad_cam``.
      directions: Not read.
    """
    attention = look_inside(tower, params, pixels)[1]["attention"]
    return _on_grid(rollout(attention)[:, 0, 1:])


def chefer(
    tower: Tower,
    params: Params,
    pixels: Float[Array | np.ndarray, "B H W 3"],
    directions: Float[Array | np.ndarray, "B D"],
) -> Float32[Array, "B h w"]:
    """Return each patch's relevance for the class token: attention weighed by its gradients.

    See ``attention_maps.relevance``.

    Args:
      tower: As in ``grad_cam``.
      params: As in ``grad_cam``.
      pixels: As in ``grad_cam``.
      directions: As in ``grad_cam``.
    """
    attention, gradients = gradients_inside(tower, params, pixels, directions, "attention")
    return _on_grid(relevance(attention, gradients)[:, 0, 1:])


SALIENCY: dict[str, Callable[..., Any]] = {
    "grad_cam": grad_cam,
    "gradient_x_input": gradient_x_input,
    "smooth_grad": smooth_grad,
    "integrated_gradients": integrated_gradients,
    "attention_rollout": attention_rollout,
    "chefer": chefer,
}
"""Method -> ``(tower, params, pixels, directions, **options) -> maps``; ``core.saliency.METHODS``
has what a reader of its maps must know."""


def saliency_maps(
    method: str,
    tower: Tower,
    preprocess: Preprocess,
    params: Params,
    images: UInt8[Array | np.ndarray, "B H W 3"] | Float[Array | np.ndarray, "B H W 3"],
    directions: Float[Array | np.ndarray, "B D"],
    **options: Any,
) -> Float32[Array, "B h w"]:
    """Return the raw maps of a method, compiled once for each method and shape.

    Args:
      method: A key of ``SALIENCY``.
      tower: ``classifier.tower`` or ``clip.tower``.
      preprocess: ``classifier.preprocess`` or ``clip.preprocess``.
      params: A tree with at least ``vision_model`` and ``visual_projection``, in the tower's
        layout: ``theta["encoder"]`` or ``clip.params``.
      images: RGB in 0..255, ``preprocess.size`` square.
      directions: What the score is of, one for each image: see ``class_directions``; of a text its
        features.
      options: Of the method.

    Raises:
      InputError: An unknown method or option, or images of another size.

    Example:
      >>> classifier, theta = load_classifier("runs/pets/merged")
      >>> facts = classifier.tower, classifier.preprocess, theta["encoder"]
      >>> which = class_directions(theta["head"], labels)
      >>> maps = saliency_maps("grad_cam", *facts, images, which)
    """
    if method not in SALIENCY:
        raise unknown_name("saliency method", method, SALIENCY)
    known = list(inspect.signature(SALIENCY[method]).parameters)[4:]
    for name in options:
        if name not in known:
            raise unknown_name(f"option of {method}", name, known)
    check_image_size(images, preprocess, "the model")
    used = {key: params[key] for key in VISION_KEYS}
    run = _compiled(method, tower, preprocess, tuple(sorted(options.items())))
    return run(used, images, directions)


def saliency_scores(
    tower: Tower,
    preprocess: Preprocess,
    params: Params,
    images: UInt8[Array | np.ndarray, "B H W 3"] | Float[Array | np.ndarray, "B H W 3"],
    directions: Float[Array | np.ndarray, "B D"],
) -> Float32[Array, " B"]:
    """Return the cosine scores that ``saliency_maps`` explains; the arguments are its own."""
    check_image_size(images, preprocess, "the model")
    used = {key: params[key] for key in VISION_KEYS}
    return _compiled_scores(tower, preprocess)(used, images, directions)


def class_directions(
    head: Params, labels: Int[Array | np.ndarray, " B"] | Sequence[int]
) -> Float32[Array, "B D"]:
    """Return the directions of the head's classes: columns of its kernel, normalised.

    The bias has no part in a cosine; a zero-shot head's is 0.

    Args:
      head: ``{"kernel": [D, K], "bias": [K]}``.
      labels: A class for each image.
    """
    columns = jnp.asarray(head["kernel"], jnp.float32).T[jnp.asarray(labels)]
    return columns / jnp.linalg.norm(columns, axis=-1, keepdims=True)


@functools.lru_cache(_COMPILED)
def _compiled(
    method: str, tower: Tower, preprocess: Preprocess, options: tuple[tuple[str, Any], ...]
) -> Callable[..., Any]:
    def run(params: Params, images: Any, directions: Any) -> Any:
        pixels = normalise_pixels(images, preprocess)
        return SALIENCY[method](tower, params, pixels, directions, **dict(options))

    return jax.jit(run)


@functools.lru_cache(_COMPILED)
def _compiled_scores(tower: Tower, preprocess: Preprocess) -> Callable[..., Any]:
    def run(params: Params, images: Any, directions: Any) -> Any:
        return score_images(tower, params, normalise_pixels(images, preprocess), directions)

    return jax.jit(run)


def _pixel_gradients(tower: Tower, params: Params, pixels: Any, directions: Any) -> Array:
    def score(pixels: Any) -> Array:
        return jnp.sum(score_images(tower, params, pixels, directions))

    return jax.grad(score)(jnp.asarray(pixels, jnp.float32))


def _on_grid(patches: Float32[Array, "B P"]) -> Float32[Array, "B h w"]:
    """Return the patches' values in rows and columns; the grid is square."""
    side = round(patches.shape[1] ** 0.5)
    return patches.reshape(-1, side, side)
