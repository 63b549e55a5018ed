"""``wiseft backgrounds show``: the eight variants of an image, and what models answer to each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from wiseft_jax.backgrounds.mask_config import MaskOptions
from wiseft_jax.cli.backgrounds_data import DataOptions, open_data
from wiseft_jax.cli.backgrounds_models import ModelOptions, open_predictors
from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.parse import parse
from wiseft_jax.core.errors import EXIT_DONE, InputError, unknown_name
from wiseft_jax.core.writers import check_writable

_KINDS = ("mixed_same", "mixed_rand", "mixed_next")


@dataclasses.dataclass(frozen=True)
class ShowArgs:
    """Draw the eight variants of one image, each with what models answer, right or wrong.

    With --demo and no image: digits of the miniature, of a class each.
    """

    image: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """The image; none with `--demo`."""
    mask: Path | None = None
    """Where the object is, of the image's size: an array (`.npy`) or a picture, of two values or as
    `--mask-foreground` says. With `--data`, an image of the release has its own."""
    mask_options: Annotated[MaskOptions, tyro.conf.arg(name="")] = MaskOptions()
    box: tuple[int, int, int, int] | None = None
    """The box around the object, x0 y0 x1 y1, half-open, for Only-BG-B and Only-BG-T; the mask's
    own by default."""
    label: str | None = None
    """The image's class; the name of its folder by default."""
    background: tuple[Path, ...] = ()
    """Only-BG-T images, taken as they are, for Mixed-Same, Mixed-Rand and Mixed-Next in this order;
    else they are drawn from `--data`. Without either there are no mixed variants."""
    data: Annotated[DataOptions, tyro.conf.arg(name="")] = DataOptions()
    models: Annotated[ModelOptions, tyro.conf.arg(name="")] = ModelOptions()
    images: int = 4
    """How many digits `--demo` shows."""
    seed: int = 0
    """Of the partners."""
    out: Path = Path("variants.png")
    """The picture to write."""
    common: Common = CommonOptions()

    def __post_init__(self) -> None:
        """Check what excludes what."""
        if len(self.image) > 1:
            raise InputError(f"expected one image, found {len(self.image)}")
        if self.data.demo == bool(self.image):
            found = "both" if self.image else "neither"
            raise InputError(f"expected an image or --demo, found {found}")
        if self.images < 1:
            raise InputError(f"--images: expected at least 1, found {self.images}")
        if self.data.demo:
            for name in ("mask", "box", "label", "background"):
                if getattr(self, name):
                    raise InputError(f"--{name}: has no meaning with --demo")
            if self.mask_options != MaskOptions():
                raise InputError("--mask-foreground, --mask-instances: have no meaning with --demo")
        if len(self.background) > len(_KINDS):
            raise InputError(f"--background: expected at most 3, found {len(self.background)}")
        if self.out.suffix.lower() != ".png":
            raise InputError(f"--out {self.out}: expected a file that ends in .png")


@dataclasses.dataclass(frozen=True)
class Shown:
    """An image that is shown: its variants, their partners, its class."""

    name: str
    label: int
    pictures: dict[str, Any]
    partners: dict[str, str]


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    args = parse(ShowArgs, argv, "backgrounds show")
    args.common.apply()
    check_writable(args.out.parent)
    from wiseft_jax.reporting.backgrounds_variants import draw_variants

    shown, class_names = _of_demo(args) if args.data.demo else _of_file(args)
    predictors = open_predictors(args.models, class_names)
    rows = [_row(each, predictor) for each in shown for predictor in predictors]
    note = "; ".join(f"{each.name}: {each.protocol}, {each.weights}" for each in predictors)
    draw_variants([_drawn(row) for row in rows], args.out, note=note)
    if args.common.json:
        for row in rows:
            for cell in row["cells"].values():
                del cell["image"]
        print_json({"schema": 1, "picture": str(args.out), "rows": rows})
    else:
        _show(rows, args.out)
    return EXIT_DONE


def _row(shown: Shown, predictor: Any) -> dict[str, Any]:
    from wiseft_jax.backgrounds.feeding import how_fed
    from wiseft_jax.backgrounds.one_image import answers_to

    answers = answers_to(predictor, list(shown.pictures.values()), shown.label)
    cells = {
        kind: {"image": picture, **dataclasses.asdict(answer), "partner": shown.partners.get(kind)}
        for (kind, picture), answer in zip(shown.pictures.items(), answers, strict=True)
    }
    facts = {"model": predictor.name, "protocol": predictor.protocol, "weights": predictor.weights}
    height, width = shown.pictures["original"].shape[:2]
    facts["fed"] = how_fed(height, width, predictor.preprocess)
    return {
        "image": shown.name,
        "label": predictor.class_names[shown.label],
        **facts,
        "cells": cells,
    }


