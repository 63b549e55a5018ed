"""Which ends and images the file of a study is of, and whether those are still there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory

ENDS = ("theta_0", "theta_1")


def made_from(
    run_directory: RunDirectory, ends: Mapping[str, str], datasets: Mapping[str, str]
) -> dict[str, Any]:
    """Return what a study records of its origin.

    Args:
      run_directory: The run; the hash of its configuration is recorded too.
      ends: ``theta_0`` and ``theta_1`` -> the hash of the parameters (``core.trees.hash_tree``).
      datasets: Name -> fingerprint of each dataset that the study looked at.
    """
    config_hash = None
    if run_directory.config_file.is_file():
        config_hash = read_json(run_directory.config_file).get("config_hash")
    return {"config_hash": config_hash, "ends": dict(ends), "datasets": dict(datasets)}


def read_fitting(
    run_directory: RunDirectory,
    file: str,
    datasets: Mapping[str, str],
    shown: Collection[str] = (),
) -> tuple[dict[str, Any], str]:
    """Return the content of a study's file, and why it must not be shown (empty if it may be).

    It must be of the run's present ends, and of images that are the same today. That the
    configuration is another is no reason by itself: a sweep's options decide no weight.

    Args:
      run_directory: The run.
      file: The file's name in it.
      datasets: Name -> fingerprint of the present datasets.
      shown: Names of the sets that the run's results are of; one of them that isn't among
        ``datasets`` was looked at by another sweep, and isn't held against the study.
    """
    try:
        facts = read_json(run_directory.path / file)
        present = read_json(run_directory.endpoints_file)
    except InputError as error:
        return {}, str(error)
    origin = facts.get("made_from") if isinstance(facts, dict) else None
    if not isinstance(origin, dict) or not {"ends", "datasets"} <= origin.keys():
        return {}, "it doesn't say which ends and images it is of; make it again"
    others = [name for name in ENDS if origin["ends"].get(name) != present.get(name)]
    if others:
        return {}, (
            f"it is of other ends ({', '.join(others)} differ; made with the configuration"
            f" {origin.get('config_hash')}); make it again"
        )
    changed = [
        name
        for name, value in origin["datasets"].items()
        if datasets.get(name) != value and (name in datasets or name not in shown)
    ]
    if changed:
        return {}, (
            f"it is of other images: {', '.join(changed)} changed or is not among the datasets;"
            " make it again"
        )
    return facts, ""
