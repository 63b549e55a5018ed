"""Planned jobs on the eight virtual devices, over a tiny CLIP."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from wiseft_jax.clip.two_towers import TwoTowerClassifier
from wiseft_jax.core.mesh import Layout, make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.data.config import DataConfig
from wiseft_jax.experiment import ExperimentConfig, ModelConfig, SweepConfig
from wiseft_jax.planning.jaxpr import count_jaxpr
from wiseft_jax.planning.model import abstract_classifier
from wiseft_jax.planning.steps import Job
from wiseft_jax.training.config import TrainConfig

CLASSES = 5


def make_job(
    mesh: MeshConfig | None = None,
    *,
    num_images: int = 4096,
    training: dict[str, Any] | None = None,
    sweep: dict[str, Any] | None = None,
    devices: int | None = None,
    tokens: int | None = None,
    **model: Any,
) -> Job:
    mesh = mesh or MeshConfig()
    captioned = DataConfig(train="table:captions.csv", caption_column="caption")
    config = ExperimentConfig(
        data=captioned if (training or {}).get("recipe") == "contrastive" else DataConfig(),
        model=ModelConfig(**{"name": "glyphclip", "tower": "scan", **model}),
        training=TrainConfig(
            **{"batch_size": 64, "warmup_steps": 0, "epochs": 1.0, **(training or {})}
        ),
        sweep=SweepConfig(**{"batch_size": 64, **(sweep or {})}),
        mesh=mesh,
    )
    text = {"two_towers": config.trains_text, "num_tokens": tokens}
    classifier, theta = abstract_classifier(config.model, CLASSES, **text)
    layout = Layout(make_mesh(devices, config=mesh), mesh)
    return Job(config, classifier, theta, num_images, layout, "cpu")


def with_training(job: Job, **changes: Any) -> Job:
    training = dataclasses.replace(job.config.training, **changes)
    return dataclasses.replace(job, config=dataclasses.replace(job.config, training=training))


def forward_flops(job: Job) -> float:
    """Return the FLOPs of one image."""
    pixels = job.classifier.preprocess.size
    image = jax.ShapeDtypeStruct((1, pixels, pixels, 3), jnp.uint8)
    return count_jaxpr(jax.make_jaxpr(job.classifier.logits)(job.theta, image)).flops


def text_flops(job: Job) -> float:
    """Return the FLOPs of one text by the closed form."""
    sizes, tokens = job.classifier.clip_config.text_config, prompts(job).shape[1]
    width, hidden = sizes.hidden_size, sizes.intermediate_size
    layer = 2 * tokens * (4 * width**2 + 2 * width * hidden) + 4 * tokens**2 * width
    return float(sizes.num_hidden_layers * layer + 2 * width * job.width)


def prompts(job: Job) -> Any:
    assert isinstance(job.classifier, TwoTowerClassifier)
    return job.classifier.prompt_ids


def parameter_bytes(job: Job) -> int:
    return sum(4 * math.prod(leaf.shape) for leaf in jax.tree_util.tree_leaves(job.theta))
