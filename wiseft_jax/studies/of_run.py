"""What else a trained run can be asked: learned coefficients, what rules cost, a race.

A study reads the two ends of a run and writes one JSON file into its directory, in process 0. It
leaves the run's rows, its chosen alpha and its merged model as they are. Nothing heavy is imported
until a study runs.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.run_directory import RunDirectory, describe
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.training.learn_config import LearnAlphasConfig

if TYPE_CHECKING:
    from wiseft_jax.data.source import Dataset
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

    The candidates for the best single alpha are those of the sweep, as in a race. Each is run on
    what is fitted on, whatever the sweep's method.

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
    from wiseft_jax.evaluation.evaluator import evaluate
    from wiseft_jax.evaluation.sweep import sweep
    from wiseft_jax.training.compare_alphas import compare_with_single
    from wiseft_jax.training.learn_alphas import learn_alphas

    classifier, theta_0, theta_1 = ends
    if "head" not in theta_0:
        raise InputError(
            f"learned coefficients: training.recipe {config.training.recipe} trains the text tower,"
            " for which there are no groups of coefficients; expected a recipe with a head"
        )
    fitted, reported = fitted_and_reported(data, learning)
    options: dict[str, Any] = {"mesh": config.mesh, "num_threads": config.data.num_threads}
    sweeping: dict[str, Any] = options | {"batch_size": config.sweep.batch_size}

    def right(theta: Any, dataset: Any) -> Any:
        found = evaluate(classifier, theta, dataset, **sweeping)
        return found.correct[0, found.labels >= 0]

    def right_at(alphas: Sequence[float], datasets: Sequence[Dataset]) -> list[Any]:
        backend, chunk_size = config.sweep.backend, config.sweep.chunk_size
        found = sweep(*ends, datasets, alphas, backend=backend, chunk_size=chunk_size, **sweeping)
        return [each.correct[:, each.labels >= 0] for each in found.predictions.values()]

    learned = learn_alphas(classifier, theta_0, theta_1, fitted, learning, **options)
    alphas = config.sweep.alphas
    compared = compare_with_single(
        classifier, theta_0, theta_1, learned, reported, right, right_at, alphas=alphas, **options
    )
    facts = {
        **learned.facts(),
        "alphas": list(alphas),
        "reported_on": [
            {"dataset": each.name, "split": each.split, "role": each.role} for each in reported
        ],
        "rows": compared_facts(compared),
    }
    used = (data.validation, *data.tests)
    return _written(facts, config, ends, used, run_directory, LEARNED_FILE)


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


def compared_facts(rows: Sequence[ComparedModel]) -> list[dict[str, Any]]:
    """Return rows as plain JSON values, with accuracies and McNemar's exact p-values.

    Against the learned model; for that one itself they are None. ``p_value`` and ``mid_p`` are of
    the row alone. ``p_holm`` is the former corrected, by Holm's method, for the sets that the same
    model is compared on: all of them are looked at for one that differs.
    """
    from wiseft_jax.core.paired import holm, mcnemar_of_counts

    found = []
    for row in rows:
        test = None
        if row.model != "learned":
            test = mcnemar_of_counts(row.learned_only, row.single_only, row.n)
        more = {
            "value": row.hits / row.n,
            "p_value": None if test is None else test.p_value,
            "mid_p": None if test is None else test.mid_p,
            "p_holm": None,
        }
        found.append(dataclasses.asdict(row) | more)
    for model in {row.model for row in rows} - {"learned"}:
        family = [each for each in found if each["model"] == model]
        corrected = holm([each["p_value"] for each in family])
        for each, value in zip(family, corrected.tolist(), strict=True):
            each["p_holm"] = value
    return found


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
      What is written: ``costs`` (``RuleCost.facts()``), ``mean_points_lost`` over shifts with
      ``mean_intervals``, how these were drawn (``bootstrap``), ``rules``, the sweep's ``method``
      and the configuration of the experiment.

    Raises:
      InputError: As ``benchmark_rules``.
    """
    from wiseft_jax.evaluation import rule_costs as costing
    from wiseft_jax.evaluation.per_example import predictors, readable
    from wiseft_jax.evaluation.rules import ALL_RULES

    swept = (data.validation, *data.tests)
    predict_at = None
    if "head" in ends[1]:
        predict_at = predictors(
            *ends,
            {each.name: readable(each, result.predictions[each.name]) for each in swept},
            batch_size=config.sweep.batch_size,
            mesh=config.mesh,
            num_threads=config.data.num_threads,
        )
    else:
        logger.warning(
            "rules: DaWin is left out: it runs each image at its own alpha, which needs a head that"
            " is linear in alpha, and training.recipe %s trains the text tower",
            config.training.recipe,
        )
    select_on, seed = config.sweep.select_on, config.training.seed
    costs = costing.benchmark_rules(
        result.predictions,
        targets=list(result.predictions),
        select_on=select_on,
        predict_at=predict_at,
        seed=seed,
    )
    chosen_on = costing.find_validation(result.predictions, select_on)
    facts = {
        "method": config.sweep.method,
        "alphas": list(result.alphas),
        "chosen_on": None if chosen_on is None else chosen_on.dataset,
        "rules": {
            name: {"summary": rule.summary, "needs": list(rule.needs), "bound": rule.is_bound}
            for name, rule in ALL_RULES.items()
        },
        "costs": [cost.facts() for cost in costs],
        "mean_points_lost": costing.mean_points_lost(costs),
        "mean_intervals": costing.mean_intervals(costs),
        "bootstrap": {
            "samples": costing.SAMPLES,
            "seed": seed,
            "confidence": costing.CONFIDENCE,
        },
    }
    return _written(facts, config, ends, swept, run_directory, RULES_FILE)


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
    from wiseft_jax.evaluation.race_facts import race_facts
    from wiseft_jax.evaluation.racing import race
    from wiseft_jax.evaluation.racing_live import LiveRace

    classifier, theta_0, theta_1 = ends
    dataset = _named(data, name or data.validation.name, "dataset to race on")
    alphas = config.sweep.alphas
    if len(alphas) < 2:
        raise InputError(
            f"--race: expected two alphas or more to race between, found {len(alphas)}; give"
            " --sweep.alphas"
        )
    engine = EngineConfig.resolve(
        theta_0,
        num_alphas=len(alphas),
        batch_size=racing.batch_size,
        chunk_size=config.sweep.chunk_size or 1,
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
        **race_facts(result, alphas, racing),
    }
    return _written(facts, config, ends, (dataset,), run_directory, RACE_FILE)


