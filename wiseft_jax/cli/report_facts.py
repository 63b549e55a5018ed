"""What is stored of a run, read for its report: rows, predictions, analyses, configuration."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.cli.presets import load_config
from wiseft_jax.cli.report_images import set_classes, specs_of
from wiseft_jax.core.analysis_rows import ANALYSES_DIR
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.curve_rows import CURVES_FILE, CurveRow, read_curve_rows
from wiseft_jax.core.errors import InputError, counted
from wiseft_jax.core.last_sweep import sweep_command
from wiseft_jax.core.results import RESULTS_FILE, Row, of_two_sweeps, read_checked_rows, read_rows
from wiseft_jax.core.run_directory import PREDICTIONS_DIR, RunDirectory
from wiseft_jax.data.specs import Spec, public_spec
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.reporting.page.facts import RunFacts

logger = logging.getLogger(__name__)

_ANALYSIS_FIELDS = ("schema", "analysis", "metric", "value")
_SPECS = ("train", "validation", "test", "shifts", "matched_references")


@dataclasses.dataclass(frozen=True)
class StoredFacts:
    """A run's facts, and its configuration.

    Attributes:
      facts: What the page is made of.
      config: What made its rows; None where it isn't there any more, or can't be read.
      specs: Set -> where its images come from; empty of embedded data.
    """

    facts: RunFacts
    config: ExperimentConfig | None
    specs: Mapping[str, Spec]

    @classmethod
    def load(cls, directory: RunDirectory, name: str) -> StoredFacts:
        """Read a run.

        Args:
          directory: The run.
          name: What to call it.

        Raises:
          InputError: Results or the chosen alpha are missing, a file is damaged, or files are of
            two sweeps.
        """
        rows = read_rows(directory.path)
        hashes = {row["config_hash"] for row in rows}
        omitted: list[str] = []
        predictions = _predictions(directory, rows, omitted)
        config_file, stored = _configuration(directory, hashes, omitted)
        config = None if config_file is None else _loaded(config_file)
        specs = {} if config is None else specs_of(config.data, {row["dataset"] for row in rows})
        ends = _ends(directory, omitted)
        facts = RunFacts(
            name=name,
            rows=rows,
            selection=_selection(directory),
            curve_rows=_curve_rows(directory, hashes),
            predictions=predictions,
            images=_images(predictions),
            class_names=_class_names(predictions, ends.get("class_names", ()), specs, omitted),
            analyses=_analyses(directory, hashes, omitted),
            possible_best=_possible_best(predictions),
            config=public_config(stored.get("config", {})),
            versions={"python": stored["python"], **stored["versions"]} if stored else {},
            hashes=_hashes(hashes, ends),
            commands=_commands(config_file),
            omitted=omitted,
        )
        return cls(facts, config, specs)


def public_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as a file that travels has it: of paths the last name alone.

    Args:
      config: Nested.
    """
    shown = _without_directories(config)
    data = config.get("data")
    if isinstance(data, Mapping):
        for field in _SPECS:
            value = data.get(field)
            if isinstance(value, str) and value:
                shown["data"][field] = _public(value)
            elif isinstance(value, list):
                shown["data"][field] = [_public(each) for each in value]
    return shown


def _public(text: str) -> str:
    try:
        return public_spec(text)
    except InputError:
        return text.rpartition("/")[2]


