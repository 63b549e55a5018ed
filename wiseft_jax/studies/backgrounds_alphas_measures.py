"""Curves along alpha from stored predictions, challenge matrices and energies; without JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Integer

from wiseft_jax.backgrounds.attack_summary import accuracy_by_backgrounds
from wiseft_jax.backgrounds.challenge import challenge_accuracy, paper_fooled_rate
from wiseft_jax.backgrounds.measures import CATEGORIES, background_gap, image_categories
from wiseft_jax.core.metrics import clopper_pearson
from wiseft_jax.core.paired import drawn_differences
from wiseft_jax.core.resampling import even_counts
from wiseft_jax.core.rng import numpy_stream

CONFIDENCE = 0.95
EXACT = "Clopper-Pearson"
BOOTSTRAP = "bootstrap over foregrounds"
PAIRED = "paired bootstrap over foregrounds"


Correct: TypeAlias = Mapping[str, Bool[np.ndarray, "A N"]]
"""Set -> which of the N foregrounds are right at each of A alphas, by the sets' names."""

Curve: TypeAlias = dict[str, Any]
"""``value``, ``low`` and ``high`` at each alpha, ``n`` and ``interval``: which kind it is."""


def variant_correct(correct: Correct) -> dict[str, Bool[np.ndarray, "S A N"]]:
    """Return variant -> what is right, one layer for each pairing; one of those without."""
    found: dict[str, list[np.ndarray]] = {}
    for name, each in correct.items():
        found.setdefault(name.split("/")[0], []).append(each)
    return {kind: np.stack(layers) for kind, layers in found.items()}


def prediction_curves(correct: Correct, samples: int) -> dict[str, Curve]:
    """Return accuracies, the BG-Gap and the categories' shares along alpha.

    What depends on a pairing is averaged over pairings, the gap after the subtraction.

    Args:
      correct: By set.
      samples: Of the bootstrap.

    Returns:
      Measure -> curve: ``accuracy/VARIANT``, ``gap`` and ``category/NAME``.
    """
    layers = variant_correct(correct)
    curves = {}
    for kind, each in layers.items():
        curve = _exact(each[0].sum(1), each.shape[2])
        if len(each) > 1:
            curve = mean_curve(each.mean(0), samples)
        curves[f"accuracy/{kind}"] = curve | {"per_seed": each.mean(2).tolist()}
    curves["gap"] = gap_curve(layers["mixed_same"], layers["mixed_rand"], samples)
    original, alone = layers["original"][0], layers["only_bg_t"][0]
    kinds = np.stack([image_categories(original, rand, alone) for rand in layers["mixed_rand"]])
    for place, name in enumerate(CATEGORIES):
        curves[f"category/{name}"] = mean_curve((kinds == place).mean(0), samples)
    return curves


def gap_curve(
    same: Bool[np.ndarray, "S A N"], rand: Bool[np.ndarray, "S A N"], samples: int
) -> Curve:
    """Return the BG-Gap at each alpha, the mean over pairings, with a paired bootstrap interval.

    Foregrounds are drawn again, each with its answers at all alphas and on all pairings.

    Args:
      same: What is right on Mixed-Same, one layer for each pairing.
      rand: The same of Mixed-Rand.
      samples: Of the bootstrap.
    """
    per_seed = background_gap(same.mean(2), rand.mean(2))
    low, high = _ends(drawn_gaps(same, rand, samples))
    return {
        "value": per_seed.mean(0).tolist(),
        "low": low,
        "high": high,
        "n": same.shape[2],
        "interval": PAIRED,
        "per_seed": per_seed.tolist(),
    }


def drawn_gaps(
    same: Bool[np.ndarray, "S A N"], rand: Bool[np.ndarray, "S A N"], samples: int
) -> Float64[np.ndarray, "R A"]:
    """Return the BG-Gap at each alpha in each of R bootstrap samples of the foregrounds.

    The arguments are those of ``gap_curve``.
    """
    seeds, alphas, count = same.shape
    rows = np.concatenate([same.reshape(-1, count), rand.reshape(-1, count)])
    drawn = drawn_differences(rows, 0, samples=samples)
    halves = drawn.reshape(samples, 2, seeds, alphas)
    return (halves[:, 0] - halves[:, 1]).mean(1)


