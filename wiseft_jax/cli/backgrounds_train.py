"""``wiseft backgrounds train``: train on each variant, test on each: the matrix."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, table_console
from wiseft_jax.cli.failures import same_goes_on, telling
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.together import together
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.run_lock import hold
from wiseft_jax.core.writers import check_writable, write_text
from wiseft_jax.quickstart.backgrounds_demo_config import DemoConfig
from wiseft_jax.studies.backgrounds_train_config import ClipStart, MatrixConfig, Pairing

if TYPE_CHECKING:
    from wiseft_jax.studies.backgrounds_train_data import MatrixData

TABLE_FILE = "table.md"
PICTURE_FILE = "matrix.png"
IN9L = "in9l"


@dataclasses.dataclass(frozen=True)
class TrainArgs:
    """Train a model on each variant of the backgrounds study, and test each on each variant.

    Needs a directory with a split to train on (`wiseft backgrounds build --split train`) and one to
    test on, or --demo. Writes
    rows.jsonl, matrix.json, table.md, matrix.png, the answers and the models into --out; the same
    command goes on from what is there.
    """

    config: Annotated[MatrixConfig, tyro.conf.arg(name="")]
    data: Path | None = None
    """Holds VARIANT/SPLIT/CLASS/FILE, as `wiseft backgrounds build` makes it."""
    train_split: str = "train"
    """The folder below each variant to train on."""
    test_split: str | None = None
    """The folder to test on: `val` by default; of the miniature `test`, or `validation`."""
    pairing: Pairing = "new"
    """Mixed training images: `new` ones are composed for each seed, which takes masks and
    only_bg_t; `built` ones lie in files, the same for each seed."""
    also: tuple[str, ...] = ()
    """Further sets to train on, as NAME=folder:PATH; classes are matched by name."""
    in9l: str | None = None
    """The same, of IN-9L: table:IN9L/in9l.csv, as `wiseft backgrounds build --in9l` makes it."""
    demo: bool = False
    """The embedded miniature: digits on textures that tell of them."""
    miniature: Annotated[DemoConfig, tyro.conf.arg(name="")] = DemoConfig()
    demo_seed: int = 0
    """Which miniature. Each seed splits the digits anew."""
    limit: int | None = None
    """At most so many images of each set, evenly of each class: to try a command."""
    out: Path | None = None
    """The study's directory."""
    overwrite: bool = False
    """Replace the study in --out."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the study."""
    default = TrainArgs(MatrixConfig())
    args = _checked(parse(TrainArgs, argv, "backgrounds train", default=default))
    assert args.out is not None
    directory = RunDirectory(args.out)
    kept = f"the models that are complete are in {args.out}; {same_goes_on(args.overwrite)}"
    with together(args.common, DistributedConfig(), MeshConfig()):
        from wiseft_jax.studies import backgrounds_train as study

        check_writable(directory.path)
        data = _data(args)
        with hold(directory.path, "study's directory"):  # what is there may be replaced
            study.prepare(directory, args.config, overwrite=args.overwrite)
        with telling(kept), hold(directory.path, "study's directory"):
            matrix = study.matrix_study(args.config, data, directory)
            files = _write(matrix, directory.path)
    with telling(kept):
        if args.common.json:
            print_json({"study": str(directory.path), **matrix})
        else:
            _show(matrix, files)
    return EXIT_DONE


def _checked(args: TrainArgs) -> TrainArgs:
    if args.demo == (args.data is not None):
        raise InputError(
            "expected --data ROOT (made by wiseft backgrounds build, with a split to train on:"
            f" --split train) or --demo, found {'both' if args.demo else 'neither'}"
        )
    if not args.demo and (args.miniature != DemoConfig() or args.demo_seed != 0):
        raise InputError(
            "--strength, --contrast, --noise, --demo-seed: are of --demo; leave them out"
        )
    if args.limit is not None and args.limit < 1:
        raise InputError(f"--limit: expected an integer >= 1, found {args.limit}")
    if args.out is None:
        raise InputError("--out DIR: no directory is named; the study's models and tables go there")
    if args.demo and args.config.clip.templates == ClipStart().templates:
        clip = dataclasses.replace(args.config.clip, templates="digits")
        return dataclasses.replace(args, config=dataclasses.replace(args.config, clip=clip))
    return args


def _data(args: TrainArgs) -> MatrixData:
    from wiseft_jax.studies import backgrounds_train_data as images

    test_on = args.config.test_on
    if args.data is None:
        from wiseft_jax.quickstart.backgrounds_demo import demo_images

        split = args.test_split or "test"
        if split not in ("test", "validation"):
            raise InputError(f"--test-split: expected test or validation, found {split}")
        train = demo_images("train", args.miniature, args.demo_seed)
        test = demo_images(split, args.miniature, args.demo_seed)
        data = images.data_of_masked(train, test, test_on, args.limit)
    else:
        splits = (args.train_split, args.test_split or "val")
        data = images.data_of_release(args.data, splits, test_on, args.pairing, args.limit)
    specs = _named(args.also) | ({} if args.in9l is None else {IN9L: args.in9l})
    extras = images.load_extras(specs, data.class_names, data.tests.get("original"))
    kept = {name: images.limited(each, args.limit) for name, each in extras.items()}
    return dataclasses.replace(data, extras=kept)


def _named(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, spec = text.partition("=")
        if not equals or not spec or name in found:
            raise InputError(
                f"--also {text}: expected NAME=SCHEME:TARGET, each name once, as in"
                " photos=folder:photos/train"
            )
        found[name] = spec
    return found


def _write(matrix: dict[str, Any], directory: Path) -> list[Path]:
    """Write the table and the picture, and return the paths of what there is to look at."""
    from wiseft_jax.reporting.backgrounds_matrix import draw_matrix, matrix_markdown

    write_text(directory / TABLE_FILE, matrix_markdown(matrix))
    return [directory / TABLE_FILE, draw_matrix(matrix, directory / PICTURE_FILE)[0]]


def _show(matrix: dict[str, Any], files: Sequence[Path]) -> None:
    from wiseft_jax.reporting.backgrounds_matrix import matrix_tables

    table_console().print(matrix_tables(matrix))
    for file in files:
        print(file)
