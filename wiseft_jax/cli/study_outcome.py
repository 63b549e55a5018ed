"""Show what the studies of a run found: tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wiseft_jax.cli.common import table_console
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.studies import of_run as studies

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
