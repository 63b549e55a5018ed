"""``wiseft run --dry-run``: what a run would do and need, without doing it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from wiseft_jax.cli.common import print_json, print_table
from wiseft_jax.cli.inputs import experiment_data
from wiseft_jax.core.config_io import config_hash
from wiseft_jax.core.errors import EXIT_DONE, EXIT_FAULTS_FOUND, FaultyDataError
from wiseft_jax.experiment import ExperimentConfig, load_start_shapes
from wiseft_jax.planning.plan import hours_text

_STEPS = ("train", "heads", "sweep")
_ELSEWHERE = (
    "wiseft plan PRESET_OR_FILE --topology h100:8 estimates it for devices that aren't here"
)


def describe_plan(config: ExperimentConfig, *, as_json: bool, prints: bool = True) -> int:
    """Load data and checkpoint, print sizes, steps, memory and time, and return the exit code.

    Args:
      config: The run.
      as_json: Whether to print JSON.
      prints: False prints nothing (another process does).
    """
    try:
        plan = _plan(config)
    except FaultyDataError as error:
        print(f"wiseft: fault: {error}", file=sys.stderr)
        return EXIT_FAULTS_FOUND
    if not prints:
        return EXIT_DONE
    if as_json:
        print_json(plan)
        return EXIT_DONE
    sets = [
        (s["name"], s["split"], s["role"], str(s["images"]), str(s["skipped"]))
        for s in plan["datasets"]
    ]
    print_table(f"data of {config.name}", ("name", "split", "role", "images", "skipped"), sets)
    for key, value in plan.items():
        if key not in ("datasets", "predicted"):
            shown = "none: L-BFGS goes on to convergence" if value is None else value
            print(f"{key.replace('_', ' ')}: {shown}")
    _print_predicted(plan["predicted"])
    return EXIT_DONE


def _plan(config: ExperimentConfig) -> dict[str, Any]:
    from wiseft_jax.core.mesh import Layout, num_batch_shards
    from wiseft_jax.core.trees import count_parameters
    from wiseft_jax.training.rates import count_trained, learning_rate_factors
    from wiseft_jax.training.sampling import training_images

    data = experiment_data(config)
    classifier, theta = load_start_shapes(config, data.class_names)
    devices = num_batch_shards(Layout.of(config.mesh).for_training().mesh)
    num_images = len(training_images(data.train, config.training))
    steps = config.training.plan(num_images, devices)
    evaluated = len(data.validation) + sum(map(len, data.tests))
    trained = theta["head"] if config.training.recipe == "linear_probe" else theta
    factors = learning_rate_factors(classifier.tower, trained, config.training)
    converges = config.training.converges
    datasets = [
        {
            "name": dataset.name,
            "split": dataset.split,
            "role": dataset.role,
            "images": len(dataset),
            "skipped": len(dataset.skipped),
        }
        for dataset in (data.train, data.validation, *data.tests)
    ]
    return {
        "datasets": datasets,
        "classes": len(data.class_names),
        "model": config.model.name,
        "image_size": classifier.preprocess.size,
        "parameters_interpolated": count_parameters(theta),
        "parameters_trained": count_trained(trained, factors),
        "devices": devices,
        "batch_size": steps.batch_size,
        "steps": None if converges else steps.total_steps,
        "warmup_steps": None if converges else steps.warmup_steps,
        "alphas": len(config.sweep.alphas),
        "sweep_forward_passes": evaluated * len(config.sweep.alphas),
        "config_hash": config_hash(config),
        "predicted": _predicted(
            config,
            classifier,
            theta,
            num_images,
            evaluated,
            _caption_tokens(config, classifier, data),
        ),
    }


def _caption_tokens(config: ExperimentConfig, classifier: Any, data: Any) -> int | None:
    """Return the tokens of a caption, with padding; None where the recipe takes none."""
    if config.training.recipe != "contrastive":
        return None
    from wiseft_jax.clip.embed import padded_tokens

    return padded_tokens(classifier.tokenizer, data.train.class_names)[0].shape[1]


def _predicted(
    config: ExperimentConfig,
    classifier: Any,
    theta: Any,
    num_images: int,
    evaluated: int,
    caption_tokens: int | None,
) -> dict[str, Any]:
    """Return memory and hours of the steps on the devices that are here.

    ``{"device", "devices", "memory_limit_bytes", "train", "heads", "sweep", "faults",
    "not_estimated"}``; of each step ``memory_bytes``, and ``hours`` from ``overlapped`` to
    ``exposed``, null where the device's rates aren't known; ``heads`` is null where the text tower
    isn't trained; ``not_estimated`` says what isn't, and why.
    """
    from wiseft_jax.core.mesh import Layout
    from wiseft_jax.planning.here import plan_here, topology_of

    places = Layout.of(config.mesh).mesh.devices.reshape(-1).tolist()
    topology = topology_of(places)
    here = {"device": topology.chip.description, "devices": len(places)}
    recipe = config.training.recipe
    counted = {"num_images": num_images, "num_evaluated": evaluated}
    plan = plan_here(config, classifier, theta, **counted, caption_tokens=caption_tokens)
    value, missing = plan.to_json(), []
    steps: dict[str, Any] = dict.fromkeys(_STEPS)
    steps |= {name: _step(step) for name, step in value["steps"].items()}
    if topology.chip.peak_flops is None:
        missing.append(
            f"time: the rates of this device ({here['device']}) aren't known; {_ELSEWHERE}"
        )
    if config.training.converges:
        steps["train"]["hours"] = None
        missing.append("time of training: L-BFGS goes on to convergence")
    if recipe == "lp_ft":
        missing.append("the linear probe that comes first: L-BFGS goes on to convergence")
    return {
        **here,
        "memory_limit_bytes": value["memory_limit_bytes"],
        **steps,
        "faults": value["faults"],
        "not_estimated": missing,
    }


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    hours = step["hours"] if None not in step["hours"].values() else None
    return {"memory_bytes": step["memory_bytes"], "hours": hours}


def _print_predicted(predicted: Mapping[str, Any]) -> None:
    rows = [
        (name, _gib(predicted[name]["memory_bytes"]), hours_text(predicted[name]["hours"]))
        for name in _STEPS
        if predicted[name] is not None
    ]
    limit = predicted["memory_limit_bytes"]
    known = "not known" if limit is None else _gib(limit)
    print_table("predicted", ("step", "memory of a device", "hours"), rows)
    print(f"devices: {predicted['devices']} x {predicted['device']}, memory of one: {known}")
    for fault in predicted["faults"]:
        print(f"{'BREAKS' if fault['breaks'] else 'warning'}: {fault['what']}\n  {fault['fix']}")
    for what in predicted["not_estimated"]:
        print(f"not estimated: {what}")
    print(
        "Predictions, not measurements: memory is estimated on the high side, hours by the"
        " roofline model, without decoding, validation and checkpoints."
    )


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.2f} GiB"
