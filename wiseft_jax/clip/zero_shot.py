"""The zero-shot head: class names and templates to a linear classifier over image features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from wiseft_jax.clip.embed import iterate_text_features
from wiseft_jax.clip.load import Clip
from wiseft_jax.clip.prompts import fill, resolve_templates
from wiseft_jax.clip.towers import TEXT_KEYS
from wiseft_jax.core.cache import Cache
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.core.trees import hash_tree

_CACHE_KIND = "zero_shot_heads"
_VERSION = 1  # raise it when the same inputs should give another head


def zero_shot_head(
    clip: Clip,
    class_names: Sequence[str],
    templates: str | Path | Sequence[str] = "simple",
    *,
    batch_size: int = 256,
    cache: bool = True,
    repeats: bool = False,
) -> dict[str, np.ndarray]:
    """Return the zero-shot classifier of CLIP as the head ``features @ kernel + bias``.

    ``kernel[:, k] = exp(logit_scale) * normalise(mean_t normalise(text(template_t(name_k))))``;
    the bias is 0. The order of operations is that of Wortsman et al. 2022 (WiSE-FT, arXiv
    2109.01903): each prompt is normalised before the mean, and the temperature is folded in once.

    Args:
      clip: The model.
      class_names: K names, in the order of the labels.
      templates: What ``resolve_templates`` takes.
      batch_size: Prompts at a time.
      cache: Whether to read and write the user's cache; the key is the content of the text tower,
        the tokenizer, the names and the templates.
      repeats: Whether a name may stand for several classes; see ``check_class_names``.

    Returns:
      ``{"kernel": float32[D, K], "bias": float32[K]}``, on the host.

    Raises:
      InputError: No, empty or repeated class names; templates that don't resolve.

    Example:
      >>> head = zero_shot_head(load_clip("glyphclip"), ["zero", "one"], "a photo of the digit {}.")
    """
    names = check_class_names(class_names, repeats)
    resolved = resolve_templates(templates)
    store = Cache(enabled=cache)
    key = _content_key(clip, names, resolved)
    found = store.load(_CACHE_KIND, key)
    if found is not None:
        return found
    prompts = [fill(template, name) for name in names for template in resolved]
    means = _class_means(clip, prompts, len(names), batch_size)
    unit = means / np.linalg.norm(means, axis=-1, keepdims=True)
    scale = np.exp(np.asarray(clip.params["logit_scale"], np.float32))
    head = {
        "kernel": np.ascontiguousarray((scale * unit).T.astype(np.float32)),
        "bias": np.zeros(len(names), np.float32),
    }
    store.store(_CACHE_KIND, key, head)
    return head


def check_class_names(class_names: Sequence[Any], repeats: bool = False) -> tuple[str, ...]:
    """Return the class names as a tuple.

    Args:
      class_names: In the order of the labels.
      repeats: Whether a name may stand for several classes, as in published lists. Their zero-shot
        logits are equal, and the first of them is predicted.

    Raises:
      InputError: There are none; one is empty or not text; two are equal.
    """
    if isinstance(class_names, str):
        raise InputError(f"class names: expected a list of names, found one text {class_names!r}.")
    names = tuple(class_names)
    if not names:
        raise InputError("class names: the list is empty; expected at least one name.")
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"class names: number {index} is empty or not text: {name!r}.")
        earlier = first.setdefault(name.strip(), index)
        if earlier != index and not repeats:
            raise InputError(
                f"class names: {name!r} occurs twice, as numbers {earlier} and {index}. Two "
                "classes with one name have one prompt: give each its own."
            )
    return names


def _class_means(
    clip: Clip, prompts: list[str], classes: int, batch_size: int
) -> Float32[np.ndarray, "K D"]:
    per_class = len(prompts) // classes
    width = clip.config.projection_dim
    sums, start = np.zeros((classes, width), np.float32), 0
    for features in iterate_text_features(clip, prompts, batch_size=batch_size):
        np.add.at(sums, np.arange(start, start + len(features)) // per_class, features)
        start += len(features)
    return sums / np.float32(per_class)


def _content_key(clip: Clip, names: tuple[str, ...], templates: tuple[str, ...]) -> str:
    return hash_json(
        {
            "version": _VERSION,
            "weights": hash_tree({key: clip.params[key] for key in TEXT_KEYS}),
            "text_config": clip.config.text_config.to_dict(),
            "tokenizer": clip.tokenizer.fingerprint,
            "names": names,
            "templates": templates,
        }
    )
