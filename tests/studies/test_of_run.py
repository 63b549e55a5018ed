"""Studies of two ends: what they fit and report on, what they write, and that their words hold."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, dataset, tiny_ends
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.paired import mcnemar
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.trees import hash_tree
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.config import SweepConfig
from wiseft_jax.evaluation.curve import curve
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.evaluation.race_facts import race_facts
from wiseft_jax.evaluation.racing import race, random_order, replay
from wiseft_jax.evaluation.sweep import SweepResult, sweep
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.studies import of_run as studies
from wiseft_jax.training.compare_alphas import ComparedModel
from wiseft_jax.training.learn_config import LearnAlphasConfig

ALPHAS = (0.0, 0.25, 0.5, 1.0)
CONFIG = ExperimentConfig(sweep=SweepConfig(alphas=ALPHAS, batch_size=16, keep_logits="all"))
QUICK = LearnAlphasConfig(epochs=1, batch_size=16, learning_rate=0.1)


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> studies.Ends:
    return tiny_ends(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def data() -> ExperimentData:
    return ExperimentData(
        NAMES,
        dataset(5, "train", split="train"),
        dataset(11, "validation", split="validation"),
        (dataset(23, "test"), dataset(16, "shift", role="shift")),
    )


@pytest.fixture(scope="module")
def swept(ends: studies.Ends, data: ExperimentData) -> SweepResult:
    datasets = [data.validation, *data.tests]
    return sweep(*ends, datasets, ALPHAS, batch_size=16, keep_logits=True)


def written(directory: Path, file: str) -> Any:
    return json.loads((directory / file).read_text())


def test_the_validation_set_is_fitted_on_whole_and_the_test_sets_are_reported_on(
    data: ExperimentData,
) -> None:
    for name in (None, "validation"):
        fitted, reported = studies.fitted_and_reported(data, LearnAlphasConfig(fit_on=name))
        assert fitted is data.validation
        assert reported == data.tests


def test_of_a_named_test_set_one_half_is_fitted_on_and_the_other_reported_on(
    data: ExperimentData,
) -> None:
    fitted, reported = studies.fitted_and_reported(data, LearnAlphasConfig(fit_on="shift"))
    assert [each.name for each in reported] == ["test", "shift"]
    ids = [{each.id(place) for place in range(len(each))} for each in (fitted, reported[1])]
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == {data.tests[1].id(place) for place in range(16)}


def test_nothing_to_fit_or_report_on_is_refused(data: ExperimentData) -> None:
    with pytest.raises(InputError, match=r"dataset to fit on.*Did you mean 'shift'"):
        studies.fitted_and_reported(data, LearnAlphasConfig(fit_on="shfit"))
    with pytest.raises(InputError, match="no test set"):
        studies.fitted_and_reported(dataclasses.replace(data, tests=()), QUICK)


def test_a_comparison_has_the_p_values_of_the_examples() -> None:
    learned, single = np.zeros(40, bool), np.zeros(40, bool)
    learned[:30], single[8:33] = True, True
    row = ComparedModel("test", "constant", 0.5, int(single.sum()), 40, 8, 3)
    (found,), wanted = studies.compared_facts([row]), mcnemar(learned, single)
    assert (found["p_value"], found["mid_p"]) == (wanted.p_value, wanted.mid_p)
    assert found["p_holm"] == found["p_value"]  # of one set
    assert found["value"] == 25 / 40
    (own,) = studies.compared_facts([ComparedModel("test", "learned", None, 30, 40, 0, 0)])
    assert own["p_value"] is own["mid_p"] is own["p_holm"] is None


def test_p_values_are_corrected_for_the_sets_of_a_model() -> None:
    counts = {"a": (10, 1), "b": (9, 2), "c": (5, 5)}
    rows = [
        ComparedModel(name, model, alpha, 30, 40, *split)
        for name, split in counts.items()
        for model, alpha in (("learned", None), ("constant", 0.5), ("fine_tuned", 1.0))
    ]
    found = {(each["model"], each["dataset"]): each for each in studies.compared_facts(rows)}
    for model in ("constant", "fine_tuned"):
        raw = [found[model, name]["p_value"] for name in "abc"]
        assert raw[0] < 0.05 / 3 < raw[1] < 0.1
        assert [found[model, name]["p_holm"] for name in "abc"] == pytest.approx(
            [3 * raw[0], 2 * raw[1], 1.0]
        )
    assert [each["dataset"] for each in studies.compared_facts(rows)] == [r.dataset for r in rows]


def test_learned_coefficients_are_written_with_their_comparison(
    ends: studies.Ends, data: ExperimentData, swept: SweepResult, tmp_path: Path
) -> None:
    sweeping = SweepConfig(alphas=ALPHAS, batch_size=16, method="curve")
    config = dataclasses.replace(CONFIG, sweep=sweeping)
    facts = studies.learn(config, data, ends, QUICK, RunDirectory(tmp_path))
    assert written(tmp_path, "learned.json") == json.loads(json.dumps(facts))
    assert facts["alphas"] == list(ALPHAS)  # a race's candidates too
    assert [path.name for path in tmp_path.iterdir()] == ["learned.json"]
    assert facts["held_out"]
    assert list(facts["coefficients"]) == ["embedding", "block_0", "projection", "head"]
    assert facts["config"]["epochs"] == 1
    assert facts["experiment"]["config"]["sweep"]["alphas"] == list(ALPHAS)
    rows = {(row["dataset"], row["model"]): row for row in facts["rows"]}
    assert {name for name, _ in rows} == {"test", "shift"}
    for name in ("test", "shift"):
        for place, model in ((0, "zero_shot"), (2, "constant"), (3, "fine_tuned")):
            wanted = swept.predictions[name].accuracy(place)
            assert (rows[name, model]["hits"], rows[name, model]["n"]) == (wanted.hits, wanted.n)
    assert facts["made_from"]["datasets"].keys() == {"validation", "test", "shift"}
    accuracies = [swept.predictions["validation"].accuracy(place).hits for place in range(4)]
    best = ALPHAS[int(np.argmax(accuracies))]
    assert rows["test", "best_by_accuracy"]["alpha"] == best


def test_rules_cost_what_the_rows_of_the_sweep_say(
    ends: studies.Ends, data: ExperimentData, swept: SweepResult, tmp_path: Path
) -> None:
    facts = studies.rule_costs(CONFIG, data, ends, swept, RunDirectory(tmp_path))
    assert written(tmp_path, "rules.json") == json.loads(json.dumps(facts))
    assert (facts["method"], facts["chosen_on"]) == ("direct", "validation")
    costs = {(cost["rule"], cost["dataset"]): cost for cost in facts["costs"]}
    assert not [cost for cost in facts["costs"] if cost["missing"]]
    for name, found in swept.predictions.items():
        accuracies = [found.accuracy(place).compute() for place in range(4)]
        lost = 100 * (max(accuracies) - accuracies[2])
        assert costs["constant", name]["points_lost"] == pytest.approx(lost)
        assert costs["oracle", name]["points_lost"] == 0
    mean = facts["mean_points_lost"]
    assert mean["constant"] == costs["constant", "shift"]["points_lost"]
    chosen = {(cost["rule"], cost["dataset"]) for cost in facts["costs"] if cost["in_sample"]}
    assert ("validation_best", "validation") in chosen
    assert ("validation_best", "test") not in chosen
    for cost in facts["costs"]:
        assert cost["lost_low"] <= cost["points_lost"] + 1e-9 <= cost["lost_high"] + 2e-9
    shift = costs["constant", "shift"]  # the only one
    assert facts["mean_intervals"]["constant"] == (shift["lost_low"], shift["lost_high"])
    assert facts["rules"]["oracle"]["bound"]
    assert not facts["rules"]["dawin"]["bound"]


def test_every_rule_follows_a_curve_that_keeps_no_logits(
    ends: studies.Ends, data: ExperimentData, swept: SweepResult, tmp_path: Path
) -> None:
    """And chooses what it does after a direct sweep, where rounding can't decide."""
    result = curve(
        *ends, [data.validation, *data.tests], ALPHAS, config=CurveConfig(exact=True), batch_size=16
    )
    assert all(each.logits is None for each in result.predictions.values())
    method = dataclasses.replace(CONFIG.sweep, method="curve", keep_logits="none")
    config = dataclasses.replace(CONFIG, sweep=method)
    found, direct = (
        studies.rule_costs(each, data, ends, sweep_result, RunDirectory(tmp_path))
        for each, sweep_result in ((config, result), (CONFIG, swept))
    )
    assert found["method"] == "curve"
    assert not [cost for cost in found["costs"] if cost["missing"]]
    for mine, wanted in zip(found["costs"], direct["costs"], strict=True):
        assert (mine["rule"], mine["alpha"]) == (wanted["rule"], wanted["alpha"])


