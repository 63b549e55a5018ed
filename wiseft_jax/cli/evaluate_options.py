"""The options of ``wiseft evaluate``, and the sets that they name."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from wiseft_jax.cli.common import Common, CommonOptions
from wiseft_jax.cli.model_names import DEFAULT_TEMPLATES, check_different
from wiseft_jax.clip.reading import AS_STORED, ReadingArgs
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.typing import ComputeDtype
from wiseft_jax.evaluation.race_config import ModelRaceConfig


@dataclasses.dataclass(frozen=True)
class EvaluateArgs:
    """Measure top-1 accuracy, with its 95 % interval, on one or several labelled sets.

    Several models are compared with the first one, paired by image; `--race` finds the best of them
    with a part of the forward passes, eliminating those that are surely worse. Their architectures
    may differ, their classes may not.
    """

    model: tuple[str, ...]
    """One model or several to compare: exported ones; or any CLIPs, zero-shot on the classes of the
    exported ones, else of the first set."""
    data: tuple[str, ...]
    """Sets as `[NAME=]folder:PATH`, `table:FILE`, `tfds:NAME:SPLIT` or
    `published:ID:SPLIT@ROOT`."""
    class_names: Path | None = None
    """Names of the sets' classes: one a line, a JSON list, or a JSON object old -> new."""
    templates: str = DEFAULT_TEMPLATES
    """Prompt set or file, for a zero-shot CLIP."""
    batch_size: int = 64
    """Images a batch; of a race, `--racing.batch-size` are."""
    compute_dtype: ComputeDtype = "float32"
    """Precision of the tower."""
    on_bad_image: Literal["stop", "skip"] = "stop"
    """Stop with the list of images that can't be read, or leave them out and say so."""
    race: bool = False
    """Find the best of several models on each set, without running all on everything: on random
    batches that are common to all, a model is out as soon as another is surely better."""
    racing: ModelRaceConfig = ModelRaceConfig()
    """How `--race` is run."""
    reading: ReadingArgs = AS_STORED
    distributed: DistributedConfig = DistributedConfig()
    common: Common = CommonOptions()

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.batch_size < 1:
            raise InputError(f"--batch-size: expected at least 1, found {self.batch_size}")
        if not self.data:
            raise InputError("--data: expected at least one set, for example folder:PATH")
        if not self.model:
            raise InputError("--model: expected at least one model")
        check_different(self.model)
        if self.race and len(self.model) < 2:
            raise InputError(
                f"--race: expected two models or more to race, found {', '.join(self.model)} alone;"
                " give --model A B"
            )
        if self.race and self.batch_size != EvaluateArgs.batch_size:
            raise InputError(
                f"--batch-size: has no meaning with --race; give --racing.batch-size"
                f" {self.batch_size}, the images a batch and between two looks"
            )
        if self.racing != ModelRaceConfig() and not self.race:
            raise InputError("--racing.*: has no meaning without --race")


def settings(args: EvaluateArgs) -> dict[str, Any]:
    """Return the options that decide the result."""
    values = dataclasses.asdict(args)
    left_out = {"common", "distributed", "reading"} | (set() if args.race else {"race", "racing"})
    kept = {name: value for name, value in values.items() if name not in left_out}
    # As before there could be several models, or other ways to read them, so that hashes stay.
    if len(args.model) == 1:
        kept["model"] = "".join(args.model)
    kept |= args.reading.settings()
    return json.loads(json.dumps(kept, default=str))


def load_sets(args: EvaluateArgs, class_names: tuple[str, ...] | None) -> list[Any]:
    """Return the labelled sets.

    Args:
      args: Which.
      class_names: The classes that labels count; None takes those of the first set.
    """
    from wiseft_jax.data.load import load_dataset

    datasets: list[Any] = []
    for spec in args.data:
        dataset = load_dataset(
            spec,
            classifier_class_names=class_names,
            class_names_file=args.class_names,
            on_bad_image=args.on_bad_image,
        )
        class_names = class_names or dataset.class_names
        datasets.append(dataset)
    return datasets


def agree(args: EvaluateArgs, thetas: Sequence[Any], datasets: Sequence[Any]) -> list[Any]:
    """Return the parameters, once all processes were found to evaluate the same.

    Args:
      args: The options.
      thetas: The parameters of each model.
      datasets: The sets.
    """
    from wiseft_jax.core import distributed
    from wiseft_jax.core.run_directory import versions

    sets = {dataset.name: dataset.fingerprint() for dataset in datasets}
    distributed.assert_same({**settings(args), "versions": versions(), "sets": sets})
    return [distributed.same_parameters(theta) for theta in thetas]
