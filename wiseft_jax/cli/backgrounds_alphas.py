"""``wiseft backgrounds alphas``: how a model leans on backgrounds along WiSE-FT's alpha."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, table_console
from wiseft_jax.cli.failures import same_goes_on, telling
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.together import together
from wiseft_jax.cli.trained_on import warn_of_trained_images
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.run_lock import hold
from wiseft_jax.core.writers import check_writable, write_text
from wiseft_jax.quickstart.backgrounds_demo_config import DemoConfig
from wiseft_jax.studies.backgrounds_alphas_config import AlphasConfig

if TYPE_CHECKING:
    from wiseft_jax.studies.backgrounds_alphas_data import AlphasData
    from wiseft_jax.studies.backgrounds_alphas_models import Ends

TABLE_FILE = "table.md"
CURVES_FILE = "alphas.png"
PROGRESS_FILE = "progress.png"
_OF_DEMO = ("train_on", "epochs", "learning_rate", "training_seed")


@dataclasses.dataclass(frozen=True)
class AlphasArgs:
    """Measure the BG-Gap, the challenge and where a model looks, along WiSE-FT's alpha.

    Of a run directory and a set in the published layout, or --demo. Writes rows.jsonl,
    summary.json, table.md, alphas.png, progress.png and what they are made of into --out; the same
    command goes on from what is there.
    """

    config: Annotated[AlphasConfig, tyro.conf.arg(name="")]
    run: Path | None = None
    """A run directory (`wiseft run` or `train`), of the same classes as the set."""
    data: Path | None = None
    """Holds VARIANT/SPLIT/CLASS/FILE and fg_mask: the published set, or what `wiseft backgrounds
    build` made."""
    split: str = "val"
    """The folder below each variant to report on."""
    choose_split: str | None = None
    """The folder below each variant to choose alpha on; without one nothing is chosen, as test
    images must not choose."""
    pairing: Literal["built", "new"] = "built"
    """Mixed images of --data: `built` ones lie in files, one pairing; `new` ones are composed, of
    as many pairings as --pairing-seeds says."""
    demo: bool = False
    """The embedded miniature: fine-tune the embedded CLIP on it, and go on from there."""
    miniature: Annotated[DemoConfig, tyro.conf.arg(name="")] = DemoConfig()
    demo_seed: int = 0
    """Which miniature. Each seed splits the digits anew."""
    beside: tuple[Path, ...] = ()
    """Directories of other studies, or of evaluations of the same images (`wiseft backgrounds
    evaluate --out`), drawn in progress.png too."""
    out: Path | None = None
    """The study's directory."""
    overwrite: bool = False
    """Replace the study in --out."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the study."""
    args = parse(AlphasArgs, argv, "backgrounds alphas", default=AlphasArgs(AlphasConfig()))
    _check(args)
    assert args.out is not None
    directory = RunDirectory(args.out)
    kept = f"what is complete is in {args.out}; {same_goes_on(args.overwrite)}"
    with together(args.common, DistributedConfig(), MeshConfig()):
        from wiseft_jax.studies import backgrounds_alphas as study

        check_writable(directory.path)
        others = [_summary(path) for path in args.beside]
        ends = None if args.run is None else _ends_of_run(args.run)
        test, validation = _data(args)
        if ends is not None:
            test.fitted(ends.classifier.class_names)  # before anything is written
            assert args.run is not None
            warn_of_trained_images(args.run, [test.sets["original"]])
        with hold(directory.path, "study's directory"):  # what is there may be replaced
            study.prepare(directory, args.config, overwrite=args.overwrite)
        with telling(kept), hold(directory.path, "study's directory"):
            summary = _studied(args, ends, test, validation, directory)
            files = _write(summary, others, directory.path)
    with telling(kept):
        if args.common.json:
            print_json({"study": str(directory.path), **summary})
        else:
            _show(summary, files)
    return EXIT_DONE


def _check(args: AlphasArgs) -> None:
    """Refuse options that don't go together."""
    of_run = args.run is not None or args.data is not None
    if args.demo == of_run:
        raise InputError(
            "expected --run DIR with --data ROOT, or --demo, found"
            f" {'both' if args.demo else 'neither'}"
        )
    if not args.demo and (args.run is None or args.data is None):
        missing = "--run DIR" if args.run is None else "--data ROOT"
        raise InputError(f"{missing}: is needed too: a run has the models, the set the images")
    default = AlphasConfig()
    changed = [name for name in _OF_DEMO if getattr(args.config, name) != getattr(default, name)]
    miniature = args.miniature != DemoConfig() or args.demo_seed != 0
    if not args.demo and (changed or miniature):
        of_it = "--strength, --contrast, --noise, --demo-seed"
        named = f"--{changed[0].replace('_', '-')}" if changed else of_it
        raise InputError(f"{named}: is of --demo; leave it out")
    if args.demo and (args.choose_split is not None or args.pairing != "built"):
        named = "--pairing" if args.choose_split is None else "--choose-split"
        raise InputError(f"{named}: is of --data; leave it out")
    if args.pairing == "built" and not args.demo:
        seeds = args.config.pairing_seeds
        if seeds not in (1, default.pairing_seeds):
            raise InputError(
                f"--pairing-seeds {seeds}: the files of --data hold one pairing; to compose more"
                " give --pairing new"
            )
    if args.choose_split is not None and args.choose_split == args.split:
        raise InputError(
            f"--choose-split {args.choose_split}: the same images would choose alpha and report on"
            " it; name another folder"
        )
    if args.out is None:
        raise InputError("--out DIR: no directory is named; the study's files go there")


