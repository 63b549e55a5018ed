"""Different models on the same images: which share a compiled step, which share decoded images."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.clip.load import config_settings
from wiseft_jax.clip.towers import ConfiguredTower
from wiseft_jax.clip.two_towers import settled
from wiseft_jax.core.errors import InputError, few
from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.typing import Params
from wiseft_jax.evaluation.engine import EngineConfig, compiled_step, padded_alphas

Run = Callable[[dict[str, Any]], dict[str, Any]]
"""A batch on the devices -> what ``engine.compiled_step`` returns, of one model."""


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A model that is compared with others.

    Attributes:
      name: In tables and messages.
      classifier: The model as a function of its parameters.
      theta: The parameters, host arrays.
    """

    name: str
    classifier: Classifier
    theta: Params


class Candidates:
    """Models of the same classes. All weights are on the host, those of one model on the devices.

    Models of one architecture share a compiled step, whose arguments their weights are; it is the
    program by which ``evaluate`` runs one model. Moving the weights of a model takes time, so it
    should then be run on many images.

    Args:
      models: What is compared; heads that are made of a text tower are made here, once.
      config: How the step runs, one model at once.

    Raises:
      InputError: No models, a name twice, or classes that differ: names the first that does.
    """

    def __init__(self, models: Sequence[Candidate], config: EngineConfig) -> None:
        _check(models)
        self.models = tuple(map(_settled, models))
        self.config = config
        self._steps: dict[Hashable, Callable[..., dict[str, Any]]] = {}
        self._architectures = [architecture(model) for model in self.models]
        for key, model in zip(self._architectures, self.models, strict=True):
            if key not in self._steps:
                self._steps[key] = compiled_step(model.classifier, config)

    @classmethod
    def of(
        cls,
        models: Sequence[Candidate] | Candidates,
        *,
        batch_size: int | None = None,
        mesh: Layout | Mesh | MeshConfig | None = None,
        num_threads: int = 16,
    ) -> Candidates:
        """Return the candidates of models, or those given with their programs, to be fed otherwise.

        Args:
          models: Models, or candidates that were run on another set before.
          batch_size: As in ``evaluate``.
          mesh: As in ``evaluate``.
          num_threads: Decoding threads.
        """
        config = EngineConfig.resolve(
            {}, batch_size=batch_size, chunk_size=1, mesh=mesh, num_threads=num_threads
        )
        if not isinstance(models, Candidates):
            return cls(models, config)
        fed = {"batch_size": config.batch_size, "num_threads": num_threads}
        if dataclasses.replace(models.config, **fed) != config:
            return cls(models.models, config)
        found = copy.copy(models)
        found.config = config
        return found

    def __len__(self) -> int:
        return len(self.models)

    @property
    def num_architectures(self) -> int:
        """How many steps are compiled."""
        return len(self._steps)

    def of_same_images(self) -> list[list[int]]:
        """Return the models' places, those together that take the same pixels."""
        groups: dict[Hashable, list[int]] = {}
        for place, model in enumerate(self.models):
            groups.setdefault(pixels_of(model.classifier.preprocess), []).append(place)
        return list(groups.values())

    def on_devices(self, place: int) -> Run:
        """Return the function that runs a model; its weights stay there as long as it is kept."""
        step = self._steps[self._architectures[place]]
        theta = self.config.layout.place(self.models[place].theta)
        ((alphas, count),) = padded_alphas((0.0,), self.config.chunk_size)
        # alpha 0 selects theta_0 bit for bit; with both ends equal, one copy is there.
        return lambda batch: step(theta, theta, alphas, count, batch)


def architecture(model: Candidate) -> Hashable:
    """Return what two models have in common if one compiled function runs both.

    The image tower and its dtype, normalisation, the classes' number, the shapes of all weights; a
    classifier whose tower has no configuration of a CLIP shares with itself alone.
    """
    classifier, tower = model.classifier, model.classifier.tower
    if type(classifier) is not Classifier or not isinstance(tower, ConfiguredTower):
        return classifier
    settings = config_settings(tower.config)
    vision = {name: settings[name] for name in ("vision_config", "projection_dim")}
    leaves, structure = jax.tree_util.tree_flatten(model.theta)
    shapes = tuple((np.shape(leaf), str(leaf.dtype)) for leaf in leaves)
    facts = json.dumps(vision, sort_keys=True)
    named = (type(tower), tower.dtype, tower.remat, facts, classifier.preprocess)
    return (*named, structure, shapes)


def pixels_of(preprocess: Preprocess) -> Hashable:
    """Return what decides which pixels a model gets; it normalises them itself."""
    return preprocess.size, preprocess.resize, preprocess.interpolation


def check_same_classes(names: Sequence[str], class_names: Sequence[Sequence[str]]) -> None:
    """Refuse models of other classes, or of the same in another order.

    Args:
      names: What the models are called.
      class_names: The classes of each.

    Raises:
      InputError: Names the first model that differs from the first, and the first class.
    """
    first = tuple(class_names[0])
    for name, classes in zip(names, class_names, strict=True):
        own = tuple(classes)
        if own == first:
            continue
        pairs = enumerate(zip(first, own, strict=False))
        place = next((k for k, (a, b) in pairs if a != b), min(len(first), len(own)))
        here, there = (f"{each[place]!r}" if place < len(each) else "none" for each in (own, first))
        order = "; they are the same classes in another order" if {*own} == {*first} else ""
        raise InputError(
            f"{name}: expected the classes of {names[0]} ({len(first)}), found {len(own)}: class"
            f" {place} is {here} and not {there}{order}; models are compared on the same classes."
            f"\nExpected: {few(first)}\nFound: {few(own)}"
        )


def _check(models: Sequence[Candidate]) -> None:
    if not models:
        raise InputError("models: expected at least one, found none")
    names = [model.name for model in models]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"models: the name {twice[0]!r} is given twice; rename one")
    check_same_classes(names, [model.classifier.class_names for model in models])


def _settled(model: Candidate) -> Candidate:
    return Candidate(model.name, *settled(model.classifier, model.theta))
