"""The content of ``alternatives.json`` and of ``diversity.json``, made of numbers."""

from __future__ import annotations

from typing import Any

TITLES = {
    "wise_ft": ("WiSE-FT", "alpha"),
    "output_ensemble": ("ensemble of logits", "alpha"),
    "bernoulli": ("random interpolation", "alpha"),
    "early_stopping": ("early stopping", "steps"),
    "l2_to_theta_0": ("L2 to zero-shot", "strength"),
}
POINTS = [
    *(("wise_ft", at, 0.80 + 0.15 * at, 0.6 + 0.3 * at - 0.25 * at**2) for at in (0.0, 0.5, 1.0)),
    *(("output_ensemble", at, 0.80 + 0.14 * at, 0.6 + 0.1 * at) for at in (0.0, 0.5, 1.0)),
    ("bernoulli", 0.5, 0.82, 0.61),
    ("early_stopping", 20.0, 0.85, 0.63),
    ("early_stopping", 40.0, 0.9, 0.64),
    ("l2_to_theta_0", 0.1, 0.93, 0.66),
]


def spread(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def point(method: str, value: float, reference: float, shifts: float) -> dict[str, Any]:
    draws = 3 if method == "bernoulli" else 1
    axes = {"reference": spread(reference), "shifts": spread(shifts)}
    if draws > 1:
        axes["shifts"]["sd"] = 0.004
    against = {
        axis: {"difference": found["value"] - 0.7, "low": -0.01, "high": 0.03}
        for axis, found in axes.items()
    }
    beaten = [0.5] if method == "bernoulli" else []
    named = {"method": method, "value": value, "models": draws, "config_hash": "x"}
    return {**named, **axes, "against": against, "beaten_at": beaten}


def alternatives_facts(**changes: Any) -> dict[str, Any]:
    best = [
        {"method": method, "value": value, "reference": reference, "shifts": shifts}
        | {"difference": shifts - 0.6875, "low": -0.03, "high": 0.01}
        for method, value, reference, shifts in (POINTS[1], POINTS[5], POINTS[9])
    ]
    facts = {
        "reference": {"dataset": "test", "n": 1000},
        "shifts": {"a": 500, "b": 700},
        "compared_at": 0.5,
        "bootstrap": {"samples": 2000, "seed": 0, "confidence": 0.95},
        "methods": {name: {"title": t, "value": v} for name, (t, v) in TITLES.items()},
        "points": [point(*each) for each in POINTS],
        "best": best,
        "study": {"name": "digits", "commands": ["wiseft study alternatives"], "runs": 2}
        | {"failed": [], "secs": 12.0},
    }
    return facts | changes


GROUPS = ("zero_shot/fine_tuned", "fine_tuned/fine_tuned", "probe/probe")


def diverse(value: float, ratio: float | None) -> dict[str, Any]:
    found: dict[str, Any] = spread(value) | {"least": value - 0.01, "most": value + 0.01}
    ends = {"value": ratio, "low": (ratio or 0) - 0.5, "high": (ratio or 0) + 0.5}
    return found | {"ratio": None if ratio is None else ends}


def diversity_facts(*, probes: int = 2, logits: bool = True, cka: bool = False) -> dict[str, Any]:
    groups = GROUPS if probes else GROUPS[:2]
    values = dict(zip(GROUPS, ((0.2, 4.0), (0.05, None), (0.03, 0.6)), strict=True))
    names = ["prediction_diversity", "kappa_complement", *(["kl_divergence"] if logits else [])]
    measures = {name: {group: diverse(*values[group]) for group in groups} for name in names}
    if cka:
        measures["cka_complement"] = {group: diverse(*values[group]) for group in groups[:2]}
    sets = [
        {"dataset": name, "split": "test", "role": role, "n": n, "measures": measures}
        | {"cka_images": (n - 100) * cka}
        for name, role, n in (
            ("test", "reference", 1000),
            ("a_long name", "shift", 500),
            ("b", "shift", 700),
            ("mean of shifts", "shift", 1200),
        )
    ]
    return {
        "name": "digits",
        "runs": ["runs/000", "runs/001"],
        "pairs": dict(zip(GROUPS, (2, 1, probes), strict=True)),
        "sets": sets,
        "bootstrap": {"samples": 1000, "seed": 0, "confidence": 0.95},
    }
