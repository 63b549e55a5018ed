"""Captions, the truth table of captions and pictures, and the tokenizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wiseft_jax.clip.load import read_tokenizer
from wiseft_jax.quickstart.captions import (
    CONTEXT_LENGTH,
    DIGIT_NAMES,
    Attributes,
    CaptionTokenizer,
    facts,
    train_tokenizer,
    true_captions,
    write_captions,
)
from wiseft_jax.quickstart.glyphs import CHARACTERS
from wiseft_jax.quickstart.painting import COLOURS, TEXTURES


def attributes(count: int, seed: int = 0) -> Attributes:
    rng = np.random.default_rng(seed)
    return Attributes(
        character=rng.integers(len(CHARACTERS), size=count),
        front=rng.integers(len(COLOURS), size=count),
        back=rng.integers(len(COLOURS), size=count),
        texture=rng.integers(len(TEXTURES), size=count),
        pen=rng.integers(2, size=count),
    )


def one(character: str, front: str = "red", back: str = "blue", pen: int = 0) -> Attributes:
    colours = list(COLOURS)
    numbers = (CHARACTERS.index(character), colours.index(front), colours.index(back), 0, pen)
    return Attributes(*(np.array([number]) for number in numbers))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(path, np.random.default_rng(0))
    return path


def test_every_caption_is_true_of_its_own_picture():
    batch = attributes(300)
    _, said = write_captions(np.random.default_rng(1), batch)
    assert np.diagonal(true_captions(said, facts(batch))).all()


def test_captions_say_what_the_table_says():
    batch = attributes(400)
    captions, said = write_captions(np.random.default_rng(1), batch)
    colours = list(COLOURS)
    for text, (symbol, case, front, back, _, pen) in zip(captions, said, strict=True):
        character = CHARACTERS[symbol]
        name = DIGIT_NAMES[symbol] if symbol < 10 else character.lower()
        assert f" {name} " in f" {text.rstrip('.')} " or f" {character} " in f" {text.rstrip('.')} "
        assert (
            (f" in {colours[front]}" in text) == (front >= 0) if front >= 0 else " in " not in text
        )
        assert text.rstrip(".").endswith(f"{colours[back]} background") == (back >= 0)
        assert ("handwritten" in text) == (pen == 1)
        assert ("printed" in text) == (pen == 0)
        assert any(word in text for word in ("uppercase", "capital")) == (case == 1)
        assert any(word in text for word in ("lowercase", "small")) == (case == 2)


def test_truth_follows_what_is_said():
    red_seven, blue_seven = facts(one("7", "red", "white")), facts(one("7", "blue", "white"))
    capital, small = facts(one("A")), facts(one("a"))
    unsaid = -1
    just_seven = np.array([[7, unsaid, unsaid, unsaid, unsaid, unsaid]])
    seven_in_red = just_seven.copy()
    seven_in_red[0, 2] = list(COLOURS).index("red")
    letter = np.array([[CHARACTERS.index("A"), unsaid, unsaid, unsaid, unsaid, unsaid]])
    small_letter = letter.copy()
    small_letter[0, 1] = 2
    said = np.concatenate([just_seven, seven_in_red, letter, small_letter])
    known = np.concatenate([red_seven, blue_seven, capital, small])
    np.testing.assert_array_equal(
        true_captions(said, known),
        [
            [True, True, False, False],
            [True, False, False, False],
            [False, False, True, False],
            [False, False, True, True],
        ],
    )


def test_captions_vary_and_repeat_with_the_seed():
    batch = attributes(200)
    texts = [write_captions(np.random.default_rng(seed), batch)[0] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert len(set(texts[0])) > 150


def test_without_extras_captions_name_only_the_symbol():
    _, said = write_captions(np.random.default_rng(0), attributes(50), said_share=0.0)
    assert np.all(said[:, 0] >= 0)
    assert np.all(said[:, 1:] == -1)


def test_tokenizer_agrees_with_the_packages_own(folder: Path):
    texts = write_captions(np.random.default_rng(3), attributes(200))[0]
    texts += [f"a photo of the digit {name}." for name in DIGIT_NAMES] + ["Émile's  42 zebras!"]
    mine = CaptionTokenizer(folder)(texts)
    theirs, _ = read_tokenizer(folder, CONTEXT_LENGTH)(texts)
    np.testing.assert_array_equal(mine, theirs)


def test_words_of_captions_are_single_tokens(folder: Path):
    tokenizer = CaptionTokenizer(folder)
    row = tokenizer(["a photo of the handwritten digit seven in red."])[0]
    assert row[0] == tokenizer.start_id
    assert int((row != tokenizer.end_id).sum()) == 1 + 9 + 1
    assert row[11] == tokenizer.end_id


def test_too_long_a_caption_is_an_error(folder: Path):
    with pytest.raises(ValueError, match="do not fit"):
        CaptionTokenizer(folder)(["seven " * 30])
