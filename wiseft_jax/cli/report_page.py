"""The report as one HTML file: what is stored of runs, collected, and the file written."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax import __version__
from wiseft_jax.cli.report_facts import StoredFacts
from wiseft_jax.cli.report_images import openers_of, roots_of, with_images
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.writers import write_text
from wiseft_jax.experiment import ExperimentData

logger = logging.getLogger(__name__)

MOST_IMAGES = 60


def write_page(
    directories: Sequence[RunDirectory],
    out: Path,
    *,
    images: bool = True,
    data: ExperimentData | None = None,
) -> Path:
    """Write the page of a run, or of several side by side, and return its path.

    Args:
      directories: The runs.
      out: The file.
      images: Whether images that flip are shown.
      data: Of a single run, its data sets, where they are at hand; else they are opened.

    Raises:
      InputError: A run lacks results, is damaged, or ``out`` can't be written.
    """
    text = page_text(directories, images=images, data=data)
    try:
        write_text(out, text)
    except OSError as error:
        raise InputError(f"{out}: can't write there ({error.strerror}); give --out FILE") from None
    return out


def page_text(
    directories: Sequence[RunDirectory], *, images: bool = True, data: ExperimentData | None = None
) -> str:
    """Return what ``write_page`` writes."""
    from wiseft_jax.reporting.page.compare import compare
    from wiseft_jax.reporting.page.render import render_page

    stored = [
        StoredFacts.load(directory, name)
        for directory, name in zip(directories, distinct_names(directories), strict=True)
    ]
    most = max(1, MOST_IMAGES // len(stored))
    pages = [_page(each, images=images, data=data, most=most) for each in stored]
    facts = [each.facts for each in stored]
    names = ", ".join(each.name for each in facts)
    return render_page(
        pages,
        compare(facts),
        title=f"WiSE-FT: {names}",
        version=__version__,
        notes=[] if images else ["Images that flip aren't shown (--no-images)."],
    )


def distinct_names(directories: Sequence[RunDirectory]) -> list[str]:
    """Return what to call runs: the last name of each path, or as much as tells them apart.

    Raises:
      InputError: If one is given twice.
    """
    paths = [directory.path.resolve() for directory in directories]
    for path in paths:
        if paths.count(path) > 1:
            raise InputError(f"{path}: the run is given twice; name each once")
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return names


def _page(stored: StoredFacts, *, images: bool, data: ExperimentData | None, most: int) -> Any:
    """Return the ``RunPage`` with pictures of images that flip, and ids below their roots."""
    from wiseft_jax.reporting.page.build import run_page
    from wiseft_jax.reporting.page.flipped import relative_id

    page = run_page(stored.facts, most)
    flips, said, roots = page.flips, [], roots_of(stored.specs.values())
    if images and flips:
        flips, said = with_images(flips, _openers(stored, data))
    analyses = [
        dataclasses.replace(each, rows=[_below(row, roots) for row in each.rows])
        for each in page.analyses
    ]
    return dataclasses.replace(
        page,
        analyses=analyses,
        flips=[dataclasses.replace(flip, id=relative_id(flip.id, roots)) for flip in flips],
        skipped={
            name: [relative_id(each, roots) for each in found]
            for name, found in page.skipped.items()
        },
        omitted=[*page.omitted, *said],
    )


def _below(row: list[Any], roots: Sequence[str]) -> list[Any]:
    """Return a row of an analysis whose texts, which may be ids of images, are below the roots."""
    from wiseft_jax.reporting.page.flipped import relative_id

    return [relative_id(each, roots) if isinstance(each, str) else each for each in row]


def _openers(stored: StoredFacts, data: ExperimentData | None) -> Mapping[str, Callable[[], Any]]:
    config = stored.config
    if data is None and stored.specs and config is not None:
        return openers_of(config.data, stored.specs)
    if data is None and config is not None:
        from wiseft_jax.cli.inputs import experiment_data

        try:
            data = experiment_data(config)
        except (InputError, ImportError) as error:
            logger.warning("no images are shown: %s", error)
    if data is None:
        return {}
    return {each.name: _returning(each.source) for each in (data.validation, *data.tests)}


def _returning(value: Any) -> Callable[[], Any]:
    return lambda: value
