"""From models to predictors: any CLIP zero-shot, a classifier that was trained or merged, a ResNet.

How logits become classes is a protocol, and has a name in every output: published numbers moved
with it, and when a model zoo changed its weights, which are named too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from wiseft_jax.backgrounds.class_folders import class_key, is_numbered, spoken_names
from wiseft_jax.backgrounds.in9 import IMAGENET_CLASSES, IN9_CLASSES
from wiseft_jax.backgrounds.predictor import Predictor
from wiseft_jax.clip.classifier import Classifier, make_classifier, zero_shot_classifier
from wiseft_jax.clip.load import Clip
from wiseft_jax.clip.prompts import resolve_templates
from wiseft_jax.clip.resnet import ResNet
from wiseft_jax.clip.towers import VISION_KEYS
from wiseft_jax.clip.zero_shot import zero_shot_head
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import hash_tree
from wiseft_jax.core.typing import Params
from wiseft_jax.data.matching import describe_unmatched

logger = logging.getLogger(__name__)

_ENDS = {0: ("tench", "n01440764"), 999: ("toilet tissue", "n15075141")}
"""The names and WordNet ids of ImageNet's first and last class, of the thousand of ILSVRC 2012."""
_UNNAMED = re.compile(r"^LABEL_\d+$")


def coarse_names(class_names: Sequence[str]) -> tuple[str, ...]:
    """Return what prompts call the classes: ``02_wheeled vehicle`` is a "wheeled vehicle".

    A number in front is left out, and ``_`` is a space, where every folder begins with a number;
    else names are as they are.

    Args:
      class_names: Folder names.
    """
    if not all(map(is_numbered, class_names)):
        return tuple(class_names)
    return spoken_names(class_names)


def zero_shot_predictor(
    clip: Clip,
    class_names: Sequence[str],
    templates: str | Path | Sequence[str] = "simple",
    *,
    prompt_names: Sequence[str] | None = None,
    name: str | None = None,
) -> Predictor:
    """Return a CLIP that is asked for the K classes of a set themselves: "K coarse prompts".

    Args:
      clip: The model.
      class_names: The set's folders.
      templates: What ``resolve_templates`` takes.
      prompt_names: What prompts call the classes; ``coarse_names`` by default.
      name: In tables; the CLIP's by default.

    Raises:
      InputError: As many ``prompt_names`` as classes weren't given, or templates don't resolve.
    """
    names = coarse_names(class_names) if prompt_names is None else tuple(prompt_names)
    if len(names) != len(class_names):
        raise InputError(f"expected {len(class_names)} names for prompts, found {len(names)}")
    classifier, theta = zero_shot_classifier(clip, names, templates)
    return Predictor(
        name or Path(clip.source).name,
        f"{len(names)} coarse prompts",
        weights_text(clip.source, theta),
        tuple(class_names),
        classifier.preprocess,
        classifier.logits,
        theta,
        alpha=0.0,
    )


def thousand_predictor(
    clip: Clip,
    imagenet_names: Sequence[str],
    class_names: Sequence[str],
    templates: str | Path | Sequence[str] = "simple",
    *,
    name: str | None = None,
) -> Predictor:
    """Return a CLIP that is asked for ImageNet's classes: "1000 prompts and the map".

    The arg max is over all thousand; the map to ImageNet-9 comes after it.

    Args:
      clip: The model.
      imagenet_names: In ImageNet's order; a name may occur twice, as in published lists: its
        prompts, and logits, are the same then, and the first one is predicted.
      class_names: The set's folders, which have to be ImageNet-9's.
      templates: What ``resolve_templates`` takes.
      name: In tables; the CLIP's by default.

    Raises:
      InputError: There aren't a thousand names, or the set isn't ImageNet-9.
    """
    if len(imagenet_names) != IMAGENET_CLASSES:
        raise InputError(
            f"expected {IMAGENET_CLASSES} names of classes, in ImageNet's order, found"
            f" {len(imagenet_names)}"
        )
    _check_is_in9(class_names, f"{clip.source} with 1000 prompts")
    _warn_of_order(imagenet_names, f"{clip.source} with 1000 prompts")
    resolved = resolve_templates(templates)
    once = list(dict.fromkeys(imagenet_names))
    head = zero_shot_head(clip, once, resolved)
    place = [once.index(each) for each in imagenet_names]
    theta = {
        "encoder": {key: clip.params[key] for key in VISION_KEYS},
        "head": {"kernel": head["kernel"][:, place], "bias": head["bias"][place]},
    }
    classifier = make_classifier(clip, tuple(imagenet_names), resolved)
    return Predictor(
        name or Path(clip.source).name,
        "1000 prompts and the map",
        weights_text(clip.source, theta),
        tuple(class_names),
        classifier.preprocess,
        classifier.logits,
        theta,
        thousand=True,
        alpha=0.0,
    )


