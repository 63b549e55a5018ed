"""The study of diversity: on stored predictions made of numbers, and once with real probes."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, dataset
from tests.helpers.tiny import tiny_clip_directory
from tests.studies.grids import run_row
from wiseft_jax.analysis.diversity import kappa_complement, prediction_diversity
from wiseft_jax.core.analysis_rows import read_analysis_rows
from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.predictions import Predictions, save_predictions
from wiseft_jax.experiment import ExperimentConfig, ExperimentData, ModelConfig
from wiseft_jax.studies import diversity_probes
from wiseft_jax.studies.diversity import (
    ENDS,
    PROBES,
    TUNED,
    check_same_data,
    diversity_study,
    study_base,
)
from wiseft_jax.studies.diversity_config import DiversityConfig
from wiseft_jax.studies.diversity_measures import GroupMeasure
from wiseft_jax.studies.diversity_probes import probes
from wiseft_jax.studies.grid_files import StudyDirectory

SETS = (("test", "test", "reference"), ("a", "test", "shift"), ("b", "test", "shift"))
LABELS = np.random.default_rng(9).integers(0, 4, 50).astype(np.int32)
NONE = DiversityConfig(probe_splits=0, samples=100)


def stored(name: str, split: Any, role: Any, seed: int, alphas: tuple[float, ...]) -> Predictions:
    """Return predictions at 0 that all runs share, and at 1 that are the run's own."""
    seeds = {0.0: 1000, 1.0: seed}
    ends = [np.random.default_rng([seeds[at], len(name)]).normal(size=(50, 4)) for at in alphas]
    logits = np.stack(ends).astype(np.float32)
    top1 = logits.argmax(2).astype(np.int32)
    margin = np.ones(top1.shape, np.float32)
    ids = tuple(map(str, range(50)))
    right = top1 == LABELS
    return Predictions(name, split, role, alphas, top1, right, margin, LABELS, ids, logits)


def study(path: Path, alphas: list[tuple[float, ...]]) -> StudyDirectory:
    directory = StudyDirectory(path)
    directory.prepare(ExperimentConfig(name="numbers"), ["training.epochs"], {"class_names": []})
    rows = [run_row(index) for index in range(len(alphas))]
    for row, own in zip(rows, alphas, strict=True):
        predictions = [stored(*each, row["index"] + 1, own) for each in SETS]
        save_predictions(directory.path / row["run"], predictions)
    directory.write_rows(rows)
    return directory


def test_groups_of_pairs_against_counting(tmp_path: Path):
    directory = study(tmp_path, [(0.0, 1.0), (1.0,), (1.0,)])  # one run has the zero-shot model
    facts = diversity_study(NONE, directory, None)
    assert facts["pairs"] == {ENDS: 3, TUNED: 3, PROBES: 0}
    assert json.loads((tmp_path / "diversity.json").read_text()) == json.loads(json.dumps(facts))
    zero = {each[0]: stored(*each, 1, (0.0, 1.0)).top1[0] for each in SETS}
    tuned = {each[0]: [stored(*each, s, (1.0,)).top1[0] for s in (1, 2, 3)] for each in SETS}
    means = {}
    for each in facts["sets"][:3]:
        name = each["dataset"]
        pairs = {ENDS: [(zero[name], one) for one in tuned[name]]}
        pairs[TUNED] = list(itertools.combinations(tuned[name], 2))
        for group, own in pairs.items():
            diverse = [prediction_diversity(f, g, LABELS) for f, g in own]
            found = each["measures"]["prediction_diversity"][group]
            assert found["value"] == pytest.approx(np.mean(diverse))
            assert (found["least"], found["most"]) == (min(diverse), max(diverse))
            assert found["low"] <= found["value"] <= found["high"]
            means[name, group] = np.mean(diverse)
            kappas = [kappa_complement(f, g) for f, g in own]
            found = each["measures"]["kappa_complement"][group]
            assert found["value"] == pytest.approx(np.mean(kappas))
        ratio = each["measures"]["prediction_diversity"][ENDS]["ratio"]
        assert ratio["value"] == pytest.approx(means[name, ENDS] / means[name, TUNED])
        assert ratio["low"] < ratio["value"] < ratio["high"]
        assert each["measures"]["prediction_diversity"][TUNED]["ratio"] is None
    mean = facts["sets"][3]
    assert (mean["dataset"], mean["n"]) == ("mean of shifts", 100)
    found = mean["measures"]["prediction_diversity"][ENDS]["value"]
    assert found == pytest.approx((means["a", ENDS] + means["b", ENDS]) / 2)
    rows = read_analysis_rows(tmp_path / "diversity.jsonl")
    ratios = [row for row in rows if row["metric"] == "kl_divergence_ratio"]
    assert {row["group"] for row in ratios} == {ENDS}
    assert {(row["other"], row["seed"]) for row in ratios} == {(TUNED, 0)}


