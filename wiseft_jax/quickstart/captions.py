"""Captions of rendered characters, which captions are true of which picture, and the tokenizer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from wiseft_jax.clip.prompts import PROMPT_SETS
from wiseft_jax.quickstart.glyphs import CHARACTERS, DIGITS, UPPERCASE
from wiseft_jax.quickstart.painting import COLOURS, TEXTURES

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

DIGIT_TEMPLATES = PROMPT_SETS["digits"].templates
"""Templates of the quickstart's zero-shot head."""

CONTEXT_LENGTH = 20
_OPENINGS = (
    "a photo of ",
    "a picture of ",
    "an image of ",
    "a drawing of ",
    "a scan of ",
    "a close-up of ",
    "",
)
_DIGIT_NOUNS = ("digit", "digit", "number", "numeral", "figure")
_SURFACES = {"striped": "striped ", "checked": "checked ", "cloudy": "textured "}
_UNSAID = -1
_SAID = (1.0, 0.6, 0.25, 0.2, 0.5, 0.25)
_START, _END = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True)
class Attributes:
    """What is true of each picture of a batch (``int32[B]`` each).

    Attributes:
        character: index into ``CHARACTERS``.
        front: index of the character's colour.
        back: index of the background's colour.
        texture: index of the background's texture.
        pen: 1 if drawn with a pen or in a pen-like font, 0 if printed.
    """

    character: Int[np.ndarray, " B"]
    front: Int[np.ndarray, " B"]
    back: Int[np.ndarray, " B"]
    texture: Int[np.ndarray, " B"]
    pen: Int[np.ndarray, " B"]


_SYMBOL = np.asarray([CHARACTERS.index(c if c in DIGITS else c.upper()) for c in CHARACTERS])
_CASE = np.asarray([0 if c in DIGITS else 1 if c in UPPERCASE else 2 for c in CHARACTERS])


def facts(attributes: Attributes) -> Int[np.ndarray, "B 6"]:
    """Return what a caption can say of each picture: symbol, case, colours, texture, pen."""
    character = attributes.character
    columns = [_SYMBOL[character], _CASE[character], attributes.front, attributes.back]
    return np.stack([*columns, attributes.texture, attributes.pen], 1).astype(np.int32)


def write_captions(
    rng: np.random.Generator, attributes: Attributes, said_share: float = 1.0
) -> tuple[list[str], Int[np.ndarray, "B 6"]]:
    """Write one caption for each picture, naming some of its attributes.

    Args:
        rng: source of randomness.
        attributes: the pictures' attributes.
        said_share: factor on how often anything but the symbol is named.

    Returns:
        The captions, and what each says: ``facts`` with -1 where it says nothing.
    """
    said = facts(attributes).copy()
    draws = rng.random((len(said), 6))
    hidden = draws > said_share * np.asarray(_SAID)
    hidden[:, 0] = False
    hidden[:, 4] |= hidden[:, 3]
    nameless = np.asarray([name not in _SURFACES for name in TEXTURES])
    hidden[:, 4] |= nameless[said[:, 4]]
    said[hidden] = _UNSAID
    styles = rng.integers(1 << 30, size=len(said))
    return [_sentence(row, int(style)) for row, style in zip(said, styles, strict=True)], said


def _sentence(said: Int[np.ndarray, " 6"], style: int) -> str:
    """Put one caption together; ``style`` chooses among wordings."""
    symbol, case, front, back, texture, pen = (int(value) for value in said)
    character, colours = CHARACTERS[symbol], list(COLOURS)
    opening = _OPENINGS[style % len(_OPENINGS)]
    style //= len(_OPENINGS)
    medium = {_UNSAID: "", 0: "printed ", 1: "handwritten "}[pen]
    if character in DIGITS:
        noun = _DIGIT_NOUNS[style % 5]
        name = character if style % 7 == 0 else DIGIT_NAMES[int(character)]
    else:
        words = {
            _UNSAID: ("",),
            0: ("",),
            1: ("uppercase ", "capital "),
            2: ("lowercase ", "small "),
        }
        noun = words[case][style % len(words[case])] + "letter"
        name = character.lower()
    style //= 35
    text = f"{opening}the {medium}{noun} {name}"
    if front != _UNSAID:
        text += f" in {colours[front]}"
    if back != _UNSAID:
        surface = "" if texture == _UNSAID else _SURFACES[TEXTURES[texture]]
        text += f" on a {surface}{colours[back]} background"
    return text + ("." if style % 3 else "")


