"""A summary of the study of backgrounds along alpha, made up."""

from __future__ import annotations

from typing import Any

ALPHAS = [0.0, 0.25, 0.5, 0.75, 1.0]
MEASURES = (
    *(
        f"accuracy/{kind}"
        for kind in ("original", "only_bg_t", "no_fg", "mixed_same", "mixed_rand", "mixed_next")
    ),
    "gap",
    *(f"category/{name}" for name in ("BG irrelevant", "BG required", "BG fools")),
)
CHALLENGE = ("challenge_accuracy", "paper_fooled_rate", "challenge_of/1", "challenge_of/5")
ENERGY = ("energy/true", "energy/predicted", "mask_area")


def curve(start: float, slope: float = 0.1) -> dict[str, Any]:
    value = [start + slope * alpha for alpha in ALPHAS]
    return {
        "value": value,
        "low": [each - 0.02 for each in value],
        "high": [each + 0.03 for each in value],
        "n": 200,
        "interval": "bootstrap over foregrounds",
        "per_seed": [value, value],
    }


def change(difference: float) -> dict[str, float]:
    return {"difference": difference, "low": difference - 0.01, "high": difference + 0.01}


def choice(rule: str, alpha: float) -> dict[str, Any]:
    ends = {"value": 0.04, "low": 0.01, "high": 0.08}
    against = {"gap": change(-0.05), "original": change(-0.002), "mixed_rand": change(0.03)}
    shares = {"chosen_in_samples": [0.1, 0.6, 0.3, 0.0, 0.0]} if rule == "smallest_gap" else {}
    return {
        **shares,
        "rule": rule,
        "alpha": alpha,
        **dict.fromkeys(("gap", "original", "mixed_rand"), ends),
        "against": {"fine_tuned": against, "zero_shot": against},
    }


def summary(*, parts: bool = True, chosen: bool = True) -> dict[str, Any]:
    names = (*MEASURES, *CHALLENGE, *ENERGY) if parts else MEASURES
    curves = {name: curve(0.02 + 0.8 * place / len(names)) for place, name in enumerate(names)}
    made: dict[str, Any] = {
        "name": "one",
        "model": "glyphclip, fine-tuned on Original",
        "data": {"test": "demo test"},
        "classes": ["a", "b"],
        "n": {"test": 200, "validation": 100},
        "pairing_seeds": 2,
        "alphas": ALPHAS,
        "made_from": {"data": {"test": "0123"}},
        "choices": [choice("smallest_gap", 0.25), choice("best_original", 1.0)] if chosen else [],
        "curves": {"test": curves},
    }
    if parts:
        made["challenge"] = {
            "foregrounds": {"n": 50, "of": 200},
            "backgrounds": {"n": 20, "of": 200},
            "upper_bound": True,
            "rejected": [],
        }
        made["saliency"] = {"method": "grad_cam", "images": {"n": 40, "of": 200}, "rejected": []}
    return made
