"""The continuous curve: the accuracy of every alpha from a handful of forward passes.

Each batch is read once. It is run at 5 nodes; the polynomial through 3 of them, judged at the other
2, says how wrong it may be for each example; nodes are added (9, 17, ...) while too many
predictions hang in the balance. What is still uncertain can be evaluated directly (``exact``), what
is called certain is audited by a seeded sample, and what isn't smooth in alpha (a loss barrier
between the ends) is evaluated directly, and said.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.sharding import Mesh

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.clip.logit_classifier import LogitClassifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.results import with_matched_references
from wiseft_jax.core.trees import check_same_structure
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.answers import Answers
from wiseft_jax.evaluation.backend import BackendChoice, check_linear_head, choose, shared_of
from wiseft_jax.evaluation.batch_curve import AUDIT_FAILED
from wiseft_jax.evaluation.curve_config import LEAST_NODES, CurveConfig
from wiseft_jax.evaluation.curve_pass import CurvePass
from wiseft_jax.evaluation.curve_result import Curve
from wiseft_jax.evaluation.engine import EngineConfig
from wiseft_jax.evaluation.keep_logits_config import KeepLogits, keep_logits_of
from wiseft_jax.evaluation.kept_logits import kept_logits
from wiseft_jax.evaluation.linear_curve import linear_curve_of
from wiseft_jax.evaluation.merging import Shared
from wiseft_jax.evaluation.precision import differences_from_float32
from wiseft_jax.evaluation.sweep import SweepResult, check_alphas, check_datasets, placed

logger = logging.getLogger(__name__)


def curve(
    classifier: Classifier,
    theta_0: Params,
    theta_1: Params,
    datasets: Sequence[Dataset],
    alphas: Sequence[float] | np.ndarray,
    *,
    config: CurveConfig | None = None,
    batch_size: int | None = None,
    config_hash: str = "",
    keep_logits: bool | KeepLogits = "none",
    mesh: Layout | Mesh | MeshConfig | None = None,
    num_threads: int = 16,
) -> SweepResult:
    """Return the accuracy of every alpha on every dataset, from few forward passes.

    Features are interpolated in alpha by a polynomial through nested Chebyshev-Lobatto nodes
    (``core.lobatto``), then normalised and given to the exactly interpolated head; of a
    ``LogitClassifier``, which has no features, the logits are interpolated themselves.
    docs/alpha-engine.md has the mathematics, what was measured, and the limits.

    Args:
      classifier: The model as a function of its parameters.
      theta_0: The zero-shot parameters (alpha = 0).
      theta_1: The fine-tuned parameters (alpha = 1).
      datasets: Labelled images, with distinct names.
      alphas: The grid for predictions and rows: distinct and rising. The nodes lie on [0, 1], or on
        the wider interval that the grid spans; 0 and 1 are always evaluated themselves.
      config: How many nodes, how sure, whether exact; the defaults when None.
      batch_size: As in ``sweep``.
      config_hash: As in ``sweep``.
      keep_logits: As in ``sweep``; they are the polynomial's, and the model's own at the ends and
        of pairs that were evaluated directly.
      mesh: As in ``sweep``.
      num_threads: Decoding threads.

    Returns:
      What ``sweep`` returns, and the curves. Predictions and rows on the grid are the curve's,
      those of pairs that were evaluated directly the model's.

    Raises:
      InputError: As ``sweep``.
      BadImageError: As ``sweep``.

    Example:
      >>> result = curve(classifier, theta_0, theta_1, [validation, test], np.linspace(0, 1, 101))
      >>> result.curves["test"].uncertain_share
      0.004
    """
    grid = check_alphas(alphas)
    check_datasets(classifier, datasets)
    check_same_structure(theta_1, theta_0)
    _check_head(classifier, theta_0)
    config = config or CurveConfig()
    layout = Layout.of(mesh)
    shared = shared_of("auto", classifier, theta_0, theta_1)
    name, reason = choose("auto", theta_0, shared, layout)
    kept = kept_logits(keep_logits_of(keep_logits), grid, datasets)
    fed: dict[str, Any] = {"batch_size": batch_size, "num_threads": num_threads}
    engine = curve_engine(name, theta_0, shared, layout, keep_logits=any(kept.values()), **fed)
    ends = placed(engine, theta_0, theta_1)
    make = linear_curve_of if name == "linear" else curve_of
    logger.info("continuous curve (%s)", reason)
    curves = {
        dataset.name: make(classifier, ends, dataset, grid, config, engine, kept[dataset.name])
        for dataset in datasets
    }
    rows = [row for each in curves.values() for row in each.rows(config_hash)]
    rows = with_matched_references(rows, {each.name: each.matched_reference for each in datasets})
    choice = BackendChoice("linear" if name == "linear" else "curve", engine.chunk_size, reason)
    found = {name: each.predictions for name, each in curves.items()}
    result = SweepResult(grid, rows, found, curves, config_hash, choice)
    return _with_precision(result, classifier, ends, datasets[0], engine)


def _check_head(classifier: Classifier, theta_0: Params) -> None:
    """Raise unless there is a linear head, or a model that gives logits alone."""
    if not isinstance(classifier, LogitClassifier):
        check_linear_head(theta_0, "a continuous curve", "sweep, which evaluates every alpha")
    elif set(theta_0) != {"encoder"}:
        raise InputError(
            'theta of a LogitClassifier: expected {"encoder": its parameters}, found the keys'
            f" {', '.join(map(str, theta_0))}"
        )


def curve_engine(
    name: str,
    theta_0: Params,
    shared: Shared,
    layout: Layout,
    *,
    batch_size: int | None = None,
    num_threads: int = 16,
    platform: str = "",
    keep_logits: bool = False,
) -> EngineConfig:
    """Return how a curve's batches are run.

    Args:
      name: The back-end, from ``evaluation.backend.choose``.
      theta_0: One end; arrays or ``jax.ShapeDtypeStruct``.
      shared: What both share.
      layout: The devices.
      batch_size: As in ``sweep``.
      num_threads: Decoding threads.
      platform: The kind of the devices; their own when empty.
      keep_logits: Whether logits are stored; ``linear`` needs them anyway.
    """
    return EngineConfig.resolve(
        theta_0,
        batch_size=batch_size,
        mesh=layout,
        num_threads=num_threads,
        platform=platform,
        shared=shared,
        backend="linear" if name == "linear" else "map",
        keep_logits=keep_logits or name == "linear",
    )


def _with_precision(
    result: SweepResult,
    classifier: Classifier,
    ends: tuple[Any, Any],
    dataset: Dataset,
    engine: EngineConfig,
) -> SweepResult:
    """Say how many predictions of a sample differ from float32's, where another dtype computes."""
    if classifier.tower.dtype == "float32":
        return result
    found = result.predictions[dataset.name]
    differences = differences_from_float32(classifier, *ends, dataset, found, engine)
    return dataclasses.replace(result, float32=differences)


