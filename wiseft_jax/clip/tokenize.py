"""Texts to fixed-size rows of token ids, CLIP's way: start, tokens, end, padding."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_bytes
from wiseft_jax.core.writers import write_bytes

TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)

_LISTED = 10

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Tokenizer:
    """Turn texts into rows of ``context_length`` token ids.

    A row is ``[start, tokens..., end, end, ...]``. Padding with the end token is right for both
    conventions of pooling (the first end token; the largest id): under the causal mask nothing
    behind the first end token reaches it.

    Attributes:
      backend: A ``tokenizers.Tokenizer``.
      context_length: Tokens in a row (77 in OpenAI's models).
      start_id: The id of the start-of-text token.
      end_id: The id of the end-of-text token.
      files: The files that the tokenizer was read from, so that an export can carry them.
    """

    backend: Any
    context_length: int
    start_id: int
    end_id: int
    files: Mapping[str, bytes]

    def __call__(
        self, texts: Sequence[str]
    ) -> tuple[Int32[np.ndarray, "N T"], Int32[np.ndarray, "N T"]]:
        """Tokenise texts.

        A text that is too long is cut so that the end token stays last, and a warning names it
        (the first 10; the others are counted).

        Args:
          texts: The texts.

        Returns:
          ``(ids, mask)``, both ``int32[N, T]``; the mask is 1 up to and including the first end
          token.
        """
        ids = np.full((len(texts), self.context_length), self.end_id, np.int32)
        mask = np.zeros_like(ids)
        room = self.context_length - 2
        cut: list[tuple[str, int]] = []
        encodings = self.backend.encode_batch(list(texts), add_special_tokens=False)
        for row, (text, encoding) in enumerate(zip(texts, encodings, strict=True)):
            tokens = encoding.ids
            if len(tokens) > room:
                cut.append((text, len(tokens) + 2))
                tokens = tokens[:room]
            ids[row, 0] = self.start_id
            ids[row, 1 : 1 + len(tokens)] = tokens
            mask[row, : 2 + len(tokens)] = 1
        self._warn(cut)
        return ids, mask

    def _warn(self, cut: list[tuple[str, int]]) -> None:
        for text, length in cut[:_LISTED]:
            shown = text if len(text) <= 200 else text[:200] + "..."
            message = "a text of %d tokens is cut to the %d that the model reads: %r"
            _log.warning(message, length, self.context_length, shown)
        if len(cut) > _LISTED:
            _log.warning("%d more texts were cut", len(cut) - _LISTED)

    @property
    def vocabulary_size(self) -> int:
        """One more than the largest id."""
        return max(self.backend.get_vocab(with_added_tokens=True).values()) + 1

    @functools.cached_property
    def fingerprint(self) -> str:
        """The content hash of the tokenizer's rules, vocabulary and row length."""
        settings = f"{self.context_length} {self.start_id} {self.end_id}"
        return hash_bytes(self.backend.to_str().encode(), settings.encode())

    def save(self, directory: Path) -> None:
        """Write the files that the tokenizer was read from into ``directory``."""
        for name, content in self.files.items():
            write_bytes(directory / name, content)


def make_tokenizer(
    backend: Any, context_length: int, files: Mapping[str, bytes], source: str
) -> Tokenizer:
    """Return the tokenizer over a ``tokenizers.Tokenizer`` that knows CLIP's special tokens.

    Args:
      backend: A ``tokenizers.Tokenizer``; its own truncation and padding are switched off.
      context_length: Tokens in a row, at least 3.
      files: Name -> content of the files that it was read from.
      source: The directory to name in an error.

    Raises:
      InputError: A special token is missing, or the row is too short.
    """
    backend.no_truncation()
    backend.no_padding()
    start_id = backend.token_to_id("<|startoftext|>")
    end_id = backend.token_to_id("<|endoftext|>")
    if start_id is None or end_id is None:
        raise InputError(
            f"{source}: the tokenizer has no <|startoftext|> and <|endoftext|>; expected a CLIP "
            "tokenizer."
        )
    if context_length < 3:
        raise InputError(f"{source}: max_position_embeddings is {context_length}; at least 3.")
    return Tokenizer(backend, context_length, start_id, end_id, dict(files))


def check_merges(vocabulary: bytes, merges: bytes, source: str) -> None:
    """Raise if tokens of ``vocab.json`` can't be reached by ``merges.txt``: it was cut off.

    Nothing else would notice: with fewer merges the same text just gives other tokens.
    """
    tokens = json.loads(vocabulary)
    products = {"".join(line.split()) for line in merges.decode().splitlines()[1:]}
    unreachable = [
        token
        for token in tokens
        if len(token.removesuffix("</w>")) > 1 and token not in products and token[:2] != "<|"
    ]
    if unreachable:
        raise InputError(
            f"{source}/merges.txt: incomplete: {len(unreachable)} tokens of vocab.json have no "
            f"merge, for example {unreachable[-1]!r}. Copy it again, or give a tokenizer.json."
        )
