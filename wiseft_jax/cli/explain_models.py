"""The models that ``wiseft explain`` compares, and what their scores are of."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.cli.explain import ModelOptions
from wiseft_jax.cli.model_names import is_exported
from wiseft_jax.core.errors import InputError, unknown_name


@dataclasses.dataclass(frozen=True)
class Column:
    """A model to explain.

    Attributes:
      label: In tables and pictures.
      file_label: In file names.
      alpha: Its mixing coefficient, where it is known.
      make: Returns ``{"encoder"}``, with ``"head"`` where there are classes; trees are large, so
        each is made when its turn comes.
    """

    label: str
    file_label: str
    alpha: float | None
    make: Callable[[], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Models:
    """The models of a sheet; they share all but their parameters.

    Attributes:
      clip: The CLIP that they come from; has the towers, the tokenizer, the preprocessing.
      class_names: None for a CLIP that has no head.
      columns: The models.
    """

    clip: Any
    class_names: tuple[str, ...] | None
    columns: tuple[Column, ...]


@dataclasses.dataclass(frozen=True)
class Targets:
    """What each image's score is of, for one model.

    Attributes:
      names: A text or class for each image.
      directions: float32[N, D].
      predicted: The class that the model predicts; None without classes.
    """

    names: list[str]
    directions: np.ndarray
    predicted: list[str] | None


def open_models(options: ModelOptions) -> Models:
    """Return the models that the options name.

    Raises:
      InputError: Something isn't there, or isn't what it should be.
    """
    if options.run is not None:
        return _of_run(options)
    name = options.model or "glyphclip"
    if is_exported(name) and options.class_names is None:
        return _exported(name, options)
    return _plain(name, options)


def check_target(models: Models, text: str | None, class_name: str | None) -> None:
    """Refuse what the models can't be asked, before images are read.

    Raises:
      InputError: A class is asked of a model that has none, or that isn't among its own.
    """
    names = models.class_names
    if text is None and names is None:
        raise InputError(
            f"{models.clip.source}: a CLIP without classes; say what to explain with --text, or"
            " give --class-names FILE"
        )
    if class_name is not None and class_name not in (names or ()):
        raise unknown_name("class", class_name, names or ())


def iterate_targets(
    models: Models, images: np.ndarray, text: str | None, class_name: str | None
) -> Iterator[tuple[Column, dict[str, Any], Targets]]:
    """Yield each model with its parameters, and what its scores are of.

    Args:
      models: As ``check_target`` passed them.
      images: uint8[N, S, S, 3].
      text: Explained for every image and model, or None.
      class_name: The same, of a class; without both each model's prediction is.
    """
    from wiseft_jax.clip.embed import embed_texts
    from wiseft_jax.clip.saliency import class_directions

    names = models.class_names
    for column in models.columns:
        theta = column.make()
        best = None if names is None else _predictions(models.clip, theta, images)
        predicted = None if names is None or best is None else [names[index] for index in best]
        if text is not None:
            said = embed_texts(_with_text_tower(models.clip, theta), [text])
            directions = np.repeat(said, len(images), axis=0)
            yield column, theta, Targets([str(text)] * len(images), directions, predicted)
            continue
        assert names is not None
        assert best is not None
        if class_name is not None:
            best = np.full(len(images), names.index(class_name))
        directions = np.asarray(class_directions(theta["head"], best))
        yield column, theta, Targets([names[index] for index in best], directions, predicted)


def _with_text_tower(clip: Any, theta: dict[str, Any]) -> Any:
    """Return the CLIP with a model's own text tower, where that was trained too."""
    if "text" not in theta:
        return clip
    return dataclasses.replace(clip, params={**clip.params, **theta["text"]})


def _predictions(clip: Any, theta: dict[str, Any], images: np.ndarray) -> np.ndarray:
    """Return the class of the largest logit, bias included."""
    from wiseft_jax.clip.classifier import head_logits

    features = clip.image_encoder({**clip.params, **theta["encoder"]}, images)
    return np.asarray(head_logits(theta["head"], features)).argmax(axis=1)


def _of_run(options: ModelOptions) -> Models:
    from wiseft_jax.cli.presets import load_config
    from wiseft_jax.clip.two_towers import settled
    from wiseft_jax.core.run_directory import RunDirectory
    from wiseft_jax.experiment import load_endpoints
    from wiseft_jax.weights.interpolate import lerp

    assert options.run is not None
    directory = RunDirectory(options.run)
    directory.read_config()
    config = load_config(str(directory.config_file))
    classifier, theta_0, theta_1 = load_endpoints(config, directory)

    def make(alpha: float) -> dict[str, Any]:
        theta = lerp(theta_0, theta_1, alpha)
        return theta | settled(classifier, theta)[1]

    ends = {0.0: " (zero-shot)", 1.0: " (fine-tuned)"}
    columns = [
        Column(
            f"α = {alpha:g}{ends.get(alpha, '')}",
            f"alpha-{alpha:g}",
            float(alpha),
            functools.partial(make, alpha),
        )
        for alpha in options.alphas
    ]
    clip = _clip_of(classifier, theta_0)
    return Models(clip, tuple(classifier.class_names), tuple(columns))


def _exported(name: str, options: ModelOptions) -> Models:
    from wiseft_jax.clip.export import load_classifier, read_facts

    directory = Path(name).expanduser()
    classifier, theta = load_classifier(directory, reading=options.reading)
    alpha = read_facts(directory).get("alpha")
    return _single(
        _clip_of(classifier, theta), classifier.class_names, theta, directory.name, alpha
    )


def _plain(name: str, options: ModelOptions) -> Models:
    from wiseft_jax.clip.classifier import zero_shot_classifier
    from wiseft_jax.clip.load import load_clip
    from wiseft_jax.data.class_names import read_class_names

    names = None if options.class_names is None else read_class_names(options.class_names).names
    clip = load_clip(name, reading=options.reading)
    label = Path(name).name
    if names is None:
        return _single(clip, None, {"encoder": clip.params}, label, 0.0)
    classifier, theta = zero_shot_classifier(clip, names, options.templates)
    return _single(clip, classifier.class_names, theta, label, 0.0)


def _single(
    clip: Any, names: Sequence[str] | None, theta: dict[str, Any], label: str, alpha: float | None
) -> Models:
    column = Column(label, "model", alpha, lambda: theta)
    return Models(clip, None if names is None else tuple(names), (column,))


def _clip_of(classifier: Any, theta: dict[str, Any]) -> Any:
    """Return the CLIP around a classifier, in float32."""
    from wiseft_jax.clip.load import Clip

    return Clip(
        params={**theta["encoder"], **classifier.frozen, **theta.get("text", {})},
        config=classifier.clip_config,
        tower=classifier.tower.with_dtype("float32"),
        tokenizer=classifier.tokenizer,
        preprocess=classifier.preprocess,
        source=classifier.source,
    )
