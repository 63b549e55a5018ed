"""The study of alternatives on a tiny model: whole, stopped and continued, extended."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.conftest import NAMES, dataset
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.core.analysis_rows import read_analysis_rows
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.evaluation.config import SweepConfig
from wiseft_jax.evaluation.evaluator import evaluate
from wiseft_jax.experiment import ExperimentConfig, ExperimentData, ModelConfig, load_endpoints
from wiseft_jax.studies import alternatives_models
from wiseft_jax.studies.alternatives import alternatives_study
from wiseft_jax.studies.alternatives_config import FIELDS, AlternativesConfig, base_config
from wiseft_jax.studies.grid_files import StudyDirectory
from wiseft_jax.training.config import TrainConfig
from wiseft_jax.weights import lerp

pytestmark = pytest.mark.slow

ALPHAS = (0.0, 0.25, 0.5, 1.0)
CONFIG = AlternativesConfig(
    learning_rates=(0.1,),
    ema_decays=(0.8,),
    l2=(1.0,),
    distillation=(5.0,),
    early_stops=2,
    bernoulli_alphas=(0.5,),
    bernoulli_draws=2,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ExperimentConfig:
    """A linear probe: cheap, and its logits are linear in alpha, which is a law to test."""
    clip = tiny_clip_directory(tmp_path_factory.mktemp("clip"), vision_layers=1)
    training = TrainConfig(
        recipe="linear_probe", epochs=4, batch_size=8, warmup_fraction=0.0, learning_rate=0.05
    )
    sweep = SweepConfig(alphas=ALPHAS, batch_size=16)
    return base_config(
        ExperimentConfig("tiny", ModelConfig(name=str(clip)), training=training, sweep=sweep)
    )


@pytest.fixture(scope="module")
def data() -> ExperimentData:
    return ExperimentData(
        NAMES,
        dataset(16, "train", split="train"),
        dataset(11, "validation", split="validation"),
        (dataset(23, "test"), dataset(16, "a", role="shift"), dataset(9, "b", role="shift")),
    )


def studied(
    path: Path, base: ExperimentConfig, data: ExperimentData, config: AlternativesConfig = CONFIG
) -> dict[str, Any]:
    directory = StudyDirectory(path)
    directory.prepare(base, FIELDS, {})
    return alternatives_study(config, base, data, directory)


@pytest.fixture(scope="module")
def whole(
    base: ExperimentConfig, data: ExperimentData, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    path = tmp_path_factory.mktemp("whole")
    return path, studied(path, base, data)


def values(facts: dict[str, Any], method: str) -> dict[float, tuple[float, float]]:
    return {
        p["value"]: (p["reference"]["value"], p["shifts"]["value"])
        for p in facts["points"]
        if p["method"] == method
    }


def test_every_alternative_has_its_points_and_the_files_hold_them(whole: Any):
    path, facts = whole
    wanted = {
        "wise_ft": [*ALPHAS],
        "output_ensemble": [*ALPHAS],
        "probability_ensemble": [*ALPHAS],
        "bernoulli": [0.5],
        "ema": [0.8],
        "early_stopping": [4.0],
        "l2_to_theta_0": [1.0],
        "distillation": [5.0],
        "learning_rate": [0.005],
    }
    assert {method: [*values(facts, method)] for method in wanted} == wanted
    assert json.loads((path / "alternatives.json").read_text()) == json.loads(json.dumps(facts))
    rows = read_analysis_rows(path / "alternatives.jsonl")
    assert {row["dataset"] for row in rows} == {"validation", "test", "a", "b", "mean of shifts"}
    assert facts["study"]["runs"] == 5
    assert facts["study"]["failed"] == []
    bernoulli = next(p for p in facts["points"] if p["method"] == "bernoulli")
    assert bernoulli["models"] == 2


def test_laws_of_a_head_that_is_linear_in_alpha(whole: Any):
    _, facts = whole
    curve = values(facts, "wise_ft")
    assert values(facts, "output_ensemble") == curve
    mixed = values(facts, "probability_ensemble")
    assert (mixed[0.0], mixed[1.0]) == (curve[0.0], curve[1.0])


def test_the_usual_average_is_evaluated_where_the_formula_puts_it(
    whole: Any, base: ExperimentConfig, data: ExperimentData
):
    """8 steps: alpha = 1 - 0.8^8 between theta_0 and the average without bias."""
    path, facts = whole
    directory = StudyDirectory(path)
    row = next(r for r in directory.read_rows() if "training.options.ema_decay" in r["varied"])
    options = dataclasses.replace(base.training.options, ema_decay=0.8)
    config = dataclasses.replace(base, training=dataclasses.replace(base.training, options=options))
    classifier, theta_0, average = load_endpoints(config, directory.run_of(row))
    theta = lerp(theta_0, average, 1 - 0.8**8)
    assert not (flatten_paths(theta)["head/kernel"] == flatten_paths(average)["head/kernel"]).all()
    test = evaluate(classifier, theta, data.tests[0], batch_size=16).accuracy(0).compute()
    assert values(facts, "ema")[0.8][0] == pytest.approx(test)


def test_stopped_anywhere_it_goes_on_to_the_same_numbers(
    whole: Any, base: ExperimentConfig, data: ExperimentData, tmp_path: Path, monkeypatch: Any
):
    stops = {"save_predictions": 1, "write_json": 2}  # before and after a model's predictions
    for name, at in stops.items():
        real, calls = getattr(alternatives_models, name), []

        def stop(*given: Any, real: Any = real, at: int = at, calls: list[int] = calls) -> Any:
            calls.append(1)
            if len(calls) == at:
                raise KeyboardInterrupt
            return real(*given)

        with monkeypatch.context() as patch:
            patch.setattr(alternatives_models, name, stop)
            with pytest.raises(KeyboardInterrupt):
                studied(tmp_path, base, data)
    facts = studied(tmp_path, base, data)
    assert facts["points"] == whole[1]["points"]
    assert facts["best"] == whole[1]["best"]


def test_nothing_is_made_twice_and_more_values_extend_it(
    whole: Any, base: ExperimentConfig, data: ExperimentData, tmp_path: Path, monkeypatch: Any
):
    copy = Path(shutil.copytree(whole[0], tmp_path / "copy"))
    made: list[Path] = []
    real = alternatives_models.write_json

    def write(path: Any, facts: Any) -> None:
        made.append(path)
        real(path, facts)

    monkeypatch.setattr(alternatives_models, "write_json", write)
    again = studied(copy, base, data)
    assert made == []
    assert again["points"] == whole[1]["points"]
    more = dataclasses.replace(CONFIG, l2=(1.0, 30.0), bernoulli_alphas=(0.25, 0.5))
    facts = studied(copy, base, data, more)
    assert [path.parent.name for path in made] == [
        f"bernoulli-0.25-seed-0-draw-{draw}" for draw in range(2)
    ]
    assert [*values(facts, "l2_to_theta_0")] == [1.0, 30.0]
    assert values(facts, "wise_ft") == values(whole[1], "wise_ft")
