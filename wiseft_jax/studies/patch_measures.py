"""What is measured of each model of the patch study, and stored example by example."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.core.tensors import write_tensors
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.studies.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from wiseft_jax.studies.patch_config import PATCH_KINDS, Cell, PatchConfig
from wiseft_jax.studies.patch_models import Subject
from wiseft_jax.studies.patched import (
    Patched,
    Reaction,
    energy_inside,
    mean_of_finite,
    paste_patch,
    predicted,
)

EXAMPLES_DIR = "examples"


@dataclasses.dataclass(frozen=True)
class TestImages:
    """The images that every model is asked about.

    Attributes:
      reference: Name of the reference test set.
      sets: Name -> images and labels: the reference and the shifts.
      patched: Kind -> the reference's images with patches.
      corrupted: ``name/severity`` -> the reference's images under a corruption.
    """

    __test__ = False  # it is no test, whatever pytest makes of its name

    reference: str
    sets: dict[str, tuple[np.ndarray, np.ndarray]]
    patched: dict[str, Patched]
    corrupted: dict[str, np.ndarray]

    @property
    def labels(self) -> np.ndarray:
        """The classes of the reference's images."""
        return self.sets[self.reference][1]

    @property
    def shifts(self) -> list[str]:
        """The names of the shifts."""
        return [name for name in self.sets if name != self.reference]


def make_test_images(config: PatchConfig, data: ExperimentData, preprocess: Any) -> TestImages:
    """Read the test sets, prepare their images, and paste and corrupt those of the reference.

    Args:
      config: The study.
      data: The datasets; the first reference among its tests is the one that is patched.
      preprocess: Of the model.
    """
    from wiseft_jax.core.rng import numpy_stream

    reference = next(each for each in data.tests if each.role == "reference")
    shifts = [each for each in data.tests if each.role == "shift"]
    sets = {each.name: _arrays(each, preprocess) for each in (reference, *shifts)}
    images, labels = sets[reference.name]
    patched = {
        kind: paste_patch(
            numpy_stream(config.patch_seed, f"patch/{kind}"),
            images,
            labels,
            kind,
            config.patch_size,
        )
        for kind in PATCH_KINDS
    }
    corruptions = {
        f"{name}/{severity}": corrupted(name, images, severity, config.patch_seed)
        for name in CORRUPTIONS
        for severity in range(1, len(SEVERITIES[name]) + 1)
    }
    return TestImages(reference.name, sets, patched, corruptions)


def measure(subject: Subject, images: TestImages) -> tuple[dict[str, float], dict[str, Any]]:
    """Ask one model everything.

    Saliency is that of the class which the model answers on the patched image: where it looked to
    answer so.

    Args:
      subject: The model.
      images: What it is asked about.

    Returns:
      ``(values, examples)``: each measure's value, a fraction; and its examples, ``name`` ->
      float32[N], of which the value is the mean (of a flip rate: over those that were right).
    """
    clean, labels = images.sets[images.reference]
    logits = subject.logits(clean)
    examples: dict[str, Any] = {"clean": predicted(logits) == labels}
    for name in images.shifts:
        others, classes = images.sets[name]
        examples[f"shift/{name}"] = predicted(subject.logits(others)) == classes
    for name, others in images.corrupted.items():
        examples[f"corruption/{name}"] = predicted(subject.logits(others)) == labels
    for kind, patched in images.patched.items():
        after = subject.logits(patched.images)
        reaction = Reaction.of(logits, after, labels)
        maps = subject.maps(patched.images, predicted(after))
        examples |= {
            f"patched/{kind}": reaction.right_patched,
            f"flip/{kind}": reaction.flipped,
            f"score_drop/{kind}": reaction.score_drop,
            f"energy/{kind}": energy_inside(maps, patched.masks),
        }
    examples = {name: np.asarray(each, np.float32) for name, each in examples.items()}
    return values_of(examples, {kind: each.area for kind, each in images.patched.items()}), examples


