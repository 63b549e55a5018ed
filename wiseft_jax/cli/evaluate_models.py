"""Several models of ``wiseft evaluate``: compared on everything, or raced."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.cli.common import print_json, print_table
from wiseft_jax.cli.evaluate_options import EvaluateArgs, agree, load_sets, settings
from wiseft_jax.cli.model_names import exported_alpha, is_exported, short_names
from wiseft_jax.cli.trained_on import warn_of_models


def evaluate_several(args: EvaluateArgs, *, prints: bool) -> None:
    """Compare the models, or race them, and print what was found.

    Args:
      args: The options.
      prints: Whether this process prints.

    Raises:
      InputError: Something isn't there, classes differ, a set has no labels, or a race in several
        processes.
    """
    if args.race:
        from wiseft_jax.evaluation.racing_models import check_can_race

        check_can_race()
    candidates, datasets = _open(args)
    thetas = agree(args, [each.theta for each in candidates], datasets)
    if prints:
        warn_of_models(args.model, datasets)
    from wiseft_jax.core.hashing import hash_json
    from wiseft_jax.evaluation.candidates import Candidates

    models = [
        dataclasses.replace(each, theta=theta)
        for each, theta in zip(candidates, thetas, strict=True)
    ]
    candidates = Candidates.of(models, batch_size=args.batch_size)

    config_hash = hash_json({"verb": "evaluate", **settings(args)})
    if args.race:
        _race(args, candidates, datasets, config_hash)
    else:
        _compare(args, candidates, datasets, config_hash, prints)


def _open(args: EvaluateArgs) -> tuple[list[Any], list[Any]]:
    """Return the candidates and the sets; images are looked at once the models are there."""
    from wiseft_jax.clip.classifier import zero_shot_classifier
    from wiseft_jax.clip.export import load_classifier, read_facts
    from wiseft_jax.clip.load import load_clip
    from wiseft_jax.data.class_lists import is_published
    from wiseft_jax.evaluation.candidates import Candidate, check_same_classes

    exported = [model for model in args.model if is_exported(model)]
    classes = [read_facts(Path(model).expanduser())["class_names"] for model in exported]
    if exported:
        check_same_classes(exported, classes)
    reading = args.reading
    loaded: dict[str, Any] = {
        model: (
            load_classifier(Path(model).expanduser(), args.compute_dtype, reading=reading)
            if model in exported
            else load_clip(model, args.compute_dtype, reading=reading)
        )
        for model in args.model
    }
    datasets = load_sets(args, tuple(classes[0]) if classes else None)
    names = short_names(args.model)
    candidates = []
    for model in args.model:
        opened = loaded.pop(model)
        if model not in exported:
            known = datasets[0].head_names
            repeats = is_published(known)
            opened = zero_shot_classifier(opened, known, args.templates, repeats=repeats)
        candidates.append(Candidate(names[model], *opened))
    return candidates, datasets


def _compare(
    args: EvaluateArgs,
    candidates: Any,
    datasets: Sequence[Any],
    config_hash: str,
    prints: bool,
) -> None:
    from wiseft_jax.evaluation.comparison import comparison_rows, evaluate_models
    from wiseft_jax.reporting import model_tables
    from wiseft_jax.reporting.score_tables import score_table

    rows, scores, skipped = [], [], {}
    for dataset in datasets:
        found = evaluate_models(candidates, dataset, batch_size=args.batch_size)
        rows += comparison_rows(found, args.model, config_hash)
        for model, each in zip(args.model, found, strict=True):
            scores += [{**row, "model": model} for row in each.score_rows(config_hash)]
        skipped[dataset.name] = len(found[0].skipped)
    if not prints:
        return
    if args.common.json:
        every = [*rows, *scores]
        print_json([{**row, "alpha": exported_alpha(row["model"])} for row in every])
        return
    names = short_names(args.model)
    header, lines = model_tables.comparison_table(rows, names, skipped)
    print_table(f"{len(args.model)} models", header, lines)
    print(model_tables.comparison_caption(rows, names))
    if (table := score_table(scores, names)) is not None:
        print_table("what else they are scored by", *table)


def _race(args: EvaluateArgs, candidates: Any, datasets: Sequence[Any], config_hash: str) -> None:
    from wiseft_jax.reporting import model_tables

    names = short_names(args.model)
    found = [_race_on(args, candidates, dataset, config_hash) for dataset in datasets]
    if args.common.json:
        print_json(found)
        return
    for facts in found:
        header, lines = model_tables.race_table(facts, names)
        print_table(f"race on {facts['dataset']}", header, lines)
        print("\n".join(model_tables.race_sentences(facts, names)))


def _race_on(args: EvaluateArgs, candidates: Any, dataset: Any, config_hash: str) -> dict[str, Any]:
    from wiseft_jax.evaluation.race_facts import model_race_facts
    from wiseft_jax.evaluation.racing import race
    from wiseft_jax.evaluation.racing_models import LiveModels

    racing = args.racing.build()
    live = LiveModels(candidates, dataset, batch_size=racing.batch_size)
    result = race(live, len(candidates), live.order(racing.seed), racing)
    facts = model_race_facts(result, args.model, racing, [each.name for each in candidates.models])
    models = [{**each, "alpha": exported_alpha(each["model"])} for each in facts["models"]]
    return {
        "dataset": dataset.name,
        "split": dataset.split,
        "role": dataset.role,
        "config": dataclasses.asdict(args.racing),
        "config_hash": config_hash,
        **facts,
        "models": models,
    }
