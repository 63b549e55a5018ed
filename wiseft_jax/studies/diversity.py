"""How differently models err: zero-shot and fine-tuned, two fine-tuned ones, two linear probes.

By their answers (``diversity_measures``), and by how unlike their features are (``diversity_cka``).

Wortsman et al. 2022 (arXiv 2109.01903): the zero-shot and the fine-tuned model are far more diverse
than two fine-tuned ones, and than two linear probes on disjoint halves of the training images.
The models are those of a finished study (``studies.grid``): whatever their hyper-parameters and
seeds, all began at the same zero-shot model.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wiseft_jax.core.analysis_rows import AnalysisRow, analysis_row, write_analysis_rows
from wiseft_jax.core.config_io import from_dict
from wiseft_jax.core.errors import InputError, few, missing_path
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.core.results import MEAN_OF_SHIFTS
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.predictions import Predictions, load_predictions
from wiseft_jax.evaluation.same_images import first_with_images
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.studies.diversity_cka import FEWEST_IMAGES, MEASURE, cka_groups
from wiseft_jax.studies.diversity_config import DiversityConfig
from wiseft_jax.studies.diversity_measures import GroupMeasure, Outputs, measure_groups
from wiseft_jax.studies.grid_files import StudyDirectory

logger = logging.getLogger(__name__)

NAME = "diversity_of_pairs"
ROWS_FILE = "diversity.jsonl"
FACTS_FILE = "diversity.json"
ENDS, TUNED, PROBES = "zero_shot/fine_tuned", "fine_tuned/fine_tuned", "probe/probe"
_INTERVAL = (0.025, 0.975)
_SCHEMA = 1
_WHY_LACKING = {
    MEASURE: f", of which fewer than {FEWEST_IMAGES} images are compared",
    "kl_divergence": ", whose logits aren't stored, or not finite",
}


def study_base(directory: StudyDirectory) -> ExperimentConfig:
    """Return the configuration that a study varies.

    Raises:
      InputError: If there is no study, or no such directory.
    """
    if not directory.path.is_dir():
        raise missing_path(directory.path, "study directory")
    if not directory.study_file.is_file():
        raise InputError(
            f"{directory.path}: there is no study (no {directory.study_file.name}); make one:"
            f" wiseft study grid PRESET_OR_FILE --out {directory.path}"
        )
    stored = directory.read_study()["base"]
    return from_dict(ExperimentConfig, stored, str(directory.study_file))


def check_same_data(directory: StudyDirectory, identity: Mapping[str, Any]) -> None:
    """Refuse other images than those of a study.

    Args:
      directory: The study.
      identity: What tells the data from others.

    Raises:
      InputError: Says what to do.
    """
    if directory.read_study()["data"] != json.loads(json.dumps(identity)):
        raise InputError(
            f"{directory.path}: the data are not those of the study there, so probes and features"
            " would be compared on other images; leave both out with --probe-splits 0 --cka-images"
            " 0"
        )


def diversity_study(
    config: DiversityConfig, directory: StudyDirectory, data: ExperimentData | None
) -> dict[str, Any]:
    """Measure the diversity of pairs of a study's models, and of linear probes.

    Args:
      config: What is compared.
      directory: A finished study.
      data: Its datasets; needed for probes and for CKA alone.

    Returns:
      What ``diversity.json`` holds: ``runs``, ``pairs`` (of each group), ``sets`` with the
      measures of each group and its ratio to fine-tuned/fine-tuned, ``bootstrap``.
      ``diversity.jsonl`` has the rows.

    Raises:
      InputError: Fewer than two finished runs; predictions of other images or without the ends.
    """
    runs, splits = _runs(directory), []
    if config.probe_splits and data is not None:
        from wiseft_jax.studies.diversity_probes import probes

        splits = probes(config, study_base(directory), data, directory)
    first = next(iter(runs.values()))
    names = [name for name, each in first.items() if (each.labels >= 0).any()]
    pairs = _pairs(config, list(runs))
    streams = first_with_images(first[name] for name in names)  # one image, one draw in all sets
    similar = _similarity(config, list(runs), pairs, streams, data, directory)
    drawn, facts, images = {}, [], {}
    for name in names:
        of = first[name]
        groups = _groups(name, pairs, runs, splits)
        labels = of.labels[of.labels >= 0]
        options = {"samples": config.samples, "seed": config.seed, "stream": streams[name]}
        drawn[name] = measure_groups(groups, labels, **options)
        if name in similar:
            images[name], drawn[name][MEASURE] = similar[name]
        own = _set_facts(of.dataset, of.split, of.role, len(labels), drawn[name])
        facts.append(own | {"cka_images": images.get(name, 0)})
    shifts = [name for name in names if (first[name].split, first[name].role) == ("test", "shift")]
    if len(shifts) > 1:
        n = sum(int(np.sum(first[name].labels >= 0)) for name in shifts)
        mean = _mean_of({name: drawn[name] for name in shifts})
        own = _set_facts(MEAN_OF_SHIFTS, "test", "shift", n, mean)
        counted = sum(images.get(name, 0) for name in shifts) if MEASURE in mean else 0
        facts.append(own | {"cka_images": counted})
    config_hash = hash_json({"config": dataclasses.asdict(config), "runs": list(runs)})
    found = {
        "schema": _SCHEMA,
        "name": study_base(directory).name,
        "config_hash": config_hash,
        "runs": list(runs),
        "pairs": {ENDS: len(runs), TUNED: len(pairs), PROBES: len(splits)},
        "sets": facts,
        "bootstrap": {"samples": config.samples, "seed": config.seed, "confidence": 0.95},
    }
    rows = [row for each in facts for row in _rows(each, config_hash, config.seed)]
    write_analysis_rows(directory.path / ROWS_FILE, rows)
    write_json(directory.path / FACTS_FILE, found)
    return found


def _runs(directory: StudyDirectory) -> dict[str, dict[str, Predictions]]:
    """Return run -> its predictions by dataset."""
    found: dict[str, dict[str, Predictions]] = {}
    for row in directory.read_rows():
        if "failed" in row:
            logger.warning("%s: run %s diverged and is left out", directory.path, row["run"])
            continue
        run = directory.run_of(row)
        predictions = load_predictions(run.path)
        found[row["run"]] = predictions
        first = next(iter(found.values()))
        for name, each in first.items():
            other = predictions.get(name)
            if other is None or other.ids != each.ids or 1.0 not in other.alphas:
                raise InputError(
                    f"{run.path}: its predictions on {name} are not of the same images as those of"
                    " the study's other runs, or lack alpha 1; remove the run's directory and"
                    " continue the study with --resume"
                )
    if found and not any(0.0 in each.alphas for own in found.values() for each in own.values()):
        raise InputError(
            f"{directory.path}: no run has predictions of the zero-shot model; the study needs"
            " alpha 0 among --sweep.alphas"
        )
    if len(found) < 2:
        raise InputError(
            f"{directory.path}: expected two finished runs or more, found {len(found)}; pairs of"
            " fine-tuned models need them: wiseft study grid ... --resume"
        )
    return found


def _similarity(
    config: DiversityConfig,
    runs: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    streams: Mapping[str, str],
    data: ExperimentData | None,
    directory: StudyDirectory,
) -> dict[str, tuple[int, dict[str, GroupMeasure]]]:
    """Return set -> images that were compared, and the complement of CKA by group."""
    if config.cka_images == 0 or data is None:
        return {}
    from wiseft_jax.studies.diversity_features import ZERO_SHOT, image_embeddings

    groups = {ENDS: [(ZERO_SHOT, run) for run in runs], TUNED: list(pairs)}
    found = {}
    for name, features in image_embeddings(config, runs, list(streams), data, directory).items():
        count = len(features[ZERO_SHOT])
        if count < FEWEST_IMAGES:
            logger.warning("%s: no CKA of %d images; it needs %d", name, count, FEWEST_IMAGES)
            continue
        options = {"samples": config.samples, "seed": config.seed, "stream": streams[name]}
        found[name] = count, cka_groups(features, groups, **options)
    return found


def _pairs(config: DiversityConfig, runs: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of runs; of many, so many are drawn."""
    pairs = list(itertools.combinations(runs, 2))
    if len(pairs) <= config.most_pairs:
        return pairs
    logger.info("%d of %d pairs of fine-tuned models are drawn", config.most_pairs, len(pairs))
    rng = numpy_stream(config.seed, "pairs of fine-tuned models")
    chosen = rng.choice(len(pairs), config.most_pairs, replace=False)
    return [pairs[place] for place in sorted(chosen.tolist())]