def changes(
    correct: Correct, place: int, against: int, samples: int
) -> dict[str, dict[str, float]]:
    """Return what one alpha changes against another, each with a paired bootstrap interval.

    Args:
      correct: By set.
      place: Of the alpha.
      against: Of the alpha that it is compared with.
      samples: Of the bootstrap.

    Returns:
      ``gap``, ``original`` and ``mixed_rand`` -> ``difference``, ``low`` and ``high``.
    """
    layers = variant_correct(correct)
    same, rand = layers["mixed_same"], layers["mixed_rand"]
    pair = [place, against]
    gaps = drawn_gaps(same[:, pair], rand[:, pair], samples)
    observed = background_gap(same[:, pair].mean((0, 2)), rand[:, pair].mean((0, 2)))
    found = {"gap": _change(observed[0] - observed[1], gaps[:, 0] - gaps[:, 1])}
    for kind in ("original", "mixed_rand"):
        each = layers[kind][:, pair]
        seeds, _, count = each.shape
        drawn = drawn_differences(each.reshape(-1, count), 0, samples=samples)
        halves = drawn.reshape(samples, seeds, 2).mean(1)
        means = each.mean((0, 2))
        found[kind] = _change(means[0] - means[1], halves[:, 0] - halves[:, 1])
    return found


def mean_curve(values: Float[np.ndarray, "A N"], samples: int) -> Curve:
    """Return means over foregrounds at each alpha, with a bootstrap interval.

    Args:
      values: One for each alpha and foreground; NaN where there is none, which isn't counted.
      samples: Of the bootstrap; all alphas see the same ones.
    """
    known = np.isfinite(values)
    low, high = _ends(drawn_means(values, samples))
    counts = known.sum(1)
    totals = np.where(known, values, 0.0).sum(1)
    means = np.divide(totals, counts, out=np.full(len(values), np.nan), where=counts > 0)
    return {
        "value": _numbers(means),
        "low": low,
        "high": high,
        "n": int(counts[0]) if len(set(counts.tolist())) == 1 else counts.tolist(),
        "interval": BOOTSTRAP,
    }


def drawn_means(
    values: Float[np.ndarray, "A N"], samples: int, seed: int = 0
) -> Float64[np.ndarray, "R A"]:
    """Return the mean at each alpha in each of R bootstrap samples; NaN where nothing is known.

    Args:
      values: As ``mean_curve``.
      samples: How many.
      seed: Of the draws.
    """
    known = np.isfinite(values)
    tops, bottoms = np.where(known, values, 0.0).astype(np.float64).T, known.astype(np.float64).T
    count = values.shape[1]
    rng = numpy_stream(seed, "backgrounds along alpha")
    found = []
    for weights in even_counts(rng, count, samples):
        total = weights @ bottoms
        empty = np.full(total.shape, np.nan)
        found.append(np.divide(weights @ tops, total, out=empty, where=total > 0))
    return np.concatenate(found)


def challenge_curves(
    matrices: Sequence[Integer[np.ndarray, "F B"]],
    fg_class: Integer[np.ndarray, " F"],
    bg_class: Integer[np.ndarray, " B"],
    samples: int,
) -> dict[str, Curve]:
    """Return the challenge accuracy and the paper's rate along alpha.

    Of all B backgrounds, with exact intervals; and the challenge accuracy that fewer of them give
    on an average, as that of many may be 0 at every alpha.

    Args:
      matrices: One for each alpha, every pair tried.
      fg_class: Label of each foreground.
      bg_class: Label of each background.
      samples: Of the bootstrap.

    Returns:
      ``challenge_accuracy``, ``paper_fooled_rate`` and ``challenge_of/M`` for M = 1, 2, 5, ... B.
    """
    count = len(fg_class)
    shares = {
        "challenge_accuracy": [challenge_accuracy(each, fg_class) for each in matrices],
        "paper_fooled_rate": [paper_fooled_rate(each, fg_class, bg_class) for each in matrices],
    }
    curves = {
        name: _exact(np.rint(np.asarray(each) * count).astype(int), count)
        for name, each in shares.items()
    }
    stands = [_stands(each, fg_class) for each in matrices]
    for size in stands[0]:
        values = np.stack([each[size] for each in stands])
        curves[f"challenge_of/{size}"] = mean_curve(values, samples)
    return curves


def _stands(
    matrix: Integer[np.ndarray, "F B"], fg_class: Integer[np.ndarray, " F"]
) -> dict[int, Float64[np.ndarray, " F"]]:
    """Return how likely each foreground stands against so many of the backgrounds, drawn."""
    found = [
        accuracy_by_backgrounds(matrix[[row]], fg_class[[row]]) for row in range(len(fg_class))
    ]
    sizes = [int(each["backgrounds"]) for each in found[0]]
    return {
        size: np.asarray([each[place]["challenge_accuracy"] for each in found])
        for place, size in enumerate(sizes)
    }


