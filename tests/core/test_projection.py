"""Rows of a head and the class of each, against the maximum over mapped logits."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.projection import NO_CLASS, ZERO_ROW, Projection, class_maxima

HEAD = tuple(f"row {number}" for number in range(9))


@st.composite
def maps(draw: st.DrawFn) -> tuple[list[list[int]], set[int], bool]:
    """Rows of each class, disjoint; classes that are never predicted; whether all rows compete."""
    owner = draw(st.lists(st.integers(-1, 4), min_size=9, max_size=9))
    members = [[row for row, own in enumerate(owner) if own == label] for label in range(5)]
    return members, draw(st.sets(st.integers(0, 3))), draw(st.booleans())


@given(maps(), st.integers(0, 2**16))
def test_the_class_of_the_greatest_row_is_the_greatest_class(
    found: tuple[list[list[int]], set[int], bool], seed: int
):
    members, never, all_rows = found
    projection = Projection.of(members, "abcde", HEAD, never=never, all_rows=all_rows)
    logits = np.random.default_rng(seed).standard_normal((20, 9))
    by_class = np.full((20, 5), -1e10)
    for label, rows in enumerate(members):
        if label not in never:
            by_class[:, label] = logits[:, rows].max(axis=1) if rows else 0
    expected = by_class.argmax(axis=1)
    if all_rows:
        free = [
            r for r in range(9) if not any(r in m for k, m in enumerate(members) if k not in never)
        ]
        best = logits[:, free].max(axis=1) if free else np.full(20, -np.inf)
        expected = np.where(best > by_class.max(axis=1), NO_CLASS, expected)
    chosen = projection.chosen(logits)
    np.testing.assert_array_equal(projection.classes[chosen.argmax(axis=1)], expected)
    kept = [label for label in range(5) if label not in never]
    maxima = class_maxima(chosen, projection.classes)
    np.testing.assert_array_equal(maxima[:, : len(kept)], by_class[:, kept])


def test_slots_say_where_each_logit_counts():
    projection = Projection.of([[4, 1], [], [0], [2]], "abcd", HEAD[:6], never=[3])
    np.testing.assert_array_equal(projection.rows, [4, 1, ZERO_ROW, 0])
    np.testing.assert_array_equal(projection.classes, [0, 0, 1, 2])
    # Rows 2, 3 and 5 are never predicted, and one logit is always 0: that of class 1.
    np.testing.assert_array_equal(projection.slots, [2, 0, 8, 8, 0, 8, 1])
    among_all = Projection.of([[4, 1], [0]], "ab", HEAD[:6], all_rows=True)
    np.testing.assert_array_equal(among_all.slots, [1, 0, 6, 6, 0, 6])
