"""The list of runs: its cells and its order."""

from __future__ import annotations

from wiseft_jax.core.run_summary import Summary
from wiseft_jax.reporting.run_table import HEADS, run_cells, sorted_runs

RUNS = [
    Summary(
        "a", "run", "finished", name="x", recipe="flyp", config_hash="h", date="2026-01-02 03:04",
        alpha=0.5, n=10, shifts=2, reference={"zero_shot": 0.5, "chosen": 0.75},
        mean_of_shifts={"chosen": 0.25, "fine_tuned": 0.125},
    ),
    Summary("b", "run", "interrupted", "after step 3", name="a"),
    Summary("c", "run", "finished", alpha=1.0, reference={"chosen": 0.9}, date="2026-02-02 03:04"),
]  # fmt: skip


def test_cells():
    first, second, _ = run_cells(RUNS)
    assert first == [
        "a", "finished", "x", "flyp", "0.5", "10", "50.0 / 75.0 / -", "- / 25.0 / 12.5 (2)",
        "2026-01-02 03:04", "h",
    ]  # fmt: skip
    assert second == ["b", "interrupted: after step 3", "a", *["-"] * 7]
    assert len(first) == len(HEADS)


def test_order_and_what_has_no_value_last():
    def paths(key: str) -> str:
        return "".join(each.path for each in sorted_runs(RUNS, key))

    assert paths("path") == "abc"
    assert paths("name") == "bac"
    assert paths("reference") == "cab"
    assert paths("alpha") == "cab"
    assert paths("date") == "cab"
    assert paths("shifts") == "abc"
    assert paths("state") == "acb"
