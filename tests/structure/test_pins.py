"""``constraints.txt`` pins what the project asks for, per Python version, and names no host."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from tests.structure.source_tree import ROOT

PYTHONS = ("3.11", "3.12", "3.13")
UNPINNED = {"torch", "wiseft-jax"}
"""torch differs by platform and accelerator; the extra names a lower bound alone."""

_PIN = re.compile(r"^[a-z0-9.-]+==[0-9][0-9a-z.]*(; python_version (<|>=) \"3\.\d+\")?$")


def pin_lines() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins(python: str) -> dict[str, str]:
    """Return name -> version for one Python version."""
    chosen: dict[str, str] = {}
    for line in pin_lines():
        requirement = Requirement(line)
        marker = requirement.marker or Marker("python_version >= '3'")
        if marker.evaluate({"python_version": python}):
            assert requirement.name not in chosen, f"two pins of {requirement.name} on {python}"
            chosen[requirement.name] = str(requirement.specifier).removeprefix("==")
    return chosen


def requirements() -> list[Requirement]:
    """Return every direct requirement, extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    texts = [*project["dependencies"], *(text for extra in extras for text in extra)]
    return [
        requirement for text in texts if (requirement := Requirement(text)).name not in UNPINNED
    ]


@pytest.mark.parametrize("line", pin_lines())
def test_a_line_is_an_exact_pin(line: str):
    assert _PIN.match(line)


@pytest.mark.parametrize("python", PYTHONS)
def test_every_direct_requirement_is_pinned_within_its_range(python: str):
    chosen = pins(python)
    wrong = [
        f"{requirement} (pinned: {chosen.get(requirement.name.lower())})"
        for requirement in requirements()
        if not requirement.specifier.contains(chosen.get(requirement.name.lower(), "0"))
        or requirement.name.lower() not in chosen
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("python", "minor"), [("3.11", "0.10."), ("3.12", "0.12."), ("3.13", "0.12.")]
)
def test_jax_and_jaxlib_go_together(python: str, minor: str):
    chosen = pins(python)
    assert chosen["jax"].startswith(minor)
    assert chosen["jax"] == chosen["jaxlib"]


def test_no_file_names_a_package_index():
    files = ["constraints.txt", "pyproject.toml", ".ci/run", ".pre-commit-config.yaml"]
    files += [str(path.relative_to(ROOT)) for path in (ROOT / "scripts").glob("*.sh")]
    options = re.compile(r"--(extra-)?index-url|--find-links|-f http|--trusted-host|pypi\.org")
    guilty = [name for name in files if options.search((ROOT / name).read_text(encoding="utf-8"))]
    assert guilty == []
