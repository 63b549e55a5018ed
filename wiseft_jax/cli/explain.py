"""``wiseft explain``: where a model looks, and what mixing makes of images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.model_names import DEFAULT_TEMPLATES
from wiseft_jax.cli.parse import parse
from wiseft_jax.clip.reading import AS_STORED, ReadingArgs
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.saliency import METHODS, MethodName
from wiseft_jax.core.writers import check_writable
from wiseft_jax.mixing.config import MixingConfig

ALPHAS = (0.0, 0.5, 1.0)
_UNREAD_BY_MIXING = ("models", "text", "class_name", "methods", "mask")
_UNREAD_BY_RESNETS = ("samples", "points", "seed")


def _written(field: str) -> str:
    return f"--{field.replace('_', '-')}"


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """Which models are explained; each is a column of the sheet."""

    run: Path | None = None
    """A run directory: its models at `--alphas`, side by side."""
    alphas: tuple[float, ...] = ALPHAS
    """The mixing coefficients of `--run`: 0 is zero-shot, 1 is fine-tuned."""
    model: str | None = None
    """An exported model, or any CLIP (then with `--text` or `--class-names`); `glyphclip` without
    `--run`."""
    class_names: Path | None = None
    """Class names for a plain CLIP: one a line, or a JSON list."""
    templates: str = DEFAULT_TEMPLATES
    """Prompt set or file for `--class-names`."""
    resnet: tuple[Path, ...] = ()
    """In the place of a CLIP: directories of ResNets, side by side, by class activation maps."""
    reading: ReadingArgs = AS_STORED

    def __post_init__(self) -> None:
        """Check what excludes what."""
        if self.run is not None and self.model is not None:
            raise InputError("--run and --model: expected one of them, found both")
        others = [option for option in self.given() if option != "--resnet"]
        if self.resnet and others:
            raise InputError(f"--resnet: a ResNet has its classes; leave {', '.join(others)} out")
        if len(set(self.resnet)) < len(self.resnet):
            raise InputError(f"--resnet: one occurs twice: {' '.join(map(str, self.resnet))}")
        if self.run is not None and self.class_names is not None:
            raise InputError("--class-names: a run has its class names; leave it out")
        if self.run is not None:
            self.reading.refuse_without_model()
        if self.templates != DEFAULT_TEMPLATES and self.class_names is None:
            raise InputError("--templates: makes prompts of --class-names; give these too")
        if self.run is None and self.alphas != ALPHAS:
            raise InputError("--alphas: has no meaning without --run")
        if not self.alphas or not all(map(math.isfinite, self.alphas)):
            raise InputError(f"--alphas: expected finite numbers, found {self.alphas}")
        if len(set(self.alphas)) < len(self.alphas):
            raise InputError(f"--alphas: a number occurs twice: {self.alphas}")

    def given(self) -> tuple[str, ...]:
        """Return the options that aren't at their defaults, as they are written."""
        fields = [field for field in dataclasses.fields(self) if field.name != "reading"]
        names = [each.name for each in fields if getattr(self, each.name) != each.default]
        return tuple(map(_written, (*names, *self.reading.settings())))