def test_rules_say_what_is_missing_in_a_sweep_of_an_older_version(
    ends: studies.Ends, data: ExperimentData, swept: SweepResult, tmp_path: Path
) -> None:
    bare = {
        name: dataclasses.replace(each, logits=None, entropy=None)
        for name, each in swept.predictions.items()
    }
    result = dataclasses.replace(swept, predictions=bare)
    facts = studies.rule_costs(CONFIG, data, ends, result, RunDirectory(tmp_path))
    lacking = {cost["rule"] for cost in facts["costs"] if cost["missing"]}
    assert lacking == {"entropy", "atc", "dawin", "dawin_on_grid"}
    assert facts["mean_points_lost"]["dawin"] is None


def test_rules_of_an_earlier_sweep_are_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    studies.forget_rules(RunDirectory(tmp_path))
    assert not caplog.text
    (tmp_path / "rules.json").write_text("{}")
    studies.forget_rules(RunDirectory(tmp_path))
    assert "rules.json: removed" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_race_finds_the_best_of_the_sweep(
    ends: studies.Ends,
    data: ExperimentData,
    swept: SweepResult,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    racing = RaceConfig(batch_size=16, neighbours=False)
    for name, found in swept.predictions.items():
        facts = studies.race_alphas(CONFIG, data, ends, racing, RunDirectory(tmp_path), name=name)
        assert written(tmp_path, "race.json") == json.loads(json.dumps(facts))
        hits = [found.accuracy(place).hits for place in range(4)]
        assert facts["hits"] == max(hits)
        assert facts["alpha"] == ALPHAS[int(np.argmax(hits))]
        assert facts["full_sweep"] == 4 * len(found)
        assert facts["evaluations"] <= facts["forwards"]
        assert facts["share"] == facts["forwards"] / facts["full_sweep"]
        # Naming a test set is allowed, and said.
        assert (f"ON {name}" in caplog.text) == (name != "validation") == (not facts["held_out"])


def test_a_race_is_on_the_validation_set_unless_another_is_named(
    ends: studies.Ends,
    data: ExperimentData,
    tmp_path: Path,
) -> None:
    racing = RaceConfig(batch_size=16)
    directory = RunDirectory(tmp_path)
    facts = studies.race_alphas(CONFIG, data, ends, racing, directory)
    assert facts["dataset"] == "validation"
    with pytest.raises(InputError, match=r"dataset to race on.*Did you mean 'test'"):
        studies.race_alphas(CONFIG, data, ends, racing, directory, name="tests")
    alone = dataclasses.replace(CONFIG, sweep=dataclasses.replace(CONFIG.sweep, alphas=(0.5,)))
    with pytest.raises(InputError, match="expected two alphas or more to race between, found 1"):
        studies.race_alphas(alone, data, ends, racing, directory)


def many(n: int = 400) -> np.ndarray:
    """Draw examples that are right on an interval of alphas."""
    rng = np.random.default_rng(0)
    low, high = rng.normal(-0.1, 0.4, n), rng.normal(1.0, 0.5, n)
    grid = np.linspace(0, 1, 5)[:, None]
    return (low < grid) & (grid < high)


def said(racing: RaceConfig, correct: np.ndarray) -> dict[str, Any]:
    grid = np.linspace(0, 1, len(correct)).tolist()
    found = race(replay(correct), len(correct), random_order(correct.shape[1]), racing)
    return race_facts(found, grid, racing)


def test_what_a_race_guarantees_depends_on_what_it_filled_in() -> None:
    everything = said(RaceConfig(neighbours=False), many())
    assert everything["filled"] == 0
    assert not any("filled in change" in line for line in everything["guaranteed"])
    filled = said(RaceConfig(neighbours=True), many())
    assert filled["filled"] > 0
    assert "change no difference by more than 0.2 points" in filled["guaranteed"][0]
    assert f"{filled['filled']} results were filled in" in filled["empirical"][0]
    bound = f"at most {100 * filled['wrong_bound']:.1f} %"
    assert bound in filled["empirical"][0]


def test_a_race_says_why_it_ended() -> None:
    assert said(RaceConfig(), np.ones((3, 100), bool))["stopped"] == "all images were seen"
    early = said(RaceConfig(budget=0.1), many())
    assert (early["stopped"], early["seen"] < 400) == ("the budget was used", True)
    close = said(RaceConfig(tolerance=0.5, neighbours=False), many())
    assert close["stopped"] == "within tolerance"
    assert any("that one, or less than 50 points of" in line for line in close["guaranteed"])
    clear = np.zeros((3, 400), bool)
    clear[1] = True
    alone = said(RaceConfig(), clear)
    assert (alone["stopped"], alone["left"], alone["alpha"]) == ("one alpha was left", [0.5], 0.5)


def test_a_study_of_other_ends_or_images_is_left_out_and_said(
    ends: studies.Ends, data: ExperimentData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = RunDirectory(tmp_path)
    assert studies.fitting_studies(data, directory) == ({}, [])
    hashes = {f"theta_{end}": hash_tree(ends[1 + end]) for end in (0, 1)}
    write_json(directory.endpoints_file, hashes)
    facts = studies.race_alphas(CONFIG, data, ends, RaceConfig(batch_size=16), directory)
    found, left_out = studies.fitting_studies(data, directory)
    assert (found["race"], left_out) == (json.loads(json.dumps(facts)), [])
    others = dataclasses.replace(data, validation=dataset(12, "validation", split="validation"))
    assert not caplog.text
    found, (line,) = studies.fitting_studies(others, directory)
    assert not found
    assert "race.json is left out: it is of other images: validation changed" in line
    assert line in caplog.text
    write_json(directory.endpoints_file, hashes | {"theta_1": "another"})
    found, (line,) = studies.fitting_studies(data, directory)
    assert not found
    assert "race.json is left out: it is of other ends (theta_1 differ" in line
