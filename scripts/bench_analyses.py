"""Time the analyses of a large stored run, made of random flips; print JSON.

python scripts/bench_analyses.py --json analyses.json
python scripts/bench_analyses.py --logits ends --json analyses-logits.json

The run: 6 sets of 50,000 examples at 21 alphas, 1000 classes, as a sweep stores it. Each example
has a class at either end, and turns at an alpha of its own, some by a third class. All analyses
that need no logits, or with `--logits ends` (both ends' logits stored, 400 MB a set: a sweep's
default) those that do as well, are made in one process of its own, with rows and pictures written,
as `wiseft report RUN --analyses NAME...` does; wall and CPU seconds and the peak of its memory are
measured. Of the peak, pages of the mapped files are a part that the system can take back.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from wiseft_jax.core.results import Row, write_rows  # noqa: E402
from wiseft_jax.core.run_directory import RunDirectory  # noqa: E402
from wiseft_jax.core.writers import write_json  # noqa: E402
from wiseft_jax.evaluation.predictions import Predictions, save_predictions  # noqa: E402

ALPHAS = tuple(step / 20 for step in range(21))
ANALYSES = ("effective_robustness", "diversity", "overrides", "landscape", "classes", "flips")
OF_LOGITS = ("calibration", "ensembles")
ENDS = (0.0, 1.0)
HASH = "0" * 16


def logits_of(
    top1: np.ndarray, classes: int, rng: np.random.Generator
) -> Float32[np.ndarray, "N K"]:
    """Return logits that are largest at the classes of ``top1``, by 0 to 6."""
    logits = rng.normal(size=(len(top1), classes)).astype(np.float32)
    gap = (6 * rng.random(len(top1))).astype(np.float32)
    logits[np.arange(len(top1)), top1] = logits.max(axis=1) + gap
    return logits


def predictions_of(place: int, examples: int, classes: int, logits: str) -> Predictions:
    """Return predictions of two ends and of what lies between, of one set.

    Args:
      place: Of the set; 0 is the reference.
      examples: How many.
      classes: How many.
      logits: ``"ends"`` for both ends' logits, or ``"none"``.
    """
    rng = np.random.default_rng(place)
    labels = rng.integers(classes, size=examples).astype(np.int32)

    def end(accuracy: float) -> np.ndarray:
        wrong = rng.integers(classes, size=examples)
        return np.where(rng.random(examples) < accuracy, labels, wrong).astype(np.int32)

    zero_shot, fine_tuned, third = end(0.68 - 0.05 * place), end(0.8 - 0.1 * place), end(0.1)
    first, width = rng.beta(2, 3, size=examples), rng.random(examples) * 0.1
    alphas = np.array(ALPHAS)[:, None]
    through_third = rng.random(examples) < 0.05
    between = np.where(through_third & (alphas < first + width), third, fine_tuned)
    top1 = np.where(alphas < first, zero_shot, between).astype(np.int32)
    stored = None
    if logits == "ends":
        stored = np.stack([logits_of(top1[at], classes, rng) for at in (0, -1)])
    return Predictions(
        dataset="reference" if place == 0 else f"shift{place}",
        split="test",
        role="reference" if place == 0 else "shift",
        alphas=ALPHAS,
        top1=top1,
        correct=top1 == labels[None],
        margin=rng.gamma(2, 2, size=top1.shape).astype(np.float32),
        labels=labels,
        ids=tuple(f"{place}/{index:05d}.jpg" for index in range(examples)),
        logits=stored,
        logit_alphas=None if stored is None else ENDS,
    )


def write_run(path: Path, sets: int, examples: int, classes: int, logits: str) -> None:
    """Write the run and a table of baselines beside it."""
    directory = RunDirectory(path)
    names: list[str] = []
    rows: list[Row] = []

    def one_by_one() -> Iterator[Predictions]:  # all logits at once would be 2.4 GB
        for place in range(sets):
            predictions = predictions_of(place, examples, classes, logits)
            names.append(predictions.dataset)
            rows.extend(predictions.rows(HASH))
            yield predictions

    save_predictions(path, one_by_one())
    write_json(path / "predictions" / "backend.json", {"config_hash": HASH})
    write_rows(directory.results_file, rows)
    write_json(directory.selection_file, {"alpha": 0.5, "config_hash": HASH})
    write_json(directory.endpoints_file, {"class_names": [f"class {k}" for k in range(classes)]})
    rng = np.random.default_rng(0)
    points = np.clip(
        np.linspace(0.2, 0.8, 30)[:, None] + 0.02 * rng.normal(size=(30, sets)), 0.01, 0.99
    )
    lines = [f"m{place}," + ",".join(f"{v:.4f}" for v in row) for place, row in enumerate(points)]
    (path / "baselines.csv").write_text("\n".join([",".join(["model", *names]), *lines]) + "\n")


def analysed(path: Path, names: tuple[str, ...]) -> dict[str, float]:
    """Return what the analyses took, in a process of their own."""
    command = [sys.executable, "-m", "wiseft_jax", "report", str(path), "--analyses", *names]
    command += ["--baselines", str(path / "baselines.csv"), "-q"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall_secs": round(wall, 1),
        "cpu_secs": round(cpu, 1),
        "peak_mb": round(after.ru_maxrss / 1024),
    }


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=6)
    parser.add_argument("--examples", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--logits", choices=("none", "ends"), default="none")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "run"
        write_run(path, args.sets, args.examples, args.classes, args.logits)
        analyses = (*ANALYSES, *OF_LOGITS) if args.logits == "ends" else ANALYSES
        found = analysed(path, analyses)
        rows = {
            name: len((path / "analyses" / f"{name}.jsonl").read_text("utf-8").splitlines())
            for name in analyses
        }
    facts = {
        "sets": args.sets,
        "examples": args.examples,
        "alphas": len(ALPHAS),
        "classes": args.classes,
        "logits": args.logits,
        **found,
        "rows": rows,
    }
    text = json.dumps(facts, indent=2)
    print(text)
    if args.json is not None:
        args.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
