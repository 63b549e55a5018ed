"""The repository's Python files as syntax trees, and the imports in them."""

from __future__ import annotations

import ast
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "wiseft_jax"


@dataclasses.dataclass(frozen=True)
class Module:
    """One Python file."""

    name: str
    path: str
    text: str
    is_package: bool = False

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def num_lines(self) -> int:
        return len(self.text.splitlines())


@dataclasses.dataclass(frozen=True)
class Import:
    """``import target`` or ``from target import name``; relative imports are resolved."""

    importer: str
    target: str
    name: str | None
    line: int

    def __str__(self) -> str:
        what = f"from {self.target} import {self.name}" if self.name else f"import {self.target}"
        return f"{self.importer}:{self.line}: {what}"


@functools.cache
def modules_under(folder: str) -> tuple[Module, ...]:
    """Return every Python file below ``folder`` (relative to the repository's root)."""
    found = []
    for file in sorted((ROOT / folder).rglob("*.py")):
        relative = file.relative_to(ROOT)
        if any(part.startswith(".") or part == "__pycache__" for part in relative.parts):
            continue
        is_package = file.name == "__init__.py"
        parts = relative.parent.parts if is_package else relative.with_suffix("").parts
        text = file.read_text(encoding="utf-8")
        found.append(Module(".".join(parts), relative.as_posix(), text, is_package))
    return tuple(found)


def package_modules() -> tuple[Module, ...]:
    """Return the modules of the package."""
    return modules_under(PACKAGE)


def repository_modules() -> tuple[Module, ...]:
    """Return every Python file of the project."""
    folders = (PACKAGE, "configs", "scripts", "tests")
    return tuple(module for folder in folders for module in modules_under(folder))


def imports_of(module: Module) -> Iterator[Import]:
    """Yield every import in ``module``: lazy, typing-only, and ``import_module("...")`` too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module.name, alias.name, None, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            target = _absolute(module, node)
            for alias in node.names:
                yield Import(module.name, target, alias.name, node.lineno)
        elif isinstance(node, ast.Call) and _called_name(node) in ("import_module", "__import__"):
            target = _constant_prefix(node.args[0]) if node.args else ""
            if target:
                yield Import(module.name, target, None, node.lineno)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    keep = len(parts) - node.level + (1 if module.is_package else 0)
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def _called_name(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _constant_prefix(node: ast.expr) -> str:
    """Return the literal start of a string: ``f"a.b.{verb}"`` gives ``"a.b"``."""
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    value = node.value if isinstance(node, ast.Constant) else ""
    return value.rstrip(".") if isinstance(value, str) else ""
