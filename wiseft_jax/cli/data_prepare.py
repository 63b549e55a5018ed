"""``wiseft data prepare``: ArrayRecord for a pod, of a folder, an archive, a published data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.failures import telling
from wiseft_jax.cli.parse import parse
from wiseft_jax.core.errors import EXIT_DONE, InputError, counted

if TYPE_CHECKING:
    from wiseft_jax.data.prepare_input import PrepareInput

_RELEASE = "backgrounds:"
_MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class PrepareArgs:
    """Turn images into ArrayRecord, laid out as TensorFlow Datasets does, for a disk or a bucket.

    Writes OUT/NAME[/CONFIG]/1.0.0, which tfds:OUT/NAME/1.0.0:SPLIT and tfds.builder_from_directory
    open, without TensorFlow. Records keep the source's order; JPEG and PNG files that every reader
    decodes alike keep their bytes. The same command goes on where it was interrupted, and the
    result is the same to the byte.

        wiseft data prepare folder:photos --out prepared

        wiseft data prepare photos.tar.gz --out gs://bucket/prepared --name photos

        wiseft data prepare published:objectnet@/data --out prepared

        wiseft data prepare backgrounds:bg_challenge --name imagenet9 --out prepared
    """

    spec: Annotated[str, tyro.conf.Positional]
    """What to prepare: folder:, table:, tfds: or published: as everywhere (all splits of a folder
    or a published set that has several), archive:FILE.tar|.tar.gz|.tgz|.tar.bz2|.tar.xz|.zip, or
    backgrounds:DIR[:train], whose variants become splits."""
    out: str | None = None
    """The directory of prepared data sets; gs://BUCKET/FOLDER with the extra `gcs`."""
    name: str | None = None
    """What to call the data set, NAME or NAME/CONFIG; by default made from the spec."""
    split: tuple[str, ...] = ()
    """The splits to take; by default all. Where there is one only: what to call it."""
    shard_mib: float = 256.0
    """About how large a shard becomes, in MiB; an interruption costs one at most."""
    skip_unreadable: bool = False
    """Leave images out that can't be read, and list them; by default they stop the command."""
    overwrite: bool = False
    """Remove what an earlier command prepared there."""
    root: str | None = None
    """Where published data sets lie, unless the spec says; by default `WISEFT_DATA_ROOT`."""
    data_dir: str | None = None
    """Where TFDS looks, of a tfds: spec."""
    path_column: str = "path"
    """Of a table."""
    label_column: str = "label"
    """Of a table."""
    num_threads: int = 16
    """How many images are read and checked at once."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    args = parse(PrepareArgs, argv, "data prepare")
    args.common.apply()
    if args.out is None:
        raise InputError("--out DIR: no directory is named; the prepared data go there")
    from wiseft_jax.core.interrupt import how_to_go_on

    again = how_to_go_on()
    with telling(f"the shards that are finished in {args.out} are kept; {again}"):
        report = _prepared(args, args.out)
    if args.common.json:
        print_json(report)
    else:
        _show(report)
    return EXIT_DONE


def _prepared(args: PrepareArgs, out: str) -> dict[str, Any]:
    from wiseft_jax.data.prepare import PrepareOptions, prepare

    given = _input(args)
    name, _, config = (args.name or "/".join((given.name, given.config)).rstrip("/")).partition("/")
    options = PrepareOptions(
        name=name,
        config=config,
        shard_mib=args.shard_mib,
        skip_unreadable=args.skip_unreadable,
        overwrite=args.overwrite,
        num_threads=args.num_threads,
    )
    return prepare(given.open(args.split), out, options)


def _input(args: PrepareArgs) -> PrepareInput:
    from wiseft_jax.data.prepare_input import prepare_input
    from wiseft_jax.data.specs import SourceOptions

    if args.spec.startswith(_RELEASE):
        return _release(args.spec.removeprefix(_RELEASE))
    options = SourceOptions(args.path_column, args.label_column, args.data_dir, root=args.root)
    return prepare_input(args.spec, options)


def _release(target: str) -> PrepareInput:
    """Return the variants of a backgrounds release, each as a split; masks stay behind."""
    from wiseft_jax.backgrounds.release import open_release
    from wiseft_jax.data.prepare_input import PrepareInput, tfds_word

    root, colon, split = target.rpartition(":")
    if not colon or Path(target).is_dir():
        root, split = target, "val"
    release = open_release(Path(root).expanduser(), split)
    return PrepareInput(
        tfds_word(release.root.absolute().name),
        "",
        {kind: lambda kind=kind: release.dataset(kind).source for kind in release.variants},
    )


def _show(report: dict[str, Any]) -> None:
    rows = [
        (
            name, f"{facts['images']:,}", str(facts["shards"]), f"{facts['bytes'] / _MIB:,.1f}",
            str(len(facts["skipped"])), str(len(facts["empty_classes"])), facts["spec"],
        )
        for name, facts in report["splits"].items()
    ]  # fmt: skip
    header = ("split", "images", "shards", "MiB", "left out", "empty classes", "open it")
    classes = counted(report["classes"], "class", "classes")
    print_table(f"{report['directory']}: {classes}", header, rows)
