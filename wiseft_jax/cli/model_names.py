"""What the models of a command line are, by their names alone: no weights are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory

DEFAULT_TEMPLATES = "simple"
"""Prompts of a zero-shot CLIP, unless others are asked for."""


def is_exported(model: str) -> bool:
    """Return whether ``model`` is a directory that ``export`` wrote."""
    directory = Path(model).expanduser()
    return any((directory / name).is_file() for name in ("wiseft.json", "head.safetensors"))


def check_model(model: str) -> None:
    """Refuse a run directory, and a path that isn't there, before any model is read.

    Raises:
      InputError: Names the merged model of the run; or says what there is.
    """
    from wiseft_jax.clip.hub import EMBEDDED_NAME, is_hub_id, resolve_directory

    path = Path(model).expanduser()
    if not path.exists() and model != EMBEDDED_NAME and not is_hub_id(model):
        resolve_directory(model)
    if path.is_dir() and RunDirectory(path).is_run():
        raise InputError(RunDirectory(path).instead_of_model())


def check_templates(templates: str, models: Sequence[str]) -> None:
    """Refuse templates that aren't there, or that no model needs, before any model is read.

    Args:
      templates: A prompt set or file.
      models: Exported ones, whose heads are made, or CLIPs.

    Raises:
      InputError: Says which.
    """
    from wiseft_jax.clip.prompts.resolve import resolve_templates

    if all(map(is_exported, models)):
        if templates != DEFAULT_TEMPLATES:
            raise InputError(
                "--templates: is for a zero-shot CLIP, and these models are exported with the heads"
                " that they have; leave it out"
            )
        return
    try:
        resolve_templates(templates)
    except InputError as error:
        raise InputError(f"--templates: {error}") from None


def exported_alpha(model: str) -> float | None:
    """Return the alpha that an export was made with; 0 for a zero-shot CLIP."""
    from wiseft_jax.clip.export import read_facts

    return read_facts(Path(model).expanduser())["alpha"] if is_exported(model) else 0.0


def short_names(models: Sequence[str]) -> dict[str, str]:
    """Return names for tables: the last part of each path, whole ones where these are alike."""
    short = {name: Path(name).expanduser().resolve().name for name in models}
    alike = len(set(short.values())) < len(short)
    return {name: name for name in models} if alike else short


def check_different(models: Sequence[str], option: str = "--model") -> None:
    """Refuse a model that is given twice, however its path is written.

    Args:
      models: Directories, or names of CLIPs.
      option: What they were given by.

    Raises:
      InputError: Names the model.
    """
    seen: dict[str, str] = {}
    for model in models:
        path = Path(model).expanduser()
        same = str(path.resolve()) if path.exists() else model
        if same in seen:
            other = f" (as {seen[same]} too)" if seen[same] != model else ""
            raise InputError(f"{option}: {model} is given twice{other}; name each model once")
        seen[same] = model
