"""In what a run isn't the experiment of a preset: the fields that decide its numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wiseft_jax.clip.architectures import find_architecture
from wiseft_jax.core.config_io import to_dict
from wiseft_jax.data.config import DataConfig
from wiseft_jax.data.specs import bare_spec, parse_specs
from wiseft_jax.experiment import RESUME_MAY_CHANGE, ExperimentConfig

PARTS = ("model", "mixing", "training", "data")
"""What of an experiment decides its numbers: alphas that weren't evaluated are named elsewhere."""

LEFT_OUT = (
    *RESUME_MAY_CHANGE,
    "model.tower",  # the same function of the same parameters
    "training.seed",  # the papers' aren't recorded
    "data.data_dir",  # where sets lie, or how they are read: other sets differ by their specs
    "data.path_column",
    "data.label_column",
    "data.full_decode_limit",
)
"""Fields, or groups, that decide no number beyond rounding and chance."""

NOTED = ("model.compute_dtype",)
"""Fields that decide rounding alone, of which it is still good to know."""


def differences(config: ExperimentConfig, preset: ExperimentConfig) -> list[str]:
    """Return in what a run is another experiment, ``"FIELD is 1.0, the preset's is 10.0"``.

    Specs are compared without names and places (``NAME=`` and ``@ROOT``), shifts by name: those
    that one of the two lacks don't change the others.

    Args:
      config: The run's.
      preset: The experiment's.
    """
    return [
        f"{name} is {found}, the preset's is {wanted}"
        for name, found, wanted in (*_changed(config, preset), *_shifts(config.data, preset.data))
        if name not in NOTED and not _is_called_so(name, found, wanted)
    ]


def notes(config: ExperimentConfig, preset: ExperimentConfig) -> list[str]:
    """Return what differs from the preset, and is the same experiment but for rounding.

    A local directory that is called as the preset's model, or as the hub's cache calls it, is taken
    for a copy of it.
    """
    said = []
    for name, found, wanted in _changed(config, preset):
        if name in NOTED:
            said.append(f"{name} is {found}, the preset's is {wanted}: that changes rounding alone")
        elif _is_called_so(name, found, wanted):
            said.append(f"{name} is {found}, taken for the preset's {wanted} by its name")
    return said


def _changed(config: ExperimentConfig, preset: ExperimentConfig) -> Iterator[tuple[str, str, str]]:
    """Yield a field's dotted name and both values as text, wherever they differ."""
    found, wanted = _fields(config), _fields(preset)
    left_out = LEFT_OUT
    if any(each.training.warmup_fraction is not None for each in (config, preset)):
        left_out += ("training.warmup_steps",)  # a fraction wins
    for name in wanted:
        if not name.startswith(left_out) and found[name] != wanted[name]:
            yield name, _text(found[name]), _text(wanted[name])


def _is_called_so(field: str, found: str, wanted: str) -> bool:
    """Return whether a model is a directory that has the name of the wanted one on the hub."""
    wanted = wanted.partition("@")[0]
    if field != "model.name" or "/" not in wanted:
        return False
    cached = f"models--{wanted.replace('/', '--')}"
    path = Path(found).expanduser()
    local = path.is_absolute() or path.is_dir()  # mine/clip is somebody's on the hub
    return cached in path.parts or (local and path.name == wanted.rpartition("/")[2])


def _fields(config: ExperimentConfig) -> dict[str, Any]:
    """Return the parts' fields by dotted name, but for the shifts; what isn't read is None."""
    data = config.data
    specs = {name: _bare(getattr(data, name)) for name in ("train", "validation", "test")}
    shares = {
        f"{name}_fraction": getattr(data, f"{name}_fraction") if specs[name] is None else None
        for name in ("validation", "test")
    }
    data = to_dict(data) | specs | shares
    del data["shifts"]
    parts = {part: to_dict(config)[part] for part in PARTS} | {"data": data}
    published = find_architecture(config.model.name)
    if published is not None and config.model.image_size == published.image_size:
        parts["model"]["image_size"] = None  # its own
    return dict(_flat(parts))


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, each in value.items():
        if isinstance(each, dict):
            yield from _flat(each, f"{prefix}{name}.")
        else:
            yield prefix + name, each


def _shifts(found: DataConfig, wanted: DataConfig) -> Iterator[tuple[str, str, str]]:
    """Yield the shifts of one name that are two sets: rows are compared by their names."""
    ours, theirs = (_by_name(config) for config in (found, wanted))
    for name in theirs:
        if name in ours and ours[name] != theirs[name]:
            yield f"data.shifts: {name}", ours[name], theirs[name]


def _by_name(config: DataConfig) -> dict[str, str]:
    specs = parse_specs(config.shifts)
    return {spec.name: str(dataclasses.replace(spec, root="")) for spec in specs}


def _bare(text: str | None) -> str | None:
    return bare_spec(text) if text else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "not given" if value is None else repr(value)
