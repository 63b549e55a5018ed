"""The models along alpha: asked about backgrounds and for maps, everything compiled once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Integer, UInt8

from wiseft_jax.backgrounds.attack_config import AttackConfig
from wiseft_jax.backgrounds.attack_images import AttackImages, stratified_sample
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.saliency import energy_in_mask, enlarge_map
from wiseft_jax.studies.backgrounds_alphas_config import AlphasConfig
from wiseft_jax.studies.backgrounds_alphas_data import AlphasData
from wiseft_jax.studies.patch_models import grad_cam_maps, in_batches

MapsOf = Callable[[Any, Any, Any, Any], Any]
"""``(classifier, theta, images, classes) -> maps``; Grad-CAM on tokens by default."""


@dataclasses.dataclass(frozen=True, eq=False)
class Ends:
    """A fine-tuned model and where it started.

    Attributes:
      name: In tables.
      classifier: The functions.
      theta_0: The zero-shot parameters.
      theta_1: The fine-tuned ones.
    """

    name: str
    classifier: Any
    theta_0: Any
    theta_1: Any

    @functools.cached_property
    def hashes(self) -> dict[str, str]:
        """Which parameters they are."""
        from wiseft_jax.core.trees import hash_tree

        return {name: hash_tree(getattr(self, name)) for name in ("theta_0", "theta_1")}

    def merged(self, alpha: float) -> tuple[Any, Any]:
        """Return ``(classifier, theta)`` at an alpha, with a head in it."""
        from wiseft_jax.clip.two_towers import settled
        from wiseft_jax.weights.interpolate import lerp

        return settled(self.classifier, lerp(self.theta_0, self.theta_1, alpha))


class Challenger:
    """Asks the models along alpha about every foreground on every background.

    Args:
      ends: The models.
      images: What is asked about, as ``sampled`` left it.
    """

    def __init__(self, ends: Ends, images: AttackImages) -> None:
        self.ends, self.images = ends, images
        rows, columns = len(images.foregrounds), len(images.backgrounds)
        self.config = AttackConfig(
            chunk_foregrounds=min(8, rows), chunk_backgrounds=min(32, columns)
        )
        self._forward: Any = None  # a PairForward

    def at(self, alpha: float) -> Integer[np.ndarray, "F B"]:
        """Return the answers at an alpha; the first call compiles for all."""
        from wiseft_jax.backgrounds.attack import PairForward, attack_matrix
        from wiseft_jax.backgrounds.predictor import Predictor

        classifier, theta = self.ends.merged(alpha)
        predictor = Predictor(
            f"{self.ends.name}, alpha {alpha:g}",
            f"{len(classifier.class_names)} classes",
            self.ends.hashes["theta_1"],
            classifier.class_names,
            classifier.preprocess,
            classifier.logits,
            theta,
            alpha=alpha,
        )
        if self._forward is None:
            self._forward = PairForward(predictor, self.config)
        return attack_matrix(predictor, self.images, self.config, forward=self._forward).predictions


@dataclasses.dataclass(frozen=True, eq=False)
class SaliencySample:
    """The images whose maps are drawn.

    Attributes:
      rows: Which of the study's foregrounds they are.
      images: Prepared for the model.
      masks: Where their objects are.
      labels: Their classes.
      rejected: ``"id: reason"`` of images that were drawn and left out.
    """

    rows: Int[np.ndarray, " M"]
    images: UInt8[np.ndarray, "M S S 3"]
    masks: Bool[np.ndarray, "M S S"]
    labels: Int[np.ndarray, " M"]
    rejected: tuple[str, ...] = ()

    @property
    def areas(self) -> Float[np.ndarray, " M"]:
        """The masks' shares of their images."""
        return self.masks.mean((1, 2))


def challenge_images(
    data: AlphasData, config: AlphasConfig, preprocess: Preprocess
) -> AttackImages:
    """Return foregrounds and backgrounds of the challenge: a sample of each class.

    Args:
      data: The images.
      config: How many.
      preprocess: The model's.
    """
    sizes = AttackConfig(
        foregrounds=min(config.foregrounds, len(data.attack.foregrounds)),
        backgrounds=min(config.backgrounds, len(data.attack.backgrounds)),
        seed=config.sample_seed,
    )
    return data.attack.sampled(sizes, preprocess)


def saliency_sample(
    data: AlphasData, config: AlphasConfig, preprocess: Preprocess
) -> SaliencySample:
    """Return a sample of each class of the study's originals, read.

    Args:
      data: The images.
      config: How many.
      preprocess: The model's.
    """
    labels = data.sets["original"].labels
    count = min(config.saliency_images, len(labels))
    drawn = np.sort(stratified_sample(labels, count, config.sample_seed, "saliency images"))
    fronts = data.attack.foregrounds.subset(data.attack_of[drawn])
    one = AttackConfig(backgrounds=1, seed=config.sample_seed)
    usable = dataclasses.replace(data.attack, foregrounds=fronts).sampled(one, preprocess)
    there = set(usable.foregrounds.places.tolist())
    rows = drawn[[place in there for place in fronts.places.tolist()]]
    images, masks = usable.read_foregrounds(range(len(rows)), preprocess)
    return SaliencySample(rows, images, masks, labels[rows], usable.rejected)


def energies_at(
    ends: Ends,
    alpha: float,
    sample: SaliencySample,
    predicted: Integer[np.ndarray, " M"],
    maps_of: MapsOf = grad_cam_maps,
) -> dict[str, Float32[np.ndarray, " M"]]:
    """Return how much of the maps' positive part lies on the objects, at an alpha.

    Args:
      ends: The models.
      alpha: Which one.
      sample: The images.
      predicted: What this model answers for each of them.
      maps_of: Which maps.

    Returns:
      ``true`` and ``predicted``, the class that a map is of -> energy in the mask; NaN where a map
      has no positive part.
    """
    classifier, theta = ends.merged(alpha)
    ask = functools.partial(maps_of, classifier, theta)
    return {
        name: energies(in_batches(ask, sample.images, np.asarray(classes)), sample.masks)
        for name, classes in (("true", sample.labels), ("predicted", predicted))
    }


def energies(
    maps: Float[np.ndarray, "M h w"], masks: Bool[np.ndarray, "M H W"]
) -> Float32[np.ndarray, " M"]:
    """Return each map's energy in its mask: of its positive part, each pixel with its patch's.

    Args:
      maps: On any grid; negative values are left out.
      masks: At the pixels.
    """
    height, width = masks.shape[1:]
    found = [
        energy_in_mask(np.maximum(enlarge_map(values, height, width), 0), mask)
        for values, mask in zip(maps, masks, strict=True)
    ]
    return np.asarray(found, np.float32)
