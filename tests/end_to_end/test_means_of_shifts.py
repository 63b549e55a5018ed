"""Every place that takes a mean of shifts takes the same with a matched reference as without."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.analysis.runs import HASH, made_predictions, write_run
from tests.studies.grids import run_row
from wiseft_jax.analysis.ensembles import ensembles
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.curve_rows import CurveRow
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.results import MEAN_OF_SHIFTS, mean_over_shifts
from wiseft_jax.core.run_summary import key_numbers
from wiseft_jax.core.tracking import results_at, values_by_alpha
from wiseft_jax.core.typing import Role
from wiseft_jax.data.source import array_dataset
from wiseft_jax.evaluation.paired_runs import compare_runs
from wiseft_jax.evaluation.predictions import Predictions, save_predictions
from wiseft_jax.evaluation.rule_costs import benchmark_rules, mean_intervals, mean_points_lost
from wiseft_jax.evaluation.select import select_alpha
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.reporting.continuous import continuous
from wiseft_jax.reporting.page.lines import lines_of
from wiseft_jax.reporting.page.summary import summary_of
from wiseft_jax.reporting.report import report_markdown
from wiseft_jax.reporting.series import Curves
from wiseft_jax.reporting.study_tables import learned_table, rules_cells
from wiseft_jax.studies.alternatives_summary import Answers, summarise
from wiseft_jax.studies.diversity import diversity_study
from wiseft_jax.studies.diversity_config import DiversityConfig
from wiseft_jax.studies.grid_files import StudyDirectory
from wiseft_jax.studies.grid_results import GridResults, GridSet, accuracies_of
from wiseft_jax.studies.grid_rules import costs_of_run, rules_facts
from wiseft_jax.studies.grid_spread import spread_facts
from wiseft_jax.studies.patch_config import PatchConfig
from wiseft_jax.studies.patch_measures import make_test_images

SELECTION = {"alpha": 0.5, "reason": "the default.", "rule": "constant"}
MATCHED = "test-of-a"

Sets = Sequence[Predictions]


def sets(*, matched: bool) -> Sets:
    """Return a validation set, a test set, two shifts, and what one of them is set against."""
    found = [
        made_predictions("validation", 40, split="validation"),
        made_predictions("test", 60),
        made_predictions("a", 50, role="shift", signal=(1.5, 1.0)),
        made_predictions("b", 45, role="shift", signal=(1.0, 0.3)),
    ]
    role: Role = "matched_reference"
    own = made_predictions(MATCHED, 30, role=role, signal=(3.0, 4.0))
    return [*found[:3], own, found[3]] if matched else found


def another(found: Sets) -> Sets:
    """Return another run's answers on the same images."""
    changed = ("correct", "top1", "margin", "logits")
    return [
        dataclasses.replace(each, **{name: getattr(each, name)[::-1] for name in changed})
        for each in found
    ]


def rows_of(found: Sets) -> list[Any]:
    return [row for each in found for row in each.rows(HASH)]


def by_name(found: Sets) -> dict[str, Predictions]:
    return {each.dataset: each for each in found}


def curve_rows_of(found: Sets) -> list[CurveRow]:
    rows = []
    for each in found:
        hits = [each.accuracy(place).hits for place in range(len(each.alphas))]
        named: Any = {"dataset": each.dataset, "split": each.split, "role": each.role}
        more: Any = {"n": len(each), "alphas": list(each.alphas), "hits": hits, "low": hits}
        rest: Any = {"high": hits, "lost": [], "won": [], "summary": {}, "config_hash": HASH}
        rows.append(CurveRow(schema=2, **named, **more, **rest))
    return rows


def stored(found: Sets, path: Path) -> StoredRun:
    return StoredRun.load(write_run(path / "run", found))


def summary(found: Sets, _: Path) -> Any:
    return key_numbers(rows_of(found), SELECTION)


def tracked(found: Sets, _: Path) -> Any:
    rows = rows_of(found)
    by_alpha = values_by_alpha(rows).values()
    known = [*results_at(rows, SELECTION).items(), *(pair for e in by_alpha for pair in e.items())]
    return [pair for pair in known if MEAN_OF_SHIFTS in pair[0]]


def curves(found: Sets, _: Path) -> Any:
    drawn = Curves.of(rows_of(found))
    return drawn.reference, drawn.mean, drawn.shifts


def dense_curves(found: Sets, _: Path) -> Any:
    drawn = continuous(curve_rows_of(found), rows_of(found))
    assert drawn is not None
    return drawn.reference, drawn.mean, drawn.shifts


def page(found: Sets, _: Path) -> Any:
    lines = lines_of(Curves.of(rows_of(found)), by_name(found), (), 0.5)
    mean = [line for line in lines if line.kind == "mean"]
    return mean, summary_of(lines, SELECTION)


def markdown(found: Sets, _: Path) -> Any:
    text = report_markdown(rows_of(found), selection=SELECTION)
    return [line for line in text.splitlines() if line.startswith("- ")]


def mixtures(found: Sets, path: Path) -> Any:
    rows = ensembles(stored(found, path), AnalysisOptions(samples=50))
    return [row for row in rows if row["group"] == MEAN_OF_SHIFTS]