def test_embeddings_are_compared_by_cka_on_their_own_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    directory = study(tmp_path, [(0.0, 1.0), (1.0,)])
    counts = {"test": 90, "a": 85, "b": 170}

    def embedded(config: Any, runs: Any, names: Any, data: Any, where: Any) -> Any:
        rng = np.random.default_rng(0)
        shared = {name: rng.normal(size=(counts[name], 4)) for name in names}
        spread = {"zero_shot": 0.0, runs[0]: 1.0, runs[1]: 0.9}
        return {
            name: {
                model: own + noise * rng.normal(size=own.shape) for model, noise in spread.items()
            }
            for name, own in shared.items()
        }

    monkeypatch.setattr("wiseft_jax.studies.diversity_features.image_embeddings", embedded)
    data = ExperimentData((), None, None, ())  # type: ignore[arg-type]
    facts = diversity_study(NONE, directory, data)
    sets = {each["dataset"]: each for each in facts["sets"]}
    for name in ("test", "a", "b", "mean of shifts"):
        found = sets[name]["measures"]["cka_complement"]
        assert [*found] == [ENDS, TUNED]  # of probes there is nothing to measure
        assert found[ENDS]["low"] < found[ENDS]["value"] < found[ENDS]["high"]
        ratio = found[ENDS]["ratio"]
        assert ratio["value"] == pytest.approx(found[ENDS]["value"] / found[TUNED]["value"])
        assert ratio["low"] < ratio["value"] < ratio["high"]
    assert {name: each["cka_images"] for name, each in sets.items()} == {
        **counts, "mean of shifts": 255,
    }  # fmt: skip
    ends = [sets[name]["measures"]["cka_complement"][ENDS]["value"] for name in "ab"]
    mean = sets["mean of shifts"]["measures"]["cka_complement"][ENDS]["value"]
    assert mean == pytest.approx(np.mean(ends))
    rows = read_analysis_rows(tmp_path / "diversity.jsonl")
    own = {(r["metric"], r["dataset"]): r["n"] for r in rows if "cka" in r["metric"]}
    assert own["cka_complement_ratio", "b"] == own["cka_complement", "b"] == 170
    counts["test"] = 79
    facts = diversity_study(NONE, directory, data)
    sets = {each["dataset"]: each for each in facts["sets"]}
    assert "cka_complement" not in sets["test"]["measures"]
    assert "cka_complement" in sets["a"]["measures"]
    assert "test: no CKA of 79 images; it needs 80" in caplog.text
    assert "mean of shifts: no cka" not in caplog.text
    for few in ("a", "b"):  # whichever shift it is, the first too
        counts |= {"a": 85, "b": 170, few: 79}
        caplog.clear()
        (*_, mean) = diversity_study(NONE, directory, data)["sets"]
        assert "cka_complement" not in mean["measures"]
        assert mean["cka_images"] == 0
        said = f"it isn't measured on {few}, of which fewer than 80 images are compared"
        for group in (ENDS, TUNED):
            assert f"mean of shifts: no cka_complement of {group}: {said}" in caplog.text
    caplog.clear()
    without = diversity_study(dataclasses.replace(NONE, cka_images=0), directory, data)
    assert "mean of shifts" not in caplog.text
    assert all("cka_complement" not in each["measures"] for each in without["sets"])


