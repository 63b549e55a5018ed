"""What ``grid.json`` holds, made up."""

from __future__ import annotations

from typing import Any


def kind(mean: float, sd: float | None, ratio: float | None = None) -> dict[str, Any]:
    facts: dict[str, Any] = {"mean": mean, "sd": sd, "low": mean - 0.1, "high": mean + 0.05}
    facts |= {"range": 0.15, "alpha": 0.5}
    if ratio is not None:
        facts |= {"ratio": ratio, "ratio_low": ratio / 2, "ratio_high": 2 * ratio, "undefined": 0.0}
    return facts


def spread_set(name: str, split: str, role: str, n: int) -> dict[str, Any]:
    kinds = {
        "zero_shot": kind(0.7, 0.0),
        "fine_tuned": kind(0.8, 0.04),
        "constant": kind(0.9, 0.01, 0.25),
        "chosen": kind(0.85, 0.02, 0.5),
        "best": kind(0.9, 0.004, 0.1),
    }
    return {"set": name, "split": split, "role": role, "n": n, "kinds": kinds}


def rule(value: float, **more: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "summary": "so",
        "bound": False,
        "against_oracle": {
            "value": value,
            "over_shifts": [value - 1, value + 1],
            "over_runs": [value - 0.5, value + 0.5],
        },
        "against_fixed": {"value": -0.001, "over_shifts": None, "over_runs": [-0.2, 0.2]},
        "by_shift": {"[red]": value, "sketch": value},
        "mean_alpha": 0.5,
        "in_sample": False,
        "missing": "",
    }
    return facts | more


def grid_facts(runs: int = 3, rule_name: str = "validation_best", shifts: int = 2) -> dict:
    """Return the facts of a study with learning rates 1e-5, 1e-4, ..."""
    names = {"[red]": 100, "sketch": 120, "x": 5}
    named = dict(list(names.items())[:shifts])
    sets = [spread_set("test|1", "test", "reference", 50)]
    sets += [spread_set("mean of shifts", "test", "shift", 220)] if shifts > 1 else []
    sets += [spread_set(name, "test", "shift", n) for name, n in named.items()]
    missing = {"against_oracle": None, "against_fixed": None, "by_shift": None}
    rules = {
        "runs": runs,
        "shifts": list(named),
        "confidence": 0.95,
        "best_fixed_alpha": 0.5,
        "fixed_by_other_shifts": {},
        "rules": {
            "constant": rule(1.25),
            "validation_best": rule(2.5, in_sample=True),
            "dawin": rule(0, mean_alpha=None, missing="missing: the two models", **missing),
            "dawin_on_grid": rule(1.0, mean_alpha=None),
            "oracle": rule(0.0, bound=True, in_sample=True),
            "fixed_by_other_shifts": rule(0.75),
        },
    }
    made = [
        {
            "index": place,
            "run": f"runs/{place:03d}-a",
            "varied": {"training.epochs": 1.0, "training.learning_rate": 10.0 ** (place - 5)},
            "chosen": 0.5 if place else 1.0,
            "reference": [0.5, 0.9, 0.95 - 0.01 * place],
            "shifts": [0.6, 0.8 + 0.004 * place, 0.75 - 0.08 * place] if shifts else None,
            "wall_secs": 1.0,
        }
        for place in range(runs)
    ]
    return {
        "schema": 1,
        "study": {
            "name": "tiny",
            "fields": ["training.epochs", "training.learning_rate"],
            "commands": ["wiseft study grid tiny"],
            "rule": rule_name,
            "method": "direct",
            "alphas": [0.0, 0.5, 1.0],
            "reference": "test|1",
            "reference_n": 50,
            "shifts": named,
            "failed": [],
        },
        "runs": made,
        "best": {
            name: {
                "run": made[place]["run"],
                "index": place,
                "alpha": alpha,
                "accuracies": {"test|1": 0.94, **({"mean of shifts": 0.8} if shifts > 1 else {})},
            }
            for name, place, alpha in (("fine_tuned", 0, 1.0), ("chosen", runs - 1, 0.5))
        },
        "spread": {
            "runs": runs,
            "sets": sets,
            "bootstrap": {"samples": 100, "seed": 0, "confidence": 0.95},
        },
        "rules": rules if shifts else None,
    }
