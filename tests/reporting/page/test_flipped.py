"""Images that flip: counted by kind, and some of each to show."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from tests.reporting.page.page_facts import predictions
from wiseft_jax.reporting.page.flipped import KINDS, count_flips, pick_flips, relative_id

BITS = {
    "learnt": (0, 1, 1), "kept": (1, 1, 0), "between": (0, 1, 0),
    "forgotten": (1, 0, 0), "unlearnt": (0, 0, 1), "lost": (1, 0, 1),
}  # fmt: skip


def test_kinds_are_counted_by_what_is_right_where():
    stored = predictions("prints", "test", "reference", n=200)
    right = stored.correct[[0, 2, 4]].astype(int)
    wanted = collections.Counter(map(tuple, right.T.tolist()))
    assert count_flips(stored, 0.5) == {kind: wanted[BITS[kind]] for kind in KINDS}
    assert count_flips(stored, 0.3) == {}


def test_every_kind_and_set_is_shown_and_no_more_than_asked_for():
    sets = [predictions(name, "test", "shift", n=200) for name in ("a", "b", "c")]
    flips = pick_flips(sets, 0.5, {"a": 4, "b": 4, "c": 4}, most=20)
    assert len(flips) == 20
    there = {(s.dataset, kind) for s in sets for kind, n in count_flips(s, 0.5).items() if n}
    assert {(flip.name, flip.kind) for flip in flips} == there
    assert [flip.name for flip in flips] == sorted(flip.name for flip in flips)
    assert flips == pick_flips(sets, 0.5, {"a": 4, "b": 4, "c": 4}, most=20)


def test_the_surest_come_first_and_answers_say_where_they_change():
    stored = predictions("a", "test", "shift", n=200)
    flips = [flip for flip in pick_flips([stored], 0.5, {"a": 4}) if flip.kind == "learnt"]
    margins = [stored.margin[2, flip.position] for flip in flips]
    assert margins == sorted(margins, reverse=True)
    for flip in flips:
        row = dict((each[0], each[1:]) for each in flip.answers)  # noqa: C402
        now = None
        for place, alpha in enumerate(stored.alphas):
            now = row.get(alpha, now)
            assert now == [
                int(stored.top1[place, flip.position]), int(stored.correct[place, flip.position])
            ]  # fmt: skip
        assert flip.label == stored.labels[flip.position]


def test_a_margin_that_is_no_number_comes_last():
    stored = predictions("a", "test", "shift", n=200)
    margin = stored.margin.copy()
    places = np.flatnonzero(
        (stored.correct[[0, 2, 4]] == np.array([0, 1, 1], bool)[:, None]).all(0)
    )
    margin[2, places[0]] = np.nan
    odd = type(stored)(**{**vars(stored), "margin": margin})
    flips = [f for f in pick_flips([odd], 0.5, {"a": 4}, most=200) if f.kind == "learnt"]
    assert flips[-1].position == places[0]


@pytest.mark.parametrize(
    ("identity", "shown"),
    [
        ("/data/pets/cat/1.png", "cat/1.png"),
        ("/home/ann/other/cat/1.png", "cat/1.png"),
        ("pets/cat/1.png", "cat/1.png"),
        ("C:\\pets\\cat\\1.png", "cat/1.png"),
        ("mnist:test[3]", "mnist:test[3]"),
        ("/data/petshop/1.png", "petshop/1.png"),
        ("1.png", "1.png"),
    ],
)
def test_paths_are_below_the_root(identity: str, shown: str):
    assert relative_id(identity, ["/data/pets", "pets", "/"]) == shown
