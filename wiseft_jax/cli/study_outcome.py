"""Show what the studies of a run found: tables and sentences."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.cli.common import table_console
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.studies import of_run as studies
from wiseft_jax.training.learn_config import LearnAlphasConfig

FILES = {
    "race": studies.RACE_FILE,
    "learned": studies.LEARNED_FILE,
    "rules": studies.RULES_FILE,
}
"""Study -> its file in the run directory."""


def show_studies(found: Mapping[str, Mapping[str, Any]], directory: RunDirectory) -> None:
    """Print each study's table or sentences, and where its file is.

    Args:
      found: Study -> what it found.
      directory: The run.
    """
    from wiseft_jax.reporting import study_tables

    console = table_console()
    for name, facts in found.items():
        print()
        if name == "race":
            print("\n".join(study_tables.race_sentences(facts)))
        if name == "learned":
            console.print(study_tables.learned_table(facts, console.width))
            print(study_tables.coefficients_sentence(facts))
        if name == "rules":
            console.print(study_tables.rules_table(facts, console.width))
            for line in study_tables.missing_sentences(facts):
                print(line)
        print(f"{name:<8} {directory.path / FILES[name]}")


def study_commands(
    found: Mapping[str, Mapping[str, Any]], run: str, alphas: Sequence[float]
) -> list[str]:
    """Return what to type to do studies again on another run.

    Args:
      found: Study -> what it found.
      run: That run's directory, as it is to be shown.
      alphas: Those of its configuration.
    """
    commands = []
    for name, facts in found.items():
        if name == "race":
            options = ["--race", shlex.quote(facts["dataset"])]
            options += _options("racing", RaceConfig(), facts["config"])
        elif name == "learned":
            options = ["--learn", *_options("learning", LearnAlphasConfig(), facts["config"])]
        else:
            options = ["--rules"]
        if list(facts["alphas"]) != list(alphas):
            options += ["--sweep.alphas", *map(repr, facts["alphas"])]
        commands.append(" ".join(["wiseft sweep", run, *options]))
    return commands


def _options(prefix: str, default: Any, given: Mapping[str, Any]) -> list[str]:
    """Return the options that make ``default`` the configuration ``given``."""
    options = []
    for field in dataclasses.fields(default):
        value = given.get(field.name, field.default)
        if value == field.default:
            continue
        name = field.name.replace("_", "-")
        if isinstance(value, bool):
            options.append(f"--{prefix}.{'' if value else 'no-'}{name}")
        else:
            options += [f"--{prefix}.{name}", shlex.quote(str(value))]
    return options
