"""Learned coefficients against a single alpha, on examples that neither was chosen on."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, process_share, put_batch, replicated, round_up_to_devices
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.typing import Params
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.data.source import Dataset, check_matches
from wiseft_jax.training.learn_alphas import LearnedAlphas
from wiseft_jax.training.objectives import OBJECTIVES
from wiseft_jax.weights.interpolate import lerp

logger = logging.getLogger(__name__)

Evaluate: TypeAlias = Callable[[Params, Dataset], Any]
"""``(theta, dataset) -> bool[N]``: right or wrong, for each labelled example in order."""

EvaluateAlphas: TypeAlias = Callable[[Sequence[float], Sequence[Dataset]], Sequence[Any]]
"""``(alphas, datasets) -> bool[A, N]`` for each dataset: the same for each of A single alphas."""

GRID = tuple(step / 10 for step in range(11))


@dataclasses.dataclass(frozen=True)
class ComparedModel:
    """One model on one dataset, and against the learned one, example by example.

    Attributes:
      dataset: The dataset's name.
      model: ``"learned"``, or which single alpha: ``"zero_shot"``, ``"constant"`` (0.5),
        ``"fine_tuned"``, ``"best_by_objective"`` or ``"best_by_accuracy"`` on the fitting data.
      alpha: The single alpha; None for the learned coefficients.
      hits: How many examples are right.
      n: How many examples count.
      learned_only: Examples that the learned model alone gets right (McNemar's b).
      single_only: Examples that this model alone gets right (McNemar's c).
    """

    dataset: str
    model: str
    alpha: float | None
    hits: int
    n: int
    learned_only: int
    single_only: int


def compare_with_single(
    classifier: Classifier,
    theta_0: Params,
    theta_1: Params,
    learned: LearnedAlphas,
    datasets: Sequence[Dataset],
    evaluate: Evaluate,
    sweep: EvaluateAlphas,
    *,
    alphas: Sequence[float] = GRID,
    mesh: Layout | Mesh | MeshConfig | None = None,
    num_threads: int = 16,
) -> tuple[ComparedModel, ...]:
    """Return how the learned mixture does against single alphas on other examples.

    The best single alpha is chosen on the fitting data, as the coefficients were: by the same
    objective, and where labels were used by accuracy too; of equals the smallest.

    Args:
      classifier: The model as a function of its parameters.
      theta_0: The parameters at 0.
      theta_1: The parameters at 1.
      learned: What ``learn_alphas`` returned.
      datasets: Labelled images to report on.
      evaluate: Right or wrong of each labelled example, of one model.
      sweep: The same at every single alpha; asked twice at most, for rising alphas.
      alphas: Candidates for the best single alpha.
      mesh: As in ``learn_alphas``.
      num_threads: Decoding threads.

    Returns:
      Rows by dataset; the learned model first, then the single alphas.

    Raises:
      InputError: If a dataset shares an image with the fitting data.
    """
    for dataset in datasets:
        check_disjoint(learned.dataset, dataset)
    fitted, config = learned.dataset, learned.config
    values = objective_of_alphas(
        classifier,
        theta_0,
        theta_1,
        fitted,
        alphas,
        config.objective,
        batch_size=config.batch_size,
        mesh=mesh,
        num_threads=num_threads,
    )
    singles = {"zero_shot": 0.0, "constant": 0.5, "fine_tuned": 1.0}
    singles["best_by_objective"] = _first_best(alphas, -values)
    if OBJECTIVES[config.objective].needs_labels:
        (on_fitted,) = sweep(sorted(alphas), [fitted])
        hits = dict(zip(sorted(alphas), np.sum(on_fitted, axis=1), strict=True))
        singles["best_by_accuracy"] = _first_best(alphas, np.array([hits[a] for a in alphas]))
    grid = sorted(set(singles.values()))
    rows = []
    for dataset, found in zip(datasets, sweep(grid, datasets), strict=True):
        own = np.asarray(evaluate(learned.theta, dataset), bool)
        right = dict(zip(grid, np.asarray(found, bool), strict=True))
        models = [_row(dataset, "learned", None, own, own)]
        models += [_row(dataset, name, a, own, right[a]) for name, a in singles.items()]
        logger.debug("%s", describe_set(models))
        rows += models
    return tuple(rows)


def describe_set(rows: Sequence[ComparedModel]) -> str:
    """Return the rows of a dataset in a line.

    Example:
      >>> describe_set(rows)
      'test: learned 75.0 %, zero_shot (0) 50.0 %, constant (0.5) 80.0 %; n = 40'
    """
    models = [
        f"{row.model}{'' if row.alpha is None else f' ({row.alpha:g})'}"
        f" {100 * row.hits / max(row.n, 1):.1f} %"
        for row in rows
    ]
    return f"{rows[0].dataset}: {', '.join(models)}; n = {rows[0].n}"


def check_disjoint(fitted: Dataset, reported: Dataset) -> None:
    """Refuse to report on images that were fitted on.

    Images are the same when they have the same id in sources of the same content.

    Raises:
      InputError: Names the first one.
    """
    ids = {fitted.id(position) for position in range(len(fitted))}
    shared = [name for name in map(reported.id, range(len(reported))) if name in ids]
    if not shared:
        return
    if fitted.source is reported.source or (
        fitted.source.fingerprint() == reported.source.fingerprint()
    ):
        raise InputError(
            f"{reported.name}: {len(shared)} of its images were fitted on ({shared[0]}, ...);"
            " report on others: data.splits.halves(dataset, seed) makes two sets of one"
        )


def objective_of_alphas(
    classifier: Classifier,
    theta_0: Params,
    theta_1: Params,
    dataset: Dataset,
    alphas: Sequence[float],
    objective: str,
    *,
    batch_size: int = 64,
    mesh: Layout | Mesh | MeshConfig | None = None,
    num_threads: int = 16,
) -> Float[np.ndarray, "A"]:
    """Return the mean objective of the single-alpha mixtures; each image is read once.

    Args:
      classifier: The model.
      theta_0: The parameters at 0.
      theta_1: The parameters at 1.
      dataset: The images.
      alphas: The A coefficients.
      objective: A name of ``OBJECTIVES``.
      batch_size: Images at once, over all devices.
      mesh: As in ``learn_alphas``.
      num_threads: Decoding threads.
    """
    spec = OBJECTIVES[objective]
    check_matches(dataset, classifier.class_names, all_labelled=spec.needs_labels)
    layout = Layout.of(mesh).for_training()

    def sums(theta_0: Params, theta_1: Params, alphas: Any, batch: dict[str, Any]) -> Any:
        return jax.lax.map(
            lambda alpha: spec.summed(classifier, layout, lerp(theta_0, theta_1, alpha), batch),
            alphas,
        )

    step = jax.jit(sums, out_shardings=replicated(layout.mesh))
    ends = layout.place(theta_0), layout.place(theta_1)
    grid = np.asarray(alphas, np.float32)
    totals, counts = np.zeros(len(grid)), np.zeros(len(grid))
    with eval_batches(
        dataset,
        classifier.preprocess,
        batch_size=round_up_to_devices(batch_size, layout.mesh),
        num_threads=num_threads,
        **process_share(layout.mesh),
    ) as batches:
        for batch in batches:
            total, count = step(*ends, grid, put_batch(spec.batch(batch), layout.mesh))
            totals += np.asarray(total, np.float64)
            counts += np.asarray(count)
    return totals / np.maximum(counts, 1)


def _first_best(alphas: Sequence[float], scores: np.ndarray) -> float:
    order = sorted(range(len(alphas)), key=lambda place: (-scores[place], alphas[place]))
    return float(alphas[order[0]])


def _row(
    dataset: Dataset, model: str, alpha: float | None, own: np.ndarray, other: np.ndarray
) -> ComparedModel:
    return ComparedModel(
        dataset.name,
        model,
        alpha,
        int(other.sum()),
        len(other),
        int(np.sum(own & ~other)),
        int(np.sum(other & ~own)),
    )