def _groups(
    name: str,
    pairs: Sequence[tuple[str, str]],
    runs: Mapping[str, dict[str, Predictions]],
    splits: Sequence[dict[str, Predictions]],
) -> dict[str, list[tuple[Outputs, Outputs]]]:
    tuned = {run: _outputs(each[name], 1.0) for run, each in runs.items()}
    # All runs began at one zero-shot model; not every run needs to have it, or its logits.
    ends = [_outputs(each[name], 0.0) for each in runs.values() if 0.0 in each[name].alphas]
    zero_shot = next((end for end in ends if end.logits is not None), ends[0])
    return {
        ENDS: [(zero_shot, model) for model in tuned.values()],
        TUNED: [(tuned[one], tuned[other]) for one, other in pairs],
        PROBES: [(_outputs(each[name], 0.0), _outputs(each[name], 1.0)) for each in splits],
    }


def _outputs(predictions: Predictions, alpha: float) -> Outputs:
    known = predictions.labels >= 0
    classes = np.asarray(predictions.top1[predictions.alphas.index(alpha)])[known]
    if predictions.logits is None:
        return Outputs(classes, None)
    logits = np.asarray(predictions.logits_at(alpha))[known]
    return Outputs(classes, logits if np.isfinite(logits).all() else None)


def _mean_of(
    sets: Mapping[str, dict[str, dict[str, GroupMeasure]]],
) -> dict[str, dict[str, GroupMeasure]]:
    """Return the unweighted mean over sets: their draws are one where they show the same images.

    What a set lacks has no mean, with a warning; a draw that is left out in a set is in the mean.
    """
    found: dict[str, dict[str, GroupMeasure]] = {}
    for measure in dict.fromkeys(measure for own in sets.values() for measure in own):
        of = {name: own.get(measure, {}) for name, own in sets.items()}
        for group in dict.fromkeys(group for groups in of.values() for group in groups):
            if lacking := [name for name, groups in of.items() if group not in groups]:
                logger.warning(
                    "%s: no %s of %s: it isn't measured on %s%s",
                    MEAN_OF_SHIFTS, measure, group, few(lacking), _WHY_LACKING.get(measure, ""),
                )  # fmt: skip
                continue
            each = [groups[group] for groups in of.values()]
            mean = GroupMeasure(
                float(np.mean([one.value for one in each])),
                tuple(np.mean([one.pairs for one in each], axis=0).tolist()),
                np.mean([one.drawn for one in each], axis=0),
            )
            if np.isnan(mean.drawn).all():
                logger.warning(
                    "%s: no %s of %s: each draw is left out on some set",
                    MEAN_OF_SHIFTS, measure, group,
                )  # fmt: skip
                continue
            found.setdefault(measure, {})[group] = mean
    return found