def _summary(path: Path) -> dict[str, Any]:
    from wiseft_jax.studies.backgrounds_alphas import SUMMARY_FILE

    found = read_json(path / SUMMARY_FILE)
    kinds = ({"curves", "alphas", "model"}, {"models", "set", "originals"})
    if not isinstance(found, dict) or not any(keys <= found.keys() for keys in kinds):
        raise InputError(
            f"--beside {path}: not the directory of a study by wiseft backgrounds alphas, or of an"
            " evaluation by wiseft backgrounds evaluate"
        )
    return found | {"name": path.name}


def _ends_of_run(run: Path) -> Ends:
    from wiseft_jax.cli.presets import load_config
    from wiseft_jax.experiment import load_endpoints
    from wiseft_jax.studies.backgrounds_alphas_models import Ends

    directory = RunDirectory(run)
    directory.read_config()
    config = load_config(str(directory.config_file))
    return Ends(run.resolve().name, *load_endpoints(config, directory))


def _data(args: AlphasArgs) -> tuple[AlphasData, AlphasData | None]:
    from wiseft_jax.studies import backgrounds_alphas_data as images

    config = args.config
    if args.data is None:
        from wiseft_jax.quickstart.backgrounds_demo import demo_images

        test, validation = (
            images.alphas_data_of_masked(
                demo_images(split, args.miniature, args.demo_seed),
                config.pairing_seeds,
                config.limit,
            )
            for split in ("test", "validation")
        )
        return test, validation
    seeds = config.pairing_seeds if args.pairing == "new" else None
    test, *others = (
        images.alphas_data_of_release(args.data, split, seeds, config.limit)
        for split in (args.split, args.choose_split)
        if split is not None
    )
    return test, others[0] if others else None


def _studied(
    args: AlphasArgs,
    ends: Ends | None,
    test: AlphasData,
    validation: AlphasData | None,
    directory: RunDirectory,
) -> dict[str, Any]:
    from wiseft_jax.studies import backgrounds_alphas as study

    if ends is None:
        ends = _ends_of_demo(args, directory)
    return study.alphas_study(args.config, ends, test, validation, directory)


def _ends_of_demo(args: AlphasArgs, directory: RunDirectory) -> Ends:
    from wiseft_jax.clip.config import ModelConfig
    from wiseft_jax.quickstart.backgrounds_demo import demo_images
    from wiseft_jax.studies.backgrounds_alphas import fine_tuned_ends
    from wiseft_jax.studies.backgrounds_train_data import limited

    config = args.config
    images = demo_images("train", args.miniature, args.demo_seed)
    train = limited(images.dataset(config.train_on, config.training_seed), config.limit)
    return fine_tuned_ends(config, ModelConfig("glyphclip", "digits"), train, directory)


def _write(
    summary: dict[str, Any], others: Sequence[dict[str, Any]], directory: Path
) -> list[Path]:
    """Write the table and the pictures, and return the paths of what there is to look at."""
    from wiseft_jax.reporting.backgrounds_alphas import draw_alphas
    from wiseft_jax.reporting.backgrounds_alphas_table import alphas_markdown
    from wiseft_jax.reporting.backgrounds_progress import draw_progress

    write_text(directory / TABLE_FILE, alphas_markdown(summary))
    models = [each["model"] for each in (summary, *others) if "model" in each]
    alike = len(set(models)) < len(models)  # an evaluation has several, named in it
    own = {"name": directory.resolve().name if alike else summary["model"]}
    named = [summary | own]
    named += [
        each if alike else each | {"name": each.get("model", each["name"])} for each in others
    ]
    return [
        directory / TABLE_FILE,
        draw_alphas(summary, directory / CURVES_FILE)[0],
        draw_progress(named, directory / PROGRESS_FILE)[0],
    ]


def _show(summary: dict[str, Any], files: Sequence[Path]) -> None:
    from wiseft_jax.reporting.backgrounds_alphas_table import alphas_tables

    table_console().print(alphas_tables(summary))
    for file in files:
        print(file)
