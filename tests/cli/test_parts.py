"""Verbs that have parts: every one has a module, and mistakes say what there is."""

from __future__ import annotations

import importlib

import pytest

from wiseft_jax.cli import backgrounds, data, study
from wiseft_jax.cli.main import main
from wiseft_jax.cli.parts import part_lines

VERBS = {
    "backgrounds": (backgrounds.PARTS, "part of backgrounds", "part"),
    "data": (data.PARTS, "part of data", "part"),
    "study": (study.STUDIES, "study", "study"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_part_is_listed_and_has_a_module(verb: str, capsys: pytest.CaptureFixture[str]):
    parts = VERBS[verb][0]
    assert main([verb, "--help"]) == 0
    printed = capsys.readouterr().out
    assert part_lines(parts) in printed
    for part in parts:
        assert callable(importlib.import_module(f"wiseft_jax.cli.{verb}_{part}").main)


@pytest.mark.parametrize("verb", VERBS)
def test_no_part_and_an_unknown_one(verb: str, capsys: pytest.CaptureFixture[str]):
    parts, unknown, noun = VERBS[verb]
    assert main([verb]) == 2
    assert f"no {noun} is named" in capsys.readouterr().err
    first = next(iter(parts))
    assert main([verb, f"{first}s"]) == 2
    said = capsys.readouterr().err
    assert f"unknown {unknown} '{first}s'" in said
    assert f"'{first}'?" in said


def test_summaries_are_aligned():
    lines = part_lines({"a": "one", "evaluate": "two"}).splitlines()
    assert [line.index(text) for line, text in zip(lines, ("one", "two"), strict=True)] == [13, 13]
