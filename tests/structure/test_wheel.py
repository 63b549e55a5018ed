"""The wheel carries the presets, the embedded model and the type marker, and works by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.structure.source_tree import PACKAGE, ROOT, package_modules


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with hatchling, without a network."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = target.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the wheel, as an installation would."""
    target = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def wiseft(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the unpacked program in ``cwd``."""
    environment = os.environ | {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", PACKAGE, *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_the_wheel_has_every_module(names: set[str]):
    assert {module.path for module in package_modules()} <= names


def test_the_wheel_has_the_presets(names: set[str]):
    presets = [path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.py")]
    assert presets
    assert {
        f"{PACKAGE}/_configs/{path.relative_to('configs').as_posix()}" for path in presets
    } <= names


def test_the_wheel_has_the_embedded_model(names: set[str]):
    model = ROOT / PACKAGE / "quickstart" / "model"
    files = {path.relative_to(ROOT).as_posix() for path in model.iterdir() if path.is_file()}
    assert f"{PACKAGE}/quickstart/model/model.safetensors" in files
    assert files <= names


def test_the_wheel_has_the_class_lists(names: set[str]):
    lists = {path.relative_to(ROOT).as_posix() for path in (ROOT / PACKAGE).rglob("*.tsv")}
    assert lists
    assert lists <= names


def test_the_wheel_has_the_parts_of_the_report(names: set[str]):
    folder = ROOT / PACKAGE / "reporting" / "page" / "assets"
    files = {path.relative_to(ROOT).as_posix() for path in folder.iterdir()}
    assert {Path(name).suffix for name in files} == {".html", ".css", ".js"}
    assert files <= names


def test_the_wheel_has_the_type_marker_and_the_licences(names: set[str]):
    assert f"{PACKAGE}/py.typed" in names
    assert {"LICENSE", "NOTICE"} <= {Path(name).name for name in names if ".dist-info/" in name}


def test_the_wheel_has_nothing_else(names: set[str]):
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {PACKAGE}
    assert [name for name in names if name.endswith(".pyc") or "__pycache__" in name] == []


def test_the_wheel_lists_its_presets_in_an_empty_directory(installed: Path, tmp_path: Path):
    done = wiseft(installed, tmp_path, "run", "--list")
    assert done.returncode == 0, done.stderr
    for preset in (ROOT / "configs").glob("*/*.py"):
        assert f"{preset.parent.name}/{preset.stem}" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_wheel_runs_a_preset_by_name(installed: Path, tmp_path: Path):
    preset = sorted((ROOT / "configs").glob("*/*.py"))[0]
    done = wiseft(installed, tmp_path, "run", f"{preset.parent.name}/{preset.stem}", "--help")
    assert done.returncode == 0, done.stderr
    assert "--training.learning-rate" in done.stdout
