"""``wiseft evaluate``: accuracy of one model, or of several side by side, on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.cli.common import print_json, print_table
from wiseft_jax.cli.evaluate_options import EvaluateArgs, agree, load_sets, settings
from wiseft_jax.cli.model_names import check_model, check_templates, exported_alpha, is_exported
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.together import together
from wiseft_jax.cli.trained_on import warn_of_models
from wiseft_jax.core.errors import EXIT_DONE


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    args = parse(EvaluateArgs, argv, "evaluate")
    from wiseft_jax.data.specs import parse_specs

    parse_specs(args.data)
    check_templates(args.templates, args.model)
    with together(args.common, args.distributed) as prints:
        for model in args.model:
            check_model(model)
        model, *others = args.model
        if others:
            from wiseft_jax.cli.evaluate_models import evaluate_several

            evaluate_several(args, prints=prints)
        else:
            _evaluate_one(args, model, prints)
    return EXIT_DONE


def _evaluate_one(args: EvaluateArgs, model: str, prints: bool) -> None:
    # The model first: what is wrong with it is soon found, and images may be many.
    if is_exported(model):
        classifier, theta = _exported(args, model)
        datasets = load_sets(args, classifier.class_names)
    else:
        clip = _clip(args, model)
        datasets = load_sets(args, None)
        classifier, theta = _zero_shot(args, clip, datasets[0].class_names)
    (theta,) = agree(args, [theta], datasets)
    if prints:
        warn_of_models([model], datasets)
    results = [_evaluate(args, classifier, theta, dataset) for dataset in datasets]
    if prints:
        _report(args, model, results)


def _exported(args: EvaluateArgs, model: str) -> tuple[Any, Any]:
    from wiseft_jax.clip.export import load_classifier

    path = Path(model).expanduser()
    return load_classifier(path, args.compute_dtype, reading=args.reading)


def _clip(args: EvaluateArgs, model: str) -> Any:
    from wiseft_jax.clip.load import load_clip

    return load_clip(model, args.compute_dtype, reading=args.reading)


def _zero_shot(args: EvaluateArgs, clip: Any, class_names: Sequence[str]) -> tuple[Any, Any]:
    from wiseft_jax.clip.classifier import zero_shot_classifier
    from wiseft_jax.data.class_lists import is_published

    repeats = is_published(class_names)
    return zero_shot_classifier(clip, tuple(class_names), args.templates, repeats=repeats)


def _evaluate(args: EvaluateArgs, classifier: Any, theta: Any, dataset: Any) -> Any:
    from wiseft_jax.evaluation.evaluator import evaluate

    return evaluate(classifier, theta, dataset, batch_size=args.batch_size)


def _report(args: EvaluateArgs, model: str, results: Sequence[Any]) -> None:
    from wiseft_jax.core.hashing import hash_json
    from wiseft_jax.reporting.score_tables import score_table

    config_hash = hash_json({"verb": "evaluate", **settings(args)})
    accuracies = [result.accuracy(0) for result in results]
    rows = [row for result in results for row in result.rows(config_hash)]
    if args.common.json:
        alpha = exported_alpha(model)
        print_json([{**row, "alpha": alpha, "model": model} for row in rows])
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
    print_table(model, header, lines)
    if (scores := score_table(rows)) is not None:
        print_table("what else they are scored by", *scores)
