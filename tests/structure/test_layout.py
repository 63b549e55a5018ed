"""Where files lie: tests mirror the package, and folders that grow explain themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pytest

from tests.structure.source_tree import PACKAGE, ROOT, modules_under, package_modules

EXTENSIBLE = (
    "configs",
    "scripts",
    "tests",
    "tests/golden",
    "wiseft_jax/analysis",
    "wiseft_jax/clip/prompts",
    "wiseft_jax/data",
    "wiseft_jax/planning",
    "wiseft_jax/quickstart/model",
)
"""Folders to which people add files; each has a README that says how."""

WHOLE_PROGRAM = ("structure", "helpers", "golden", "end_to_end")
"""Folders of tests that belong to no single part."""

_DATA_SUFFIXES = {".json", ".txt", ".safetensors", ".msgpack", ".npz", ".csv", ".tsv"}


def data_folders() -> list[str]:
    """Return the folders of the package that hold files of data."""
    folders = {
        file.parent.relative_to(ROOT).as_posix()
        for file in (ROOT / PACKAGE).rglob("*")
        if file.suffix in _DATA_SUFFIXES and "__pycache__" not in file.parts
    }
    return sorted(folders)


def orphans(tests: Iterable[str], sources: Iterable[str]) -> list[str]:
    """Return the test modules that mirror nothing.

    ``tests/part/test_name.py`` mirrors ``wiseft_jax/part/name.py`` or the package ``part/name/``;
    ``test_name_aspect.py`` does too. ``tests/scripts/test_name.py`` mirrors ``scripts/name.py``.
    """
    known = {re.sub(r"(/__init__)?\.(py|sh)$", "", source) for source in sources}
    found = []
    for test in tests:
        path = PurePosixPath(test)
        folders = path.parts[1:-1]
        if folders and folders[0] in WHOLE_PROGRAM:
            continue
        root = [] if folders[:1] == ("scripts",) else [PACKAGE]
        base = "/".join([*root, *folders])
        words = path.stem.removeprefix("test_").split("_")
        names = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
        if not any(f"{base}/{name}" in known for name in names):
            found.append(test)
    return found


def test_tests_mirror_the_package():
    tests = [m.path for m in modules_under("tests") if Path(m.path).name.startswith("test_")]
    sources = [module.path for module in package_modules()]
    sources += [f"scripts/{path.name}" for path in (ROOT / "scripts").iterdir()]
    assert orphans(tests, sources) == []


def test_test_folders_are_packages():
    folders = {Path(m.path).parent for m in modules_under("tests")}
    assert [str(f) for f in folders if not (ROOT / f / "__init__.py").is_file()] == []


@pytest.mark.parametrize("folder", sorted({*EXTENSIBLE, *data_folders()}))
def test_extensible_folders_have_a_readme(folder: str):
    assert (ROOT / folder / "README.md").is_file()


@pytest.mark.parametrize("folder", data_folders())
def test_notice_names_every_folder_of_data(folder: str):
    assert folder in (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_an_orphan_is_found():
    sources = ["wiseft_jax/core/rng.py", "wiseft_jax/clip/prompts/__init__.py", "scripts/train.py"]
    right = [
        "tests/core/test_rng.py",
        "tests/core/test_rng_streams.py",
        "tests/clip/test_prompts.py",
        "tests/scripts/test_train.py",
        "tests/structure/test_sizes.py",
    ]
    wrong = ["tests/core/test_ring.py", "tests/clip/test_rng.py", "tests/test_train.py"]
    assert orphans([*right, *wrong], sources) == wrong
