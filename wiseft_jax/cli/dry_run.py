"""``wiseft run --dry-run``: what a run would do, without doing it."""

from __future__ import annotations

import sys
from typing import Any

from wiseft_jax.cli.common import print_json, print_table
from wiseft_jax.cli.inputs import experiment_data
from wiseft_jax.core.config_io import config_hash
from wiseft_jax.core.errors import EXIT_DONE, EXIT_FAULTS_FOUND, FaultyDataError
from wiseft_jax.experiment import ExperimentConfig, load_start


def describe_plan(config: ExperimentConfig, *, as_json: bool, prints: bool = True) -> int:
    """Load data and model, print sizes and steps, and return the exit code.

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
        if key != "datasets":
            shown = "none: L-BFGS goes on to convergence" if value is None else value
            print(f"{key.replace('_', ' ')}: {shown}")
    return EXIT_DONE


def _plan(config: ExperimentConfig) -> dict[str, Any]:
    from wiseft_jax.core.mesh import Layout, num_batch_shards
    from wiseft_jax.core.trees import count_parameters
    from wiseft_jax.training.rates import count_trained, learning_rate_factors
    from wiseft_jax.training.sampling import training_images

    data = experiment_data(config)
    classifier, theta_0 = load_start(config, data.class_names)
    devices = num_batch_shards(Layout.of(config.mesh).for_training().mesh)
    steps = config.training.plan(len(training_images(data.train, config.training)), devices)
    evaluated = len(data.validation) + sum(map(len, data.tests))
    trained = theta_0["head"] if config.training.recipe == "linear_probe" else theta_0
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
        "parameters_interpolated": count_parameters(theta_0),
        "parameters_trained": count_trained(trained, factors),
        "devices": devices,
        "batch_size": steps.batch_size,
        "steps": None if converges else steps.total_steps,
        "warmup_steps": None if converges else steps.warmup_steps,
        "alphas": len(config.sweep.alphas),
        "sweep_forward_passes": evaluated * len(config.sweep.alphas),
        "config_hash": config_hash(config),
    }
