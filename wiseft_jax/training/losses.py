"""Losses: cross-entropy for classification, distillation, the contrastive loss of CLIP."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

_NEVER = -1e9
"""The logit of a pair that doesn't count; finite, for 0 * inf is NaN."""


def cross_entropy(
    logits: Float[Array, "B K"],
    targets: Int[Array, " B"] | Float[Array, "B K"],
    label_smoothing: float = 0.0,
    weights: Shaped[Array, " B"] | None = None,
) -> Float[Array, ""]:
    """Compute the mean cross-entropy with hard or soft targets.

    Of one example, with p = softmax(logits), targets t and s = ``label_smoothing``::

        (1 - s) * sum_c t_c (-log p_c) + s * mean_c (-log p_c)

    Soft targets are used as they are: rows that don't sum to one weigh their example accordingly.

    Args:
        logits: unnormalised scores; the loss is computed in float32 whatever their dtype.
        targets: class numbers, or soft targets of the logits' shape.
        label_smoothing: share s of the uniform target, in [0, 1].
        weights: weight of each example (a 0/1 mask leaves padding out); all ones if None.

    Returns:
        The weighted mean over examples; 0 if all the weights are 0.

    Example:
        >>> float(cross_entropy(jnp.zeros((2, 4)), jnp.array([0, 3])))  # log 4
        1.3862943649291992
    """
    log_p = jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
    if targets.ndim == logits.ndim:
        nll = -jnp.sum(targets * log_p, axis=-1)
    else:
        nll = -jnp.take_along_axis(log_p, targets[:, None], axis=-1)[:, 0]
    losses = (1.0 - label_smoothing) * nll - label_smoothing * jnp.mean(log_p, axis=-1)
    return _weighted_mean(losses, weights)


def distillation(
    logits: Float[Array, "B K"],
    teacher: Float[Array, "B K"],
    temperature: float = 1.0,
    weights: Shaped[Array, " B"] | None = None,
) -> Float[Array, ""]:
    """Compute the mean divergence from a teacher's outputs, which get no gradient.

    Of one example, with p = softmax(teacher / T) and q = softmax(logits / T)::

        T^2 KL(p || q) = T^2 sum_c p_c (log p_c - log q_c)

    Its gradient by ``logits`` is T (q - p): the factor T^2 keeps its size next to cross-entropy's
    whatever T. Hinton, Vinyals, Dean 2015 (arXiv 1503.02531), section 2; Li, Hoiem 2016, "Learning
    without forgetting" (arXiv 1606.09282) for the model that training starts from as the teacher.

    Args:
        logits: unnormalised scores; computed in float32 whatever their dtype.
        teacher: those of the teacher.
        temperature: T, > 0.
        weights: weight of each example, as in ``cross_entropy``.

    Returns:
        The weighted mean over examples, >= 0 but for rounding; 0 if all the weights are 0.
    """
    teacher = jax.lax.stop_gradient(teacher.astype(jnp.float32))
    log_p = jax.nn.log_softmax(teacher / temperature, axis=-1)
    log_q = jax.nn.log_softmax(logits.astype(jnp.float32) / temperature, axis=-1)
    divergence = jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1)
    return temperature**2 * _weighted_mean(divergence, weights)


def _weighted_mean(
    losses: Float[Array, " B"], weights: Shaped[Array, " B"] | None
) -> Float[Array, ""]:
    if weights is None:
        return jnp.mean(losses)
    weights = weights.astype(jnp.float32)
    # `where` rather than a product: a masked example's loss may be infinite.
    total = jnp.sum(jnp.where(weights != 0, losses * weights, 0.0))
    mass = jnp.sum(weights)
    return jnp.where(mass > 0, total / jnp.where(mass > 0, mass, 1.0), 0.0)


def normalize(features: Float[Array, "B D"]) -> Float[Array, "B D"]:
    """Divide each row by its Euclidean norm (computed in float32; zero rows stay zero)."""
    features = features.astype(jnp.float32)
    square = jnp.sum(features**2, axis=-1, keepdims=True)
    return features * jax.lax.rsqrt(jnp.maximum(square, 1e-24))


def contrastive_loss(
    image_features: Float[Array, "N D"],
    text_features: Float[Array, "N D"],
    logit_scale: Float[Array, ""],
    positives: Bool[Array, "N N"] | None = None,
    weights: Bool[Array, " N"] | None = None,
) -> Float[Array, ""]:
    """Compute the symmetric contrastive loss of CLIP over all pairs of a batch.

    With the cosine table ``L_ij = exp(logit_scale) * cos(image_i, text_j)``, the mean of the
    cross-entropies of the rows (image to text) and of the columns (text to image), whose targets
    are the diagonal. Radford et al. 2021 (arXiv 2103.00020), Figure 3.

    With ``positives`` the target of a row is uniform over its positive texts, and the target of a
    column over its positive images; pairs that happen to match aren't pushed apart then. The
    diagonal always counts as positive.

    Args:
        image_features: image embeddings, normalised here.
        text_features: their captions' embeddings, normalised here.
        logit_scale: logarithm of the inverse temperature.
        positives: ``[i, j]`` tells whether text j describes image i.
        weights: which pairs count; others are neither targets nor negatives. All if None.

    Returns:
        The loss, a scalar.
    """
    logits = cosine_table(image_features, text_features, logit_scale)
    diagonal = jnp.eye(logits.shape[0], dtype=bool)
    mask = diagonal if positives is None else positives | diagonal
    if weights is not None:
        both = weights[:, None] & weights[None]
        mask = (mask & both) | diagonal
        logits = jnp.where(both | diagonal, logits, _NEVER)
    per_image = cross_entropy(logits, _uniform_over(mask), weights=weights)
    per_text = cross_entropy(logits.T, _uniform_over(mask.T), weights=weights)
    return (per_image + per_text) / 2.0


def cosine_table(
    image_features: Float[Array, "N D"],
    text_features: Float[Array, "M D"],
    logit_scale: Float[Array, ""],
) -> Float[Array, "N M"]:
    """Return ``exp(logit_scale) * cos(image_i, text_j)``, in full float32 precision."""
    images, texts = normalize(image_features), normalize(text_features)
    return jnp.exp(logit_scale) * jnp.matmul(images, texts.T, precision=jax.lax.Precision.HIGHEST)


def _uniform_over(mask: Bool[Array, "N N"]) -> Float[Array, "N N"]:
    """Return rows that are uniform over the true entries of the mask's rows."""
    chosen = mask.astype(jnp.float32)
    return chosen / jnp.sum(chosen, axis=-1, keepdims=True)
