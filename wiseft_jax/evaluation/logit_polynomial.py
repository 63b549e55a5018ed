"""Logits of some examples as functions of alpha, in NumPy: where two classes are equal.

The polynomial is that of ``evaluation.interpolant``, here in float64 and for a few examples, each
at an alpha of its own.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from wiseft_jax.core.lobatto import barycentric_matrix


@dataclasses.dataclass(frozen=True)
class LogitPolynomial:
    """Logits of some examples at any alpha, up to a positive factor of each example.

    ``f(alpha) . w_c(alpha) + |f(alpha)| b_c(alpha)`` for features, which has the sign of a
    difference of logits; ``z_c(alpha)`` itself for interpolated logits.

    Attributes:
      nodes: float64[K].
      values: float64[K, B, D], features, or logits where there are no heads.
      heads: ``(kernel_0, bias_0, kernel_1, bias_1)``, float64.
    """

    nodes: Float64[np.ndarray, " K"]
    values: Float64[np.ndarray, "K B D"]
    heads: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None

    def logits(
        self, rows: Int[np.ndarray, " M"], alpha: Float64[np.ndarray, " M"]
    ) -> Float64[np.ndarray, "M C"]:
        """Return the logits of examples ``rows``, each at an alpha of its own."""
        matrix = barycentric_matrix(alpha, self.nodes)
        values = np.einsum("mk,kmd->md", matrix, self.values[:, rows])
        if self.heads is None:
            return values
        kernel_0, bias_0, kernel_1, bias_1 = self.heads
        low, high = (1 - alpha)[:, None], alpha[:, None]
        norm = np.linalg.norm(values, axis=1, keepdims=True)
        bias = low * bias_0[None] + high * bias_1[None]
        return low * (values @ kernel_0) + high * (values @ kernel_1) + norm * bias

    def classes(
        self, rows: Int[np.ndarray, " M"], alpha: Float[np.ndarray, " M"]
    ) -> Int64[np.ndarray, " M"]:
        """Return the predictions of examples ``rows``, each at an alpha of its own."""
        if not len(rows):
            return np.zeros(0, np.int64)
        return np.argmax(self.logits(rows, alpha), axis=1)

    def difference(
        self,
        rows: Int[np.ndarray, " M"],
        first: Int[np.ndarray, " M"],
        second: Int[np.ndarray, " M"],
    ) -> PairDifference:
        """Return the logit of class ``first`` minus that of ``second``, one pair an example.

        What doesn't depend on alpha is computed here, so that it is cheap at many alphas, whatever
        the width of the features and the number of classes.
        """
        values = self.values[:, rows]
        if self.heads is None:
            across = np.arange(len(rows))
            apart = (values[:, across, first] - values[:, across, second]).T
            return PairDifference(self.nodes, apart, apart, None, None)
        kernel_0, bias_0, kernel_1, bias_1 = self.heads
        at_0, at_1 = (
            np.einsum("kmd,dm->mk", values, kernel[:, first] - kernel[:, second])
            for kernel in (kernel_0, kernel_1)
        )
        bias = np.stack([bias[first] - bias[second] for bias in (bias_0, bias_1)])
        if not bias.any():
            return PairDifference(self.nodes, at_0, at_1, None, None)
        gram = np.einsum("kmd,lmd->mkl", values, values, optimize=True)
        return PairDifference(self.nodes, at_0, at_1, bias, gram)


@dataclasses.dataclass(frozen=True)
class PairDifference:
    """``z_first(alpha) - z_second(alpha)`` of M examples, up to a positive factor of each.

    Attributes:
      nodes: float64[K].
      at_0: float64[M, K], of the values at the nodes under the head of alpha = 0, without bias.
      at_1: The same under the head of alpha = 1.
      bias: float64[2, M], the differences of the biases at both ends; None where all are zero.
      gram: float64[M, K, K], inner products of the values at the nodes, for their norm between.
    """

    nodes: Float64[np.ndarray, " K"]
    at_0: Float64[np.ndarray, "M K"]
    at_1: Float64[np.ndarray, "M K"]
    bias: Float64[np.ndarray, "2 M"] | None
    gram: Float64[np.ndarray, "M K K"] | None

    def __call__(self, alpha: Float64[np.ndarray, " M"]) -> Float64[np.ndarray, " M"]:
        """Return the differences, each example at an alpha of its own."""
        matrix = barycentric_matrix(alpha, self.nodes)
        low, high = 1 - alpha, alpha
        found = low * np.sum(matrix * self.at_0, axis=1) + high * np.sum(matrix * self.at_1, axis=1)
        if self.bias is None or self.gram is None:
            return found
        square = np.einsum("mk,mkl,ml->m", matrix, self.gram, matrix)
        return found + np.sqrt(np.maximum(square, 0)) * (low * self.bias[0] + high * self.bias[1])
