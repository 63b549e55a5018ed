"""The small stored run of the analyses' golden files: from committed logits to a run directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.analysis.table import ANALYSES, analyse
from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.results import write_rows
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.typing import Role, Split
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.predictions import Predictions, save_predictions

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
LOGITS_FILE, ROWS_FILE = GOLDEN / "analyses.npz", GOLDEN / "analyses.json"

ALPHAS = (0.0, 0.25, 0.5, 1.0)
CHOSEN = 0.5
CLASSES = ("cat", "dog", "eel", "fox")
SETS: dict[str, tuple[Split, Role]] = {
    "validation": ("validation", "reference"),
    "test": ("test", "reference"),
    "sketch": ("test", "shift"),
    "night": ("test", "shift"),
}
OTHER = "letters"
STEP = 0.125
"""Logits are stored as whole numbers of it, and so are exact."""

FROM_PREDICTIONS = tuple(name for name in ANALYSES if name not in ("cka", "layers", "plane"))
"""The analyses that read predictions; the others read what the models were looked inside for."""

FIELDS = (
    "metric", "dataset", "alpha", "other", "group", "value", "n", "ci_low", "ci_high", "p_value",
    "p_holm",
)  # fmt: skip
OPTIONS = {"seed": 5, "samples": 400}


def stored_arrays() -> dict[str, np.ndarray]:
    """Return the committed arrays: of each set logits ``[A, N, K]`` and labels, and baselines."""
    with np.load(LOGITS_FILE, allow_pickle=False) as file:
        return {
            name: file[name] * np.float32(STEP) if name.endswith("/logits") else file[name]
            for name in file.files
        }


def write_golden_run(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Write the run directory, its set of other classes and the baselines' CSV; return its path."""
    sets = [_predictions(name, *SETS[name], arrays) for name in SETS]
    directory = RunDirectory(path)
    save_predictions(path, sets)
    write_json(path / "predictions" / "backend.json", {"config_hash": "golden"})
    write_rows(directory.results_file, [row for each in sets for row in each.rows("golden")])
    write_json(directory.selection_file, {"alpha": CHOSEN, "config_hash": "golden"})
    write_json(directory.endpoints_file, {"class_names": list(CLASSES)})
    others = _predictions(OTHER, "test", "shift", arrays)
    save_predictions(path / "other_sets", [others])
    write_rows(path / "other_sets" / "results.jsonl", others.rows("golden"))
    columns = ("test", "sketch", "night")
    lines = [",".join(("model", *columns))]
    lines += [
        ",".join((f"model {place}", *(f"{value:.3f}" for value in row)))
        for place, row in enumerate(arrays["baselines"])
    ]
    (path / "baselines.csv").write_text("\n".join(lines) + "\n")
    return path


def rows_of_package(path: Path) -> dict[str, list[AnalysisRow]]:
    """Return the rows of every analysis that reads predictions, of a run that is written."""
    run = StoredRun.load(path)
    options = AnalysisOptions(baselines=path / "baselines.csv", **OPTIONS)
    return {name: analyse(run, name, options) for name in FROM_PREDICTIONS}


def compact(rows: Sequence[AnalysisRow]) -> list[list[Any]]:
    """Return the fields that the golden file has, numbers with 12 digits."""
    return [
        [float(f"{v:.12g}") if isinstance(v, float) else v for v in map(dict(row).get, FIELDS)]
        for row in rows
    ]


def _predictions(name: str, split: Split, role: Role, arrays: dict[str, np.ndarray]) -> Predictions:
    logits, labels = arrays[f"{name}/logits"], arrays[f"{name}/labels"].astype(np.int32)
    top1, ordered = logits.argmax(axis=2).astype(np.int32), np.sort(logits, axis=2)
    return Predictions(
        dataset=name,
        split=split,
        role=role,
        alphas=ALPHAS,
        top1=top1,
        correct=(top1 == labels) & (labels >= 0),
        margin=(ordered[..., -1] - ordered[..., -2]).astype(np.float32),
        labels=labels,
        ids=tuple(f"{name}/{place}.png" for place in range(len(labels))),
        logits=logits,
    )
