"""How models of a study scatter, fine-tuned and merged: what of the scatter WiSE-FT absorbs.

For M runs with accuracies ``a_1 ... a_M`` on a set the spread is their standard deviation (M - 1 in
the denominator) and their range. A ratio of spreads is the merged models' standard deviation over
that of the fine-tuned ones, of the same runs. Its interval is that of the bootstrap over runs: runs
are drawn again, each with all its models. It takes the configurations as drawn at random from those
that could be; of a full grid it says how much single runs matter, no more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from wiseft_jax.studies.grid_results import GridResults

SAMPLES = 10_000
"""Bootstrap samples."""
CONFIDENCE = 0.95
CONSTANT = 0.5
LEAST_RUNS = 3
"""With fewer there is no interval of a ratio."""


def spread_facts(results: GridResults, *, seed: int = 0) -> dict[str, Any]:
    """Return the spread of each kind of model on each set.

    Kinds: ``fine_tuned`` (alpha 1), ``constant`` (0.5), ``chosen`` (by the rule of the study, each
    run its own), ``best`` (each run's best on this very set, of equals the smallest: an oracle),
    ``zero_shot`` (the same model in all runs).

    Args:
      results: Of the study.
      seed: Of the bootstrap.

    Returns:
      ``sets``, each with ``set``, ``split``, ``role``, ``n`` and ``kinds``: ``mean``, ``sd``,
      ``low``, ``high``, ``range``, ``alpha`` (the mean) and, but for the fine-tuned ones,
      ``ratio`` with ``ratio_low``, ``ratio_high`` and ``undefined``, the share of the bootstrap
      samples without a ratio; and how the intervals were drawn.
    """
    drawn = bootstrap_places(len(results.rows), seed)
    sets = []
    for each, accuracies in results.shown():
        values = kinds_of(results, accuracies)
        reference = values["fine_tuned"][0] if "fine_tuned" in values else None
        kinds = {}
        for name, (own, alphas) in values.items():
            facts = {**spread_of(own), "alpha": float(np.mean(alphas))}
            if reference is not None and name not in ("fine_tuned", "zero_shot"):
                facts |= ratio_of_spreads(own, reference, drawn)
            kinds[name] = facts
        named = {"set": each.name, "split": each.split, "role": each.role, "n": each.n}
        sets.append({**named, "kinds": kinds})
    bootstrap = {"samples": SAMPLES, "seed": seed, "confidence": CONFIDENCE}
    return {"runs": len(results.rows), "sets": sets, "bootstrap": bootstrap}


def kinds_of(
    results: GridResults, accuracies: Float64[np.ndarray, "M A"]
) -> dict[str, tuple[Float64[np.ndarray, " M"], Float64[np.ndarray, " M"]]]:
    """Return kind -> the accuracy of each run's model, and its alpha; only what is on the grid."""
    grid = np.array(results.alphas)
    runs = np.arange(len(accuracies))
    fixed = {"zero_shot": 0.0, "fine_tuned": 1.0, "constant": CONSTANT}
    places = {
        name: np.full(len(runs), results.alphas.index(at))
        for name, at in fixed.items()
        if at in results.alphas
    }
    if set(results.chosen.tolist()) <= set(results.alphas):
        places["chosen"] = np.searchsorted(grid, results.chosen)
    places["best"] = accuracies.argmax(axis=1)
    return {name: (accuracies[runs, own], grid[own]) for name, own in places.items()}


def best_runs(results: GridResults) -> dict[str, dict[str, Any]]:
    """Return the run that is best on the validation set, of equals the first; {} without the set.

    Args:
      results: Of the study.

    Returns:
      For the kinds ``fine_tuned`` and ``chosen``: ``run``, ``index``, ``alpha``, and
      ``accuracies`` of that one model on each set that is shown, by its name.
    """
    shown = results.shown()
    validation = [values for each, values in shown if each.split == "validation"]
    if not validation:
        return {}
    kinds, found = kinds_of(results, validation[0]), {}
    for kind in ("fine_tuned", "chosen"):
        if kind not in kinds:
            continue
        values, alphas = kinds[kind]
        place = int(values.argmax())
        at = results.alphas.index(float(alphas[place]))
        row = results.rows[place]
        found[kind] = {
            "run": row["run"],
            "index": row["index"],
            "alpha": float(alphas[place]),
            "accuracies": {each.name: float(values[place, at]) for each, values in shown},
        }
    return found


def spread_of(values: Float64[np.ndarray, " M"]) -> dict[str, Any]:
    """Return mean, standard deviation (None of one value), ends and range of accuracies."""
    low, high = float(values.min()), float(values.max())
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    return {"mean": float(values.mean()), "sd": sd, "low": low, "high": high, "range": high - low}


def bootstrap_places(runs: int, seed: int) -> Int64[np.ndarray, "S M"]:
    """Return which runs each bootstrap sample holds."""
    from wiseft_jax.core.rng import numpy_stream

    return numpy_stream(seed, "bootstrap over runs").integers(runs, size=(SAMPLES, runs))


def ratio_of_spreads(
    values: Float64[np.ndarray, " M"],
    reference: Float64[np.ndarray, " M"],
    drawn: Int64[np.ndarray, "S M"],
) -> dict[str, Any]:
    """Return ``sd(values) / sd(reference)`` with its percentile interval over the samples.

    Samples whose ``reference`` doesn't vary have no ratio and are left out; their share is told.

    Args:
      values: Accuracies of one kind.
      reference: Those of the fine-tuned models of the same runs.
      drawn: Of ``bootstrap_places``.
    """
    nothing = {"ratio": None, "ratio_low": None, "ratio_high": None, "undefined": 1.0}
    if len(values) < 2 or np.ptp(reference) == 0:
        return nothing
    found = nothing | {"ratio": float(values.std(ddof=1) / reference.std(ddof=1))}
    if len(values) < LEAST_RUNS:
        return found
    below = reference[drawn].std(axis=1, ddof=1)
    defined = np.ptp(reference[drawn], axis=1) > 0
    ratios = values[drawn].std(axis=1, ddof=1)[defined] / below[defined]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    undefined = 1 - float(np.mean(defined))
    return found | {"ratio_low": float(low), "ratio_high": float(high), "undefined": undefined}
