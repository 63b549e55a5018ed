"""``wiseft explain --mixing``: a contact sheet of what the mixing augmentations make of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wiseft_jax.cli.explain import ExplainArgs
from wiseft_jax.cli.explain_images import Picture, read_pictures
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.writers import write_json
from wiseft_jax.mixing.config import MixingConfig

BLOCKS = {
    "SmoothMix, circle": MixingConfig("smoothmix", kind="circle"),
    "SmoothMix, square": MixingConfig("smoothmix", kind="square"),
    "CutMix": MixingConfig("cutmix"),
    "Cutout (targets stay)": MixingConfig("cutout"),
    "Mixup": MixingConfig("mixup"),
}
"""Title -> mixer, where none is asked for."""

_ROWS = 3
_SIZE = 224


def draw_mixing_sheet(args: ExplainArgs) -> dict[str, Any]:
    """Draw ``mixing.png``, and return what ``mixing.json`` holds.

    Raises:
      InputError: There are fewer than two images, or one can't be read.
    """
    import jax

    from wiseft_jax.core.rng import stream
    from wiseft_jax.mixing.applied import mix_openly
    from wiseft_jax.reporting.mixing_sheet import draw_mixing

    preprocess = Preprocess(size=_SIZE, resize=_SIZE)
    pictures = read_pictures(args.images, preprocess, args.max_images)
    if len(pictures) < 2:
        raise InputError(
            f"--mixing: expected at least two images to mix, found {len(pictures)}"
            f" ({', '.join(args.images)}, --max-images {args.max_images}); name another"
        )
    images = np.stack([picture.pixels for picture in pictures]).astype(np.float32)
    asked = args.mixing_options
    blocks = BLOCKS if asked.name == "none" else {_title(asked): asked}
    fill = 255 * np.asarray(preprocess.mean, np.float32)
    shown, told = [], []
    for index, (title, config) in enumerate(blocks.items()):
        key = stream(jax.random.key(args.seed), "explain_mixing", index)
        found = mix_openly(config, key, images, fill)
        block, facts = _block(title, pictures, found)
        shown.append(block)
        told.append(facts)
    facts = {"seed": args.seed, "size": _SIZE, "blocks": told}
    draw_mixing(shown, args.out / "mixing.png")
    write_json(args.out / "mixing.json", facts)
    return facts


def _title(config: MixingConfig) -> str:
    if config.name == "random_choice":
        return f"one of {', '.join(config.choices)}"
    return f"{config.name}, {config.kind}" if config.name == "smoothmix" else config.name


def _block(title: str, pictures: Sequence[Picture], found: Any) -> tuple[Any, dict[str, Any]]:
    from wiseft_jax.reporting.mixing_sheet import MixedPicture, MixingBlock

    shown, told = [], []
    for row, picture in enumerate(pictures[:_ROWS]):
        partner = int(found.partners[row])
        other = None if partner < 0 else pictures[partner]
        result = np.clip(found.images[row].round(), 0, 255).astype(np.uint8)
        shown.append(
            MixedPicture(
                own=picture.pixels,
                partner=None if other is None else other.pixels,
                mask=found.masks[row],
                result=result,
                share=float(found.shares[row]),
            )
        )
        told.append(
            {
                "source": picture.path,
                "partner": None if other is None else other.path,
                "lambda": float(found.shares[row]),
                "mean_of_mask": float(found.masks[row].mean()),
            }
        )
    return MixingBlock(title, shown), {"mixer": title, "images": told}
