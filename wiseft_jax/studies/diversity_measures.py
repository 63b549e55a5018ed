"""How differently groups of pairs of models err on a set, with the bootstrap over its images.

Measures of a pair: prediction diversity, the complement of Cohen's kappa, and the divergence of the
outputs (``analysis.diversity``), the latter as the mean of both directions. A group's value is the
mean over its pairs. A ratio of groups is that of their values. Images are drawn again with
replacement, each with the answers of all models, so what pairs share cancels; the models are fixed,
so an interval says how sure the numbers are of *these* models, not of others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int

from wiseft_jax.core.resampling import even_counts
from wiseft_jax.core.rng import numpy_stream

MEASURES = ("prediction_diversity", "kappa_complement", "kl_divergence")


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What a model answers on the N labelled examples of a set.

    Attributes:
      classes: The predicted classes.
      logits: Its logits; None where they aren't stored, or not finite.
    """

    classes: Int[np.ndarray, " N"]
    logits: Float32[np.ndarray, "N K"] | None


@dataclasses.dataclass(frozen=True)
class GroupMeasure:
    """A measure of a group of pairs on a set.

    Attributes:
      value: The mean over its pairs.
      pairs: That of each pair.
      drawn: float64[S], the value in each bootstrap sample; NaN in one that is left out.
    """

    value: float
    pairs: tuple[float, ...]
    drawn: Float64[np.ndarray, " S"]


def measure_groups(
    groups: Mapping[str, Sequence[tuple[Outputs, Outputs]]],
    labels: Int[np.ndarray, " N"],
    *,
    samples: int,
    seed: int,
    stream: str,
) -> dict[str, dict[str, GroupMeasure]]:
    """Return measure -> group -> its value, that of each pair, and its bootstrap draws.

    Args:
      groups: Name -> pairs; a group without pairs is left out.
      labels: Of the examples; all of them classes.
      samples: S.
      seed: Of the draws.
      stream: The set's name; draws of other sets are independent.

    Returns:
      All measures for which a group has what it needs: ``kl_divergence`` needs logits of all its
      models.
    """
    there = {name: list(pairs) for name, pairs in groups.items() if pairs}
    weights = list(_weights(len(labels), samples, seed, stream))
    found: dict[str, dict[str, GroupMeasure]] = {name: {} for name in MEASURES}
    for name, pairs in there.items():
        differ = np.stack([(f.classes == labels) != (g.classes == labels) for f, g in pairs])
        found["prediction_diversity"][name] = _mean_measure(differ.astype(np.float64), weights)
        found["kappa_complement"][name] = _kappa_measure(pairs, weights)
        if all(model.logits is not None for pair in pairs for model in pair):
            apart = np.stack([_divergence(f, g) for f, g in pairs])
            found["kl_divergence"][name] = _mean_measure(apart, weights)
    return {name: each for name, each in found.items() if each}


def _divergence(f: Outputs, g: Outputs) -> Float64[np.ndarray, " N"]:
    """Return the mean of both directions, of each example."""
    from wiseft_jax.analysis.diversity import kl_by_example

    assert f.logits is not None
    assert g.logits is not None
    return (kl_by_example(f.logits, g.logits) + kl_by_example(g.logits, f.logits)) / 2


def _weights(count: int, samples: int, seed: int, stream: str) -> list[Float64[np.ndarray, "B N"]]:
    """Return how often each example is drawn in each sample, divided by N; in blocks of samples."""
    rng = numpy_stream(seed, f"bootstrap of pairs {stream}")
    return [block / count for block in even_counts(rng, count, samples)]


def _mean_measure(
    by_pair: Float64[np.ndarray, "P N"], weights: Sequence[np.ndarray]
) -> GroupMeasure:
    mean = by_pair.mean(axis=0)
    drawn = np.concatenate([block @ mean for block in weights])
    pairs = tuple(map(float, by_pair.mean(axis=1)))
    return GroupMeasure(float(np.mean(pairs)), pairs, drawn)


def _kappa_measure(
    pairs: Sequence[tuple[Outputs, Outputs]], weights: Sequence[np.ndarray]
) -> GroupMeasure:
    from wiseft_jax.analysis.diversity import kappa_complement

    values = tuple(kappa_complement(f.classes, g.classes) for f, g in pairs)
    # Classes are sorted together so that the shares of each are sums over neighbours.
    shares: dict[int, list[np.ndarray]] = {}
    number = 1 + max(int(model.classes.max()) for pair in pairs for model in pair)
    for pair in pairs:
        for model in pair:
            if id(model) not in shares:
                shares[id(model)] = [_shares(model.classes, block, number) for block in weights]
    drawn = np.zeros(sum(len(block) for block in weights))
    for f, g in pairs:
        differ = (f.classes != g.classes).astype(np.float64)
        observed = np.concatenate([block @ differ for block in weights])
        chance = np.concatenate(
            [
                np.sum(one * other, axis=1)
                for one, other in zip(shares[id(f)], shares[id(g)], strict=True)
            ]
        )
        possible = chance < 1
        drawn += np.divide(observed, 1 - chance, out=np.zeros_like(drawn), where=possible)
    return GroupMeasure(float(np.mean(values)), values, drawn / len(pairs))


def _shares(
    classes: Int[np.ndarray, " N"], weights: Float64[np.ndarray, "B N"], number: int
) -> Float64[np.ndarray, "B C"]:
    """Return the share of each class among predictions in each sample; column 0 is "none"."""
    order = np.argsort(classes, kind="stable")
    there, starts = np.unique(classes[order], return_index=True)
    found = np.zeros((len(weights), number + 1))
    found[:, there + 1] = np.add.reduceat(weights[:, order], starts, axis=1)
    return found