def true_captions(
    said: Int[np.ndarray, "M 6"], known: Int[np.ndarray, "N 6"]
) -> Bool[np.ndarray, "N M"]:
    """Tell which captions are true of which pictures (the positives of the contrastive loss).

    Args:
        said: what each caption says, -1 where it says nothing.
        known: the pictures' facts.

    Returns:
        ``[n, m]`` is true when nothing that caption m says is false of picture n.
    """
    agree = (said[None] == known[:, None]) | (said[None] == _UNSAID)
    return agree.all(-1)


def train_tokenizer(folder: Path, rng: np.random.Generator) -> None:
    """Train CLIP's byte-level BPE on captions and writes its files into a folder.

    Args:
        folder: where to write ``vocab.json``, ``merges.txt`` and the tokenizer's settings.
        rng: source of the captions.
    """
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    count = 20000
    attributes = Attributes(
        character=rng.integers(len(CHARACTERS), size=count),
        front=rng.integers(len(COLOURS), size=count),
        back=rng.integers(len(COLOURS), size=count),
        texture=rng.integers(len(TEXTURES), size=count),
        pen=rng.integers(2, size=count),
    )
    corpus = write_captions(rng, attributes)[0]
    bytes_ = _byte_alphabet()
    base = [*bytes_, *(name + "</w>" for name in bytes_)]
    tokenizer = _empty_tokenizer(BPE(end_of_word_suffix="</w>"))
    trainer = BpeTrainer(
        vocab_size=2000, min_frequency=20, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    _write_vocabulary(folder, base, _merges(tokenizer))
    special = {"bos_token": _START, "eos_token": _END, "unk_token": _END, "pad_token": _END}
    settings = {**special, "model_max_length": CONTEXT_LENGTH, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")


def _empty_tokenizer(model: Any) -> Any:
    """Return a tokenizer that normalises and splits text as CLIP's does."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

    words = (
        r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|"
        r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return tokenizer


class CaptionTokenizer:
    """Turn captions into rows of ids: start, words, end, padded with end."""

    def __init__(self, folder: Path) -> None:
        from tokenizers.models import BPE

        vocabulary = json.loads((folder / "vocab.json").read_text())
        self.vocabulary_size = len(vocabulary)
        self.start_id, self.end_id = vocabulary[_START], vocabulary[_END]
        files = str(folder / "vocab.json"), str(folder / "merges.txt")
        model = BPE.from_file(*files, end_of_word_suffix="</w>", unk_token=_END)
        self._backend = _empty_tokenizer(model)

    def __call__(self, captions: Sequence[str]) -> Int[np.ndarray, "N T"]:
        """Return ``int32[len(captions), CONTEXT_LENGTH]``; too long a caption is an error."""
        rows = np.full((len(captions), CONTEXT_LENGTH), self.end_id, np.int32)
        rows[:, 0] = self.start_id
        for row, encoding in zip(rows, self._backend.encode_batch(list(captions)), strict=True):
            if len(encoding.ids) > CONTEXT_LENGTH - 2:
                raise ValueError(f"{len(encoding.ids)} tokens do not fit {CONTEXT_LENGTH}: {row}")
            row[1 : 1 + len(encoding.ids)] = encoding.ids
        return rows


def _merges(tokenizer: Any) -> list[tuple[str, str]]:
    """Return the merges of a trained BPE tokenizer, in order."""
    pairs = json.loads(tokenizer.to_str())["model"]["merges"]
    halves = (pair.split(" ") if isinstance(pair, str) else pair for pair in pairs)
    return [(first, second) for first, second in halves]


def _byte_alphabet() -> list[str]:
    """Return the 256 printable stand-ins of bytes that GPT-2 and CLIP use, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]


def _write_vocabulary(folder: Path, base: list[str], merges: list[tuple[str, str]]) -> None:
    """Write ``vocab.json`` and ``merges.txt`` as CLIP's tokenizer reads them."""
    tokens = [*base, *("".join(pair) for pair in merges), _START, _END]
    tokens = list(dict.fromkeys(tokens))
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