def values_of(examples: Mapping[str, np.ndarray], areas: Mapping[str, float]) -> dict[str, float]:
    """Return the measures' values from their examples.

    Args:
      examples: As ``measure`` returns them.
      areas: The patches' share of the image, by kind.
    """
    values: dict[str, float] = {}
    for name, each in examples.items():
        values[name] = mean_of_finite(each)[0]
    right = max(float(examples["clean"].sum()), 1.0)
    for kind, area in areas.items():
        values[f"drop/{kind}"] = values["clean"] - values[f"patched/{kind}"]
        values[f"flip/{kind}"] = float(examples[f"flip/{kind}"].sum()) / right
        values[f"energy_ratio/{kind}"] = values[f"energy/{kind}"] / area
        values[f"unseen/{kind}"] = float(np.mean(~np.isfinite(examples[f"energy/{kind}"])))
    for group in ("shift", "corruption"):
        found = [value for name, value in values.items() if name.startswith(f"{group}/")]
        if found:
            values[f"{group}s"] = sum(found) / len(found)
    return values


def alpha_curve(
    subject: Subject,
    images: TestImages,
    alphas: Sequence[float],
    class_names: Sequence[str],
    experiment: ExperimentConfig,
) -> dict[str, list[float]]:
    """Return the accuracies, and the flip rates, along ``lerp(theta_0, theta, alpha)``.

    Args:
      subject: A model that was fine-tuned.
      images: What it is asked about.
      alphas: The grid.
      class_names: The classifier's.
      experiment: The devices, and how a sweep is made.

    Returns:
      Name -> a value for each alpha: ``reference``, ``shifts`` (their mean), each shift, and for
      each kind of patch ``patched/kind`` and ``flip/kind``.
    """
    from wiseft_jax.data.source import array_dataset
    from wiseft_jax.evaluation.sweep import sweep

    _, labels = images.sets[images.reference]
    pictures = images.sets | {
        f"patched/{kind}": (each.images, labels) for kind, each in images.patched.items()
    }
    sets = [array_dataset(*each, class_names, name=name) for name, each in pictures.items()]
    family = subject.family
    found = sweep(
        family.model,
        family.theta_0,
        subject.theta,
        sets,
        alphas,
        batch_size=experiment.sweep.batch_size,
        mesh=experiment.mesh,
        num_threads=experiment.data.num_threads,
    ).predictions
    right = {name: each.correct.mean(1) for name, each in found.items()}
    clean = found[images.reference]
    curve = {"reference": right[images.reference], "shifts": _mean(right, images.shifts)}
    curve |= {f"shift/{name}": right[name] for name in images.shifts}
    for kind in images.patched:
        changed = clean.correct & (found[f"patched/{kind}"].top1 != clean.top1)
        curve[f"patched/{kind}"] = right[f"patched/{kind}"]
        curve[f"flip/{kind}"] = changed.sum(1) / np.maximum(clean.correct.sum(1), 1)
    return {name: [float(value) for value in each] for name, each in curve.items() if len(each)}


def write_examples(directory: Path, cell: Cell, examples: Mapping[str, np.ndarray]) -> None:
    """Store what a model did, example by example."""
    write_tensors(examples_file(directory, cell), examples)


def examples_file(directory: Path, cell: Cell) -> Path:
    """Return where a model's examples are stored."""
    return directory / EXAMPLES_DIR / f"{cell.name}.safetensors"


def _mean(values: Mapping[str, np.ndarray], names: Sequence[str]) -> Any:
    return np.mean([values[name] for name in names], axis=0) if names else []


def _arrays(dataset: Any, preprocess: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return a dataset's prepared images and labels, of those that have a label."""
    from wiseft_jax.data.pipeline import eval_batches

    images, labels = [], []
    with eval_batches(dataset, preprocess, batch_size=min(256, len(dataset))) as batches:
        for batch in batches:
            kept = batch["mask"] & (batch["label"] >= 0)
            images.append(batch["image"][kept])
            labels.append(batch["label"][kept])
    return np.concatenate(images), np.concatenate(labels).astype(np.int32)
