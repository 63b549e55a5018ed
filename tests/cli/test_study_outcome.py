"""The commands of a report make the studies that it tells of."""

from __future__ import annotations

import dataclasses
import shlex

from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.study_outcome import study_commands
from wiseft_jax.cli.sweep import SweepArgs
from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.training.learn_config import LearnAlphasConfig


def parsed(command: str) -> SweepArgs:
    words = shlex.split(command)
    assert words[:3] == ["wiseft", "sweep", "NEW"]
    return parse(SweepArgs, words[3:], "sweep NEW", default=SweepArgs(ExperimentConfig()))


def test_the_options_are_those_of_the_studies() -> None:
    racing = RaceConfig(budget=0.25, neighbours=False, batch_size=8)
    learning = LearnAlphasConfig(fit_on="my sketches", clip=False, init_alpha=-0.5)
    race = {"dataset": "a set's", "config": dataclasses.asdict(racing), "alphas": [0.0, 0.3, 1.0]}
    learned = {"dataset": "x", "config": dataclasses.asdict(learning), "alphas": [0.0, 1.0]}
    found = {"race": race, "learned": learned, "rules": {"alphas": [0.0, 1.0]}}
    first, second, third = map(parsed, study_commands(found, "NEW", (0.0, 1.0)))
    assert (first.race, first.racing) == (("a set's",), racing)
    assert first.config.sweep.alphas == (0.0, 0.3, 1.0)
    assert second.learn
    assert second.learning == learning
    assert third.rules
    default = ExperimentConfig().sweep.alphas
    assert second.config.sweep.alphas == third.config.sweep.alphas == default


def test_defaults_are_left_out() -> None:
    race = {"dataset": "val", "config": dataclasses.asdict(RaceConfig()), "alphas": [0.0, 1.0]}
    assert study_commands({"race": race}, "NEW", (0.0, 1.0)) == ["wiseft sweep NEW --race val"]
    assert study_commands({}, "NEW", (0.0, 1.0)) == []