def shifts_of_run(found: Sets, path: Path) -> Any:
    run = stored(found, path)
    assert run.reference is not None
    return run.reference.dataset, [each.dataset for each in run.shifts]


def paired(found: Sets, _: Path) -> Any:
    rows = compare_runs(by_name(found), by_name(another(found)), (0.25, 0.25))[0]
    return [row for row in rows if row.dataset == MEAN_OF_SHIFTS]


def costs(found: Sets, _: Path) -> Any:
    known = benchmark_rules(by_name(found), rules=["constant", "validation_best"])
    return mean_points_lost(known), mean_intervals(known)


def choice(found: Sets, _: Path) -> Any:
    return select_alpha(rows_of(found), "validation_best")


def table_of_rules(found: Sets, _: Path) -> Any:
    known = benchmark_rules(by_name(found), rules=["constant"])
    facts = {
        "costs": [cost.facts() for cost in known],
        "rules": {"constant": {"bound": False}},
        "mean_points_lost": mean_points_lost(known),
        "mean_intervals": mean_intervals(known),
    }
    header, lines = rules_cells(facts)
    return header[-1], lines[0][-1]


def table_of_learned(found: Sets, _: Path) -> Any:
    rows = [
        {"model": "learned", "dataset": each.dataset, "alpha": None, "n": len(each),
         "value": each.accuracy(2).compute(), "p_holm": None}
        for each in found
    ]  # fmt: skip
    named = [{"dataset": e.dataset, "split": e.split, "role": e.role} for e in found]
    config = {"granularity": "tensor", "objective": "loss"}
    facts = {"rows": rows, "reported_on": named, "config": config, "held_out": True}
    table: Any = learned_table(facts | {"dataset": "validation", "n": 40}, 300).renderables[0]
    (shifts,) = [each for each in table.columns if "shifts" in str(each.header)]
    return list(shifts.cells)


def grid(found: Sets) -> GridResults:
    named = tuple(GridSet(e.dataset, e.split, e.role, e.accuracy(0).n) for e in found)
    accuracies = np.array([[accuracies_of(each) for each in found]] * 2)
    accuracies[1] *= 0.9
    alphas = found[0].alphas
    return GridResults((run_row(0), run_row(1)), (), named, alphas, accuracies, np.full(2, 0.5))


def grid_means(found: Sets, _: Path) -> Any:
    results = grid(found)
    (mean,) = [each for each in spread_facts(results)["sets"] if each["set"] == MEAN_OF_SHIFTS]
    return mean, [results.sets[place].name for place in results.shifts]


def grid_costs(found: Sets, _: Path) -> Any:
    own = costs_of_run(by_name(found))
    return rules_facts(grid(found), [own, own])


def alternatives(found: Sets, _: Path) -> Any:
    def answers(method: str, value: float, place: int) -> Answers:
        return Answers(method, value, {e.dataset: e.correct[place] for e in found}, HASH)

    models = [answers("wise_ft", 0.5, 2), answers("ema", 0.9, 3)]
    facts, rows = summarise(models, found, 0)
    return facts, [row for row in rows if row["dataset"] == MEAN_OF_SHIFTS]


def diversity(found: Sets, path: Path) -> Any:
    directory = StudyDirectory(path)
    directory.prepare(ExperimentConfig(name="numbers"), ["training.epochs"], {"class_names": []})
    rows = [run_row(index) for index in range(2)]
    for own, row in zip((found, another(found)), rows, strict=True):
        save_predictions(directory.path / row["run"], own)
    directory.write_rows(rows)
    facts = diversity_study(DiversityConfig(probe_splits=0, samples=50), directory, None)
    return [each for each in facts["sets"] if each["dataset"] == MEAN_OF_SHIFTS]


def patches(found: Sets, _: Path) -> Any:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (8, 16, 16, 3)).astype(np.uint8)
    labels = np.arange(8) % 2
    tests = tuple(
        array_dataset(images, labels, ("a", "b"), name=each.dataset, role=each.role)
        for each in found
        if each.split == "test"
    )
    data = ExperimentData(("a", "b"), tests[0], tests[0], tests)
    made = make_test_images(PatchConfig(patch_size=8), data, Preprocess(16, 16))
    return made.reference, made.shifts


PLACES: list[Callable[[Sets, Path], Any]] = [
    lambda found, _: mean_over_shifts(rows_of(found)),
    *(summary, tracked, curves, dense_curves, page, markdown),
    *(mixtures, shifts_of_run, paired, costs, choice, table_of_rules, table_of_learned),
    *(grid_means, grid_costs, alternatives, diversity, patches),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_matched_reference_is_in_no_mean_of_shifts(
    place: Callable[[Sets, Path], Any], tmp_path: Path
):
    with_it, without = (
        place(sets(matched=matched), tmp_path / str(matched)) for matched in (True, False)
    )
    assert repr(with_it) == repr(without)
    assert with_it


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_another_shift_would_be_in_each_of_them(place: Callable[[Sets, Path], Any], tmp_path: Path):
    if place is choice:
        pytest.skip("alpha is chosen on the validation set alone")
    more = [
        dataclasses.replace(each, role="shift") if each.dataset == MATCHED else each
        for each in sets(matched=True)
    ]
    with_it = place(more, tmp_path / "more")
    assert repr(with_it) != repr(place(sets(matched=False), tmp_path / "fewer"))
