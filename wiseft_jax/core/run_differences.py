"""What differs between two runs by what their files say: settings, versions, data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.core.config_io import flat, read_json
from wiseft_jax.core.results import Row
from wiseft_jax.core.run_directory import RunDirectory

NOT_THERE = "(not there)"
_DATA = ("class_names", "train", "validation")
_WEIGHTS = ("theta_0", "theta_1")


@dataclasses.dataclass(frozen=True)
class Difference:
    """One thing that two runs have otherwise.

    Attributes:
      name: A dotted field of the configuration, a package, a set.
      first: Of the first run.
      second: Of the second.
    """

    name: str
    first: Any
    second: Any


def described(directory: RunDirectory, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the configuration, hash and versions that made the rows of a run.

    Args:
      directory: The run.
      rows: Its results, or none.

    Raises:
      InputError: If it is no run, or its configuration is damaged.
    """
    directory.read_config()  # refuses what is no run
    hashes = {row["config_hash"] for row in rows}
    swept = directory.sweep_config_file
    if swept.is_file() and {read_json(swept).get("config_hash")} == hashes:
        return read_json(swept)
    return read_json(directory.config_file)


def settings_differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Return the fields of the configuration that differ, by name.

    Args:
      first: ``described`` of one run.
      second: Of the other.
    """
    return _differing(flat(dict(first["config"])), flat(dict(second["config"])))


def versions_differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Return the packages, Python among them, whose versions differ."""
    both = [{"python": each.get("python"), **each.get("versions", {})} for each in (first, second)]
    return _differing(*both)


def data_differing(
    first: RunDirectory, second: RunDirectory, rows: Sequence[Sequence[Row]]
) -> list[Difference]:
    """Return what differs of classes, images, sizes of sets, and weights.

    Args:
      first: One run.
      second: The other.
      rows: The results of both; of a run without results none.
    """
    facts = []
    for directory, own in zip((first, second), rows, strict=True):
        file = directory.endpoints_file
        stored = read_json(file) if file.is_file() else {}
        known = {name: stored.get(name, NOT_THERE) for name in (*_DATA, *_WEIGHTS)}
        if isinstance(known["class_names"], list):
            known["class_names"] = ", ".join(map(str, known["class_names"]))
        sizes = {f"n of {row['dataset']}": row["n"] for row in own if row["metric"] == "top1"}
        facts.append({_named(name): value for name, value in known.items()} | sizes)
    return _differing(*facts)


def _named(name: str) -> str:
    titles = {"class_names": "classes", "train": "training images", "validation": "held-out images"}
    return titles.get(name, name)


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    names = sorted(first.keys() | second.keys())
    pairs = [(name, first.get(name, NOT_THERE), second.get(name, NOT_THERE)) for name in names]
    return [Difference(*each) for each in pairs if each[1] != each[2]]
