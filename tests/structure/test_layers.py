"""Imports point left only, and siblings never import each other.

core <- { clip | data | mixing | weights } <- { training | evaluation }
     <- { wise_ft.py | analysis | backgrounds } <- experiment.py <- studies
     <- { planning | quickstart | paper.py } <- cli
core <- reporting <- { quickstart, cli }
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.structure.source_tree import (
    PACKAGE,
    Import,
    Module,
    imports_of,
    modules_under,
    package_modules,
)

COLUMNS = (
    ("core",),
    ("clip", "data", "mixing", "weights"),
    ("training", "evaluation"),
    ("wise_ft", "analysis", "backgrounds"),
    ("experiment",),
    ("studies",),
)
_LEFT_OF_CLI = {part for column in COLUMNS for part in column}
MAY_IMPORT: dict[str, set[str]] = {
    part: {left for column in COLUMNS[:index] for left in column}
    for index, column in enumerate(COLUMNS)
    for part in column
} | {
    "reporting": {"core"},
    "paper": _LEFT_OF_CLI,
    "planning": _LEFT_OF_CLI,
    "quickstart": {*_LEFT_OF_CLI, "reporting"},
    "cli": {*_LEFT_OF_CLI, "reporting", "planning", "quickstart"},
    "__main__": {"cli"},
}
"""Part -> the other parts that it may import."""


def part_of(name: str) -> str:
    """Return the part of a dotted module name; the package itself is ``""``."""
    return name.split(".")[1] if "." in name else ""


def target_part(item: Import) -> str:
    """Return the part that an import reaches; ``from wiseft_jax import data`` reaches ``data``."""
    if item.target == PACKAGE and item.name in MAY_IMPORT:
        return str(item.name)
    return part_of(item.target)


def layer_violations(modules: Iterable[Module]) -> list[str]:
    """Return a line for every import that doesn't point left."""
    violations = []
    for module in modules:
        importer = part_of(module.name)
        if importer == "":
            continue  # the public API re-exports from every part
        for item in imports_of(module):
            if item.target.split(".")[0] in ("configs", "scripts", "tests"):
                violations.append(f"{item}  (the package never imports {item.target})")
            if item.target.split(".")[0] != PACKAGE:
                continue
            target = target_part(item)
            if target == "":
                if item.name != "__version__":
                    violations.append(f"{item}  (import from the defining module)")
            elif target != importer and target not in MAY_IMPORT.get(importer, set()):
                violations.append(f"{item}  ({importer} may not import {target})")
    return violations


def test_imports_point_left_only():
    assert layer_violations(package_modules()) == []


def test_every_part_has_its_place():
    parts = {part_of(module.name) for module in package_modules()} - {""}
    assert parts <= MAY_IMPORT.keys(), "give the new part its column in COLUMNS"


def test_presets_import_only_the_package():
    foreign = [
        str(item)
        for module in modules_under("configs")
        for item in imports_of(module)
        if item.target.split(".")[0] not in (PACKAGE, "__future__", "dataclasses", "pathlib")
    ]
    assert foreign == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("core.trees", "from wiseft_jax.clip.load import load_clip"),
        ("clip.load", "from wiseft_jax.data import source"),
        ("clip.load", "def f():\n    from wiseft_jax.weights.interpolate import lerp"),
        ("data.source", "if TYPE_CHECKING:\n    import wiseft_jax.training.config"),
        ("training.step", "from wiseft_jax.evaluation import sweep"),
        ("training.step", "from ..evaluation import sweep"),
        ("training.step", "from wiseft_jax import experiment"),
        (
            "training.step",
            "importlib.import_module('wiseft_jax.evaluation.sweep')",
        ),
        ("training.step", "import_module(f'wiseft_jax.cli.{verb}')"),
        ("evaluation.sweep", "from wiseft_jax import lerp"),
        ("evaluation.sweep", "import wiseft_jax"),
        ("evaluation.sweep", "from tests.helpers import tiny"),
        ("reporting.curves", "from wiseft_jax.evaluation.sweep import SweepResult"),
        ("wise_ft", "from wiseft_jax.analysis import cka"),
        ("experiment", "import wiseft_jax.quickstart.run"),
        ("experiment", "from wiseft_jax.studies.of_run import learn"),
        ("studies", "from wiseft_jax.reporting.study_tables import rules_table"),
        ("quickstart.run", "import wiseft_jax.cli.main"),
        ("planning.plan", "from wiseft_jax.quickstart import job"),
        ("planning.plan", "import wiseft_jax.cli.main"),
    ],
)
def test_a_wrong_import_is_found(name: str, text: str):
    module = Module(f"{PACKAGE}.{name}", "synthetic.py", text)
    assert len(layer_violations([module])) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("clip.load", "from wiseft_jax.core import errors\nfrom . import convert\nimport jax"),
        ("training.step", "from wiseft_jax.weights.interpolate import lerp"),
        ("reporting.report", "from wiseft_jax.core.results import Row"),
        ("experiment", "from wiseft_jax.wise_ft import wise_ft"),
        ("studies", "from wiseft_jax.experiment import ExperimentConfig"),
        ("quickstart.run", "from wiseft_jax.experiment import run"),
        ("planning.plan", "from wiseft_jax.training.step import make_train_step"),
        ("cli.main", "from wiseft_jax import __version__\nimport wiseft_jax.reporting.tables"),
    ],
)
def test_a_right_import_passes(name: str, text: str):
    module = Module(f"{PACKAGE}.{name}", "synthetic.py", text)
    assert layer_violations([module]) == []
