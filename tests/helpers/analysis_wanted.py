"""What each row of the analyses of the golden run must say, by ``analysis_oracle``'s formulas."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy import special, stats

from tests.helpers import analysis_oracle as oracle
from tests.helpers.analysis_oracle import Facts, Wanted

Row: TypeAlias = dict[str, Any]
Sets: TypeAlias = dict[str, Facts]
NAMED = {"zero_shot": 0.0, "fine_tuned": 1.0}
SHIFTS = ("sketch", "night")


def _share(hits: int, n: int, p: float | None = None) -> Wanted:
    return Wanted(hits / n, n, oracle.binomial(hits, n), p)


def _accuracy(of: Facts, alpha: float) -> Wanted:
    right = of.right(alpha)
    return _share(int(right.sum()), len(right))


def _diversity(row: Row, of: Facts, chosen: float) -> Wanted:
    at = NAMED | {"merged": chosen}
    one, other = (at[name] for name in row["group"].split("/"))
    f, g = of.right(one), of.right(other)
    if row["metric"] == "prediction_diversity":
        return _share(int(np.sum(f != g)), len(f), oracle.paired_p(f, g))
    if row["metric"] == "kappa_complement":
        a, b = of.answers(one), of.answers(other)
        low, high = oracle.jackknife(lambda weights: oracle.kappa(a, b, weights), len(a))
        return Wanted(oracle.kappa(a, b), len(a), (max(0.0, low), high), near=True)
    p, q = (special.softmax(of.logits[alpha], axis=1) for alpha in (one, other))
    each = np.sum(p * np.log(p / q), axis=1)
    return Wanted(each.mean(), len(each), oracle.student(each, low=0.0))


def _overrides(row: Row, of: Facts, chosen: float) -> Wanted:
    del chosen
    ends = [np.argmax(of.all_logits[at], axis=1) for at in (0.0, 1.0)]
    differ = ends[0] != ends[1]
    if row["metric"] == "disagreement":
        return _share(int(differ.sum()), len(differ))
    if row["metric"].startswith("confidence"):
        kept = differ if row["group"] == "disagreement" else np.full(len(differ), True)
        margins = [of.margins(at)[kept] for at in (0.0, 1.0)]
        if row["metric"] == "confidence":
            x = margins[int(row["alpha"])]
            return Wanted(x.mean(), len(x), oracle.student(x))
        gain = margins[1] - margins[0]
        p = float(stats.ttest_1samp(gain, 0).pvalue)
        return Wanted(gain.mean(), len(gain), oracle.student(gain), p)
    merged = np.argmax(of.all_logits[0.5], axis=1)
    first, second = (int(np.sum(differ & (merged == end))) for end in ends)
    n = int(differ.sum())
    counts = {"zero_shot_overrides": first, "zero_shot_overridden": second}
    hits = counts.get(row["metric"], n - first - second)
    p = oracle.sign_test(first, second) if row["metric"] in counts else None
    return _share(hits, n, p)


def _landscape(row: Row, of: Facts, chosen: float) -> Wanted:
    del chosen
    alphas = sorted(of.logits)
    inner = alphas[1:-1]
    what = "loss" if "loss" in row["metric"] else "accuracy"
    if what == "loss":
        each = np.array([oracle.losses(of.logits[at], of.labels) for at in alphas])
    else:
        each = np.array([of.right(at) for at in alphas], float)
    sign = -1 if what == "loss" else 1

    def above(means: np.ndarray) -> np.ndarray:
        chord = np.outer(means[:, 0], 1 - np.array(alphas)) + np.outer(means[:, -1], alphas)
        return sign * (means - chord)

    n = each.shape[1]
    drawn = each[:, of.drawn(what)].mean(axis=2).T
    value, gains = above(each.mean(axis=1)[None])[0], above(drawn)
    place = alphas.index(row["alpha"])
    metric = row["metric"]
    if metric == "accuracy":
        return _accuracy(of, row["alpha"])
    if metric == "loss":
        mean = each[place].mean()
        return Wanted(mean, n, oracle.quantiles(drawn[:, place], mean), near=True)
    if metric.endswith("above_chord"):
        own = value[place]
        return Wanted(own, n, oracle.quantiles(gains[:, place], own), near=True)
    inside = slice(1, len(alphas) - 1)
    low, high = oracle.band(value[inside], gains[:, inside])
    slack = 0.05 * float(high.min() - low.min())  # percentile intervals are further away
    if metric.startswith("barrier"):
        found = max(0.0, -high.min()), max(0.0, -low.min())
        return Wanted(max(0.0, -value.min()), n, found, near=True, slack=slack)
    if metric == "observation_1":
        found = float(low.min()), float(high.min())
        error = gains[:, inside].std(axis=0)
        moving = error > 0
        observed = np.max(-value[inside][moving] / error[moving])
        centred = ((value[inside] - gains[:, inside])[:, moving] / error[moving]).max(axis=1)
        p = float(np.mean(centred >= observed))
        least = float(value[inside].min())
        return Wanted(least, n, found, p, near=True, p_near=True, slack=slack)
    accuracies = each.mean(axis=1)
    gain = max(accuracies[inside]) - max(accuracies[0], accuracies[-1])
    together = 1 - 0.05 / (2 * len(inner))
    smaller = [
        [min(x) for x in zip(*(oracle.newcombe(of.right(end), of.right(at), together)
                               for end in (0.0, 1.0)), strict=True)]
        for at in inner
    ]  # fmt: skip
    found = max(each[0] for each in smaller), max(each[1] for each in smaller)
    p_values = []
    for at in inner:
        right, p = of.right(at), 0.0
        for end in (0.0, 1.0):
            other = of.right(end)
            p = max(p, oracle.paired_p(other, right) if right.sum() > other.sum() else 1.0)
        p_values.append(p)
    return Wanted(gain, n, found, min(1.0, min(p_values) * len(inner)))


def _calibration(row: Row, of: Facts, held_out: Facts) -> Wanted:
    z, y, at = of.logits[row["alpha"]], of.labels, row["alpha"]
    metric, n = row["metric"], len(of.labels)
    t = oracle.temperature(held_out.logits[at], held_out.labels) if "scaled" in metric else 1.0
    p = special.softmax(z / t, axis=1)
    if metric == "temperature":
        low, high = oracle.jackknife(lambda weights: math.log(oracle.temperature(z, y, weights)), n)
        return Wanted(oracle.temperature(z, y), n, (math.exp(low), math.exp(high)), near=True)
    if metric.startswith("nll"):
        each = oracle.losses(z, y, t)
        return Wanted(each.mean(), n, oracle.student(each, low=0.0))
    if metric == "brier":
        each = np.sum((p - np.eye(p.shape[1])[y]) ** 2, axis=1)
        return Wanted(each.mean(), n, oracle.student(each, 0.0, 2.0))
    right, sure = of.right(at), p.max(axis=1)
    value = oracle.calibration_error(sure, right)
    drawn = [oracle.calibration_error(sure[kept], right[kept]) for kept in of.drawn()[:300]]
    low, high = np.quantile(drawn, [0.025, 0.975])
    low, high = min(2 * value - high, value), max(2 * value - low, value)
    if row["ci_low"] == 0:  # a calibrated model may show as large an error, by chance
        rng = np.random.default_rng(0)
        chance = [oracle.calibration_error(sure, rng.random(n) < sure) for _ in range(300)]
        low = 0.0 if value <= np.quantile(chance, 0.975) + 0.03 else low
    return Wanted(value, n, (max(0.0, low), min(1.0, high)), near=True)


def _ensembles(row: Row, sets: Sets) -> Wanted:
    kind, at = row["metric"].split("_")[0], row["alpha"]

    def right_of(of: Facts) -> np.ndarray:
        ends = [of.logits[0.0], of.logits[1.0]]
        if kind == "probability":
            ends = [special.softmax(z, axis=1) for z in ends]
        return np.argmax((1 - at) * ends[0] + at * ends[1], axis=1) == of.labels

    if row["metric"] == "weight_space":
        return _accuracy(sets[row["dataset"]], at)
    if row["dataset"] is None:
        shifts = [sets[name] for name in SHIFTS]
        pairs = [(of.right(at), right_of(of)) for of in shifts]
        value, interval = oracle.mean_of_differences(pairs, [of.labels.tolist() for of in shifts])
        return Wanted(value, sum(len(of.labels) for of in shifts), interval)
    of = sets[row["dataset"]]
    own, merged = right_of(of), of.right(at)
    if row["metric"].endswith("ensemble"):
        return _share(int(own.sum()), len(own))
    value = float(own.mean() - merged.mean())
    interval = oracle.newcombe(merged, own)
    return Wanted(value, len(own), interval, oracle.paired_p(merged, own))


def _classes(row: Row, of: Facts, names: Sequence[str]) -> Wanted:
    before, after = of.right(NAMED[row["other"]]), of.right(row["alpha"])
    if row["metric"] == "class_gain":
        kept = of.labels == names.index(row["group"])
        x, y = before[kept], after[kept]
        return Wanted(y.mean() - x.mean(), len(x), oracle.newcombe(x, y), oracle.paired_p(x, y))
    classes = sorted(set(of.labels))
    pairs = [(before[of.labels == c], after[of.labels == c]) for c in classes]
    sure = oracle.holm([oracle.paired_p(x, y) for x, y in pairs])
    sign = 1 if row["metric"] == "classes_up" else -1
    hits = sum(
        p <= 0.05 and sign * (y.mean() - x.mean()) > 0
        for p, (x, y) in zip(sure, pairs, strict=True)
    )
    return _share(hits, len(classes))


def _flips(row: Row, of: Facts, names: Sequence[str]) -> Wanted:
    alphas = sorted(of.logits)
    if row["metric"] == "flips":
        answers = np.array([of.answers(at) for at in alphas])
        return _share(int(np.sum(np.ptp(answers, axis=0) > 0)), len(of.labels))
    before, after = alphas[alphas.index(row["alpha"]) - 1], row["alpha"]
    kind = row["metric"].removeprefix("flip_")
    if row["metric"] != kind:
        place = int(row["group"].split("/")[1].split(".")[0])
        was, now = (int(np.argmax(of.all_logits[at][place])) for at in (before, after))
        assert row["other"] == f"{names[was]} -> {names[now]}"
        return Wanted(of.margins(after)[place], 1)
    old, new = of.right(before), of.right(after)
    counts = {
        "won": int(np.sum(~old & new)),
        "lost": int(np.sum(old & ~new)),
        "changed": int(np.sum(~old & ~new & (of.answers(before) != of.answers(after)))),
    }
    assert row["other"] == f"alpha {before:g}"
    p = None if kind == "changed" else oracle.paired_p(old, new)
    return _share(counts[kind], len(old), p)


def _other_sets(row: Row, of: Facts) -> Wanted:
    before, after = of.right(0.0), of.right(row["alpha"])
    if row["metric"] == "accuracy":
        return _accuracy(of, row["alpha"])
    if row["metric"] == "accuracy_change":
        value = float(after.mean() - before.mean())
        p = oracle.paired_p(before, after)
        return Wanted(value, len(after), oracle.newcombe(before, after), p)
    drawn = after[of.drawn()].sum(axis=1) / before[of.drawn()].sum(axis=1)
    value = float(after.sum() / before.sum())
    return Wanted(value, len(after), oracle.quantiles(drawn, value), near=True)


def _robustness(row: Row, sets: Sets, baselines: np.ndarray, chosen: float) -> Wanted:
    if row["metric"] == "accuracy":
        return _accuracy(sets[row["dataset"]], row["alpha"])
    if row["metric"] == "share_of_classes":
        own, axis = (len({*sets[name].labels.tolist()}) for name in (row["dataset"], row["other"]))
        return Wanted(min(1.0, own / axis), axis)
    columns = {name: baselines[:, place] for place, name in enumerate(("test", *SHIFTS))}
    if row["metric"] == "baseline_accuracy":
        return Wanted(columns[row["dataset"]][int(row["group"].split()[1])], 1)
    to: Callable = special.logit if row["group"] == "logit" else stats.norm.ppf
    back: Callable = special.expit if row["group"] == "logit" else stats.norm.cdf
    shift = sets[row["dataset"]]
    x, y = columns["test"], columns[row["dataset"]]
    line = np.polyfit(to(x), to(y), 1)
    rng = np.random.default_rng(1)
    picks = rng.integers(len(x), size=(DRAWS, len(x)))
    picks = picks[np.ptp(x[picks], axis=1) > 0]
    u, v = (to(each)[picks] - to(each)[picks].mean(axis=1, keepdims=True) for each in (x, y))
    slopes = (u * v).sum(axis=1) / (u * u).sum(axis=1)
    intercepts = to(y)[picks].mean(axis=1) - slopes * to(x)[picks].mean(axis=1)
    lines = np.stack([slopes, intercepts], axis=1)
    if row["metric"].startswith("baseline"):
        squares = slopes * (u * v).sum(axis=1) / (v * v).sum(axis=1)
        which = row["metric"].removeprefix("baseline_")
        value, drawn = {
            "slope": (line[0], lines[:, 0]),
            "intercept": (line[1], lines[:, 1]),
            "r_squared": (np.corrcoef(to(x), to(y))[0, 1] ** 2, squares),
        }[which]
        return Wanted(value, len(x), oracle.quantiles(np.array(drawn), value), near=True)

    def inside(accuracy: Any, n: int) -> Any:
        return np.clip(accuracy, 0.5 / n, 1 - 0.5 / n)

    def rho(at: float) -> float:
        r, s = (inside(each.right(at).mean(), len(each.labels)) for each in (sets["test"], shift))
        return float(s - back(line[0] * to(r) + line[1]))

    def rhos(at: float, paired: bool) -> np.ndarray:
        found = []
        for each in (sets["test"], shift):
            n, hits = len(each.labels), int(each.right(at).sum())
            own = (
                each.right(at)[each.drawn()].mean(axis=1)
                if paired
                else rng.beta(hits + 0.5, n - hits + 0.5, size=DRAWS)
            )
            found.append(inside(own[: len(lines)], n))
        return found[1] - back(lines[:, 0] * to(found[0]) + lines[:, 1])

    n, value = len(shift.labels), rho(row["alpha"])
    if row["metric"] == "effective_robustness":
        return Wanted(value, n, oracle.quantiles(rhos(row["alpha"], False), value), near=True)
    assert row["alpha"] == chosen
    end = NAMED[row["other"]]
    drawn = rhos(row["alpha"], True) - rhos(end, True)
    value -= rho(end)
    p = min(1.0, 2 * min(np.mean(drawn <= 0), np.mean(drawn >= 0)))
    return Wanted(value, n, oracle.quantiles(drawn, value), p, near=True, p_near=True)


DRAWS = 1_000


def wanted(
    analysis: str, row: Row, sets: Sets, *, chosen: float, names: Sequence[str],
    baselines: np.ndarray,
) -> Wanted:  # fmt: skip
    """Return what a row must say."""
    of = sets.get(row["dataset"] or "")
    if analysis == "ensembles":
        return _ensembles(row, sets)
    assert of is not None
    made: dict[str, Callable[[], Wanted]] = {
        "effective_robustness": lambda: _robustness(row, sets, baselines, chosen),
        "diversity": lambda: _diversity(row, of, chosen),
        "overrides": lambda: _overrides(row, of, chosen),
        "landscape": lambda: _landscape(row, of, chosen),
        "calibration": lambda: _calibration(row, of, sets["validation"]),
        "classes": lambda: _classes(row, of, names),
        "flips": lambda: _flips(row, of, names),
        "other_sets": lambda: _other_sets(row, of),
    }
    return made[analysis]()


def faults(row: Row, by: Wanted) -> list[str]:
    """Return where a row differs from what it must say; ``[]`` if nowhere."""
    found, where = [], (row["ci_low"], row["ci_high"])
    if not math.isclose(row["value"], by.value, rel_tol=2e-6, abs_tol=1e-9):
        found.append(f"value {row['value']} instead of {by.value}")
    if row["n"] != by.n:
        found.append(f"n {row['n']} instead of {by.n}")
    if (by.interval is None) != (where == (None, None)):
        found.append(f"interval {where} instead of {by.interval}")
    elif by.interval is not None:
        width = by.interval[1] - by.interval[0]
        slack = 1e-7 + 1e-6 * width
        if by.near:
            slack += 0.25 * width + 1.01 / by.n if by.slack is None else by.slack
        for ours, theirs in zip(where, by.interval, strict=True):
            if not abs(ours - theirs) <= slack:
                found.append(f"interval {where} instead of {by.interval}")
    if (by.p is None) != (row["p_value"] is None):
        found.append(f"p {row['p_value']} instead of {by.p}")
    elif by.p is not None:
        tail = min(by.p, 1.0) / 2  # of a few hundred draws: three standard errors of the share
        slack = 0.01 + 6 * math.sqrt(tail * (1 - tail) / 300) if by.p_near else 1e-9
        if abs(row["p_value"] - by.p) > slack:
            found.append(f"p {row['p_value']} instead of {by.p}")
    return found


FAMILIES: dict[str, Callable[[Row], Any]] = {
    "diversity": lambda row: "all pairs and sets",
    "overrides": lambda row: row["metric"] == "confidence_gain",
    "landscape": lambda row: row["metric"],
    "classes": lambda row: (row["dataset"], row["alpha"], row["other"]),
    "flips": lambda row: "all alphas and sets",
    "other_sets": lambda row: "all alphas and sets",
    "ensembles": lambda row: row["metric"],
    "effective_robustness": lambda row: row["group"],
}
"""Of each analysis, what rows have in common whose p-values are corrected together."""


def uncorrected(analysis: str, rows: Sequence[Row]) -> list[str]:
    """Return where ``p_holm`` isn't Holm's of the analysis's family of tests.

    Two rows that differ in their metric alone, such as won and lost, tell of one test.
    """
    found = [
        f"{_place(row)}: p_holm {row['p_holm']} beside p {row['p_value']}"
        for row in rows
        if (row["p_value"] is None) != (row["p_holm"] is None)
    ]
    families: dict[Any, dict[Any, list[Row]]] = {}
    for row in rows:
        if row["p_value"] is not None:
            family = families.setdefault(FAMILIES[analysis](row), {})
            family.setdefault(_place(row)[1:], []).append(row)
    for family in families.values():
        corrected = oracle.holm([own[0]["p_value"] for own in family.values()])
        for own, p in zip(family.values(), corrected, strict=True):
            for row in own:
                if row["p_value"] != own[0]["p_value"]:
                    found.append(f"{_place(row)}: another p than {own[0]['metric']}'s")
                if row["p_holm"] is not None and not math.isclose(row["p_holm"], p, rel_tol=1e-9):
                    found.append(f"{_place(row)}: p_holm {row['p_holm']} instead of {p}")
    return found


def _place(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("metric", "dataset", "alpha", "other", "group"))
