"""Merging collectives; counts and facts through JSON."""

from __future__ import annotations

import json

from wiseft_jax.planning.counts import Collective, Counts, merge_collectives


def test_equal_collectives_are_one():
    found = merge_collectives(
        [
            Collective("all-gather", 8, 4, 2.0),
            Collective("all-reduce", 4, 4, 1.0),
            Collective("all-gather", 8, 4, 3.0),
            Collective("all-gather", 8, 2, 1.0),
        ]
    )
    assert found == (
        Collective("all-gather", 8, 4, 5.0),
        Collective("all-gather", 8, 2, 1.0),
        Collective("all-reduce", 4, 4, 1.0),
    )
    counts = Counts(1.0, 2.0, found)
    assert counts.by_kind() == {"all-gather": (6.0, 48.0), "all-reduce": (1.0, 4.0)}


def test_json_and_back():
    counts = Counts(1.5, 2.0, (Collective("all-to-all", 8, 4, 2.0),), ("while.3",))
    assert Counts.from_json(json.loads(json.dumps(counts.to_json()))) == counts