def _without_directories(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_directories(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_directories(each) for each in value]
    if isinstance(value, str) and (value.startswith(("/", "~")) or value[1:3] in (":\\", ":/")):
        return value.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return value


def _selection(directory: RunDirectory) -> dict[str, Any]:
    if not directory.selection_file.is_file():
        raise InputError(
            f"{directory.selection_file}: missing; make it again: {sweep_command(directory)}"
        )
    selection = read_json(directory.selection_file)
    alpha = selection.get("alpha") if isinstance(selection, dict) else None
    if not isinstance(alpha, (int, float)) or isinstance(alpha, bool):
        raise InputError(
            f"{directory.selection_file}: alpha: expected a number, found {alpha!r}; make it again:"
            f" {sweep_command(directory)}"
        )
    return selection


def _predictions(
    directory: RunDirectory, rows: Sequence[Row], omitted: list[str]
) -> dict[str, Any]:
    from wiseft_jax.evaluation.one_sweep import check_of_one_sweep, read_sweep_facts
    from wiseft_jax.evaluation.predictions import load_predictions

    if not list((directory.path / PREDICTIONS_DIR).glob("*.npz")):
        omitted.append(
            "There are no classes, no images that flip and no paired tests: the run has no stored"
            " predictions. wiseft sweep RUN stores them."
        )
        return {}
    loaded = load_predictions(directory.path, again=sweep_command(directory))
    found = {}
    for name in dict.fromkeys(row["dataset"] for row in rows):
        if name not in loaded:
            omitted.append(f"{name} has rows and no stored predictions.")
            continue
        found[name] = loaded[name]
    own = read_sweep_facts(directory.path).get("config_hash")
    check_of_one_sweep(directory.path, rows, found, own)
    return found


def _images(predictions: Mapping[str, Any]) -> dict[str, str]:
    from wiseft_jax.evaluation.same_images import first_with_images

    return first_with_images(predictions.values())


def _loaded(config_file: Path) -> ExperimentConfig | None:
    try:
        return load_config(str(config_file))
    except InputError as error:  # of another version, say: the rows are still worth a page
        logger.warning("%s: no images are shown (%s)", config_file, error)
        return None


def _class_names(
    predictions: Mapping[str, Any],
    names: Sequence[str],
    specs: Mapping[str, Spec],
    omitted: list[str],
) -> dict[str, list[str]]:
    """Return the classes of each set: the run's, those of a projected set, or numbers."""
    found = {}
    for name, each in predictions.items():
        own = set_classes(specs[name], names) if name in specs else names
        highest = max(int(each.labels.max(initial=-1)), int(each.top1.max(initial=-1)))
        if own is None or len(own) <= highest:
            if names:
                omitted.append(f"{name}: its classes aren't the run's, so they are numbers.")
            own = [f"class {place}" for place in range(highest + 1)]
        found[name] = list(own)
    return found


def _curve_rows(directory: RunDirectory, hashes: set[str]) -> list[CurveRow]:
    rows = read_curve_rows(directory.path)
    if rows and {row["config_hash"] for row in rows} != hashes:
        raise of_two_sweeps(directory.path, f"{CURVES_FILE} and {RESULTS_FILE}")
    return rows


def _analyses(
    directory: RunDirectory, hashes: set[str], omitted: list[str]
) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for path in sorted((directory.path / ANALYSES_DIR).glob("*.jsonl")):
        rows = read_checked_rows(path, "row of an analysis", _ANALYSIS_FIELDS)
        own = [row for row in rows if row.get("config_hash") in (None, "", *hashes)]
        if len(own) < len(rows):
            count = counted(len(rows) - len(own), "row of", "rows of")
            omitted.append(
                f"{count} the analysis {path.stem} left out, of another sweep; make it again:"
                f" wiseft report RUN --analyses {path.stem}"
            )
        if own:
            found[path.stem] = own
    return found


def _configuration(
    directory: RunDirectory, hashes: set[str], omitted: list[str]
) -> tuple[Path | None, dict[str, Any]]:
    """Return the file with the configuration that the rows are of, and its content."""
    for file in (directory.sweep_config_file, directory.config_file):
        if file.is_file():
            stored = read_json(file)
            if not isinstance(stored, dict) or not {"config", "versions"} <= stored.keys():
                raise InputError(f"{file}: not the configuration of a run")
            if {stored.get("config_hash")} == hashes:
                return file, {"python": "unknown", **stored}
    omitted.append(
        "There are no settings, no versions and no command to do it again: the configuration of"
        " these results isn't in the run's directory."
    )
    return None, {}


def _ends(directory: RunDirectory, omitted: list[str]) -> dict[str, Any]:
    if not directory.endpoints_file.is_file():
        omitted.append("The names of the classes aren't stored, so they are numbers.")
        return {}
    found = read_json(directory.endpoints_file)
    if not isinstance(found, dict):
        raise InputError(f"{directory.endpoints_file}: expected a JSON object")
    return found


def _possible_best(predictions: Mapping[str, Any]) -> tuple[float, ...]:
    from wiseft_jax.core.paired import best_set

    for each in predictions.values():
        if (each.split, each.role) == ("validation", "reference") and (each.labels >= 0).any():
            found = best_set(each.correct[:, each.labels >= 0])
            return tuple(each.alphas[place] for place in found.members)
    return ()


def _hashes(hashes: set[str], ends: Mapping[str, Any]) -> dict[str, str]:
    names = {
        "train": "training images",
        "validation": "validation images",
        "theta_0": "zero-shot weights",
        "theta_1": "fine-tuned weights",
    }
    stored = {shown: str(ends[name]) for name, shown in names.items() if name in ends}
    return {"configuration": ", ".join(sorted(hashes)), **stored}


def _commands(config_file: Path | None) -> list[str]:
    if config_file is None:
        return []
    return [
        f"wiseft run RUN/{config_file.name} --out NEW_DIRECTORY",
        "wiseft report NEW_DIRECTORY",
    ]
