"""What else a trained run can be asked: learned coefficients, what rules cost, a race.

A study reads the two ends of a run and writes one JSON file into its directory, in process 0. It
leaves the run's rows, its chosen alpha and its merged model as they are. Nothing heavy is imported
until a study runs.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.run_directory import RunDirectory, describe
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.training.learn_config import LearnAlphasConfig

if TYPE_CHECKING:
    from wiseft_jax.evaluation.racing import RaceResult
    from wiseft_jax.evaluation.sweep import SweepResult
    from wiseft_jax.training.compare_alphas import ComparedModel

logger = logging.getLogger(__name__)

LEARNED_FILE = "learned.json"
RULES_FILE = "rules.json"
RACE_FILE = "race.json"

Ends: TypeAlias = tuple[Any, Any, Any]
"""``(classifier, theta_0, theta_1)``, as ``experiment.load_endpoints`` returns them."""


def learn(
    config: ExperimentConfig,
    data: ExperimentData,
    ends: Ends,
    learning: LearnAlphasConfig,
    run_directory: RunDirectory,
) -> dict[str, Any]:
    """Fit coefficients by group and compare them with single alphas on images not fitted on.

    The candidates for the best single alpha are those of the sweep; with its method ``curve``,
    whose grid may be a hundred, the paper's eleven.

    Args:
      config: The run's.
      data: Its datasets.
      ends: Its ends.
      learning: What is fitted, on what, and how.
      run_directory: Where ``learned.json`` goes.

    Returns:
      What is written: ``LearnedAlphas.facts()``, ``rows``, ``reported_on``, ``alphas`` and the
      configuration of the experiment.

    Raises:
      InputError: Unknown ``fit_on``; nothing to report on; as ``learn_alphas``.
    """
    from wiseft_jax.evaluation.config import PAPER_ALPHAS
    from wiseft_jax.evaluation.evaluator import evaluate
    from wiseft_jax.training.compare_alphas import compare_with_single
    from wiseft_jax.training.learn_alphas import learn_alphas

    classifier, theta_0, theta_1 = ends
    fitted, reported = fitted_and_reported(data, learning)
    options: dict[str, Any] = {"mesh": config.mesh, "num_threads": config.data.num_threads}

    def right(theta: Any, dataset: Any) -> Any:
        size = config.sweep.batch_size
        found = evaluate(classifier, theta, dataset, batch_size=size, **options)
        return found.correct[0, found.labels >= 0]

    learned = learn_alphas(classifier, theta_0, theta_1, fitted, learning, **options)
    alphas = PAPER_ALPHAS if config.sweep.method == "curve" else config.sweep.alphas
    compared = compare_with_single(
        classifier, theta_0, theta_1, learned, reported, right, alphas=alphas, **options
    )
    facts = {
        **learned.facts(),
        "alphas": list(alphas),
        "reported_on": [
            {"dataset": each.name, "split": each.split, "role": each.role} for each in reported
        ],
        "rows": [compared_facts(row) for row in compared],
    }
    return _written(facts, config, run_directory, LEARNED_FILE)


def fitted_and_reported(
    data: ExperimentData, learning: LearnAlphasConfig
) -> tuple[Any, tuple[Any, ...]]:
    """Return what is fitted on, and the test sets without any image of it.

    Of a test set that ``fit_on`` names, a random half is fitted on and the other reported on.

    Raises:
      InputError: Unknown ``fit_on``; no test set.
    """
    from wiseft_jax.data.splits import halves

    if not data.tests:
        raise InputError("there is no test set to compare learned coefficients on")
    name = learning.fit_on or data.validation.name
    if name == data.validation.name:
        return data.validation, data.tests
    half, other = halves(_named(data, name, "dataset to fit on"), learning.seed)
    return half, tuple(other if each.name == name else each for each in data.tests)


def compared_facts(row: ComparedModel) -> dict[str, Any]:
    """Return a row as plain JSON values, with its accuracy and McNemar's exact p-values.

    Against the learned model; for that one itself they are None.
    """
    from wiseft_jax.core.paired import mcnemar_of_counts

    test = None
    if row.model != "learned":
        test = mcnemar_of_counts(row.learned_only, row.single_only, row.n)
    return {
        **dataclasses.asdict(row),
        "value": row.hits / row.n,
        "p_value": None if test is None else test.p_value,
        "mid_p": None if test is None else test.mid_p,
    }


def rule_costs(
    config: ExperimentConfig,
    data: ExperimentData,
    ends: Ends,
    result: SweepResult,
    run_directory: RunDirectory,
) -> dict[str, Any]:
    """Run every rule for choosing alpha on every set of a sweep.

    Args:
      config: What was swept; ``sweep.select_on`` names another set than the validation set for
        rules to choose on.
      data: Its datasets.
      ends: Its ends, for DaWin, which runs each image at an alpha of its own.
      result: The sweep.
      run_directory: Where ``rules.json`` goes.

    Returns:
      What is written: ``costs`` (``RuleCost.facts()``), ``mean_points_lost`` over shifts,
      ``rules``, the sweep's ``method`` and the configuration of the experiment.

    Raises:
      InputError: As ``benchmark_rules``.
    """
    from wiseft_jax.evaluation.per_example import predictors, readable
    from wiseft_jax.evaluation.rule_costs import benchmark_rules, find_validation, mean_points_lost
    from wiseft_jax.evaluation.rules import ALL_RULES

    swept = (data.validation, *data.tests)
    predict_at = predictors(
        *ends,
        {each.name: readable(each, result.predictions[each.name]) for each in swept},
        batch_size=config.sweep.batch_size,
        mesh=config.mesh,
        num_threads=config.data.num_threads,
    )
    select_on = config.sweep.select_on
    costs = benchmark_rules(
        result.predictions,
        targets=list(result.predictions),
        select_on=select_on,
        predict_at=predict_at,
    )
    chosen_on = find_validation(result.predictions, select_on)
    facts = {
        "method": config.sweep.method,
        "alphas": list(result.alphas),
        "chosen_on": None if chosen_on is None else chosen_on.dataset,
        "rules": {
            name: {"summary": rule.summary, "needs": list(rule.needs), "bound": rule.is_bound}
            for name, rule in ALL_RULES.items()
        },
        "costs": [cost.facts() for cost in costs],
        "mean_points_lost": mean_points_lost(costs),
    }
    return _written(facts, config, run_directory, RULES_FILE)


def forget_rules(run_directory: RunDirectory) -> None:
    """Remove, in process 0, what rules cost on the sets of an earlier sweep."""
    from wiseft_jax.core.distributed import is_first

    path = run_directory.path / RULES_FILE
    if is_first() and path.exists():
        logger.warning("%s: removed, it was of an earlier sweep", path)
        path.unlink()


def race_alphas(
    config: ExperimentConfig,
    data: ExperimentData,
    ends: Ends,
    racing: RaceConfig,
    run_directory: RunDirectory,
    *,
    name: str | None = None,
) -> dict[str, Any]:
    """Find the best alpha of the sweep's grid on one set, without a full sweep.

    Args:
      config: The run's; ``sweep.alphas`` are the candidates.
      data: Its datasets.
      ends: Its ends.
      racing: How to race; batches have ``racing.batch_size`` images.
      run_directory: Where ``race.json`` goes.
      name: The set; the validation set by default. Another one is said: what is chosen on a set
        is optimistic there.

    Returns:
      What is written: the winner and what it cost, ``guaranteed`` and ``empirical`` sentences, and
      the configurations.

    Raises:
      InputError: Unknown name; several processes; as ``LiveRace``.
    """
    from wiseft_jax.evaluation.engine import EngineConfig
    from wiseft_jax.evaluation.racing import race
    from wiseft_jax.evaluation.racing_live import LiveRace

    classifier, theta_0, theta_1 = ends
    dataset = _named(data, name or data.validation.name, "dataset to race on")
    alphas = config.sweep.alphas
    engine = EngineConfig.resolve(
        theta_0,
        num_alphas=len(alphas),
        batch_size=racing.batch_size,
        chunk_size=config.sweep.chunk_size,
        mesh=config.mesh,
        num_threads=config.data.num_threads,
    )
    live = LiveRace(classifier, theta_0, theta_1, dataset, alphas, engine)
    held_out = (dataset.split, dataset.role) == ("validation", "reference")
    if not held_out:
        logger.warning(
            "the race chooses ON %s (%s, %s): accuracies there are optimistic",
            dataset.name,
            dataset.split,
            dataset.role,
        )
    result = race(live, len(alphas), live.order(racing.seed), racing)
    facts = {
        "dataset": dataset.name,
        "split": dataset.split,
        "role": dataset.role,
        "held_out": held_out,
        "config": dataclasses.asdict(racing),
        "forwards": live.forwards,
        **race_facts(result, alphas, racing),
    }
    return _written(facts, config, run_directory, RACE_FILE)


def race_facts(result: RaceResult, alphas: Sequence[float], racing: RaceConfig) -> dict[str, Any]:
    """Return what a race found as plain JSON values, and in words how sure that is.

    Args:
      result: The race.
      alphas: Its candidates.
      racing: How it was run.
    """
    winner, seen = result.winner, int(result.seen.max())
    left = [float(alphas[index]) for index in result.left]
    stopped = "all images were seen"
    if len(left) == 1:
        stopped = "one alpha was left"
    elif seen < result.total:
        stopped = "the budget was used" if result.share >= racing.budget else "within tolerance"
    facts = {
        "alpha": float(alphas[winner]),
        "hits": int(result.hits[winner]),
        "seen": int(result.seen[winner]),
        "complete": result.complete,
        "n": result.total,
        "alphas": [float(alpha) for alpha in alphas],
        "left": left,
        "stopped": stopped,
        "evaluations": result.evaluations,
        "full_sweep": result.total * len(alphas),
        "share": result.share,
        "filled": result.filled,
        "audited": result.audited,
        "wrong": result.wrong,
        "wrong_bound": result.wrong_bound,
    }
    return facts | {
        "guaranteed": _guaranteed(facts, racing),
        "empirical": _empirical(facts, racing),
    }


def _guaranteed(facts: dict[str, Any], racing: RaceConfig) -> list[str]:
    given = ""
    if racing.neighbours:
        points = 100 * racing.fill_error
        given = f", if results filled in change no difference by more than {points:g} points"
    listed = ", ".join(f"{alpha:g}" for alpha in facts["left"])
    sure = f"with a probability of at least {100 * racing.confidence:g} %"
    lines = [f"{sure} the most accurate alpha on all {facts['n']} images is among {listed}{given}"]
    if facts["stopped"] == "within tolerance":
        points = 100 * racing.tolerance
        lines.append(f"{sure} the winner is less than {points:g} points below it{given}")
    if facts["complete"]:
        lines.append(
            f"the winner's {facts['hits']} right of {facts['seen']} are counted, none is filled in"
        )
    return lines


def _empirical(facts: dict[str, Any], racing: RaceConfig) -> list[str]:
    lines = []
    if facts["filled"]:
        lines.append(
            f"{facts['filled']} results were filled in between neighbouring alphas; of"
            f" {facts['audited']} of these that were drawn and run {facts['wrong']} were wrong, so"
            f" at most {100 * facts['wrong_bound']:.1f} % are (95 % confidence)"
        )
    if len(facts["left"]) > 1:
        lines.append(
            f"the winner is the most accurate of the {len(facts['left'])} left on the"
            f" {facts['seen']} images seen"
        )
    if not facts["complete"]:
        lines.append("the winner's count includes results that were filled in")
    return lines


def _named(data: ExperimentData, name: str, kind: str) -> Any:
    sets = {each.name: each for each in (data.validation, *data.tests)}
    if name not in sets:
        raise unknown_name(kind, name, sets)
    return sets[name]


def _written(
    facts: dict[str, Any], config: ExperimentConfig, run_directory: RunDirectory, file: str
) -> dict[str, Any]:
    from wiseft_jax.core.distributed import is_first

    facts = facts | {"experiment": describe(config)}
    if is_first():
        write_json(run_directory.path / file, facts)
    return facts
