"""What is printed of several models on the same images."""

from __future__ import annotations

from wiseft_jax.reporting.model_tables import (
    comparison_caption,
    comparison_table,
    race_sentences,
    race_table,
)

NAMES = {"runs/a": "a", "runs/b": "b", "runs/c": "c"}


def row(model: str, value: float, **more: object) -> dict:
    low, high = value - 0.1, value + 0.1
    same = {"dataset": "set", "n": 50, "reference": "runs/a", "ci_low": low, "ci_high": high}
    return {**same, "model": model, "value": value, "may_be_best": False, **more}


FIRST = row("runs/a", 0.5, difference=0, difference_low=0, difference_high=0, p_holm=None)
BETTER = row(
    "runs/b",
    0.75,
    difference=0.25,
    difference_low=-0.0001,
    difference_high=0.4,
    p_holm=0.0004,
    may_be_best=True,
)
WORSE = row("runs/c", 0.4, difference=-0.1, difference_low=-0.2, difference_high=0.1, p_holm=1.0)

FACTS = {
    "dataset": "set",
    "split": "test",
    "n": 50,
    "decided": True,
    "tolerance": 0.0,
    "winner": "runs/b",
    "leader": "runs/b",
    "left": ["runs/b"],
    "tied": [],
    "hits": 30,
    "seen": 40,
    "forwards": 100,
    "all_forwards": 150,
    "share": 2 / 3,
    "stopped": "one model was left",
    "models": [
        {"model": "runs/a", "hits": 5, "seen": 20, "left": False, "winner": False},
        {"model": "runs/b", "hits": 30, "seen": 40, "left": True, "winner": True},
        {"model": "runs/c", "hits": 19, "seen": 40, "left": False, "winner": False},
    ],
    "guaranteed": ["it is among b, c"],
    "empirical": ["so it seems"],
}


def test_a_line_for_each_model_with_its_difference_from_the_first():
    header, lines = comparison_table([FIRST, BETTER, WORSE], NAMES, {"set": 2})
    assert header[2:5] == ("top-1 %", "95 % interval", "points to a")
    assert lines == [
        ("set", "a", "50.0", "40.0 to 60.0", "", "", "", "50", "2"),
        ("set", "b *", "75.0", "65.0 to 85.0", "+25.0", "+0.0 to +40.0", "<.001", "50", "2"),
        ("set", "c", "40.0", "30.0 to 50.0", "-10.0", "-20.0 to +10.0", "1.00", "50", "2"),
    ]
    assert all(len(line) == len(header) for line in lines)


def test_the_caption_says_what_p_is():
    assert "exact test, corrected for the 2 comparisons on a set (Holm)" in comparison_caption(
        [FIRST, BETTER, WORSE], NAMES
    )
    alone = comparison_caption([FIRST, BETTER], NAMES)
    assert "differences from a, the first model" in alone
    assert "Holm" not in alone


def test_a_race_says_who_won_and_when_the_others_were_out():
    header, lines = race_table(FACTS, NAMES)
    assert lines == [
        ("a", "5 of 20", "25.0", "out after 20 images"),
        ("b", "30 of 40", "75.0", "winner"),
        ("c", "19 of 40", "47.5", "out after 40 images"),
    ]
    assert len(header) == 4
    said = race_sentences(FACTS, NAMES)
    assert said[0].startswith("b is the best of 3 on set (test, n=50): 75.0 % of 40; it was chosen")
    assert "100 with the padding of batches, 66.7 % of the 150 of all models" in said[1]
    assert said[1].endswith("the race ended because one model was left")
    assert said[2:-1] == ["guaranteed: it is among b, c", "empirical: so it seems"]
    assert said[-1].startswith("a race speaks of the images of its set alone; without --race, *")
    assert "may be the best on images like these" in comparison_caption([FIRST], NAMES)


def undecided(*hits: int, tied: list[str]) -> dict:
    models = [
        {"model": model, "hits": count, "seen": 40, "left": True, "winner": False}
        for model, count in zip(NAMES, hits, strict=True)
    ]
    changes = {"decided": False, "winner": None, "left": list(NAMES), "tied": tied}
    return {**FACTS, **changes, "models": models}


def test_nobody_wins_a_tie():
    facts = undecided(29, 30, 30, tied=["runs/b", "runs/c"])
    assert [line[3] for line in race_table(facts, NAMES)[1]] == ["left", "tied", "tied"]
    said = race_sentences(facts, NAMES)[0]
    assert said.startswith("undecided, a tie on set (test, n=50): the models b, c are right on ")
    assert "equally many images, 75.0 % of 40; also still in the race: a" in said
    assert "best of" not in said


def test_who_leads_has_not_won():
    facts = undecided(29, 30, 28, tied=[])
    assert [line[3] for line in race_table(facts, NAMES)[1]] == ["left", "leads", "left"]
    said = race_sentences(facts, NAMES)[0]
    assert said.startswith("undecided on set (test, n=50): b leads with 75.0 % of 40; 3 of 3 are ")
    assert said.endswith("still in the race: a, b, c")


def test_a_race_that_saved_nothing_says_so():
    assert "saved nothing" not in race_sentences(FACTS, NAMES)[1]
    assert (
        "112.0 % of the 150 of all models on all images; that is no less than running all"
        in (race_sentences(FACTS | {"share": 1.12}, NAMES)[1])
    )
