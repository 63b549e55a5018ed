"""Whether a run's model is about to be evaluated on images that it was trained on."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wiseft_jax.cli.model_names import is_exported
from wiseft_jax.core.errors import InputError, first_few
from wiseft_jax.core.run_directory import RunDirectory

if TYPE_CHECKING:
    from wiseft_jax.data.source import Dataset
    from wiseft_jax.data.specs import Spec

logger = logging.getLogger(__name__)

_MOST_IMAGES = 200_000
"""Of a training set to compare with: each file's size is looked up."""
_SHOWN = 3


def warn_of_models(models: Sequence[str], datasets: Sequence[Dataset]) -> None:
    """Warn of images that models were trained on, of those that are the merged model of a run.

    Of other exports a line says that nothing is compared: what they were trained on isn't beside
    them. Nothing is said of CLIPs that aren't this package's.

    Args:
      models: As the command line names them.
      datasets: What they are evaluated on.
    """
    for model in models:
        run = _run_of(Path(model).expanduser())
        if run is not None:
            warn_of_trained_images(run, datasets)
        elif is_exported(model):
            logger.info(
                "%s: not compared with the images that it was trained on; those of a run's own"
                " merged are",
                model,
            )


def warn_of_trained_images(run: Path, datasets: Sequence[Dataset]) -> int:
    """Warn of images that a run's training set has too; return how many there are.

    Where that set isn't at hand any more, or can't be compared, a line says so. What the run held
    out of it to validate and to test isn't told apart.

    Args:
      run: The run directory.
      datasets: What its model is evaluated on.
    """
    from wiseft_jax.data.overlap import find_overlap

    trained = _training_set(run)
    if trained is None:
        return 0
    total = 0
    for dataset in datasets:
        pairs = find_overlap(trained, dataset)
        if pairs is None:
            logger.info(
                "%s can't be compared with %s, which %s was trained on (only files, and images in"
                " memory, can)",
                dataset.name, trained.name, run.resolve().name,
            )  # fmt: skip
        elif pairs:
            shown = [f"{trained.id(a)} = {dataset.id(b)}" for a, b in pairs]
            logger.warning(
                "%d of %d images of %s %s also in %s, which %s was trained on (but for what it held"
                " out): %s",
                len(pairs), len(dataset), dataset.name, "is" if len(pairs) == 1 else "are",
                trained.name, run.resolve().name, first_few(shown, _SHOWN),
            )  # fmt: skip
            total += len(pairs)
    return total


def _run_of(model: Path) -> Path | None:
    """Return the run whose merged model this is, also by way of symbolic links."""
    for path in (model.absolute(), model.resolve()):
        run = RunDirectory(path.parent)
        if path == run.merged_dir and run.is_run():
            return run.path
    return None


def _training_set(run: Path) -> Dataset | None:
    from wiseft_jax.cli.presets import load_config
    from wiseft_jax.data.source import Dataset
    from wiseft_jax.data.specs import SourceOptions, open_source, parse_spec
    from wiseft_jax.quickstart.job import EMBEDDED

    data = load_config(str(RunDirectory(run).config_file)).data
    if not data.train or data.train == EMBEDDED:
        found = "the embedded digits, which are no files" if data.train else "no training set"
        logger.info("%s: its training images aren't compared: it has %s", run, found)
        return None
    captions = data.caption_column is not None
    column = str(data.caption_column) if captions else data.label_column
    options = SourceOptions(data.path_column, column, data.data_dir, captions)
    try:
        spec = parse_spec(data.train)
        source = None if _is_large(spec) else open_source(spec, options)
    except (InputError, OSError) as error:
        logger.info("%s: its training images aren't compared: %s", run, error)
        return None
    if source is None or len(source) > _MOST_IMAGES:
        logger.info("%s: its training images aren't compared, they are too many", run)
        return None
    return Dataset(source.name, source, source.labels, split="train")


def _is_large(spec: Spec) -> bool:
    """Return whether a set surely has too many images, without listing them."""
    if spec.scheme == "published":
        from wiseft_jax.data.catalog import dataset_entry

        splits = dataset_entry(spec.target.split("/")[0]).layout.splits
        return any((each.images or 0) > _MOST_IMAGES for each in splits if each.name == spec.split)
    if spec.scheme != "folder" or not spec.path.is_dir():
        return False
    folders = [entry for entry in os.scandir(spec.path) if entry.is_dir()]
    of_first = sum(1 for _ in os.scandir(folders[0])) if folders else 0
    return len(folders) * of_first > _MOST_IMAGES