def test_of_many_pairs_so_many_are_drawn(tmp_path: Path):
    directory = study(tmp_path, [(0.0, 1.0)] * 5)
    config = dataclasses.replace(NONE, most_pairs=4)
    facts = diversity_study(config, directory, None)
    assert facts["pairs"][TUNED] == 4
    assert diversity_study(config, directory, None) == facts


def test_draws_that_are_left_out_on_a_set_are_left_out_of_the_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Draws of sets belong together by number, so the mean is over those that both have."""
    directory = study(tmp_path, [(0.0, 1.0), (1.0,)])

    def similar(*_: Any) -> Any:
        drawn = {"a": [np.nan, 0.2, 0.4], "b": [0.9, 0.4, 0.6]}
        return {
            name: (80, {g: GroupMeasure(0.4, (0.4,), np.array(own)) for g in (ENDS, TUNED)})
            for name, own in drawn.items()
        }

    monkeypatch.setattr("wiseft_jax.studies.diversity._similarity", similar)
    config = dataclasses.replace(NONE, samples=3)
    sets = {each["dataset"]: each for each in diversity_study(config, directory, None)["sets"]}
    ends = {name: each["measures"].get("cka_complement") for name, each in sets.items()}
    assert ends["test"] is None
    own = ends["a"][ENDS]
    assert (own["low"], own["high"]) == pytest.approx((0.205, 0.4))  # and the value, 0.4
    mean = ends["mean of shifts"][ENDS]
    assert (mean["low"], mean["high"]) == pytest.approx((0.305, 0.495))
    assert mean["ratio"] == {"value": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize(
    ("alphas", "message"),
    [
        ([(0.0, 1.0)], "expected two finished runs or more, found 1"),
        ([(1.0,), (1.0,)], "no run has predictions of the zero-shot model"),
        ([(0.0, 1.0), (0.0,)], "or lack alpha 1"),
    ],
)
def test_too_few_models_are_refused(tmp_path: Path, alphas: Any, message: str):
    with pytest.raises(InputError, match=message):
        diversity_study(NONE, study(tmp_path, alphas), None)


def test_what_is_no_study_and_other_data_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"there is no study .*wiseft study grid"):
        study_base(StudyDirectory(tmp_path))
    with pytest.raises(InputError, match=r"none: no such study directory; .* exists, without 'non"):
        study_base(StudyDirectory(tmp_path / "none"))
    directory = study(tmp_path / "study", [(0.0, 1.0)] * 2)
    check_same_data(directory, {"class_names": ()})
    with pytest.raises(InputError, match="leave both out with --probe-splits 0 --cka-images 0"):
        check_same_data(directory, {"class_names": ["cat"]})


@pytest.mark.slow
def test_probes_on_halves_are_fitted_once_and_both_are_in_their_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clip = tiny_clip_directory(tmp_path / "clip", vision_layers=1)
    base = ExperimentConfig(model=ModelConfig(name=str(clip)))
    data = ExperimentData(
        NAMES,
        dataset(24, "train", split="train"),
        dataset(11, "validation", split="validation"),
        (dataset(23, "test"), dataset(16, "shift", role="shift")),
    )
    directory = StudyDirectory(tmp_path / "study")
    config = DiversityConfig(probe_splits=2, probe_c=(1.0,))
    splits = probes(config, base, data, directory)
    assert [[*each] for each in splits] == [["shift", "test", "validation"]] * 2
    first = splits[0]["test"]
    assert first.alphas == (0.0, 1.0)
    assert first.logits is not None
    assert not np.array_equal(first.logits[0], first.logits[1])
    assert not np.array_equal(first.logits[0], splits[1]["test"].logits[0])  # type: ignore[index]
    made: list[Any] = []
    monkeypatch.setattr(diversity_probes, "_Probes", lambda *given: made.append(given))
    again = probes(config, base, data, directory)
    assert made == []
    np.testing.assert_array_equal(again[1]["test"].top1, splits[1]["test"].top1)
