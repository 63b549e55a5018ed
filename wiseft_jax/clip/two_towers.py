"""The classifier whose head is made of its text tower: both towers move, and the head with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32, UInt8

from wiseft_jax.clip.classifier import (
    Classifier,
    classifier_facts,
    head_logits,
    shapes_of,
)
from wiseft_jax.clip.embed import padded_tokens
from wiseft_jax.clip.load import Clip
from wiseft_jax.clip.prompts import fill, resolve_templates
from wiseft_jax.clip.towers import TEXT_KEYS, VISION_KEYS, l2_normalise
from wiseft_jax.clip.zero_shot import check_class_names
from wiseft_jax.core.typing import Params

HEADS = "heads"
PLACE = "at"
"""What ``evaluation.heads`` puts in the place of a text tower: heads, and which one is meant."""

_CHUNK = 256


@dataclasses.dataclass(frozen=True, eq=False)
class TwoTowerClassifier(Classifier):
    """As ``Classifier``, of ``theta = {"encoder": {...}, "text": {...}}``: there is no head in it.

    A model that was trained by the contrastive loss is interpolated in both towers and
    ``logit_scale``, and its head is made afterwards (Goyal et al. 2023, FLYP, section 4): it isn't
    linear in alpha. ``logits`` makes the head each time, inside the compiled function; ``settled``
    makes it once.

    Attributes:
      prompt_ids: int32[K * T, L], the T prompts of the first class, then of the second, ...
      prompt_mask: int32[K * T, L], 1 for tokens that count.
    """

    prompt_ids: Int32[np.ndarray, "N L"]
    prompt_mask: Int32[np.ndarray, "N L"]

    def head(self, text: Params) -> dict[str, Array]:
        """Return the zero-shot head of a text tower; the formula is ``zero_shot_head``'s.

        Args:
          text: ``{"text_model", "text_projection", "logit_scale"}``.

        Returns:
          ``{"kernel": float32[D, K], "bias": float32[K]}``.
        """
        tower, count = self.tower.with_dtype("float32"), len(self.prompt_ids)
        chunk = min(_CHUNK, count)
        padded = -(-count // chunk) * chunk
        rows = np.minimum(np.arange(padded), count - 1).reshape(-1, chunk)

        def embed(row: Array) -> Array:
            ids, mask = jnp.asarray(self.prompt_ids)[row], jnp.asarray(self.prompt_mask)[row]
            return l2_normalise(tower.text_features(text, ids, mask))

        features = jax.lax.map(embed, jnp.asarray(rows))
        features = features.reshape(padded, -1)[:count]
        classes = len(self.class_names)
        means = features.reshape(classes, count // classes, -1).mean(axis=1)
        kernel = jnp.exp(text["logit_scale"]) * l2_normalise(means).T
        return {"kernel": kernel, "bias": jnp.zeros(classes, jnp.float32)}

    def logits(
        self,
        theta: Params,
        images: UInt8[Array | np.ndarray, "B H W 3"] | Float[Array | np.ndarray, "B H W 3"],
    ) -> Float32[Array, "B K"]:
        """Return the logits of the head that ``theta["text"]`` gives; see ``Classifier.logits``.

        ``theta`` may have a ``"head"`` already, as ``settled`` returns it, or the heads of some
        alphas, as ``evaluation.heads`` makes them.
        """
        if "head" in theta:
            head = theta["head"]
        elif HEADS in theta:
            head = _nearest(theta[HEADS], theta[PLACE])
        else:
            head = self.head(theta["text"])
        return head_logits(head, self.features(theta, images))

    def settled(self, theta: Params) -> tuple[Classifier, Params]:
        """Return the plain classifier of one model, whose head is made once: to export or predict.

        Args:
          theta: ``{"encoder", "text"}``.

        Returns:
          ``(classifier, {"encoder", "head"})``, host arrays; the text tower is in
          ``classifier.frozen``.
        """
        head = jax.tree_util.tree_map(np.asarray, jax.jit(self.head)(theta["text"]))
        facts = {field.name: getattr(self, field.name) for field in dataclasses.fields(Classifier)}
        text = jax.tree_util.tree_map(np.asarray, theta["text"])
        plain = Classifier(**facts | {"frozen": text})
        return plain, {"encoder": theta["encoder"], "head": head}


def _nearest(heads: Params, alpha: Array) -> Params:
    place = jnp.argmin(jnp.abs(heads["alphas"] - alpha))
    return {name: heads[name][place] for name in ("kernel", "bias")}


def two_tower_classifier(
    clip: Clip,
    class_names: Sequence[str],
    templates: str | Path | Sequence[str] = "simple",
    *,
    repeats: bool = False,
) -> tuple[TwoTowerClassifier, Params]:
    """Return the classifier of a CLIP whose text tower may be trained, and its parameters.

    Args:
      clip: The model.
      class_names: K names, in the order of the labels.
      templates: What ``resolve_templates`` takes.
      repeats: Whether a name may stand for several classes; see ``check_class_names``.

    Returns:
      ``(classifier, theta_0)``; ``theta_0 = {"encoder": {"vision_model", "visual_projection"},
      "text": {"text_model", "text_projection", "logit_scale"}}``, float32 host arrays.
    """
    classifier = _make(clip, class_names, templates, repeats)
    parts = {"encoder": VISION_KEYS, "text": TEXT_KEYS}
    theta_0 = {part: {key: clip.params[key] for key in keys} for part, keys in parts.items()}
    return classifier, theta_0


def shaped_two_tower_classifier(
    clip: Clip,
    class_names: Sequence[str],
    templates: str | Path | Sequence[str] = "simple",
    *,
    repeats: bool = False,
) -> tuple[TwoTowerClassifier, Params]:
    """Return what ``two_tower_classifier`` does, with shapes in place of parameters.

    Args:
      clip: The model.
      class_names: K names, in the order of the labels.
      templates: What ``resolve_templates`` takes.
      repeats: Whether a name may stand for several classes; see ``check_class_names``.

    Returns:
      ``(classifier, theta)``, ``theta`` of ``jax.ShapeDtypeStruct``.
    """
    classifier = _make(clip, class_names, templates, repeats)
    parts = {"encoder": VISION_KEYS, "text": TEXT_KEYS}
    return classifier, {part: shapes_of(clip.params, keys) for part, keys in parts.items()}


def _make(
    clip: Clip, class_names: Sequence[str], templates: str | Path | Sequence[str], repeats: bool
) -> TwoTowerClassifier:
    names, resolved = check_class_names(class_names, repeats), resolve_templates(templates)
    prompts = [fill(template, name) for name in names for template in resolved]
    ids, mask = padded_tokens(clip.tokenizer, prompts)
    facts = classifier_facts(clip, names, resolved)
    facts["frozen"] = {}  # it is trained here
    return TwoTowerClassifier(**facts, prompt_ids=ids, prompt_mask=mask)


def settled(classifier: Classifier, theta: Params) -> tuple[Classifier, Params]:
    """Return a classifier whose parameters have a head; the same where they have one already.

    Args:
      classifier: Either kind.
      theta: Its parameters.
    """
    if isinstance(classifier, TwoTowerClassifier) and "head" not in theta:
        return classifier.settled(theta)
    return classifier, theta