def _set_facts(
    dataset: str, split: str, role: str, n: int, measured: dict[str, dict[str, GroupMeasure]]
) -> dict[str, Any]:
    measures: dict[str, Any] = {}
    for measure, groups in measured.items():
        own = {}
        for group, each in groups.items():
            low, high = np.nanquantile(each.drawn, _INTERVAL)
            own[group] = {
                "value": each.value,
                "low": min(float(low), each.value),
                "high": max(float(high), each.value),
                "least": min(each.pairs),
                "most": max(each.pairs),
                "ratio": _ratio(each, groups.get(TUNED)) if group != TUNED else None,
            }
        measures[measure] = own
    named = {"dataset": dataset, "split": split, "role": role, "n": n}
    return {**named, "measures": measures}


def _ratio(each: GroupMeasure, tuned: GroupMeasure | None) -> dict[str, float] | None:
    """Return the ratio to fine-tuned/fine-tuned; None where that is 0 in the set or a sample."""
    if tuned is None or tuned.value == 0 or (tuned.drawn <= 0).any():
        return None
    low, high = np.nanquantile(each.drawn / tuned.drawn, _INTERVAL)
    value = each.value / tuned.value
    return {"value": value, "low": min(float(low), value), "high": max(float(high), value)}


def _rows(facts: Mapping[str, Any], config_hash: str, seed: int) -> list[AnalysisRow]:
    shared = {name: facts[name] for name in ("dataset", "split", "role")}
    shared |= {"config_hash": config_hash, "seed": seed}
    rows = []
    for measure, groups in facts["measures"].items():
        for group, each in groups.items():
            interval = (each["low"], each["high"])
            n = facts["cka_images"] if measure == MEASURE else facts["n"]
            rows.append(
                analysis_row(
                    NAME, measure, each["value"], n, group=group, interval=interval, **shared
                )
            )
            ratio = each["ratio"]
            if ratio is not None:
                interval = (ratio["low"], ratio["high"])
                rows.append(
                    analysis_row(
                        NAME,
                        f"{measure}_ratio",
                        ratio["value"],
                        n,
                        group=group,
                        other=TUNED,
                        interval=interval,
                        **shared,
                    )
                )
    return rows
