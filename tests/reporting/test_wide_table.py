"""A table of many sets: cut where it is too wide, never within a word."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from wiseft_jax.reporting.wide_table import WideTable, column_head

NAMES = ("imagenet_sketch_full", "in-the-wild_photos", "ObjectNet", "font digits", "x_y_z")


def printed(width: int, sets: int = 20) -> list[str]:
    columns = [(f"{NAMES[index % 5]}_{index}", "shift", "1000") for index in range(sets)]
    lines = [[f"0.{row}", *["50.0"] * sets] for row in range(3)]
    caption = " ".join(["a note that is longer than any table"] * 2)
    table = WideTable("title", caption, ["alpha"], columns, lines, [1])
    file = io.StringIO()
    Console(file=file, width=width).print(table)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 1000])
def test_a_console_gets_blocks_that_fit_it_with_whole_words(width: int) -> None:
    text = printed(width)
    assert max(map(len, text)) <= width
    heads = [line.split() for line in text if "shift" not in line]
    words = {word for line in heads for word in line}
    assert {"imagenet_", "sketch_", "in-the-", "digits_3", "ObjectNet_", "x_y_z_4"} <= words
    blocks = sum(line.startswith("alpha") for line in text)
    assert sum(line.startswith("0.1") for line in text) == blocks
    assert blocks == 1 if width == 1000 else blocks > 2


def test_the_caption_is_as_wide_as_the_console_not_as_the_table() -> None:
    assert printed(80, sets=1)[-1] == " ".join(["a note that is longer than any table"] * 2)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("validation", ["validation"]),
        ("font digits", ["font", "digits"]),
        ("a b c", ["a b c"]),
        ("photos-test", ["photos-", "test"]),
        ("imagenet_sketch_a", ["imagenet_", "sketch_a"]),
        ("_x__y", ["_x__y"]),
        ("[red]a|b", ["[red]a|b"]),
    ],
)
def test_a_name_is_broken_between_words_and_after_hyphens_and_underscores(
    name: str, lines: list[str]
) -> None:
    assert column_head(name, "shift", "9").split("\n") == [*lines, "shift", "9"]
