"""Make the golden files of the analyses: a small stored run, and its rows of each analysis.

Run from the repository's root:

    python scripts/make_golden_analyses.py

The run is drawn anew with ``--draw``; without it the logits that are there are kept. The rows are
the package's own, and are written only if each agrees with ``tests/helpers/analysis_wanted.py``,
which computes them in plain NumPy and SciPy.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.helpers.analysis_oracle import Facts
from tests.helpers.analysis_wanted import faults, uncorrected, wanted
from tests.helpers.golden_run import (
    ALPHAS,
    CHOSEN,
    CLASSES,
    FIELDS,
    LOGITS_FILE,
    ROWS_FILE,
    STEP,
    compact,
    rows_of_package,
    stored_arrays,
    write_golden_run,
)

COUNTS = {"validation": 30, "test": 40, "sketch": 36, "night": 32, "letters": 24}
SIGNALS = {"sketch": (1.6, 0.7), "night": (1.2, 1.6), "letters": (1.8, 0.6)}
UNLABELLED = {"night": 3}


def draw() -> None:
    """Write logits in eighths, of two noisy models and of models between, not on their line."""
    rng = np.random.default_rng(20261129)
    arrays: dict[str, np.ndarray] = {}
    for name, count in COUNTS.items():
        labels = rng.integers(len(CLASSES), size=count)
        signal = np.eye(len(CLASSES))[labels]
        ends = [
            rng.normal(size=signal.shape) + strength * signal
            for strength in SIGNALS.get(name, (1.0, 2.2))
        ]
        logits = [
            (1 - at) * ends[0] + at * (1.5 * ends[1])
            + 4 * at * (1 - at) * (0.4 * rng.normal(size=signal.shape) + 0.4 * signal)
            for at in ALPHAS
        ]  # fmt: skip
        labels[: UNLABELLED.get(name, 0)] = -1
        arrays[f"{name}/logits"] = np.rint(np.array(logits) / STEP).astype(np.int8)
        arrays[f"{name}/labels"] = labels.astype(np.int8)
    x = np.linspace(-0.6, 1.8, 7)
    y = [0.8 * x + shift + 0.1 * rng.normal(size=7) for shift in (-0.3, -0.6)]
    arrays["baselines"] = np.round(1 / (1 + np.exp(-np.stack([x, *y], axis=1))), 3)
    np.savez_compressed(LOGITS_FILE, allow_pickle=False, **arrays)


def main() -> int:
    """Make the rows, compare them, write them; return 1 if one differs."""
    if "--draw" in sys.argv or not LOGITS_FILE.is_file():
        draw()
    arrays = stored_arrays()
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of_package(write_golden_run(Path(folder), arrays))
    sets = {name: Facts.of(name, ALPHAS, arrays) for name in COUNTS}
    wrong = 0
    for name, own in rows.items():
        for row in map(dict, own):
            by = wanted(
                name, row, sets, chosen=CHOSEN, names=CLASSES, baselines=arrays["baselines"]
            )
            for fault in faults(row, by):
                wrong += 1
                print(f"{name}: {[row[field] for field in FIELDS[:5]]}: {fault}")
        for fault in uncorrected(name, [dict(row) for row in own]):
            wrong += 1
            print(f"{name}: {fault}")
    if wrong:
        print(f"{wrong} differences: nothing is written")
        return 1
    text = ",\n".join(
        f"{json.dumps(name)}: [\n"
        + ",\n".join(json.dumps(each, separators=(",", ":")) for each in compact(own))
        + "\n]"
        for name, own in rows.items()
    )
    ROWS_FILE.write_text(f"{{\n{text}\n}}\n", encoding="utf-8")
    print(f"{ROWS_FILE}: {sum(map(len, rows.values()))} rows, {ROWS_FILE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
