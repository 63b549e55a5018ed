"""The images that ``wiseft backgrounds`` asks about: a release, or the embedded miniature."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import tyro

from wiseft_jax.core.errors import InputError
from wiseft_jax.quickstart.backgrounds_demo_config import DemoConfig

if TYPE_CHECKING:
    from wiseft_jax.backgrounds.masked_images import MaskedImages
    from wiseft_jax.backgrounds.release import Release

SPLIT = "val"
DemoSplit: TypeAlias = Literal["test", "validation"]


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """Which images `evaluate`, `attack` and `show` take: a release, or the miniature.

    `train` and `alphas` take a run or several splits, and have options of their own; how the
    miniature is made is said by the same names in all.
    """

    data: Path | None = None
    """The release, or what `wiseft backgrounds build` wrote."""
    split: str = SPLIT
    """The folder below each variant of `--data`."""
    demo: bool = False
    """The embedded miniature: 1,000 digits on textured backgrounds."""
    demo_options: Annotated[DemoConfig, tyro.conf.arg(name="")] = DemoConfig()
    demo_seed: int = 0
    """Which miniature. Each seed splits the digits anew: a model that was trained on another seed's
    may have seen the test images of this one."""

    def __post_init__(self) -> None:
        """Check what excludes what."""
        if self.data is not None and self.demo:
            raise InputError("--data and --demo: expected one of them, found both")
        if self.split != SPLIT and self.data is None:
            raise InputError("--split: has no meaning without --data")
        if not self.demo and (self.demo_options != DemoConfig() or self.demo_seed != 0):
            raise InputError(
                "--strength, --contrast, --noise, --demo-seed: have no meaning without --demo"
            )

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


@dataclasses.dataclass(frozen=True)
class LimitedDataOptions(DataOptions):
    """Which images, and how many of them."""

    limit: int | None = None
    """At most so many images, as many of each class, evenly spaced."""

    def __post_init__(self) -> None:
        """Check what excludes what."""
        super().__post_init__()
        if self.limit is not None and self.limit < 1:
            raise InputError(f"--limit: expected at least 1, found {self.limit}")


@dataclasses.dataclass(frozen=True)
class AttackDataOptions(DataOptions):
    """Which images, and of the miniature which split; how many there are is the attack's."""

    demo_split: DemoSplit = "test"
    """Which of the miniature's images."""

    def __post_init__(self) -> None:
        """Check what excludes what."""
        super().__post_init__()
        if not self.demo and self.demo_split != "test":
            raise InputError("--demo-split: has no meaning without --demo")


def open_data(options: DataOptions, demo_split: DemoSplit = "test") -> Release | MaskedImages:
    """Return the release, or a split of the miniature, all of it.

    Args:
      options: Which.
      demo_split: Of the miniature.

    Raises:
      InputError: None is named, or it isn't a release.
    """
    options.check_named()
    if options.data is not None:
        from wiseft_jax.backgrounds.release import open_release

        return open_release(options.data, options.split)
    from wiseft_jax.quickstart.backgrounds_demo import demo_images

    return demo_images(demo_split, options.demo_options, options.demo_seed)