def energy_curves(
    energies: Mapping[str, Float[np.ndarray, "A N"]],
    areas: Float[np.ndarray, " N"],
    samples: int,
) -> dict[str, Curve]:
    """Return how much of a map's mass lies on the object along alpha.

    Args:
      energies: ``true`` and ``predicted``, of whose class the maps are -> the energy in the mask;
        NaN where a map has no positive part.
      areas: The masks' shares of the image: the energy of a map that looks nowhere in particular.
      samples: Of the bootstrap.

    Returns:
      For each key: ``energy/KEY``, ``energy_above_area/KEY`` (the mean of energy minus area) and
      ``no_map/KEY``, the share of images whose map has no positive part; and ``mask_area``.
    """
    curves = {}
    for name, each in energies.items():
        curves[f"energy/{name}"] = mean_curve(each, samples)
        curves[f"energy_above_area/{name}"] = mean_curve(each - areas[None], samples)
        curves[f"no_map/{name}"] = _exact((~np.isfinite(each)).sum(1), each.shape[1])
    count = len(next(iter(energies.values())))
    curves["mask_area"] = mean_curve(np.repeat(areas[None], count, 0), samples)
    return curves


def smallest_gap(correct: Correct, samples: int) -> tuple[int, list[float]]:
    """Return where the BG-Gap is nearest to 0, and in how many bootstrap samples it is there.

    Of equal ones it is the one that is most accurate on Original, then the first; of the images
    as they are, and of each bootstrap sample, where both are those of the sample's foregrounds.

    Args:
      correct: By set.
      samples: Of the bootstrap.

    Returns:
      ``(place, shares)``: the shares of the samples in which each alpha's is the nearest.
    """
    layers = variant_correct(correct)
    same, rand, original = (layers[name] for name in ("mixed_same", "mixed_rand", "original"))
    gaps = background_gap(same.mean(2), rand.mean(2)).mean(0)
    (place,) = _nearest_to_zero(gaps[None], original[0].mean(1)[None])
    nearest = _nearest_to_zero(*_drawn_together(same, rand, original[0], samples))
    return int(place), (np.bincount(nearest, minlength=len(gaps)) / samples).tolist()


def _drawn_together(
    same: Bool[np.ndarray, "S A N"],
    rand: Bool[np.ndarray, "S A N"],
    original: Bool[np.ndarray, "A N"],
    samples: int,
) -> tuple[Float64[np.ndarray, "R A"], Float64[np.ndarray, "R A"]]:
    """Return ``drawn_gaps``, and accuracy on Original of the same draws, less the first alpha's."""
    seeds, alphas, count = same.shape
    rows = np.concatenate([original, same.reshape(-1, count), rand.reshape(-1, count)])
    drawn = drawn_differences(rows, 0, samples=samples)
    halves = drawn[:, alphas:].reshape(samples, 2, seeds, alphas)
    return (halves[:, 0] - halves[:, 1]).mean(1), drawn[:, :alphas]


def _nearest_to_zero(
    gaps: Float64[np.ndarray, "R A"], original: Float64[np.ndarray, "R A"]
) -> Int[np.ndarray, " R"]:
    """Return which gap of a row is nearest to 0: of equal ones the most accurate, then the first.

    Means of the same counts differ by rounding, so what differs by 1e-12 is equal.
    """
    order = np.lexsort((-original.round(12), np.abs(gaps).round(12)), axis=-1)
    return order[:, 0]


def _exact(hits: Integer[np.ndarray, " A"], count: int) -> Curve:
    ends = [clopper_pearson(int(each), count) for each in hits]
    return {
        "value": (np.asarray(hits) / max(count, 1)).tolist(),
        "low": [low for low, _ in ends],
        "high": [high for _, high in ends],
        "n": count,
        "interval": EXACT,
    }


def _change(difference: float, drawn: Float64[np.ndarray, " R"]) -> dict[str, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return {"difference": float(difference), "low": float(low), "high": float(high)}


def _ends(drawn: Float64[np.ndarray, "R A"]) -> tuple[list[float | None], list[float | None]]:
    tail = (1 - CONFIDENCE) / 2
    found = [
        np.quantile(column[np.isfinite(column)], [tail, 1 - tail])
        if np.isfinite(column).any()
        else [np.nan, np.nan]
        for column in drawn.T
    ]
    return _numbers([low for low, _ in found]), _numbers([high for _, high in found])


def _numbers(values: Any) -> list[float | None]:
    """Return floats as JSON has them: None for what isn't known."""
    return [float(value) if np.isfinite(value) else None for value in values]
