"""The images that ``wiseft backgrounds`` asks about: a release, or the embedded miniature."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from wiseft_jax.core.errors import InputError
from wiseft_jax.quickstart.backgrounds_demo_config import DemoConfig

if TYPE_CHECKING:
    from wiseft_jax.backgrounds.masked_images import MaskedImages
    from wiseft_jax.backgrounds.release import Release

logger = logging.getLogger(__name__)

SPLIT = "val"


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """Which images: a release, or the miniature."""

    data: Path | None = None
    """The release, or what `wiseft backgrounds build` wrote."""
    split: str = SPLIT
    """The folder below each variant of `--data`."""
    demo: bool = False
    """The embedded miniature: 1,000 digits on textured backgrounds."""
    demo_options: DemoConfig = DemoConfig()
    """How the miniature is made."""
    demo_seed: int = 0
    """Which miniature."""
    limit: int | None = None
    """At most so many images, as many of each class, evenly spaced."""

    def __post_init__(self) -> None:
        """Check what excludes what."""
        if self.data is not None and self.demo:
            raise InputError("--data and --demo: expected one of them, found both")
        if self.split != SPLIT and self.data is None:
            raise InputError("--split: has no meaning without --data")
        if not self.demo and (self.demo_options != DemoConfig() or self.demo_seed != 0):
            raise InputError("--demo-options.*, --demo-seed: have no meaning without --demo")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"--limit: expected at least 1, found {self.limit}")

    def check_named(self) -> None:
        """Refuse to go on without images.

        Raises:
          InputError: Neither ``--data`` nor ``--demo`` is given.
        """
        if self.data is None and not self.demo:
            raise InputError(
                "no images are named: give --data ROOT (the release, or what wiseft backgrounds"
                " build wrote), or --demo"
            )


def open_data(options: DataOptions) -> Release | MaskedImages:
    """Return the release, all of it; or the miniature's test images, limited.

    A release is read when it is needed, and limited then (``load_masked``, ``even_choice``).

    Raises:
      InputError: None is named, or it isn't a release.
    """
    options.check_named()
    if options.data is not None:
        from wiseft_jax.backgrounds.release import open_release

        return open_release(options.data, options.split)
    return demo_test_images(options)


def open_masked(options: DataOptions) -> MaskedImages:
    """Return images with masks and Only-BG-T images in memory, limited, of either.

    Raises:
      InputError: As ``open_data`` and ``load_masked``.
    """
    found = open_data(options)
    from wiseft_jax.backgrounds.loading import load_masked
    from wiseft_jax.backgrounds.masked_images import MaskedImages

    return found if isinstance(found, MaskedImages) else load_masked(found, options.limit)


def demo_test_images(options: DataOptions) -> MaskedImages:
    """Return the miniature's test images, limited."""
    from wiseft_jax.backgrounds.loading import even_choice
    from wiseft_jax.quickstart.backgrounds_demo import demo_images

    images = demo_images("test", options.demo_options, options.demo_seed)
    kept = even_choice(images.labels, options.limit)
    if len(kept) < len(images):
        logger.warning("%d of %d images are taken (--limit)", len(kept), len(images))
    return images.subset(kept)
