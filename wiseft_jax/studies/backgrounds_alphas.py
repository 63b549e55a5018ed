"""The BG-Gap, the challenge and where a model looks, along WiSE-FT's alpha.

Xiao et al. 2020 (arXiv 2006.09994) ask models how much they lean on backgrounds, Wortsman et al.
2022 (arXiv 2109.01903) mix a fine-tuned model with the zero-shot one it comes from. Here the first
is asked of the second. Whatever that shows is reported.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.backgrounds.class_folders import spoken_names
from wiseft_jax.backgrounds.feeding import feeding_facts
from wiseft_jax.backgrounds.variants import variant_of
from wiseft_jax.core.config_io import config_hash, read_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.tensors import read_tensors, write_tensors
from wiseft_jax.core.writers import write_json, write_text
from wiseft_jax.data.overlap import warn_of_overlap
from wiseft_jax.data.source import Dataset
from wiseft_jax.studies.backgrounds_alphas_config import RESULT_NEUTRAL, AlphasConfig
from wiseft_jax.studies.backgrounds_alphas_data import AlphasData
from wiseft_jax.studies.backgrounds_alphas_measures import (
    Curve,
    challenge_curves,
    energy_curves,
    prediction_curves,
)
from wiseft_jax.studies.backgrounds_alphas_models import (
    Challenger,
    Ends,
    MapsOf,
    challenge_images,
    energies_at,
    saliency_sample,
)
from wiseft_jax.studies.backgrounds_alphas_summary import SCHEMA, choices_of, rows_of
from wiseft_jax.studies.continued import prepare_study
from wiseft_jax.studies.patch_models import grad_cam_maps

logger = logging.getLogger(__name__)

ROWS_FILE = "rows.jsonl"
SUMMARY_FILE = "summary.json"
IDENTITY_FILE = "made_from.json"
THETA_FILE = "theta_1.safetensors"
PREDICTIONS, CHALLENGE, SALIENCY = "predictions", "challenge", "saliency"
TEST, VALIDATION = "test", "validation"
_WARMUP = 0.1
_BATCH_SIZE = 64


def prepare(directory: RunDirectory, config: AlphasConfig, *, overwrite: bool) -> None:
    """Make the study's directory, or check that what is there is of the same study.

    Raises:
      InputError: If there is another study, or something else; names what differs.
    """
    prepare_study(directory, config, overwrite=overwrite, may_change=RESULT_NEUTRAL)


def fine_tuned_ends(
    config: AlphasConfig, model: Any, train: Dataset, directory: RunDirectory
) -> Ends:
    """Fine-tune a CLIP end to end, or read what an earlier call stored.

    Args:
      config: The study.
      model: A ``ModelConfig``.
      train: A variant's images; its classes' names without their numbers make the prompts.
      directory: Where ``theta_1.safetensors`` lies.

    Raises:
      InputError: What is stored was trained on other images.
    """
    from wiseft_jax.clip.config import load_model
    from wiseft_jax.core.trees import flatten_paths, unflatten_paths
    from wiseft_jax.training.config import TrainConfig
    from wiseft_jax.training.fine_tune import fine_tune

    classifier, theta_0 = load_model(model, spoken_names(train.class_names))
    path, origin = directory.path / THETA_FILE, directory.path / "theta_1.json"
    trained_on = {"trained_on": train.fingerprint(), "set": train.name, "n": len(train)}
    name = f"{model.name}, fine-tuned on {variant_of(train.name).title}"
    if path.is_file() and origin.is_file():
        if read_json(origin) != trained_on:
            raise InputError(
                f"{path}: was trained on other images than today's; give another --out, or"
                " --overwrite"
            )
        return Ends(name, classifier, theta_0, unflatten_paths(read_tensors(path)))
    options = TrainConfig(
        learning_rate=config.learning_rate,
        epochs=config.epochs,
        batch_size=_BATCH_SIZE,
        warmup_fraction=_WARMUP,
        seed=config.training_seed,
        eval_every_epochs=None,
    )
    named = dataclasses.replace(train, class_names=classifier.class_names)
    theta_1 = fine_tune(classifier, theta_0, named, None, options)
    write_tensors(path, flatten_paths(theta_1))
    write_json(origin, trained_on)
    return Ends(name, classifier, theta_0, theta_1)


def alphas_study(
    config: AlphasConfig,
    ends: Ends,
    test: AlphasData,
    validation: AlphasData | None,
    directory: RunDirectory,
    maps_of: MapsOf = grad_cam_maps,
) -> dict[str, Any]:
    """Measure what isn't yet in ``directory``, and sum up all of it.

    Args:
      config: The study.
      ends: The models.
      test: Images to report on.
      validation: Images to choose alpha on; without them nothing is chosen.
      directory: What ``prepare`` made.
      maps_of: Which saliency maps.

    Returns:
      What ``summary.json`` holds.

    Raises:
      InputError: The model has other classes, or what is there is of other images or models.
    """
    sets = {TEST: test} | ({} if validation is None else {VALIDATION: validation})
    origin = {
        "ends": ends.hashes,
        "data": {k: data.fingerprint() for k, data in sets.items()},
        "feeding": feeding_facts(ends.classifier.preprocess),
    }
    originals = test.sets["original"].fingerprint()
    if validation is not None:
        both = ((VALIDATION, validation), (TEST, test))
        warn_of_overlap(
            *(dataclasses.replace(each.sets["original"], split=split) for split, each in both)
        )
    sets = {split: data.fitted(ends.classifier.class_names) for split, data in sets.items()}
    _check_origin(directory, origin)
    correct, answered = {}, {}
    for split, data in reversed(sets.items()):
        found = _swept(config, ends, data, directory.path / PREDICTIONS / split)
        correct[split] = {name: each.correct for name, each in found.items()}
        answered[split] = {name: each.top1 for name, each in found.items()}
    curves: dict[str, dict[str, Curve]] = {
        split: prediction_curves(correct[split], config.bootstrap_samples) for split in sets
    }
    facts: dict[str, Any] = {}
    if config.foregrounds:
        found, facts["challenge"] = _challenged(config, ends, sets[TEST], directory.path)
        curves[TEST] |= found
    if config.saliency_images:
        original = answered[TEST]["original"]
        found, facts["saliency"] = _looked(
            config, ends, sets[TEST], original, directory.path, maps_of
        )
        curves[TEST] |= found
    hashed = config_hash(config)
    summary = {
        "schema": SCHEMA,
        "model": ends.name,
        "data": {split: data.name for split, data in sets.items()},
        "classes": list(test.class_names),
        "n": {split: len(data.attack_of) for split, data in sets.items()},
        "pairing_seeds": test.seeds,
        "alphas": list(config.alphas),
        "bootstrap_samples": config.bootstrap_samples,
        "config_hash": hashed,
        "made_from": origin,
        "originals": originals,
        **facts,
        "chosen_on": None if validation is None else VALIDATION,
        "choices": choices_of(config, correct.get(VALIDATION), correct[TEST], curves[TEST]),
        "curves": curves,
    }
    rows = rows_of(curves, config.alphas, hashed)
    write_text(directory.path / ROWS_FILE, "".join(json.dumps(row) + "\n" for row in rows))
    write_json(directory.path / SUMMARY_FILE, summary)
    return summary


def _check_origin(directory: RunDirectory, origin: dict[str, Any]) -> None:
    path = directory.path / IDENTITY_FILE
    before = read_json(path) if path.is_file() else origin
    names = {"ends": "models", "data": "images", "feeding": "preprocessing"}
    changed = [name for key, name in names.items() if before.get(key) != origin[key]]
    if changed:
        raise InputError(
            f"{directory.path}: what was measured there is of other {' and '.join(changed)} than"
            " today's; give another --out, or --overwrite"
        )
    write_json(path, origin)


def _swept(config: AlphasConfig, ends: Ends, data: AlphasData, folder: Path) -> dict[str, Any]:
    """Return every set's predictions at all alphas: stored ones, else of one pass over each."""
    from wiseft_jax.backgrounds.feeding import preprocess_of
    from wiseft_jax.evaluation.predictions import Predictions, predictions_file
    from wiseft_jax.evaluation.sweep import sweep

    paths = {name: folder / predictions_file(name) for name in data.sets}
    if all(path.is_file() for path in paths.values()):
        logger.info("%s: predictions are there already", data.name)
        return {name: Predictions.load(path) for name, path in paths.items()}
    sets = list(data.sets.values())
    logger.info("%s: %d sets at %d alphas", data.name, len(sets), len(config.alphas))
    own, hashed, found = ends.classifier.preprocess, config_hash(config), {}
    fed = [preprocess_of(each, own) for each in sets]
    for preprocess in dict.fromkeys(fed):  # one, but where sets are of several sizes
        classifier = ends.classifier
        if preprocess != own:
            classifier = dataclasses.replace(classifier, preprocess=preprocess)
        alike = [each for each, how in zip(sets, fed, strict=True) if how == preprocess]
        ends_of = (ends.theta_0, ends.theta_1)
        result = sweep(classifier, *ends_of, alike, config.alphas, config_hash=hashed)
        found |= result.predictions
    for each in found.values():
        each.save(folder)
    return found


