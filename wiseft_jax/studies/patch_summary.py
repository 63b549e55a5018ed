"""The patch study's rows and examples in numbers: means over seeds, differences, curves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float64

Examples: TypeAlias = Mapping[str, np.ndarray]
"""Measure -> float32[N], of one model."""

CONFIDENCE = 0.95


def t_interval(
    values: Sequence[float], confidence: float = CONFIDENCE
) -> tuple[float, float] | None:
    """Return Student's interval of the mean of values of independent seeds; None of fewer than two.

    Args:
      values: One for each seed.
      confidence: Coverage, were the values normal.
    """
    from scipy.stats import t

    count = len(values)
    if count < 2:
        return None
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(count)
    half = float(t.ppf((1 + confidence) / 2, count - 1)) * error
    return mean - half, mean + half


def over_seeds(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each measure of each kind of model: its mean over seeds and that mean's interval.

    Args:
      rows: Of the models.
    """
    found = []
    for (family, mixer), group in _grouped(rows).items():
        for measure in group[0]["values"]:
            values = [row["values"][measure] for row in group]
            interval = t_interval(values)
            found.append(
                {
                    "family": family,
                    "mixer": mixer,
                    "measure": measure,
                    "mean": float(np.mean(values)),
                    "low": interval[0] if interval else None,
                    "high": interval[1] if interval else None,
                    "values": values,
                    "seeds": len(values),
                    "n": group[0]["n"],
                }
            )
    return found


def differences(
    examples: Mapping[tuple[str, str], Sequence[Examples]], samples: int, seed: int = 0
) -> list[dict[str, Any]]:
    """Return, for each two augmentations of a family, how their measures differ, with intervals.

    The paired bootstrap: images are drawn again, each with what all models of all seeds made of it,
    so what they share cancels. Its intervals are of other images and these very models; how much
    models of other seeds would differ is what the interval over seeds tells.

    Args:
      examples: ``(family, mixer)`` -> each seed's examples.
      samples: Bootstrap samples.
      seed: Of the draws.
    """
    found = []
    for family in dict.fromkeys(family for family, _ in examples):
        mixers = [mixer for each, mixer in examples if each == family]
        of_family = {mixer: examples[family, mixer] for mixer in mixers}
        weights = _weights(next(iter(of_family.values()))[0], samples, seed)
        once = {name: np.ones((1, each.shape[1])) for name, each in weights.items()}
        drawn = {mixer: drawn_measures(each, weights) for mixer, each in of_family.items()}
        point = {mixer: drawn_measures(each, once) for mixer, each in of_family.items()}
        for one, other in itertools.combinations(mixers, 2):
            for measure in point[one]:
                gaps = drawn[other][measure] - drawn[one][measure]
                tail = (1 - CONFIDENCE) / 2
                low, high = np.nanquantile(gaps, [tail, 1 - tail])
                found.append(
                    {
                        "family": family,
                        "mixer": other,
                        "against": one,
                        "measure": measure,
                        "difference": float(point[other][measure][0] - point[one][measure][0]),
                        "low": float(low),
                        "high": float(high),
                        "seeds": len(of_family[one]),
                        "samples": samples,
                    }
                )
    return found


def drawn_measures(
    seeds: Sequence[Examples], weights: Mapping[str, Float64[np.ndarray, "S N"]]
) -> dict[str, Float64[np.ndarray, " S"]]:
    """Return the measures of pooled seeds, under weights of the images.

    Args:
      seeds: Each seed's examples.
      weights: Set of images -> how often each was drawn, in S samples; ``reference`` is the set
        that is patched and corrupted.
    """
    found: dict[str, np.ndarray] = {}
    right = _pooled([each["clean"] for each in seeds])[0]
    for name in seeds[0]:
        top, bottom = _pooled([each[name] for each in seeds])
        bottom = right if name.startswith("flip/") else bottom
        weight = weights[_set_of(name)]
        total = weight @ bottom
        found[name] = np.divide(weight @ top, total, out=np.zeros(len(weight)), where=total > 0)
    for kind in [name.split("/")[1] for name in found if name.startswith("patched/")]:
        found[f"drop/{kind}"] = found["clean"] - found[f"patched/{kind}"]
    for group in ("shift", "corruption"):
        parts = [each for name, each in found.items() if name.startswith(f"{group}/")]
        if parts:
            found[f"{group}s"] = np.mean(parts, axis=0)
    return found


def mean_curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the curves along alpha by augmentation: means over seeds, with Student's intervals.

    Args:
      rows: Of the models; those without a curve are passed over.

    Returns:
      Mixer -> ``alphas``, ``seeds`` and ``lines``: name -> ``mean``, ``low`` and ``high``, the
      latter None of a single seed.
    """
    found = {}
    for (_, mixer), group in _grouped([row for row in rows if row["curve"]]).items():
        lines = {}
        for name in group[0]["curve"]:
            values = np.array([row["curve"][name] for row in group])
            ends = [t_interval(column) for column in values.T.tolist()]
            lines[name] = {
                "mean": values.mean(0).tolist(),
                "low": [end[0] if end else None for end in ends],
                "high": [end[1] if end else None for end in ends],
            }
        found[mixer] = {"alphas": group[0]["alphas"], "seeds": len(group), "lines": lines}
    return found


def _grouped(
    rows: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["family"], row["mixer"]), []).append(row)
    return groups


def _pooled(seeds: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums over seeds of what is known, and how many seeds know it."""
    values = np.stack(seeds).astype(np.float64)
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(0), known.sum(0).astype(np.float64)


def _set_of(name: str) -> str:
    return name if name.startswith("shift/") else "reference"


def _weights(examples: Examples, samples: int, seed: int) -> dict[str, np.ndarray]:
    """Return how often each image of each set is drawn: all measures of a set share the draws."""
    from wiseft_jax.core.resampling import even_counts
    from wiseft_jax.core.rng import numpy_stream

    sizes = {_set_of(name): len(each) for name, each in examples.items()}
    return {
        name: np.concatenate(
            list(even_counts(numpy_stream(seed, f"patch study bootstrap {name}"), size, samples))
        ).astype(np.float64)
        for name, size in sizes.items()
    }
