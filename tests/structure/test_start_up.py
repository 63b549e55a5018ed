"""What must start fast, or run without an accelerator, imports nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.structure.source_tree import ROOT, Module, package_modules

ACCELERATOR = {"jax", "jaxlib", "flax", "optax", "orbax", "transformers", "grain", "tokenizers"}
HEAVY = ACCELERATOR | {"matplotlib", "scipy", "sklearn", "mlxtend", "pandas", "tensorflow_datasets"}

_PROBE = """
import contextlib, importlib, io, json, sys
seen, found = set(), {}
for statement in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            exec(statement, {})
        except SystemExit as stop:
            assert not stop.code, (statement, stop.code)
    loaded = {name.split(".")[0] for name in sys.modules}
    found[statement] = sorted(loaded - seen)
    seen |= loaded
print(json.dumps(found))
"""


def loaded_by(statements: list[str]) -> dict[str, set[str]]:
    """Return, for each statement run in turn in a new process, the packages that it loads first."""
    command = [sys.executable, "-c", _PROBE, json.dumps(statements)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return {statement: set(names) for statement, names in json.loads(done.stdout).items()}


def guilty(statements: list[str], forbidden: set[str]) -> dict[str, list[str]]:
    """Return the statements that load something forbidden, with what they load."""
    loaded = loaded_by(statements)
    return {text: sorted(names & forbidden) for text, names in loaded.items() if names & forbidden}


def _is_light(module: Module) -> bool:
    """Whether ``module`` is on the way to ``--help``: the command line and the configurations."""
    parts = module.name.split(".")[1:]
    first, last = parts[:1], parts[-1:]
    return first in (["cli"], ["experiment"], ["studies"]) or last in (["config"], ["specs"])


def imports(names: list[str]) -> list[str]:
    return [f"import {name}" for name in names]


def test_command_line_and_configurations_load_nothing_heavy():
    names = [module.name for module in package_modules() if _is_light(module)]
    assert "wiseft_jax.cli.main" in names
    assert guilty(imports(["wiseft_jax", *names]), HEAVY) == {}


def test_reporting_and_results_load_no_accelerator_library():
    names = [m.name for m in package_modules() if m.name.startswith("wiseft_jax.reporting")]
    assert (
        guilty(imports(["wiseft_jax.core", "wiseft_jax.core.results", *names]), ACCELERATOR) == {}
    )


def test_every_package_loads_nothing_heavy_by_itself():
    names = [module.name for module in package_modules() if module.is_package]
    assert guilty(imports(names), HEAVY) == {}


def test_help_of_every_verb_loads_nothing_heavy():
    from wiseft_jax.cli.main import VERBS

    calls = [["--help"], *([verb, "--help"] for verb in VERBS)]
    run = "from wiseft_jax.cli.main import main; raise SystemExit(main({!r}))"
    assert guilty([run.format(call) for call in calls], HEAVY) == {}


def test_presets_load_nothing_heavy():
    load_all = "[preset.load() for preset in wiseft_jax.cli.presets.all_presets().values()]"
    assert guilty([f"import wiseft_jax.cli.presets\n{load_all}"], HEAVY) == {}


@pytest.mark.parametrize("name", ["jax", "scipy"])
def test_a_heavy_import_is_found(name: str):
    assert name in guilty(["import wiseft_jax", f"import {name}"], HEAVY)[f"import {name}"]