@dataclasses.dataclass(frozen=True)
class ExplainArgs:
    """Draw where models look for a text or a class, as PNG, with the raw maps and their numbers.

    With --mixing: draw what SmoothMix, CutMix, Cutout and Mixup make of the images instead.
    """

    images: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Image files, directories (searched at any depth), patterns such as `photos/*.png`, or sets as
    `folder:PATH`, `table:FILE`, `tfds:NAME:SPLIT` or `published:ID:SPLIT@ROOT`."""
    models: Annotated[ModelOptions, tyro.conf.arg(name="")] = ModelOptions()
    text: str | None = None
    """Explain the image's likeness to this text."""
    class_name: str | None = None
    """Explain the score of this class; without it and --text, of the class that each model
    predicts."""
    methods: tuple[MethodName, ...] = get_args(MethodName)
    """The rows of the sheet. Attention rollout is the same for every class and text."""
    mask: Path | None = None
    """A grey picture of where the object is (white), as large as the images or as the model's
    input: gives each map's energy inside, AUROC and IoU."""
    mixing: bool = False
    """Draw sources, mask, result and lambda of mixing augmentations; needs two images."""
    mixing_options: MixingConfig = MixingConfig()
    """With --mixing: one mixer in the place of all."""
    out: Path = Path("explained")
    """The directory to write into."""
    max_images: int = 8
    """How many images, evenly spaced over those that are given."""
    samples: int = 25
    """Noisy copies that SmoothGrad averages."""
    points: int = 32
    """Points of integrated gradients' path."""
    seed: int = 0
    """Of SmoothGrad's noise, and of mixing."""
    common: Common = CommonOptions()

    def __post_init__(self) -> None:
        """Check the numbers, and what excludes what."""
        for name in ("max_images", "samples", "points"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name.replace('_', '-')}: expected at least 1")
        if not self.images:
            raise InputError("no image is named: wiseft explain IMAGE... [options]")
        if not self.methods:
            raise InputError(f"--methods: expected at least one of {', '.join(METHODS)}")
        if len(set(self.methods)) < len(self.methods):
            raise InputError(f"--methods: one occurs twice: {' '.join(self.methods)}")
        if self.text is not None and self.class_name is not None:
            raise InputError("--text and --class-name: expected one of them, found both")
        if self.text is not None and not self.text.strip():
            raise InputError("--text: the text is empty; say what to look for")
        if self.mixing_options != MixingConfig() and not self.mixing:
            raise InputError("--mixing-options.*: has no meaning without --mixing")
        if self.mixing:
            self._refuse_given(_UNREAD_BY_MIXING, "--mixing")
        if self.models.resnet and self.text is not None:
            raise InputError("--text: a ResNet knows no texts; give --class-name or neither")
        if self.models.resnet and self.methods != get_args(MethodName):
            raise InputError("--methods: a ResNet has class activation maps alone; leave it out")
        if self.models.resnet:
            self._refuse_given(_UNREAD_BY_RESNETS, "--resnet")
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"--out {self.out}: expected a directory to write, found a file")

    def _refuse_given(self, names: tuple[str, ...], option: str) -> None:
        """Refuse fields that aren't at their defaults, and that ``option`` doesn't read."""
        for field in dataclasses.fields(self):
            if field.name in names and getattr(self, field.name) != field.default:
                given = self.models.given() if field.name == "models" else (_written(field.name),)
                has = "has" if len(given) == 1 else "have"
                raise InputError(f"{', '.join(given)}: {has} no meaning with {option}")


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    args = parse(ExplainArgs, argv, "explain")
    args.common.apply()
    check_writable(args.out)
    if args.mixing:
        from wiseft_jax.cli.explain_mixing import draw_mixing_sheet

        facts = draw_mixing_sheet(args)
        if args.common.json:
            print_json(facts)
        else:
            print(f"{len(facts['blocks'])} mixers -> {args.out / 'mixing.png'}")
        return EXIT_DONE
    if args.models.resnet:
        from wiseft_jax.cli.explain_resnets import explain_resnets as explain
    else:
        from wiseft_jax.cli.explain_maps import explain_images as explain

    facts = explain(args)
    if args.common.json:
        print_json(facts)
    else:
        _show(facts, args.out)
    return EXIT_DONE


def _show(facts: dict[str, Any], out: Path) -> None:
    rows, numbers = [], []
    score = "logit" if facts["resnet"] else "cosine"
    for image in facts["images"]:
        for column in image["columns"]:
            label = column["label"]
            rows.append((image["path"], label, column["target"], f"{column[score]:.4f}"))
            for method, found in column.get("numbers", {}).items():
                cells = (_number(found[name]) for name in ("energy", "auroc", "iou"))
                numbers.append((image["path"], label, METHODS[method].label, *cells))
    print_table("what was explained", ("image", "model", "text or class", score), rows)
    if numbers:
        header = ("image", "model", "method", "energy in mask", "AUROC", "IoU")
        share = facts["mask"]["share"]
        print_table(f"maps against the mask (by chance: energy {share:.3f})", header, numbers)
    if "attention_rollout" in facts["methods"]:
        print("attention rollout is the same for every class and text: it explains none of them")
    print(f"sheets, overlays/, maps.npz, explain.json -> {out}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
