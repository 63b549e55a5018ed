"""The sweep: the accuracy of every alpha on every dataset, in one pass over the data."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jax.sharding import Mesh

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.curve_rows import CURVES_FILE, CurveRow, write_curve_rows
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.last_sweep import sweep_command
from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.paired import best_set, mcnemar
from wiseft_jax.core.paired_intervals import newcombe
from wiseft_jax.core.results import (
    RESULTS_FILE,
    Row,
    read_rows,
    with_matched_references,
    write_rows,
)
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.trees import check_same_structure
from wiseft_jax.core.typing import Params
from wiseft_jax.core.writers import write_json
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.backend import (
    BackendChoice,
    choose,
    shared_of,
    warn_if_too_large,
)
from wiseft_jax.evaluation.calibration import Calibrate, calibrated
from wiseft_jax.evaluation.curve_result import Curve
from wiseft_jax.evaluation.engine import EngineConfig
from wiseft_jax.evaluation.evaluator import check_dataset, evaluate_alphas
from wiseft_jax.evaluation.heads import with_heads
from wiseft_jax.evaluation.keep_logits_config import KeepLogits, keep_logits_of
from wiseft_jax.evaluation.kept_logits import kept_logits
from wiseft_jax.evaluation.merging import place_rest
from wiseft_jax.evaluation.one_sweep import check_of_one_sweep, read_sweep_facts
from wiseft_jax.evaluation.precision import Differences, differences_from_float32
from wiseft_jax.evaluation.predictions import (
    Predictions,
    load_predictions,
    save_predictions,
)
from wiseft_jax.evaluation.select import Selection, select_alpha

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class SweepResult:
    """Rows and predictions of every dataset at every alpha.

    Attributes:
      alphas: The grid, rising.
      rows: One top-1 accuracy for each dataset and alpha.
      predictions: By dataset name, in the order given.
      curves: The continuous curves by dataset name, where ``curve`` made the result.
      config_hash: The hash of the configuration.
      backend: How they were computed, and why; None where that isn't recorded.
      float32: How many of the predictions of a sample differ from those of float32; None in
        float32, and where it isn't known.
    """

    alphas: tuple[float, ...]
    rows: list[Row]
    predictions: dict[str, Predictions]
    curves: dict[str, Curve] = dataclasses.field(default_factory=dict)
    config_hash: str = ""
    backend: BackendChoice | None = None
    float32: Differences | None = None

    def select(self, rule: str = "constant", *, select_on: str | None = None) -> Selection:
        """Choose alpha; see ``select_alpha``."""
        return select_alpha(self.rows, rule, select_on=select_on)

    @property
    def skipped(self) -> dict[str, tuple[str, ...]]:
        """Dataset name -> ``"id: reason"`` of its images that were left out; n excludes them."""
        return {name: each.skipped for name, each in self.predictions.items() if each.skipped}

    def save(self, run_dir: Path | str) -> None:
        """Write ``predictions/<dataset>.npz``, ``results.jsonl`` and, of curves, ``curves.jsonl``.

        ``predictions/backend.json`` says how they were computed.

        Args:
          run_dir: Where to; the curves of an earlier sweep are removed.
        """
        facts = {"backend": self.backend, "float32": self.float32}
        known = {name: dataclasses.asdict(fact) for name, fact in facts.items() if fact}
        known |= {"config_hash": self.config_hash} if self.config_hash else {}
        # First, so that what is broken off shows: the rows, which come last, are of another hash.
        write_json(RunDirectory(Path(run_dir)).sweep_facts_file, known)
        save_predictions(run_dir, self.predictions.values())
        write_rows(Path(run_dir) / RESULTS_FILE, self.rows)
        if self.curves:
            write_curve_rows(Path(run_dir) / CURVES_FILE, self.curve_rows())
        else:
            (Path(run_dir) / CURVES_FILE).unlink(missing_ok=True)

    def possible_best(self, dataset: str, confidence: float = 0.95) -> tuple[float, ...]:
        """Return the alphas of the grid that may be the most accurate on a dataset.

        The best one is among them with at least this confidence; see ``core.paired.best_set``.

        Args:
          dataset: A name in ``predictions``.
          confidence: Of the set as a whole.
        """
        each = self.predictions[dataset]
        found = best_set(each.correct[:, each.labels >= 0], confidence=confidence)
        return tuple(each.alphas[place] for place in found.members)

    def gains(self, alpha: float) -> list[dict[str, Any]]:
        """Return how an alpha of the grid compares with both ends, on each dataset.

        Args:
          alpha: A value of ``alphas``.

        Returns:
          A record for each dataset and end: ``dataset``, ``split``, ``end`` (0 or 1),
          ``difference`` of accuracies, its 95 % interval ``low`` and ``high`` (Newcombe's)
          and ``p_value`` (McNemar's exact test). An end that isn't on the grid has none, nor has
          ``alpha`` itself.
        """
        found = []
        for each in self.predictions.values():
            places = {at: place for place, at in enumerate(each.alphas)}
            if alpha not in places or not (each.labels >= 0).any():
                continue
            right = each.correct[:, each.labels >= 0]
            for end in (0.0, 1.0):
                if end in places and end != alpha:
                    pair = right[places[end]], right[places[alpha]]
                    test, (low, high) = mcnemar(*pair), newcombe(*pair)
                    found.append(
                        {
                            "dataset": each.dataset,
                            "split": each.split,
                            "end": end,
                            "difference": test.difference,
                            "low": low,
                            "high": high,
                            "p_value": test.p_value,
                        }
                    )
        return found

    def curve_rows(self) -> list[CurveRow]:
        """Return one row for each curve; see ``core.curve_rows``."""
        return [curve.row(self.config_hash) for curve in self.curves.values()]

    @classmethod
    def load(cls, run_dir: Path | str) -> SweepResult:
        """Read what ``save`` wrote; predictions of datasets without rows are passed over.

        Raises:
          InputError: If something is missing or damaged, or if rows and predictions are of two
            sweeps, as one that was broken off leaves them.
        """
        rows = read_rows(run_dir)
        again = sweep_command(RunDirectory(Path(run_dir)))
        found = load_predictions(run_dir, again=again)
        order = dict.fromkeys(row["dataset"] for row in rows)
        predictions = {name: found[name] for name in order if name in found}
        if others := sorted(found.keys() - predictions.keys()):
            logger.warning("%s: predictions without results: %s", run_dir, ", ".join(others))
        if not predictions:
            raise InputError(f"{run_dir}: its predictions are of other datasets than its results")
        facts = _read_facts(run_dir)
        check_of_one_sweep(run_dir, rows, predictions, facts.get("config_hash"))
        alphas = tuple(sorted({alpha for each in predictions.values() for alpha in each.alphas}))
        return cls(alphas, rows, predictions, **facts)


def sweep(
    classifier: Classifier,
    theta_0: Params,
    theta_1: Params,
    datasets: Sequence[Dataset],
    alphas: Sequence[float] | np.ndarray,
    *,
    backend: str = "auto",
    batch_size: int | None = None,
    chunk_size: int | None = None,
    calibrate: Calibrate = "auto",
    config_hash: str = "",
    keep_logits: bool | KeepLogits = "none",
    mesh: Layout | Mesh | MeshConfig | None = None,
    num_threads: int = 16,
) -> SweepResult:
    """Evaluate ``lerp(theta_0, theta_1, alpha)`` for every alpha on every dataset.

    Each batch is read, decoded and moved once; all alphas are evaluated on it inside one compiled
    function, which all datasets share.

    Args:
      classifier: The model as a function of its parameters.
      theta_0: The zero-shot parameters (alpha = 0), host or device arrays.
      theta_1: The fine-tuned parameters (alpha = 1).
      datasets: Labelled images, with distinct names.
      alphas: Distinct and rising; outside [0, 1] extrapolates.
      backend: ``"map"``: ``jax.lax.map`` over chunks of alphas, merged on the fly; ``"vmap"``: all
        alphas at once, with as many copies of the weights; ``"sharded"``: as ``map``, with
        different alphas on different devices; ``"delta"``: without merging, at twice the products;
        ``"linear"``: two matrices of logits, where only the head differs. ``"auto"`` chooses
        ``linear``, ``sharded`` if the mesh has an axis of alphas, ``map``, or by a timing ``vmap``.
      batch_size: Images a batch, rounded up to a multiple of the device count; by default 64 on
        a CPU and 256 elsewhere.
      chunk_size: Alphas at once; by default 1 on a CPU, else by the size of the weights, or timed.
      calibrate: Whether the backend ``"auto"`` times how many at once; ``"auto"``: where that pays.
      config_hash: The hash of the configuration, for the rows.
      keep_logits: As in ``SweepConfig``, at ``4 * N * K`` bytes a dataset and alpha; True is "all".
      mesh: The devices, and how parameters and alphas are split; all, each with all parameters.
      num_threads: Decoding threads.

    Returns:
      Exact counts as rows, and the predictions that they come from.

    Raises:
      InputError: Other structures or shapes at the two ends; alphas that are not finite, distinct
        and rising; no datasets, empty or unlabelled ones, names that repeat; labels of other
        classes than the classifier's; a backend that is unknown, or that ends or devices rule out.
      BadImageError: If an image can't be read and its dataset says ``on_bad_image="stop"``.

    Example:
      >>> result = sweep(classifier, theta_0, theta_1, [validation, test, sketch], [0, 0.5, 1])
      >>> result.select("validation_best").alpha
      0.5
    """
    grid = check_alphas(alphas)
    check_datasets(classifier, datasets)
    check_same_structure(theta_1, theta_0)
    kept = kept_logits(keep_logits_of(keep_logits), grid, datasets)
    layout = Layout.of(mesh)
    theta_0, theta_1 = with_heads(classifier, theta_0, theta_1, grid)
    shared = shared_of(backend, classifier, theta_0, theta_1)
    name, reason = choose(backend, theta_0, shared, layout)
    config = EngineConfig.resolve(
        theta_0,
        num_alphas=len(grid),
        backend=name,
        batch_size=batch_size,
        chunk_size=chunk_size,
        keep_logits=any(kept.values()),
        mesh=layout,
        num_threads=num_threads,
        shared=shared,
    )
    ends = placed(config, theta_0, theta_1)
    if backend == "auto" and name in ("map", "sharded") and chunk_size is None:
        config, timed = calibrated(classifier, ends, config, grid, datasets, calibrate)
        reason += f"; {timed}"
    choice = BackendChoice(config.backend, config.chunk_size, reason)
    return _run(classifier, ends, datasets, grid, config, choice, config_hash, kept)


def placed(config: EngineConfig, theta_0: Params, theta_1: Params) -> tuple[Params, Params]:
    """Return both ends on the devices, with one copy of what they share.

    Args:
      config: The devices, and what is shared.
      theta_0: The end at alpha = 0.
      theta_1: The end at alpha = 1.
    """
    config.layout.check(theta_0)
    warn_if_too_large(config, theta_0)
    start = config.layout.place(theta_0)
    return start, place_rest(config.layout, start, theta_1, config.shared)


def _run(
    classifier: Classifier,
    ends: tuple[Params, Params],
    datasets: Sequence[Dataset],
    grid: tuple[float, ...],
    config: EngineConfig,
    choice: BackendChoice,
    config_hash: str,
    kept: Mapping[str, tuple[int, ...]],
) -> SweepResult:
    """Return the results of every dataset, and in another dtype how far from float32 they are."""
    logger.info("back-end %s, alphas at once: %d (%s)", *dataclasses.astuple(choice))
    predictions = {
        dataset.name: evaluate_alphas(classifier, *ends, dataset, grid, config, kept[dataset.name])
        for dataset in datasets
    }
    differences = None
    if classifier.tower.dtype != "float32":
        found = predictions[datasets[0].name]
        differences = differences_from_float32(classifier, *ends, datasets[0], found, config)
    rows = [row for each in predictions.values() for row in each.rows(config_hash)]
    rows = with_matched_references(rows, {each.name: each.matched_reference for each in datasets})
    return SweepResult(
        grid,
        rows,
        predictions,
        config_hash=config_hash,
        backend=choice,
        float32=differences,
    )


def _read_facts(run_dir: Path | str) -> dict[str, Any]:
    known = read_sweep_facts(run_dir)
    try:
        kinds = {"backend": BackendChoice, "float32": Differences}
        hashes = {"config_hash": str(known.pop("config_hash"))} if "config_hash" in known else {}
        return hashes | {name: kinds[name](**fields) for name, fields in known.items()}
    except (ValueError, KeyError, TypeError) as error:
        path = RunDirectory(Path(run_dir)).sweep_facts_file
        raise InputError(f"{path}: can't be read as facts of a sweep ({error})") from error


def check_alphas(alphas: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    """Return the grid as floats.

    Raises:
      InputError: If it is empty, or not finite, distinct (in float32) and rising.
    """
    grid = tuple(float(alpha) + 0.0 for alpha in alphas)  # + 0.0 turns -0.0 into 0.0
    if not grid:
        raise InputError("alphas: expected at least one, found none")
    for alpha in grid:
        if not math.isfinite(alpha):
            raise InputError(f"alphas: expected finite numbers, found {alpha}")
    for before, after in itertools.pairwise(grid):
        if np.float32(before) >= np.float32(after):
            what = "twice" if before == after else "not in rising order, or too close together"
            raise InputError(f"alphas: {before:g} and {after:g} are {what}; sort and deduplicate")
    return grid


def check_datasets(classifier: Classifier, datasets: Sequence[Dataset]) -> None:
    """Refuse datasets whose accuracies can't be told apart, or that have none.

    Raises:
      InputError: No datasets; an empty name or one given twice; as ``check_dataset``.
    """
    if not datasets:
        raise InputError("datasets: expected at least one, found none")
    names = [dataset.name for dataset in datasets]
    for dataset in datasets:
        if not dataset.name:
            raise InputError("datasets: one has an empty name; results are kept by name")
        if names.count(dataset.name) > 1:
            raise InputError(f"datasets: the name {dataset.name!r} is given twice; rename one")
        check_dataset(classifier, dataset)