def classifier_predictor(
    classifier: Classifier,
    theta: Params,
    class_names: Sequence[str],
    *,
    name: str,
    source: str | None = None,
    alpha: float | None = None,
) -> Predictor:
    """Return a fine-tuned or merged classifier, of the set's classes or of ImageNet's thousand.

    Classes are matched by name, with or without the folders' numbers, in any order.

    Args:
      classifier: The functions.
      theta: ``{"encoder", "head"}``, as ``settled`` leaves it.
      class_names: The set's folders.
      name: In tables.
      source: Where the weights come from; the classifier's by default.
      alpha: The mixing coefficient that made ``theta``.

    Raises:
      InputError: The model has other classes.
    """
    order = _order(classifier.class_names, class_names, source or classifier.source)
    weights = weights_text(source or classifier.source, theta)
    if order is not None:
        theta = {**theta, "head": _reordered(theta["head"], order)}
    return Predictor(
        name,
        _protocol(order, class_names),
        weights,
        tuple(class_names),
        classifier.preprocess,
        classifier.logits,
        theta,
        thousand=order is None,
        alpha=alpha,
    )


def resnet_predictor(
    resnet: ResNet,
    variables: Params,
    names: Sequence[str],
    class_names: Sequence[str],
    *,
    name: str,
    source: str | None = None,
) -> Predictor:
    """Return a ResNet, of the set's classes or of ImageNet's thousand.

    Args:
      resnet: The functions.
      variables: Parameters and running statistics.
      names: The ResNet's classes; transformers' ``LABEL_0, LABEL_1, ...`` are taken by position.
      class_names: The set's folders.
      name: In tables.
      source: Where the weights come from; ``name`` by default.

    Raises:
      InputError: The model has other classes.
    """
    order = _order(names, class_names, source or name)
    weights = weights_text(source or name, variables)
    if order is not None:
        params = variables["params"]
        params = {**params, "head": _reordered(params["head"], order)}
        variables = {**variables, "params": params}
    return Predictor(
        name,
        _protocol(order, class_names),
        weights,
        tuple(class_names),
        resnet.preprocess,
        resnet.logits,
        variables,
        thousand=order is None,
    )


def weights_text(source: str, params: Params) -> str:
    """Return which weights these are: where they come from, and their hash, the head's apart.

    One encoder has one hash, whatever classes or prompts its head is of.

    Args:
      source: Where they come from.
      params: ``{"encoder", "head"}``, or a ResNet's ``{"params", "batch_stats"}``.
    """
    if "head" in params:
        head, rest = params["head"], {k: each for k, each in params.items() if k != "head"}
    else:
        inner = params["params"]
        head = inner["head"]
        rest = {**params, "params": {k: each for k, each in inner.items() if k != "head"}}
    return f"{source} (hash {hash_tree(rest)}, head {hash_tree(head)})"


def _protocol(order: Int[np.ndarray, " K"] | None, class_names: Sequence[str]) -> str:
    return "1000 classes and the map" if order is None else f"{len(class_names)} classes"


def _reordered(head: Params, order: Int[np.ndarray, " K"]) -> Params:
    return {"kernel": head["kernel"][:, order], "bias": head["bias"][order]}


def _order(
    model_names: Sequence[str], class_names: Sequence[str], where: str
) -> Int[np.ndarray, " K"] | None:
    """Return which of the model's classes each of the set's is; None for ImageNet's thousand."""
    keys = [class_key(name) for name in model_names]
    wanted = [class_key(name) for name in class_names]
    if sorted(keys) == sorted(wanted) and len(set(keys)) == len(keys):
        return np.asarray([keys.index(key) for key in wanted])
    if len(model_names) == IMAGENET_CLASSES:
        _check_is_in9(class_names, where)
        _warn_of_order(model_names, where)
        return None
    unnamed = all(_UNNAMED.match(name) for name in model_names)
    if unnamed and len(model_names) == len(class_names):
        logger.warning("%s: its classes have no names; they are taken by position", where)
        return np.arange(len(class_names))
    missing = [name for name in class_names if class_key(name) not in keys]
    raise InputError(
        f"{where}: the model has {len(model_names)} classes; expected the set's"
        f" {len(class_names)}, or ImageNet's 1000."
        + (f" It lacks:{describe_unmatched(missing, model_names)}" if missing else "")
    )


def _warn_of_order(names: Sequence[str], where: str) -> None:
    """Warn where a thousand names don't begin and end as ImageNet's: they are taken by position."""
    wrong = [
        f"class {place} is {names[place]!r}, expected {expected[0]!r}"
        for place, expected in _ENDS.items()
        if not any(each in names[place].lower().replace("_", " ") for each in expected)
    ]
    if wrong:
        logger.warning(
            "%s: its 1000 classes are taken by position, in ImageNet's order: %s; of another order"
            " all that follows is wrong",
            *(where, ", ".join(wrong)),
        )


def _check_is_in9(class_names: Sequence[str], where: str) -> None:
    if [class_key(name) for name in class_names] != [class_key(name) for name in IN9_CLASSES]:
        raise InputError(
            f"{where}: a model of ImageNet's 1000 classes answers for ImageNet-9 alone; the set's"
            f" classes are {', '.join(class_names[:3])}, ..., expected {', '.join(IN9_CLASSES)}"
        )
