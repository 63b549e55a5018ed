from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from tests.training.learning import TOY, toy_ends, validation_set
from tests.training.toy import toy_dataset
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset
from wiseft_jax.data.splits import halves
from wiseft_jax.training.compare_alphas import (
    ComparedModel,
    check_disjoint,
    compare_with_single,
    describe_set,
    objective_of_alphas,
)
from wiseft_jax.training.learn_alphas import learn_alphas
from wiseft_jax.training.losses import cross_entropy
from wiseft_jax.training.objectives import softmax_entropy
from wiseft_jax.weights.interpolate import lerp

ALPHAS = (0.0, 0.25, 0.5, 1.0)


def logits(theta: Params, dataset: Dataset) -> Any:
    images = np.stack([dataset.source.read(dataset.source_index(i)) for i in range(len(dataset))])
    return toy_ends()[0].logits(theta, jnp.asarray(images))


def right(theta: Params, dataset: Dataset) -> np.ndarray:
    return np.asarray(logits(theta, dataset)).argmax(1) == dataset.labels


class Swept:
    """Results of single alphas; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[float], list[str]]] = []

    def __call__(self, alphas: Any, datasets: Any) -> list[np.ndarray]:
        assert list(alphas) == sorted(set(alphas)), "a sweep wants rising alphas"
        self.asked.append((list(alphas), [each.name for each in datasets]))
        _, theta_0, theta_1 = toy_ends()
        mixtures = [lerp(theta_0, theta_1, alpha) for alpha in alphas]
        return [np.stack([right(theta, each) for theta in mixtures]) for each in datasets]


def noisy(count: int = 60, seed: int = 3, **options: Any) -> Dataset:
    """Squares of which a third have a wrong label, so that models differ."""
    dataset = toy_dataset(count, seed, name="other")
    labels = dataset.labels.copy()
    labels[::3] = (labels[::3] + 1) % 3
    return dataclasses.replace(dataset, labels=labels, **{"split": "test", **options})


def compare(objective: str, dataset: Dataset) -> tuple[Any, tuple[ComparedModel, ...]]:
    config = dataclasses.replace(TOY, objective=objective)
    learned = learn_alphas(*toy_ends(), validation_set(), config, mesh=make_mesh(1))
    rows = compare_with_single(
        *toy_ends(), learned, [dataset], right, Swept(), alphas=ALPHAS, mesh=make_mesh(1)
    )
    return learned, rows


@pytest.mark.parametrize("objective", ["cross_entropy", "entropy"])
def test_rows_are_counts_of_the_same_examples(objective: str):
    dataset = noisy()
    learned, rows = compare(objective, dataset)
    _, theta_0, theta_1 = toy_ends()
    singles = ["zero_shot", "constant", "fine_tuned", "best_by_objective"]
    singles += ["best_by_accuracy"] if objective == "cross_entropy" else []
    assert [row.model for row in rows] == ["learned", *singles]
    own = right(learned.theta, dataset)
    assert (rows[0].hits, rows[0].n, rows[0].alpha) == (own.sum(), 60, None)
    assert [row.alpha for row in rows[1:4]] == [0.0, 0.5, 1.0]
    for row in rows[1:]:
        other = right(lerp(theta_0, theta_1, row.alpha), dataset)
        assert row.hits == other.sum()
        assert row.learned_only == (own & ~other).sum()
        assert row.single_only == (~own & other).sum()
        assert row.hits - rows[0].hits == row.single_only - row.learned_only
    assert len({row.hits for row in rows}) > 1


def test_the_best_single_alpha_is_chosen_on_the_fitting_data():
    learned, rows = compare("cross_entropy", noisy())
    _, theta_0, theta_1 = toy_ends()
    by_name = {row.model: row.alpha for row in rows}
    mixtures = [lerp(theta_0, theta_1, alpha) for alpha in ALPHAS]
    labels = jnp.asarray(learned.dataset.labels)
    losses = [float(cross_entropy(logits(t, learned.dataset), labels)) for t in mixtures]
    hits = [right(theta, learned.dataset).sum() for theta in mixtures]
    assert by_name["best_by_objective"] == ALPHAS[int(np.argmin(losses))]
    assert by_name["best_by_accuracy"] == ALPHAS[int(np.argmax(hits))]  # argmax: the smallest


def test_all_single_alphas_are_one_sweep_and_no_other_evaluation(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level("DEBUG", "wiseft_jax")
    learned = learn_alphas(*toy_ends(), validation_set(), TOY, mesh=make_mesh(1))
    swept, evaluated = Swept(), []

    def counted(theta: Params, dataset: Dataset) -> np.ndarray:
        evaluated.append(dataset.name)
        assert theta is learned.theta
        return right(theta, dataset)

    sets = [noisy(), noisy(40, seed=7, name="second")]
    alphas = (1.0, 0.0, 0.25)  # in any order
    rows = compare_with_single(
        *toy_ends(), learned, sets, counted, swept, alphas=alphas, mesh=make_mesh(1)
    )
    assert evaluated == ["other", "second"]
    told = [each.levelname for each in caplog.records if each.name.endswith("compare_alphas")]
    assert told == ["DEBUG", "DEBUG"]  # a line a set, and for -v alone
    (grid, fitted), (singles, reported) = swept.asked
    assert (grid, fitted) == ([0.0, 0.25, 1.0], [learned.dataset.name])
    assert reported == ["other", "second"]
    assert set(singles) == {row.alpha for row in rows if row.alpha is not None}


@pytest.mark.parametrize("objective", ["cross_entropy", "entropy"])
@pytest.mark.parametrize("devices", [1, 8])
def test_the_objective_along_the_path_is_that_of_each_mixture(objective: str, devices: int):
    classifier, theta_0, theta_1 = toy_ends()
    dataset = noisy(37)
    found = objective_of_alphas(
        classifier,
        theta_0,
        theta_1,
        dataset,
        ALPHAS,
        objective,
        batch_size=16,
        mesh=make_mesh(devices),
    )
    for alpha, value in zip(ALPHAS, found, strict=True):
        scores = logits(lerp(theta_0, theta_1, alpha), dataset)
        direct = (
            cross_entropy(scores, jnp.asarray(dataset.labels))
            if objective == "cross_entropy"
            else softmax_entropy(scores).mean()
        )
        assert value == pytest.approx(float(direct), rel=1e-5)


def test_what_was_fitted_on_is_not_reported_on():
    dataset = validation_set()
    learned = learn_alphas(*toy_ends(), dataset, TOY, mesh=make_mesh(1))
    again = dataclasses.replace(toy_dataset(), split="test", name="copy")  # the same content
    for same in (dataset, again, dataset.subset(np.arange(40, 48))):
        with pytest.raises(InputError, match=r"of its images were fitted on \(squares\[\d+\]"):
            compare_with_single(*toy_ends(), learned, [same], right, Swept(), mesh=make_mesh(1))


def test_other_content_of_the_same_name_and_halves_are_disjoint():
    check_disjoint(toy_dataset(seed=0), toy_dataset(seed=1))
    check_disjoint(*halves(toy_dataset(), seed=0))
    with pytest.raises(InputError, match="24 of its images"):
        check_disjoint(halves(toy_dataset(), seed=0)[0], toy_dataset())


def test_rows_read_well():
    learned = ComparedModel("test", "learned", None, 30, 40, 0, 0)
    single = ComparedModel("test", "constant", 0.5, 29, 40, 3, 2)
    assert describe_set([learned, single]) == "test: learned 75.0 %, constant (0.5) 72.5 %; n = 40"
