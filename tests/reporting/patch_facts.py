"""A summary of the patch study, and rows of its sheet, made up."""

from __future__ import annotations

from typing import Any

import numpy as np

MIXERS = ("none", "cutout", "cutmix", "smoothmix")
MEASURES = ("clean", "shifts", "corruptions", "drop/image", "flip/image", "energy/image")


def summary(seeds: int = 3, families: tuple[str, ...] = ("resnet", "clip")) -> dict[str, Any]:
    half = 0.02 if seeds > 1 else None
    measures = [
        {
            "family": family,
            "mixer": mixer,
            "measure": measure,
            "mean": 0.5 + 0.1 * place,
            "low": half and 0.5 + 0.1 * place - half,
            "high": half and 0.5 + 0.1 * place + half,
            "seeds": seeds,
            "n": 1000,
        }
        for family in families
        for place, mixer in enumerate(MIXERS)
        for measure in MEASURES
    ]
    gaps = [
        {
            "family": family,
            "mixer": MIXERS[late],
            "against": MIXERS[early],
            "measure": measure,
            "difference": 0.01 * (late - early),
            "low": -0.01,
            "high": 0.05,
        }
        for family in families
        for early in range(4)
        for late in range(early + 1, 4)
        for measure in MEASURES
    ]
    alphas = [step / 10 for step in range(11)]
    curves = {mixer: curve(place, alphas, seeds) for place, mixer in enumerate(MIXERS)}
    return {
        "reference": "test",
        "n": 1000,
        "n_shifts": 6050,
        "n_corruptions": 14000,
        "seeds": seeds,
        "epochs": 10.0,
        "patch_size": 10,
        "patch_area": 0.0977,
        "shifts": ["inverted", "noisy"],
        "measures": measures,
        "differences": gaps,
        "curves": curves if "clip" in families else {},
    }


def curve(place: int, alphas: list[float], seeds: int) -> dict[str, Any]:
    lines = {
        "reference": [0.88 + 0.1 * alpha for alpha in alphas],
        "shifts": [0.75 + 0.3 * alpha * (1 - alpha) - 0.02 * place * alpha for alpha in alphas],
        "flip/image": [0.4 - 0.2 * alpha - 0.02 * place * alpha for alpha in alphas],
    }
    none = [None] * len(alphas)
    made = {
        name: {
            "mean": values,
            "low": [value - 0.01 for value in values] if seeds > 1 else none,
            "high": [value + 0.01 for value in values] if seeds > 1 else none,
        }
        for name, values in lines.items()
    }
    return {"alphas": alphas, "seeds": seeds, "lines": made}


def sheet_rows(count: int = 2) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    rows = []
    for place in range(count):
        mask = np.zeros((32, 32), bool)
        mask[4 + place : 14 + place, 10:20] = True
        models = [
            {
                "family": family,
                "mixer": mixer,
                "map": random.normal(size=(32, 32)).astype(np.float32),
                "answer": "seven",
                "right": mixer != "cutmix",
                "score": 0.875,
            }
            for family in ("resnet", "clip")
            for mixer in MIXERS
        ]
        image = random.integers(0, 256, (32, 32, 3)).astype(np.uint8)
        rows.append({"image": image, "mask": mask, "label": "seven", "models": models})
    return rows
