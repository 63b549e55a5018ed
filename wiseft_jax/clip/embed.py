"""Normalised features of many texts or images, in fixed-size padded batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from wiseft_jax.clip.load import Clip
from wiseft_jax.clip.tokenize import Tokenizer
from wiseft_jax.clip.towers import TEXT_KEYS, VISION_KEYS
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.progress import progress_bar

_MULTIPLE = 8


def embed_texts(
    clip: Clip, texts: Sequence[str], *, batch_size: int = 256
) -> Float32[np.ndarray, "N D"]:
    """Return the L2-normalised features of texts, computed in float32 whatever the model's dtype.

    All batches have one shape, so the tower is compiled once: ``batch_size`` rows (fewer if there
    are fewer texts), as long as the longest text, both rounded up to 8. Shorter rows than the
    context change nothing: the mask is causal and the end-of-text token is kept.

    Args:
      clip: The model.
      texts: The texts.
      batch_size: Texts at a time.

    Returns:
      ``float32[N, D]``, on the host.
    """
    if not texts:
        raise InputError("no texts to embed; expected at least one.")
    batches = iterate_text_features(clip, texts, batch_size=batch_size)
    return np.concatenate(list(batches))


def iterate_text_features(
    clip: Clip, texts: Sequence[str], *, batch_size: int = 256
) -> Iterator[Float32[np.ndarray, "B D"]]:
    """Yield ``embed_texts`` batch by batch, without the padding, so that sums need no memory."""
    ids, mask = padded_tokens(clip.tokenizer, texts)
    batch_size = min(batch_size, _round_up(len(texts)))
    params = jax.device_put({key: clip.params[key] for key in TEXT_KEYS})
    with progress_bar("text features", len(texts), "texts") as advance:
        for start in range(0, len(texts), batch_size):
            rows = slice(start, start + batch_size)
            count = len(ids[rows])
            inputs = (_padded(array[rows], batch_size) for array in (ids, mask))
            yield np.asarray(clip.text_encoder(params, *inputs))[:count]
            advance(count)


def padded_tokens(
    tokenizer: Tokenizer, texts: Sequence[str]
) -> tuple[Int32[np.ndarray, "N L"], Int32[np.ndarray, "N L"]]:
    """Return the tokens of texts, no longer than the longest text needs (rounded up to 8).

    Args:
      tokenizer: The model's.
      texts: N texts.

    Returns:
      ``(ids, mask)``, int32[N, L]; the mask is 1 for tokens that count.
    """
    ids, mask = tokenizer(texts)
    width = padded_width(int(mask.sum(1).max()), tokenizer.context_length)
    return ids[:, :width].astype(np.int32), mask[:, :width].astype(np.int32)


def padded_width(longest: int, context_length: int) -> int:
    """Return how many tokens the rows of texts have.

    Args:
      longest: Tokens of the longest text.
      context_length: Tokens that the model reads at most.
    """
    return min(context_length, _round_up(longest))


def embed_images(
    clip: Clip, images: UInt8[np.ndarray, "N H W 3"], *, batch_size: int = 64
) -> Float32[np.ndarray, "N D"]:
    """Return the L2-normalised features of prepared images, in fixed-size padded batches.

    Args:
      clip: The model.
      images: ``uint8[N, S, S, 3]``, resized and cropped to ``clip.preprocess.size``.
      batch_size: Images at a time.

    Returns:
      ``float32[N, D]``, on the host.
    """
    if not len(images):
        raise InputError("no images to embed; expected at least one.")
    batch_size = min(batch_size, _round_up(len(images)))
    params = jax.device_put({key: clip.params[key] for key in VISION_KEYS})
    rows = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
    features = [
        np.asarray(clip.image_encoder(params, _padded(batch, batch_size)))[: len(batch)]
        for batch in rows
    ]
    return np.concatenate(features)


def _padded(rows: np.ndarray, size: int) -> np.ndarray:
    """Repeat the last row up to ``size`` rows: padding that is a valid input."""
    missing = size - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows


def _round_up(count: int) -> int:
    return -(-count // _MULTIPLE) * _MULTIPLE