def curve_of(
    classifier: Classifier,
    ends: tuple[Any, Any],
    dataset: Dataset,
    alphas: tuple[float, ...],
    config: CurveConfig,
    engine: EngineConfig,
    kept: tuple[int, ...] = (),
) -> Curve:
    """Return the curve of one dataset; it is read again when the audit finds a mismatch.

    Each reading starts with twice the nodes of what was wrong, and keeps what was evaluated.

    Args:
      classifier: The model.
      ends: Both ends' parameters, on the devices.
      dataset: The images.
      alphas: The grid.
      config: How.
      engine: How batches are run; its ``keep_logits`` says that logits of any set are stored.
      kept: Places of the alphas whose logits are stored of this one.
    """
    least, passes, failed = LEAST_NODES, 0.0, []
    answers = Answers.none(len(alphas), len(dataset), kept, len(dataset.class_names))
    while True:
        reading = CurvePass(
            classifier, ends, dataset, alphas, config, engine, least, answers, len(failed)
        )
        found = reading.run()
        passes += found.passes
        if not found.audit.mismatches or least > config.max_nodes:
            audit = dataclasses.replace(found.audit, failed=tuple(failed))
            predictions = answers.with_logits(found.predictions, reading.read)
            return _told(
                dataclasses.replace(found, passes=passes, audit=audit, predictions=predictions)
            )
        failed.append((found.audit.sampled, found.audit.mismatches))
        least = 2 * found.audit.nodes - 1
        logger.warning(
            "%s: %d of %d audited predictions that were called certain differ; reading again with"
            " %s",
            dataset.name,
            found.audit.mismatches,
            found.audit.sampled,
            f"at least {least} nodes" if least <= config.max_nodes else "direct evaluation",
        )


def _told(curve: Curve) -> Curve:
    facts = curve.summary()
    logger.info(
        "%s: %d alphas for %.1f forward passes (nodes %s); %.2f %% of the predictions uncertain,"
        " %.2f %% evaluated directly; audit: %d of %d wrong, at most %.2f %% (95 %%)",
        curve.dataset,
        len(curve.predictions.alphas),
        curve.passes,
        ", ".join(facts["nodes"]),
        100 * curve.uncertain_share,
        100 * curve.evaluated_share,
        curve.audit.mismatches,
        curve.audit.sampled,
        100 * curve.audit.upper,
    )
    if curve.note and curve.trusted.all():
        logger.info("%s: %s", curve.dataset, curve.note)
    if curve.note == AUDIT_FAILED:
        logger.warning("%s: %s", curve.dataset, curve.note)
    elif not curve.trusted.all():
        logger.warning(
            "%s: %d of %d examples aren't smooth along alpha (%s); they were evaluated directly at"
            " the %d alphas asked for, and count as uncertain between them",
            curve.dataset,
            int(np.sum(~curve.trusted)),
            len(curve.trusted),
            curve.note or "a loss barrier?",
            len(curve.predictions.alphas),
        )
    return curve