def _challenged(
    config: AlphasConfig, ends: Ends, data: AlphasData, directory: Path
) -> tuple[dict[str, Curve], dict[str, Any]]:
    images = challenge_images(data, config, ends.classifier.preprocess)
    challenger = Challenger(ends, images)
    fronts, backs = images.foregrounds, images.backgrounds

    def ask(alpha: float, _: int) -> dict[str, np.ndarray]:
        return {"predictions": challenger.at(alpha)}

    stored = _at_each_alpha(config, directory / CHALLENGE, "challenge", ask)
    matrices = [each["predictions"] for each in stored]
    facts = {
        "foregrounds": {"n": len(fronts), "of": fronts.available},
        "backgrounds": {"n": len(backs), "of": backs.available},
        "upper_bound": len(backs) < backs.available,
        "rejected": list(images.rejected),
    }
    curves = challenge_curves(matrices, fronts.labels, backs.labels, config.bootstrap_samples)
    return curves, facts


def _looked(
    config: AlphasConfig,
    ends: Ends,
    data: AlphasData,
    answered: np.ndarray,
    directory: Path,
    maps_of: MapsOf,
) -> tuple[dict[str, Curve], dict[str, Any]]:
    sample = saliency_sample(data, config, ends.classifier.preprocess)

    def ask(alpha: float, place: int) -> dict[str, np.ndarray]:
        return energies_at(ends, alpha, sample, answered[place, sample.rows], maps_of)

    stored = _at_each_alpha(config, directory / SALIENCY, "saliency", ask)
    energies = {name: np.stack([each[name] for each in stored]) for name in ("true", "predicted")}
    curves = energy_curves(energies, sample.areas, config.bootstrap_samples)
    facts = {
        "method": "grad_cam",
        "images": {"n": len(sample.rows), "of": len(data.attack_of)},
        "rejected": list(sample.rejected),
    }
    return curves, facts


def _at_each_alpha(
    config: AlphasConfig,
    folder: Path,
    what: str,
    ask: Callable[[float, int], dict[str, np.ndarray]],
) -> list[dict[str, np.ndarray]]:
    """Return what is stored of each alpha, asking for and storing what isn't there."""
    found = []
    for place, alpha in enumerate(config.alphas):
        path = folder / f"alpha-{alpha!r}.safetensors"
        if not path.is_file():
            started = time.monotonic()
            write_tensors(path, ask(alpha, place))
            secs = time.monotonic() - started
            logger.info("%s at alpha %g: %.1f s", what, alpha, secs)
        found.append(read_tensors(path))
    return found
