"""The lazy re-exports of every package exist, and the type checker sees the same ones."""

from __future__ import annotations

import ast
import importlib

import pytest

from tests.structure.source_tree import Module, imports_of, package_modules

PACKAGES = {module.name: module for module in package_modules() if module.is_package}


def lazy_names(module: Module) -> dict[str, str]:
    """Return the table that a package gives to ``lazy_exports``."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_exports":
            return ast.literal_eval(node.args[1])
    return {}


def typed_names(module: Module) -> dict[str, str]:
    """Return what the ``if TYPE_CHECKING:`` block imports, as a table of the same kind."""
    prefix = f"{module.name}."
    return {
        str(item.name): item.target.removeprefix(prefix)
        for item in imports_of(module)
        if item.target.startswith(prefix) and item.target != "wiseft_jax.core.lazy"
    }


LAZY = {name: names for name, module in PACKAGES.items() if (names := lazy_names(module))}


@pytest.mark.parametrize("package", LAZY)
def test_lazy_names_exist(package: str):
    loaded = importlib.import_module(package)
    for name, submodule in LAZY[package].items():
        value = getattr(loaded, name)
        assert value is getattr(importlib.import_module(f"{package}.{submodule}"), name)
        assert name in dir(loaded)


@pytest.mark.parametrize("package", LAZY)
def test_importing_all_gives_the_lazy_names(package: str):
    found: dict[str, object] = {}
    exec(f"from {package} import *", found)
    assert found.keys() - {"__builtins__"} == LAZY[package].keys()


@pytest.mark.parametrize("package", LAZY)
def test_no_lazy_name_is_also_a_submodule(package: str):
    """Importing the submodule would put the module in the name's place."""
    submodules = {module.name for module in package_modules()}
    assert [name for name in LAZY[package] if f"{package}.{name}" in submodules] == []


@pytest.mark.parametrize("package", LAZY)
def test_the_type_checker_sees_the_lazy_names(package: str):
    assert typed_names(PACKAGES[package]) == LAZY[package]


@pytest.mark.parametrize("package", LAZY)
def test_lazy_names_are_sorted(package: str):
    assert list(LAZY[package]) == sorted(LAZY[package])


def test_the_public_names_are_there():
    frozen = {
        "fine_tune",
        "lerp",
        "load_classifier",
        "load_clip",
        "sweep",
        "zero_shot_head",
    }
    assert frozen <= LAZY["wiseft_jax"].keys()
    assert {"output_ensemble", "probability_ensemble"} <= LAZY["wiseft_jax.analysis"].keys()