def _drawn(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its classes called as in prompts."""
    from wiseft_jax.backgrounds.predictors import coarse_names

    def short(name: str) -> str:
        return coarse_names([name])[0]

    cells = {
        kind: {**cell, "predicted": short(cell["predicted"])} for kind, cell in row["cells"].items()
    }
    return {**row, "label": short(row["label"]), "cells": cells}


def _of_demo(args: ShowArgs) -> tuple[list[Shown], tuple[str, ...]]:
    """Return the first digit of some classes, evenly spaced; partners are the pairing's."""
    import numpy as np

    from wiseft_jax.backgrounds.masked_images import MaskedImages
    from wiseft_jax.backgrounds.variants import VARIANTS

    every = open_data(args.data)
    assert isinstance(every, MaskedImages)
    count = min(args.images, len(every.class_names))
    wanted = np.linspace(0, len(every.class_names) - 1, count).round().astype(int)
    places = [int(np.flatnonzero(every.labels == label)[0]) for label in wanted]
    pictures = {kind: every.variant(kind, args.seed) for kind in VARIANTS}
    partners = {kind: every.partners(kind, args.seed) for kind in _KINDS}
    shown = [
        Shown(
            every.ids[at],
            int(every.labels[at]),
            {kind: found[at] for kind, found in pictures.items()},
            {kind: every.ids[found[at]] for kind, found in partners.items()},
        )
        for at in places
    ]
    return shown, every.class_names


def _of_file(args: ShowArgs) -> tuple[list[Shown], tuple[str, ...]]:
    from wiseft_jax.backgrounds.in9 import IN9_CLASSES
    from wiseft_jax.backgrounds.mask_files import MaskValues, read_object_mask
    from wiseft_jax.backgrounds.one_image import (
        image_variants,
        read_picture,
        release_partners,
        sized_partners,
    )
    from wiseft_jax.backgrounds.release import open_release

    (path,) = args.image
    release = None if args.data.data is None else open_release(args.data.data, args.data.split)
    class_names = IN9_CLASSES if release is None else release.class_names
    name = args.label or path.resolve().parent.name
    label = _label(name, class_names, given=args.label is not None)
    image_id = f"{class_names[label]}/{path.stem}"
    image = read_picture(path)
    height, width = image.shape[:2]
    mask_path = args.mask
    if mask_path is None and release is not None:
        mask_path = release.mask_path(image_id)
    if mask_path is None:
        raise InputError(f"{path}: say where the object is: --mask FILE, of the image's size")
    mask = read_object_mask(mask_path, height, width, MaskValues.of(args.mask_options))
    found: dict[str, tuple[str, Any]] = {}
    if args.background:
        pairs = zip(_KINDS, args.background, strict=False)
        found = {kind: (str(file), read_picture(file)) for kind, file in pairs}
    elif release is not None:
        found = release_partners(release, label, image_id, args.seed)
    partners = sized_partners(found, height, width)
    try:
        pictures = image_variants(image, mask, partners, args.box)
    except InputError as error:
        raise InputError(f"{path}, {mask_path}: {error}") from None
    names = {kind: of for kind, (of, _) in found.items()}
    return [Shown(str(path), label, pictures, names)], tuple(class_names)


def _label(name: str, class_names: Sequence[str], *, given: bool) -> int:
    """Return the label of a folder's name, or of a class's without its number."""
    from wiseft_jax.backgrounds.predictors import coarse_names

    for names in (tuple(class_names), coarse_names(class_names)):
        if name in names:
            return names.index(name)
    error = unknown_name("class", name, class_names)
    hint = "; classes of your own come with --data DIR, made by wiseft backgrounds build"
    own = "" if given else " (the image's folder); say which by --label"
    raise InputError(f"{error}{own}{hint}")


def _show(rows: Sequence[dict[str, Any]], out: Path) -> None:
    from wiseft_jax.reporting.backgrounds_titles import VARIANT_TITLES

    lines = [
        (
            Path(row["image"]).name, row["model"], VARIANT_TITLES[kind], cell["predicted"],
            f"{cell['score']:.3f}", "right" if cell["right"] else "wrong", cell["partner"] or "",
        )
        for row in rows
        for kind, cell in row["cells"].items()
    ]  # fmt: skip
    header = ("image", "model", "variant", "answer", "score", "", "background")
    print_table("the variants", header, lines)
    keys = ("model", "protocol", "weights", "fed")
    for model, *facts in sorted({tuple(row[key] for key in keys) for row in rows}):
        print(f"{model}: {'; '.join(facts)}")
    missing = [VARIANT_TITLES[kind] for kind in VARIANT_TITLES if kind not in rows[0]["cells"]]
    if missing:
        print(f"not shown, for want of backgrounds: {', '.join(missing)} (--data, --background)")
    print(f"-> {out}")
