"""Which data an experiment runs on; imports nothing heavy."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

import tyro

from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """The data sets of an experiment, as spec strings ``[NAME=]SCHEME:TARGET``.

    Attributes:
      train: Images to train on, as in ``folder:photos/train``; there is no default.
      validation: Images that choose alpha; None holds ``validation_fraction`` out of ``train``.
      validation_fraction: How much, class by class, by the experiment's seed.
      test: Images that the reference accuracy is reported on; None holds ``test_fraction`` out of
        ``train`` (before validation).
      test_fraction: How much.
      shifts: Shifted test sets; their classes are matched by name.
      matched_references: Images of the reference of those classes alone that a shift has, the axis
        for its effective robustness; they count in no mean of shifts. A shift is set against the
        one of the same classes. ``published:*-val-classes`` are such sets, given as shifts too.
      class_names_file: Names of the classes: text, a JSON list, or a JSON object old -> new.
      on_bad_image: Stop with the list of images that can't be decoded, or skip and list them.
      full_decode_limit: Data sets of up to this many images are decoded in full before training.
      path_column: Of a table.
      label_column: Of a table.
      caption_column: Of the training table, for contrastive training on images and captions; the
        classes are then those of ``test``, and ``validation`` and ``test`` must be given.
      data_dir: Where TFDS looks; None is ``TFDS_DATA_DIR``, then ``~/tensorflow_datasets``.
      num_threads: Decoding threads.
    """

    train: str = ""
    validation: str | None = None
    validation_fraction: float = 0.1
    test: str | None = None
    test_fraction: float = 0.1
    shifts: tuple[str, ...] = ()
    matched_references: tuple[str, ...] = ()
    class_names_file: Annotated[str | None, tyro.conf.arg(aliases=["--class-names"])] = None
    on_bad_image: Annotated[Literal["stop", "skip"], tyro.conf.arg(aliases=["--on-bad-image"])] = (
        "stop"
    )
    full_decode_limit: int = 50_000
    path_column: str = "path"
    label_column: str = "label"
    caption_column: str | None = None
    data_dir: str | None = None
    num_threads: int = 16

    def __post_init__(self) -> None:
        for name in ("validation_fraction", "test_fraction"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(
                    f"data.{name}: expected a number between 0 and 1, found {getattr(self, name)}"
                )
        for name in ("full_decode_limit", "num_threads"):
            if getattr(self, name) < 0:
                raise InputError(f"data.{name}: expected 0 or more, found {getattr(self, name)}")
