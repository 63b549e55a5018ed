"""``wiseft backgrounds build``: the eight variants of a user's images, or ImageNet-9L."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from wiseft_jax.backgrounds.build_config import BuildConfig
from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.failures import telling
from wiseft_jax.cli.parse import parse
from wiseft_jax.core.errors import EXIT_DONE, InputError, counted
from wiseft_jax.core.writers import check_writable


@dataclasses.dataclass(frozen=True)
class BuildArgs:
    """Make the eight variants of images, from masks, boxes or GrabCut.

    Writes OUT/VARIANT/val/CLASS/ID.png and OUT/fg_mask/val/CLASS/ID.npy, as the published test set
    lies, with pairs.jsonl, images.jsonl, rejected.jsonl (each with its reason) and manifest.json.
    --split writes another folder than val, into the same OUT: one to train on, one to test on.
    The same command goes on where it was interrupted; the same seed gives the same bytes.

        wiseft backgrounds build --source folder:photos --masks masks --out DIR

        wiseft backgrounds build --source folder:photos --boxes boxes.csv --segment grabcut
        --out DIR

        wiseft backgrounds build --in9l imagenet/train --out DIR
    """

    config: Annotated[BuildConfig, tyro.conf.arg(name="")]
    out: Path | None = None
    """The directory to write."""
    in9l: Path | None = None
    """ImageNet's training folder: list the images of ImageNet-9L, balanced over its nine classes,
    in OUT/in9l.csv, to be read as table:OUT/in9l.csv. No masks or boxes are needed."""
    links: bool = False
    """With --in9l: link the images as well, as OUT/original/train/CLASS/FILE."""
    workers: int = 0
    """Processes; 0 is one for each core, at most 8."""
    overwrite: bool = False
    """Remove another build that is in --out."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the part."""
    args = parse(BuildArgs, argv, "backgrounds build", default=BuildArgs(BuildConfig()))
    args.common.apply()
    if args.out is None:
        raise InputError("--out DIR: no directory is named; the images go there")
    check_writable(args.out)
    from wiseft_jax.core.interrupt import how_to_go_on

    with telling(f"what is finished in {args.out} is intact; {how_to_go_on()}"):
        manifest = _built(args, args.out)
    if args.common.json:
        print_json({"out": str(args.out), **manifest})
    elif args.in9l is not None:
        _show_in9l(manifest, args.out)
    else:
        _show(manifest, args.out)
    return EXIT_DONE


def _built(args: BuildArgs, out: Path) -> dict[str, Any]:
    if args.in9l is not None:
        _check_in9l(args)
        from wiseft_jax.backgrounds.in9l import build_in9l

        return build_in9l(args.in9l, out, seed=args.config.seed, links=args.links)
    if args.links:
        raise InputError("--links belongs to --in9l")
    from wiseft_jax.backgrounds.build import build

    return build(args.config, out, workers=args.workers, overwrite=args.overwrite)


def _check_in9l(args: BuildArgs) -> None:
    """Refuse what a list of ImageNet's images doesn't heed."""
    default = BuildConfig()
    changed = [
        field.name
        for field in dataclasses.fields(default)
        if field.name != "seed" and getattr(args.config, field.name) != getattr(default, field.name)
    ]
    changed += [name for name in ("workers", "overwrite") if getattr(args, name)]
    if changed:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
        raise InputError(f"--in9l lists images of ImageNet, by --seed alone; leave {named} out")


def _show(manifest: dict[str, Any], out: Path) -> None:
    from wiseft_jax.backgrounds.build_image import REASONS
    from wiseft_jax.backgrounds.manifest import BuildDirectory

    counts = manifest["counts"]
    rejected = [
        (f"rejected: {reason}", str(count), REASONS[reason])
        for reason, count in counts["reasons"].items()
    ]
    rows = [
        *((name, str(count), "") for name, count in counts["classes"].items()),
        *rejected,
        ("all accepted", str(counts["accepted"]), f"of {counted(counts['images'], 'image')}"),
    ]
    print_table("images", ("", "images", ""), rows)
    print(f"variants  {', '.join(name for name in manifest['sha256'] if name != 'fg_mask')}")
    if "mixed_same" not in manifest["sha256"]:
        print("          boxes alone make no others: masks do (--masks, or --segment grabcut)")
    print(f"images    {out}")
    if counts["rejected"]:
        split = manifest["parameters"]["split"]
        print(f"rejected  {BuildDirectory(out, split).rejected_file}")


def _show_in9l(manifest: dict[str, Any], out: Path) -> None:
    from wiseft_jax.backgrounds.in9l import TABLE_FILE

    per_class = str(manifest["per_class"])
    rows = [(name, str(count), per_class) for name, count in manifest["available"].items()]
    print_table(
        f"ImageNet-9L: {counted(manifest['images'], 'image')}", ("", "there", "taken"), rows
    )
    print(f"table     table:{out / TABLE_FILE}")
