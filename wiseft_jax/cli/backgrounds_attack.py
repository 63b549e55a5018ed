"""``wiseft backgrounds attack``: every foreground on every background, and what breaks it."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from wiseft_jax.backgrounds.attack_config import AttackConfig
from wiseft_jax.cli.backgrounds_data import AttackDataOptions, open_data
from wiseft_jax.cli.backgrounds_models import ModelOptions, open_predictors
from wiseft_jax.cli.common import Common, CommonOptions, print_json, table_console
from wiseft_jax.cli.failures import telling
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.together import together
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.run_lock import hold
from wiseft_jax.core.writers import check_writable, write_json, write_text

if TYPE_CHECKING:
    from wiseft_jax.backgrounds.attack_files import AttackFiles
    from wiseft_jax.backgrounds.attack_images import AttackImages


@dataclasses.dataclass(frozen=True)
class AttackArgs:
    """Put every foreground on every Only-BG-T background, and see which backgrounds break it.

    Two definitions: the challenge's (any background that makes the answer wrong) and the paper's (a
    background of another class makes the answer its own class). Writes summary.json, table.md,
    strongest.png, backgrounds.csv (each one's rate) and the matrix into --out; the same command
    goes on from what is there.
    """

    models: Annotated[ModelOptions, tyro.conf.arg(name="")]
    config: Annotated[AttackConfig, tyro.conf.arg(name="")]
    data: Annotated[AttackDataOptions, tyro.conf.arg(name="")] = AttackDataOptions()
    out: Path | None = None
    """The attack's directory."""
    overwrite: bool = False
    """Replace the attack in --out."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the attack."""
    default = AttackArgs(ModelOptions(), AttackConfig())
    args = parse(AttackArgs, argv, "backgrounds attack", default=default)
    _check(args)
    assert args.out is not None
    with together(args.common, DistributedConfig()):
        from wiseft_jax.backgrounds.attack_files import AttackFiles
        from wiseft_jax.core.interrupt import how_to_go_on

        check_writable(args.out)
        images = _images(args)
        (predictor,) = _one(open_predictors(args.models, images.class_names))
        files = AttackFiles(args.out)
        if args.out.exists() and not args.out.is_dir():
            raise InputError(f"{args.out}: expected a directory, found a file; give another --out")
        chosen = images.sampled(args.config, predictor.preprocess)
        kept = f"what is stored in {files.path} stays; {how_to_go_on()}"
        with telling(kept):
            summary = _attacked(args, predictor, chosen, files)
    with telling(kept):
        if args.common.json:
            print_json({"attack": str(args.out), **summary})
        else:
            _show(summary, files)
    return EXIT_DONE


def _check(args: AttackArgs) -> None:
    args.data.check_named()
    if args.out is None:
        raise InputError("--out DIR: no directory is named; the matrix and the tables go there")
    if args.models.run is not None and len(args.models.alphas) > 1:
        raise InputError(
            "--alphas: an attack is of one model; give one alpha, as in --run DIR --alphas 0.5"
            " (wiseft backgrounds alphas compares several)"
        )


def _one(predictors: Sequence[Any]) -> Sequence[Any]:
    if len(predictors) != 1:
        names = ", ".join(each.name for each in predictors)
        raise InputError(f"an attack is of one model, found {len(predictors)}: {names}")
    return predictors


def _images(args: AttackArgs) -> AttackImages:
    from wiseft_jax.backgrounds.attack_images import images_in_memory, images_of_release
    from wiseft_jax.backgrounds.masked_images import MaskedImages

    found = open_data(args.data, args.data.demo_split)
    return images_in_memory(found) if isinstance(found, MaskedImages) else images_of_release(found)


def _attacked(
    args: AttackArgs, predictor: Any, images: AttackImages, files: AttackFiles
) -> dict[str, Any]:
    """Fill the matrix, and write what it says."""
    from wiseft_jax.backgrounds.attack import attack_identity, attack_matrix
    from wiseft_jax.backgrounds.attack_summary import attack_summary, background_rows, timing
    from wiseft_jax.core.interrupt import catch_signals
    from wiseft_jax.reporting.backgrounds_attack import attack_markdown, draw_strongest

    identity = attack_identity(predictor, images, args.config)
    with hold(files.path, "attack's directory"):
        files.prepare(identity, overwrite=args.overwrite)
        with catch_signals() as interruption:
            found = attack_matrix(
                predictor, images, args.config, files=files, stop=interruption.stop_requested
            )
        files.write_matrix(found.predictions)
        summary = attack_summary(found.predictions, images, early_exit=args.config.early_exit)
        summary |= {"schema": 1, "model": identity["model"], "options": identity["options"]}
        if found.pairs or not files.summary_file.is_file():
            summary["timing"] = timing(found.pairs, found.secs, found.compile_secs, images)
        else:  # nothing was left to try: the rate is that of the call that tried the last
            summary["timing"] = read_json(files.summary_file)["timing"]
        write_json(
            files.images_file,
            {
                side: {"ids": list(of.ids), "labels": of.labels.tolist()}
                for side, of in (
                    ("foregrounds", images.foregrounds),
                    ("backgrounds", images.backgrounds),
                )
            },
        )
        if not args.config.early_exit:
            write_text(files.backgrounds_file, _table(background_rows(found.predictions, images)))
        write_text(files.table_file, attack_markdown(summary))
        if summary["strongest"]:
            columns = [each["column"] for each in summary["strongest"]]
            pictures = images.read_backgrounds(columns, predictor.preprocess)
            draw_strongest(summary, list(pictures), files.picture_file)
        write_json(files.summary_file, summary)
    return summary


def _table(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as CSV; a rate that isn't there is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _show(summary: dict[str, Any], files: AttackFiles) -> None:
    from wiseft_jax.reporting.backgrounds_attack import attack_lines, attack_table

    table_console().print(attack_table(summary))
    for line in attack_lines(summary):
        print(line)
    print(files.table_file)
    if summary["strongest"]:
        print(files.picture_file)
