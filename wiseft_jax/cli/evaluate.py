"""``wiseft evaluate``: accuracy of one model on labelled images."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.together import together
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.typing import ComputeDtype


@dataclasses.dataclass(frozen=True)
class EvaluateArgs:
    """Measure top-1 accuracy, with its 95 % interval, on one or several labelled sets."""

    model: str
    """An exported model; or any CLIP, zero-shot on the classes of the first set."""
    data: tuple[str, ...]
    """Sets as `[NAME=]folder:PATH`, `table:FILE` or `tfds:NAME:SPLIT`."""
    class_names: Path | None = None
    """Names of the sets' classes: one a line, a JSON list, or a JSON object old -> new."""
    templates: str = "simple"
    """Prompt set or file, for a zero-shot CLIP."""
    batch_size: int = 64
    """Images a batch."""
    compute_dtype: ComputeDtype = "float32"
    """Precision of the tower."""
    on_bad_image: Literal["stop", "skip"] = "stop"
    """Stop with the list of images that can't be read, or leave them out and say so."""
    distributed: DistributedConfig = DistributedConfig()
    common: Common = CommonOptions()

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.batch_size < 1:
            raise InputError(f"--batch-size: expected at least 1, found {self.batch_size}")
        if not self.data:
            raise InputError("--data: expected at least one set, for example folder:PATH")


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    args = parse(EvaluateArgs, argv, "evaluate")
    from wiseft_jax.data.specs import parse_specs

    parse_specs(args.data)
    with together(args.common, args.distributed) as prints:
        # The model first: what is wrong with it is soon found, and images may be many.
        if is_exported(args.model):
            classifier, theta = _exported(args)
            datasets = _datasets(args, classifier.class_names)
        else:
            clip = _clip(args)
            datasets = _datasets(args, None)
            classifier, theta = _zero_shot(args, clip, datasets[0].class_names)
        theta = _agree(args, theta, datasets)
        results = [_evaluate(args, classifier, theta, dataset) for dataset in datasets]
        if prints:
            _report(args, results)
    return EXIT_DONE


def _agree(args: EvaluateArgs, theta: Any, datasets: Sequence[Any]) -> Any:
    """Return the parameters, once all processes were found to evaluate the same."""
    from wiseft_jax.core import distributed
    from wiseft_jax.core.run_directory import versions

    sets = {dataset.name: dataset.fingerprint() for dataset in datasets}
    distributed.assert_same({**_settings(args), "versions": versions(), "sets": sets})
    return distributed.same_parameters(theta)


def _settings(args: EvaluateArgs) -> dict[str, Any]:
    """Return the options that decide the result."""
    values = dataclasses.asdict(args)
    kept = {name: value for name, value in values.items() if name not in ("common", "distributed")}
    return json.loads(json.dumps(kept, default=str))


def is_exported(model: str) -> bool:
    """Return whether ``model`` is a directory that ``export`` wrote."""
    directory = Path(model).expanduser()
    return any((directory / name).is_file() for name in ("wiseft.json", "head.safetensors"))


def _alpha(model: str) -> float | None:
    """Return the alpha that an export was made with; 0 for a zero-shot CLIP."""
    from wiseft_jax.clip.export import read_facts

    return read_facts(Path(model).expanduser())["alpha"] if is_exported(model) else 0.0


def _exported(args: EvaluateArgs) -> tuple[Any, Any]:
    from wiseft_jax.clip.export import load_classifier

    return load_classifier(Path(args.model).expanduser(), dtype=args.compute_dtype)


def _clip(args: EvaluateArgs) -> Any:
    from wiseft_jax.clip.load import load_clip

    return load_clip(args.model, dtype=args.compute_dtype)


def _zero_shot(args: EvaluateArgs, clip: Any, class_names: Sequence[str]) -> tuple[Any, Any]:
    from wiseft_jax.clip.classifier import zero_shot_classifier

    return zero_shot_classifier(clip, tuple(class_names), args.templates)


def _datasets(args: EvaluateArgs, class_names: tuple[str, ...] | None) -> list[Any]:
    from wiseft_jax.data.load import load_dataset

    datasets: list[Any] = []
    for spec in args.data:
        dataset = load_dataset(
            spec,
            classifier_class_names=class_names,
            class_names_file=args.class_names,
            on_bad_image=args.on_bad_image,
        )
        class_names = dataset.class_names
        datasets.append(dataset)
    return datasets


def _evaluate(args: EvaluateArgs, classifier: Any, theta: Any, dataset: Any) -> Any:
    from wiseft_jax.evaluation.evaluator import evaluate

    return evaluate(classifier, theta, dataset, batch_size=args.batch_size)


def _report(args: EvaluateArgs, results: Sequence[Any]) -> None:
    from wiseft_jax.core.hashing import hash_json

    config_hash = hash_json({"verb": "evaluate", **_settings(args)})
    accuracies = [result.accuracy(0) for result in results]
    if args.common.json:
        rows = []
        for result in results:
            rows += result.rows(config_hash)
        alpha = _alpha(args.model)
        print_json([{**row, "alpha": alpha, "model": args.model} for row in rows])
        return
    lines = []
    for result, accuracy in zip(results, accuracies, strict=True):
        low, high = accuracy.interval()
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        lines.append(
            (
                result.dataset,
                f"{100 * accuracy.compute():.1f}",
                interval,
                str(accuracy.n),
                str(len(result.skipped)),
            )
        )
    header = ("dataset", "top-1 %", "95 % interval", "n", "skipped")
    print_table(args.model, header, lines)
