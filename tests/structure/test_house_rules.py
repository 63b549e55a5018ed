"""One importer of each risky library, nothing unsafe, private names stay private, thin packages."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

import pytest

from tests.structure.source_tree import (
    PACKAGE,
    Module,
    imports_of,
    package_modules,
    repository_modules,
)

ONLY_IMPORTER = {
    "transformers": {"wiseft_jax.clip.load"},
    "orbax": {"wiseft_jax.core.checkpoint_orbax"},
    "torch": set(),
    "tensorflow": set(),
}
"""Library -> the modules that may import it."""

PICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def foreign_importers(modules: Iterable[Module]) -> list[str]:
    """Return the imports of a restricted library outside the module that owns it."""
    return [
        str(item)
        for module in modules
        for item in imports_of(module)
        if module.name not in ONLY_IMPORTER.get(item.target.split(".")[0], {module.name})
    ]


def unsafe_code(modules: Iterable[Module]) -> list[str]:
    """Return the places that could run code found in data, or that use private parts of JAX."""
    found = []
    for module in modules:
        for item in imports_of(module):
            if item.target.split(".")[0] in PICKLERS:
                found.append(f"{item}  (checkpoints are data, never code)")
            if "_src" in item.target.split(".") or item.name == "_src":
                found.append(f"{item}  (private)")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                found += [f"{module.path}:{node.lineno}: {what}" for what in _unsafe_call(node)]
    return found


def _unsafe_call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    if name in ("eval", "exec"):
        yield name
    if name in ("yaml.load", "np.fromregex"):
        yield name
    if name == "torch.load" and "weights_only=True" not in map(ast.unparse, node.keywords):
        yield name
    for keyword in node.keywords:
        on = not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
        if keyword.arg == "allow_pickle" and on:
            yield "allow_pickle"


def _is_private(name: str | None) -> bool:
    return bool(name) and str(name).startswith("_") and not str(name).startswith("__")


def private_uses(modules: Iterable[Module]) -> list[str]:
    """Return the ``_name``s of the package that are used outside the module that defines them."""
    found = []
    for module in modules:
        aliases = set()
        for item in imports_of(module):
            if item.target.split(".")[0] != PACKAGE:
                continue
            aliases.add(item.name or item.target.split(".")[-1])
            if _is_private(item.name) or any(map(_is_private, item.target.split("."))):
                found.append(str(item))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute) and _is_private(node.attr):
                base = ast.unparse(node.value)
                if base in aliases and base[:1].islower():
                    found.append(f"{module.path}:{node.lineno}: {ast.unparse(node)}")
    return found


def fat_packages(modules: Iterable[Module]) -> list[str]:
    """Return the statements of ``__init__.py`` files that do more than re-export."""
    return [
        f"{module.path}:{node.lineno}: {ast.unparse(node)[:60]}"
        for module in modules
        if module.is_package
        for node in module.tree.body
        if not _is_reexport(node)
    ]


def _is_reexport(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(node, ast.Assign):
        names = " ".join(map(ast.unparse, node.targets)).strip("()").split(", ")
        return set(names) <= {"__version__", "__all__", "__getattr__", "__dir__"}
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING" and all(map(_is_reexport, node.body))
    return False


def shipped_modules() -> list[Module]:
    """Return every Python file but the tests."""
    return [module for module in repository_modules() if not module.path.startswith("tests/")]


def test_risky_libraries_have_one_importer():
    assert foreign_importers(package_modules()) == []


def test_nothing_runs_code_found_in_data():
    assert unsafe_code(shipped_modules()) == []


def test_private_names_stay_in_their_module():
    assert private_uses(repository_modules()) == []


def test_packages_only_reexport():
    assert fat_packages(package_modules()) == []


def test_there_is_no_utils_module():
    names = {module.name.split(".")[-1] for module in repository_modules()}
    assert not names & {"utils", "util", "misc", "helpers_misc", "common_utils"}


@pytest.mark.parametrize(
    "text",
    [
        "import transformers",
        "def f():\n    from transformers import CLIPConfig",
        "if TYPE_CHECKING:\n    import orbax.checkpoint as ocp",
        "import torch.nn",
        "importlib.import_module('tensorflow')",
    ],
)
def test_a_foreign_importer_is_found(text: str):
    assert len(foreign_importers([Module("wiseft_jax.data.source", "x.py", text)])) == 1


def test_the_owner_may_import():
    module = Module(
        "wiseft_jax.clip.load", "x.py", "import transformers\nimport tensorflow_datasets"
    )
    assert foreign_importers([module]) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "yaml.load(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "from jax._src import core",
    ],
)
def test_unsafe_code_is_found(text: str):
    assert len(unsafe_code([Module("wiseft_jax.core.x", "x.py", text)])) == 1


def test_safe_code_passes():
    text = "np.load(path, allow_pickle=False)\nmodel.eval()\njax.eval_shape(f)"
    text += "\ntorch.load(path, weights_only=True)"
    assert unsafe_code([Module("wiseft_jax.core.x", "x.py", text)]) == []


@pytest.mark.parametrize(
    "text",
    [
        "from wiseft_jax.core.trees import _hidden",
        "from wiseft_jax.core import trees\ntrees._hidden()",
        "import wiseft_jax.core._trees",
    ],
)
def test_a_private_use_is_found(text: str):
    assert len(private_uses([Module("wiseft_jax.clip.x", "x.py", text)])) == 1


def test_own_and_special_names_pass():
    text = "from wiseft_jax import __version__\nself._hidden = 1\ncls._cache = 2"
    assert private_uses([Module("wiseft_jax.clip.x", "x.py", text)]) == []


@pytest.mark.parametrize("text", ["def f(): ...", "x = 1", "for i in y: pass", "print('hello')"])
def test_a_fat_package_is_found(text: str):
    assert len(fat_packages([Module("wiseft_jax.x", "x/__init__.py", text, True)])) == 1
