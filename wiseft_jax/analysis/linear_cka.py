"""Linear CKA: how alike two representations of the same images are, in NumPy and float64.

Kornblith et al. 2019 (arXiv 1905.00414), equation 5, for the biased one; Nguyen, Raghu and
Kornblith 2020 (arXiv 2010.15327), equations 2 and 3, for the unbiased terms and minibatches; the
estimator is Song et al. 2012 (JMLR 13:1393), equation 5. Nothing here imports jax.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float, Shaped

from wiseft_jax.core.errors import InputError

FEWEST = 4
"""Examples that the unbiased estimator needs: it divides by ``n - 3``."""


def cka(x: Shaped[np.ndarray, "N D"], y: Shaped[np.ndarray, "N E"]) -> float:
    """Return ``|Y'X|_F^2 / (|X'X|_F |Y'Y|_F)`` of column-centred X and Y, in [0, 1].

    With fewer examples than columns it is computed from Gram matrices, ``<K, L> / (|K| |L|)``,
    which is the same number. It is biased upwards where N isn't far above D and E; see
    ``minibatch_cka``. Equal for X times any orthogonal matrix, any scale and any shift.

    Args:
      x: A row an example, N >= 2.
      y: The same examples in the same order.

    Raises:
      InputError: Other numbers of rows, a number that isn't finite, or rows that are all equal.

    Example:
      >>> cka(x, 3 * x @ orthogonal + 5)
      1.0
    """
    x, y = _checked_pair(x, y, "")
    x, y = _centred(x, "x"), _centred(y, "y")
    if len(x) < max(x.shape[1], y.shape[1]):
        grams = x @ x.T, y @ y.T
        cross, own = float(np.sum(grams[0] * grams[1])), [np.linalg.norm(each) for each in grams]
    else:
        cross = float(np.sum((y.T @ x) ** 2))
        own = [np.linalg.norm(x.T @ x), np.linalg.norm(y.T @ y)]
    # Cauchy and Schwarz bound it by 1; what is above is rounding.
    return min(1.0, cross / float(own[0] * own[1]))


def unbiased_hsic(k: Shaped[np.ndarray, "N N"], l: Shaped[np.ndarray, "N N"]) -> float:  # noqa: E741
    """Return HSIC_1 of two kernel matrices; it may be negative, and isn't clipped.

    With ``K`` and ``L`` after their diagonals were set to zero::

        [tr(KL) + 1'K1 1'L1 / ((n-1)(n-2)) - 2 1'KL1 / (n-2)] / (n (n-3))

    Args:
      k: Of n >= 4 examples.
      l: Of the same examples.

    Raises:
      InputError: Fewer examples, other shapes, or a number that isn't finite.
    """
    k, l = _checked_pair(k, l, "")  # noqa: E741
    if k.shape[0] != k.shape[1] or l.shape != k.shape:
        raise InputError(f"kernels: expected two of shape [n, n], found {k.shape} and {l.shape}")
    count = len(k)
    if count < FEWEST:
        raise InputError(f"kernels: expected at least {FEWEST} examples, found {count}")
    k, l = _without_diagonal(k), _without_diagonal(l)  # noqa: E741
    trace = float(np.sum(k * l.T))
    totals = float(k.sum()) * float(l.sum()) / ((count - 1) * (count - 2))
    cross = 2 * float(k.sum(0) @ l.sum(1)) / (count - 2)
    return (trace + totals - cross) / (count * (count - 3))


def minibatch_cka(
    batches: Iterable[tuple[Shaped[np.ndarray, "_ _"], Shaped[np.ndarray, "_ _"]]],
) -> float:
    """Return ``sum_b HSIC(K_b, L_b) / sqrt(sum_b HSIC(K_b, K_b) sum_b HSIC(L_b, L_b))``.

    HSIC is ``unbiased_hsic`` of linear kernels. It is the ratio of the sums, which more batches
    bring to the CKA of all images; the mean of each batch's own ratio is another number, and stays
    biased however many batches there are. Sums are float64. It may be negative or above 1.

    A last batch of fewer than 4 examples joins the one before it; any other such batch is refused.
    Batches count once each, whatever their size, as HSIC_1 is unbiased at any: a shorter last one
    adds noise and no bias. Shuffle the examples first.

    Args:
      batches: Pairs ``(x, y)``, a row an example; read once.

    Raises:
      InputError: No batch; one that is too small; pairs of other lengths; a number that isn't
        finite; or a representation whose own sum isn't positive, so that there is no ratio.
    """
    cross = own_x = own_y = 0.0
    for x, y in _whole(batches):
        gram_x, gram_y = x @ x.T, y @ y.T
        cross += unbiased_hsic(gram_x, gram_y)
        own_x += unbiased_hsic(gram_x, gram_x)
        own_y += unbiased_hsic(gram_y, gram_y)
    return ratio_of_sums(cross, own_x, own_y)


def ratio_of_sums(cross: float, own_x: float, own_y: float) -> float:
    """Return ``cross / sqrt(own_x own_y)``.

    Args:
      cross: Summed HSIC_1 between two representations.
      own_x: Summed HSIC_1 of one with itself.
      own_y: Of the other.

    Raises:
      InputError: If either isn't positive: the representation doesn't vary, or less than noise.
    """
    for name, own in (("x", own_x), ("y", own_y)):
        if not own > 0:
            raise InputError(
                f"{name}: expected features that vary from example to example, found a sum of"
                f" HSIC_1 of {own:.3g}; give more examples, or another layer"
            )
    return cross / (math.sqrt(own_x) * math.sqrt(own_y))


def centred_gram(x: Shaped[np.ndarray, "N D"]) -> Float[np.ndarray, "N N"]:
    """Return ``X X'`` of column-centred X in float64.

    HSIC_1 is the same without centring, in exact arithmetic; with it no large mean cancels.

    Args:
      x: A row an example.
    """
    rows = np.asarray(x, np.float64)
    rows = rows - rows.mean(0, keepdims=True)
    return rows @ rows.T


def _whole(
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield centred float64 batches of at least ``FEWEST`` examples; a shorter last one joins."""
    held: tuple[np.ndarray, np.ndarray] | None = None
    short: tuple[np.ndarray, np.ndarray] | None = None
    for number, (x, y) in enumerate(batches, 1):
        if short is not None:
            raise InputError(
                f"batch {number - 1}: expected at least {FEWEST} examples, found {len(short[0])};"
                " only the last batch may be shorter, and joins the one before it"
            )
        batch = _checked_pair(x, y, f"batch {number}: ")
        if len(batch[0]) < FEWEST:
            short = batch
            continue
        if held is not None:
            yield _mean_free(held)
        held = batch
    if held is None:
        found = "none" if short is None else f"one of {len(short[0])}"
        raise InputError(f"batches: expected one of at least {FEWEST} examples, found {found}")
    if short is not None:
        held = (np.concatenate([held[0], short[0]]), np.concatenate([held[1], short[1]]))
    yield _mean_free(held)


def _mean_free(batch: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    x, y = batch
    return x - x.mean(0, keepdims=True), y - y.mean(0, keepdims=True)


def _checked_pair(x: np.ndarray, y: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return two matrices of as many rows in float64."""
    found = []
    for name, each in (("x", x), ("y", y)):
        if np.ndim(each) != 2 or np.asarray(each).dtype.kind not in "fiub":
            raise InputError(
                f"{where}{name}: expected numbers [examples, features], found"
                f" {np.asarray(each).dtype}{list(np.shape(each))}"
            )
        found.append(np.asarray(each, np.float64))
        if not np.isfinite(found[-1]).all():
            raise InputError(f"{where}{name}: expected finite numbers, found NaN or infinity")
    if len(found[0]) != len(found[1]):
        raise InputError(
            f"{where}expected the same examples in x and y, found {len(found[0])} and"
            f" {len(found[1])} rows"
        )
    return found[0], found[1]


def _centred(x: np.ndarray, name: str) -> np.ndarray:
    """Return X without its columns' means, its largest number 1: no square overflows."""
    if len(x) < 2:
        raise InputError(f"{name}: expected at least 2 examples, found {len(x)}")
    largest = float(np.abs(x).max(initial=0.0))
    scaled = x / largest if largest > 0 else x
    centred = scaled - scaled.mean(0, keepdims=True)
    spread = float(np.abs(centred).max(initial=0.0))
    if spread <= len(x) * np.finfo(np.float64).eps:  # the rounding of a mean of equal numbers
        raise InputError(f"{name}: all examples are equal, so that there is no CKA")
    return centred / spread


def _without_diagonal(kernel: np.ndarray) -> np.ndarray:
    kernel = kernel.copy()
    np.fill_diagonal(kernel, 0.0)
    return kernel
