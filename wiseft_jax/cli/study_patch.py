"""``wiseft study patch``: which augmentation makes a model look at a pasted square."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, table_console
from wiseft_jax.cli.failures import same_goes_on, telling
from wiseft_jax.cli.inputs import experiment_data
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.together import together
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.run_lock import hold
from wiseft_jax.core.writers import check_writable, write_text
from wiseft_jax.quickstart.job import quickstart_config
from wiseft_jax.studies import patch as study
from wiseft_jax.studies.patch_config import PatchConfig

SHEET_FILE = "sheet.png"
CURVES_FILE = "curves.png"
TABLE_FILE = "table.md"

_NOTE = (
    "models of seed 0; maps of the class that is answered, positive part, scaled to its largest"
    " value; the square is outlined\nfirst images that all models answer rightly without a square:"
    " those where the square changes an answer, then those where it changes none"
)


@dataclasses.dataclass(frozen=True)
class PatchArgs:
    """Train models that differ in their augmentation alone, paste a square into test images, and
    compare what each of them makes of it: answers, scores, and where it looks.

    On the embedded digits. Writes rows.jsonl, summary.json, table.md, sheet.png, curves.png and
    the models into --out; the same command goes on from what is there.
    """

    config: Annotated[PatchConfig, tyro.conf.arg(name="")]
    out: Path | None = None
    """The study's directory."""
    overwrite: bool = False
    """Replace the study in --out."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the study."""
    args = parse(PatchArgs, argv, "study patch", default=PatchArgs(PatchConfig()))
    if args.out is None:
        raise InputError("--out DIR: no directory is named; the study's models and tables go there")
    directory, experiment = RunDirectory(args.out), quickstart_config()
    kept = f"the models that are complete are in {directory.path}; {same_goes_on(args.overwrite)}"
    with together(args.common, DistributedConfig(), experiment.mesh):
        check_writable(directory.path)
        data = experiment_data(experiment)
        with hold(directory.path, "study's directory"):  # what is there may be replaced
            study.prepare(directory, args.config, overwrite=args.overwrite)
        with telling(kept), hold(directory.path, "study's directory"):
            summary, sheet = study.patch_study(args.config, experiment, data, directory)
            files = _write(summary, sheet, directory.path)
    with telling(kept):
        if args.common.json:
            print_json({"study": str(directory.path), **summary})
        else:
            _show(summary, files)
    return EXIT_DONE


def _write(summary: dict[str, Any], sheet: list[dict[str, Any]], directory: Path) -> list[Path]:
    """Write tables and pictures, and return the paths of what there is to look at."""
    from wiseft_jax.reporting.patch_curves import draw_patch_curves
    from wiseft_jax.reporting.patch_sheet import draw_sheet
    from wiseft_jax.reporting.patch_table import patch_markdown

    write_text(directory / TABLE_FILE, patch_markdown(summary))
    files = [directory / TABLE_FILE]
    if sheet:
        files.append(draw_sheet(sheet, directory / SHEET_FILE, note=_NOTE))
    if summary["curves"]:
        files.append(draw_patch_curves(summary, directory / CURVES_FILE)[0])
    return files


def _show(summary: dict[str, Any], files: Sequence[Path]) -> None:
    from wiseft_jax.reporting.patch_table import patch_tables

    table_console().print(patch_tables(summary))
    for file in files:
        print(file)
