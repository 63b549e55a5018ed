"""``wiseft backgrounds evaluate``: accuracy on each variant, the BG-Gap, the five categories."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from wiseft_jax.cli.backgrounds_data import LimitedDataOptions, open_data
from wiseft_jax.cli.backgrounds_models import ModelOptions, open_predictors
from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.failures import telling
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.trained_on import warn_of_trained_images
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.core.run_directory import versions
from wiseft_jax.core.writers import check_writable, write_json, write_text

SUMMARY_FILE = "summary.json"
PROGRESS_FILE = "progress.png"


@dataclasses.dataclass(frozen=True)
class EvaluateArgs:
    """Measure how much models lean on backgrounds: accuracy on each variant, and the BG-Gap.

    The BG-Gap is accuracy on Mixed-Same minus accuracy on Mixed-Rand: both have the artefacts of
    cutting out and pasting, but only Mixed-Same's backgrounds tell of the class.
    """

    data: Annotated[LimitedDataOptions, tyro.conf.arg(name="")] = LimitedDataOptions()
    models: Annotated[ModelOptions, tyro.conf.arg(name="")] = ModelOptions()
    seeds: int = 3
    """Pairings of Mixed-Same and Mixed-Rand over which the BG-Gap is averaged, composed from
    originals, masks and Only-BG-T images; 0 for a release's own mixed files alone."""
    batch_size: int = 256
    """Images a batch."""
    out: Path | None = None
    """Write rows.jsonl, summary.json, table.md, variants.png, answers.npz into this directory; of
    several models progress.png too: Original against each variant, a point for each model."""
    overwrite: bool = False
    """Replace the evaluation in --out."""
    common: Common = CommonOptions()

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.seeds < 0:
            raise InputError(f"--seeds: expected at least 0, found {self.seeds}")
        if self.batch_size < 1:
            raise InputError(f"--batch-size: expected at least 1, found {self.batch_size}")
        if self.out is not None and self.out.exists() and not self.out.is_dir():
            raise InputError(f"--out {self.out}: expected a directory to write, found a file")
        if self.out is not None and (self.out / SUMMARY_FILE).exists() and not self.overwrite:
            raise InputError(
                f"{self.out}: holds an evaluation ({SUMMARY_FILE}); give another --out, or"
                " --overwrite to replace it"
            )


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    args = parse(EvaluateArgs, argv, "backgrounds evaluate")
    args.common.apply()
    args.data.check_named()
    if args.out is not None:
        check_writable(args.out)
    from wiseft_jax.backgrounds.evaluation import evaluate_backgrounds
    from wiseft_jax.backgrounds.evaluation_summary import evaluation_summary
    from wiseft_jax.backgrounds.release import Release
    from wiseft_jax.core import compilation_cache

    compilation_cache.enable()
    images = open_data(args.data)
    predictors = open_predictors(args.models, images.class_names)
    if args.models.run is not None and isinstance(images, Release):
        kinds = [kind for kind in images.variants if kind == "original"]
        warn_of_trained_images(args.models.run, [images.dataset(kind) for kind in kinds])
    answers = evaluate_backgrounds(
        images,
        predictors,
        seeds=args.seeds,
        limit=args.data.limit,
        batch_size=args.batch_size,
    )
    summary = evaluation_summary(answers, predictors) | _made_by(args)
    if args.out is None:
        _show(summary, args)
        return EXIT_DONE
    from wiseft_jax.core.interrupt import how_to_start_again

    partial = f"the files in {args.out} are incomplete, and the command makes all of them anew"
    with telling(f"{partial}; {how_to_start_again()}"):
        _write(args.out, answers, summary)
    with telling(f"the evaluation is complete in {args.out}"):
        _show(summary, args)
    return EXIT_DONE


def _made_by(args: EvaluateArgs) -> dict[str, Any]:
    """Return what was asked, its hash, and the versions that answered."""
    data = dataclasses.asdict(args.data)
    if args.data.data is not None:
        options = {"data": str(args.data.data.absolute()), "split": args.data.split}
    else:
        options = {name: data[name] for name in ("demo", "demo_options", "demo_seed")}
    options |= {"limit": args.data.limit, "seeds": args.seeds}
    models = dataclasses.asdict(args.models)
    del models["reading"]  # of it what differs, so that other hashes stay
    models |= args.models.reading.settings()
    options["models"] = json.loads(json.dumps(models, default=str))
    return {"options": options, "config_hash": hash_json(options), "versions": versions()}


def _write(out: Path, answers: Any, summary: dict[str, Any]) -> None:
    import io

    import numpy as np

    from wiseft_jax.backgrounds.evaluation_summary import evaluation_rows
    from wiseft_jax.core.writers import write_bytes
    from wiseft_jax.reporting.backgrounds_evaluation import draw_evaluation, evaluation_markdown
    from wiseft_jax.reporting.backgrounds_progress import draw_progress

    rows = evaluation_rows(summary)
    write_text(out / "rows.jsonl", "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))
    write_text(out / "table.md", evaluation_markdown(summary))
    draw_evaluation(summary, out / "variants.png")
    if _has_progress(summary):
        draw_progress([summary | {"name": out.name}], out / PROGRESS_FILE)
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        ids=np.asarray(answers.ids),
        labels=answers.labels,
        models=np.asarray([model["name"] for model in summary["models"]]),
        **answers.kinds,
        **{f"{kind}_seeds": found for kind, found in answers.seeds.items()},
    )
    write_bytes(out / "answers.npz", packed.getvalue())
    write_json(out / SUMMARY_FILE, summary)


def _has_progress(summary: dict[str, Any]) -> bool:
    """Return whether there is a scatter: two models, Original and another variant."""
    there = [
        {kind for kind, found in model["variants"].items() if found["n"]}
        for model in summary["models"]
    ]
    shared = set.intersection(*there)
    return len(there) > 1 and "original" in shared and len(shared) > 1


def _show(summary: dict[str, Any], args: EvaluateArgs) -> None:
    if args.common.json:
        print_json(summary)
        return
    from wiseft_jax.reporting.backgrounds_evaluation import evaluation_tables

    for title, header, lines in evaluation_tables(summary):
        print_table(title, header, lines)
    for note in summary["notes"]:
        print(note)
    if args.out is not None:
        drawn = f", {PROGRESS_FILE}" if _has_progress(summary) else ""
        print(f"rows.jsonl, summary.json, table.md, variants.png{drawn}, answers.npz -> {args.out}")
