"""Files, functions and configurations stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from tests.structure.source_tree import Module, package_modules, repository_modules

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 80
MAX_FIELDS = 15
MAX_LINES_OF = {
    "wiseft_jax/wise_ft.py": 150,
}
TABLES = ("wiseft_jax/clip/prompts/", "wiseft_jax/data/classnames/")
"""Tables of names, which may be as long as they are."""


def long_files(modules: Iterable[Module]) -> list[str]:
    found = []
    for module in modules:
        limit = MAX_LINES_OF.get(module.path, MAX_FILE_LINES)
        if module.num_lines > limit and not module.path.startswith(TABLES):
            found.append(f"{module.path}: {module.num_lines} lines, at most {limit}")
    return found


def long_functions(modules: Iterable[Module]) -> list[str]:
    found = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    found.append(f"{module.path}:{node.lineno}: {node.name} has {length} lines")
    return found


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)


def wide_dataclasses(modules: Iterable[Module]) -> list[str]:
    found = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and _is_dataclass(node):
                fields = sum(
                    isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item)
                    for item in node.body
                )
                if fields > MAX_FIELDS:
                    found.append(f"{module.path}:{node.lineno}: {node.name} has {fields} fields")
    return found


def test_files_are_short():
    assert long_files(repository_modules()) == []


def test_functions_are_short():
    assert long_functions(repository_modules()) == []


def test_dataclasses_have_few_fields():
    assert wide_dataclasses(package_modules()) == []


def test_the_method_in_one_file_exists():
    assert "wiseft_jax/wise_ft.py" in {module.path for module in package_modules()}


def test_what_is_too_long_is_found():
    body = "\n".join(["def f():", *["    x = 1"] * MAX_FUNCTION_LINES])
    text = body + "\n" + "\n".join(["y = 2"] * MAX_FILE_LINES)
    fields = "\n".join(f"    x{i}: int = 0" for i in range(MAX_FIELDS + 1))
    wide = f"@dataclasses.dataclass(frozen=True)\nclass C:\n{fields}\n"
    module = Module("wiseft_jax.a", "wiseft_jax/a.py", text)
    assert len(long_files([module])) == 1
    assert len(long_functions([module])) == 1
    assert len(wide_dataclasses([Module("wiseft_jax.b", "wiseft_jax/b.py", wide)])) == 1
    method = Module("wiseft_jax.wise_ft", "wiseft_jax/wise_ft.py", "x = 1\n" * 151)
    assert len(long_files([method])) == 1
    table = Module("wiseft_jax.clip.prompts.x", "wiseft_jax/clip/prompts/x.py", text)
    assert long_files([table]) == []


def test_what_is_just_short_enough_passes():
    body = "\n".join(["def f():", *["    x = 1"] * (MAX_FUNCTION_LINES - 1)])
    module = Module("wiseft_jax.a", "wiseft_jax/a.py", body)
    assert long_functions([module]) == []
    module = Module("wiseft_jax.a", "wiseft_jax/a.py", "x = 1\n" * MAX_FILE_LINES)
    assert long_files([module]) == []