def _named(data: ExperimentData, name: str, kind: str) -> Any:
    sets = {each.name: each for each in (data.validation, *data.tests)}
    if name not in sets:
        raise unknown_name(kind, name, sets)
    return sets[name]


def fitting_studies(
    data: ExperimentData, run_directory: RunDirectory, shown: Collection[str] = ()
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return what the studies in a run directory found, where they are of what is there.

    Args:
      data: The present datasets.
      run_directory: The run.
      shown: Names of the sets of its stored sweep: one of these that isn't among the present
        datasets needn't be.

    Returns:
      Study (``"race"``, ``"learned"``, ``"rules"``) -> the content of its file; and for each file
      that is left out, because it is of other ends or other images, a line that says so. It is
      logged as well.
    """
    from wiseft_jax.core.study_files import read_fitting

    files = {"race": RACE_FILE, "learned": LEARNED_FILE, "rules": RULES_FILE}
    there = {name: file for name, file in files.items() if (run_directory.path / file).exists()}
    if not there:
        return {}, []  # without a look at the datasets
    present = {each.name: each.fingerprint() for each in (data.validation, *data.tests)}
    found, left_out = {}, []
    for name, file in there.items():
        facts, reason = read_fitting(run_directory, file, present, shown)
        if reason:
            left_out.append(f"{file} is left out: {reason}")
            logger.warning("%s: %s", run_directory.path, left_out[-1])
        else:
            found[name] = facts
    return found, left_out


def _written(
    facts: dict[str, Any],
    config: ExperimentConfig,
    ends: Ends,
    datasets: Sequence[Dataset],
    run_directory: RunDirectory,
    file: str,
) -> dict[str, Any]:
    from wiseft_jax.core.distributed import is_first
    from wiseft_jax.core.study_files import made_from
    from wiseft_jax.core.trees import hash_tree

    used = {each.name: each.fingerprint() for each in datasets}
    hashes: Mapping[str, str] = {"theta_0": hash_tree(ends[1]), "theta_1": hash_tree(ends[2])}
    facts = facts | {
        "experiment": describe(config),
        "made_from": made_from(run_directory, hashes, used),
    }
    if is_first():
        write_json(run_directory.path / file, facts)
    return facts
