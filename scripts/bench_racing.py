"""Replay races over the stored predictions of a run, in many random orders; print JSON.

wiseft quickstart --out qs && python scripts/bench_racing.py qs --orders 200 --json racing.json

`same_best`: the share of orders whose winner has the best accuracy of the full sweep (ties count);
`same_alpha`: whose winner is the sweep's own choice, the smallest of the best. `share`: forward
passes against those of the full sweep, with the padding of the batches that a race over running
models would use on one device; `unpadded`: without it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.evaluation.packing import Packing
from wiseft_jax.evaluation.predictions import load_predictions
from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.evaluation.racing import race, random_order, replay

WAYS = {
    "elimination": RaceConfig(neighbours=False),
    "elimination and neighbours": RaceConfig(),
    "with a budget of 25 %": RaceConfig(budget=0.25),
    "within half a point": RaceConfig(tolerance=0.005),
}


def measure(correct: np.ndarray, config: RaceConfig, orders: int) -> dict[str, float]:
    """Return what the races of one set in all orders gave."""
    hits, (size, n) = correct.sum(axis=1), correct.shape
    packed = replay(correct, Packing.of(config.batch_size, make_mesh(1)))
    start = time.process_time()
    results = [race(packed, size, random_order(n, seed), config) for seed in range(orders)]
    seconds = time.process_time() - start
    lost = np.array([hits.max() - hits[each.winner] for each in results]) / n
    shares = np.array([each.share for each in results])
    audited = sum(each.audited for each in results)
    return {
        "same_best": float(np.mean(lost == 0)),
        "same_alpha": float(np.mean([each.winner == hits.argmax() for each in results])),
        "points_lost_mean": float(100 * lost.mean()),
        "points_lost_most": float(100 * lost.max()),
        "share_mean": float(shares.mean()),
        "share_95": float(np.quantile(shares, 0.95)),
        "share_most": float(shares.max()),
        "unpadded_mean": float(np.mean([each.evaluations for each in results]) / correct.size),
        "filled_wrong": sum(each.wrong for each in results) / audited if audited else 0.0,
        "cpu_s_a_race": seconds / orders,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a run directory with predictions")
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--json", type=Path, help="write the result there too")
    options = parser.parse_args()
    rows = []
    for name, predictions in load_predictions(options.run).items():
        correct = predictions.correct[:, predictions.labels >= 0]
        facts = {"dataset": name, "alphas": len(correct), "n": correct.shape[1]}
        for way, config in WAYS.items():
            rows.append(facts | {"way": way} | measure(correct, config, options.orders))
    text = json.dumps({"orders": options.orders, "rows": rows}, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
