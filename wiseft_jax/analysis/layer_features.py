"""The features of every layer that a run stores: ``RUN/features/SET.npz``. Loads no jax."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.study_files import ENDS
from wiseft_jax.core.writers import atomic_open
from wiseft_jax.evaluation.mapped import read_arrays, write_arrays
from wiseft_jax.evaluation.predictions import predictions_file

logger = logging.getLogger(__name__)

FEATURES_DIR = "features"
FEATURES_COMMAND = "wiseft report RUN --analyses cka"
_FORMAT = 1
_FACTS = ("format", "dataset", "split", "role", "alphas", "layers", "limit", "seed", "made_from")


@dataclasses.dataclass(frozen=True)
class LayerFeatures:
    """What the layers of a run's models make of a sample of a set's images.

    Attributes:
      dataset: The set's name.
      split: Its split.
      role: Its role.
      alphas: The models, rising: 0 is zero-shot, 1 is fine-tuned.
      layers: In the order in which a model runs them; the last one is what the head multiplies.
      values: Of each model, of each layer float32[N, D].
      ids: The N images, in the set's order.
      limit: How many images were asked for at most.
      seed: Of the sample.
      made_from: ``core.study_files.made_from``: ends, images, configuration.
      skipped: ``"id: reason"`` of drawn images that could not be read.
    """

    dataset: str
    split: str
    role: str
    alphas: tuple[float, ...]
    layers: tuple[str, ...]
    values: tuple[Mapping[str, Float32[np.ndarray, "N _"]], ...]
    ids: tuple[str, ...]
    limit: int
    seed: int
    made_from: Mapping[str, Any]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, alpha: float) -> Mapping[str, Float32[np.ndarray, "N _"]]:
        """Return the features of one model, by layer."""
        return self.values[self.alphas.index(alpha)]

    def save(self, run_dir: Path | str) -> Path:
        """Write ``run_dir/features/SET.npz``, atomically and without pickle; return its path."""
        path = features_file(run_dir, self.dataset)
        facts = {name: getattr(self, name) for name in _FACTS if name != "format"}
        arrays: dict[str, Any] = {
            "facts": np.asarray(json.dumps({"format": _FORMAT, **facts})),
            "ids": np.asarray(self.ids, np.str_),
            "skipped": np.asarray(self.skipped, np.str_),
        }
        for number, values in enumerate(self.values):
            arrays |= {f"{number}/{layer}": values[layer] for layer in self.layers}
        with atomic_open(path) as file:
            write_arrays(file, arrays)
        return path

    @classmethod
    def load(cls, path: Path | str) -> LayerFeatures:
        """Read what ``save`` wrote; arrays are mapped from the disk, read-only.

        Raises:
          InputError: If the file is missing, damaged, or of a newer format.
        """
        arrays, facts = read_with_facts(path, "features of layers", _FACTS, _FORMAT)
        layers, alphas = tuple(facts["layers"]), tuple(map(float, facts["alphas"]))
        try:
            values = tuple(
                {layer: arrays[f"{number}/{layer}"] for layer in layers}
                for number in range(len(alphas))
            )
        except KeyError as error:
            raise InputError(f"{path}: damaged, {error} is missing; remove it") from None
        ids = tuple(arrays["ids"].tolist())
        for each in values:
            for layer, value in each.items():
                if value.ndim != 2 or len(value) != len(ids):
                    raise InputError(
                        f"{path}: damaged, {layer} has the shape {value.shape} for {len(ids)}"
                        " images; remove it"
                    )
        rest = {name: facts[name] for name in _FACTS if name not in ("format", "alphas", "layers")}
        return cls(
            alphas=alphas,
            layers=layers,
            values=values,
            ids=ids,
            skipped=tuple(arrays["skipped"].tolist()),
            **rest,
        )


def features_file(run_dir: Path | str, dataset: str) -> Path:
    """Return where the features of a set are stored."""
    return Path(run_dir) / FEATURES_DIR / predictions_file(dataset)


def stored_features(run_dir: Path | str) -> list[LayerFeatures]:
    """Return the features that a run directory holds, by the names of their files.

    Raises:
      InputError: If a file can't be read.
    """
    files = sorted((Path(run_dir) / FEATURES_DIR).glob("*.npz"))
    return [LayerFeatures.load(file) for file in files]


def why_stale(features: LayerFeatures, run: StoredRun) -> str:
    """Return why stored features aren't of a run's present models; empty if they are.

    Args:
      features: The features.
      run: The run.
    """
    if why := other_ends(run.path, features.made_from):
        return why
    wanted = run_alphas(run.chosen)
    if features.alphas != wanted:
        listed = [" ".join(f"{alpha:g}" for alpha in each) for each in (features.alphas, wanted)]
        return f"they are of alpha {listed[0]}, and the run's models are {listed[1]}"
    known = run.predictions.get(features.dataset)
    if known is not None and not {*features.ids} <= {*known.ids}:
        return "they are of images that the set doesn't have any more"
    return ""


def fitting_features(run: StoredRun) -> list[LayerFeatures]:
    """Return the stored features that are of a run's present models; others are logged.

    Raises:
      InputError: If a file can't be read.
    """
    found = []
    for each in stored_features(run.path):
        if why := why_stale(each, run):
            logger.warning("%s: features of %s are left out: %s", run.path, each.dataset, why)
        else:
            found.append(each)
    return found


def missing_features(run: StoredRun) -> str:
    """Return why there is nothing to compute CKA from, with the command; empty if there is."""
    if any(not why_stale(each, run) for each in stored_features(run.path)):
        return ""
    return "no features of its models' layers are stored; extract them: " + FEATURES_COMMAND


def other_ends(run_dir: Path | str, made_from: Mapping[str, Any]) -> str:
    """Return why something isn't of a run's present ends; empty if it is.

    Args:
      run_dir: The run.
      made_from: What was recorded with it.

    Raises:
      InputError: If the run has no finished ends.
    """
    present = read_json(RunDirectory(Path(run_dir)).endpoints_file)
    recorded = made_from.get("ends", {})
    others = [name for name in ENDS if recorded.get(name) != present.get(name)]
    return f"made from other ends ({', '.join(others)} differ)" if others else ""


def run_alphas(chosen: float) -> tuple[float, ...]:
    """Return the models that are compared: both ends and the chosen one, rising."""
    return tuple(sorted({0.0, 1.0, float(chosen)}))


def read_with_facts(
    path: Path | str, kind: str, required: Sequence[str], newest: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of an npz file and the JSON object that it holds as ``facts``.

    Args:
      path: The file.
      kind: What it holds, for messages.
      required: What facts must have, ``format`` among it.
      newest: The newest format that this program reads.

    Raises:
      InputError: If the file is missing, damaged, of another kind, or of a newer format.
    """
    try:
        arrays = read_arrays(path)
        facts = json.loads(str(arrays["facts"]))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # zipfile, zlib, numpy and json raise many kinds on damaged bytes
        raise InputError(f"{path}: can't be read as {kind} ({error}); remove it") from error
    missing = [name for name in required if not isinstance(facts, dict) or name not in facts]
    if missing:
        raise InputError(f"{path}: not a file of {kind}: {', '.join(missing)} missing; remove it")
    if int(facts["format"]) > newest:
        raise InputError(f"{path}: written by a newer version; upgrade wiseft-jax")
    return arrays, facts
