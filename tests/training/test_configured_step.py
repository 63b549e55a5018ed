"""One place makes the step of a configuration, for runs and for plans."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import wiseft_jax
from tests.training.toy import toy_classifier, toy_config
from wiseft_jax.core.mesh import Layout, batch_sharding, make_mesh
from wiseft_jax.mixing.config import MixingConfig
from wiseft_jax.training.configured_step import configured_step
from wiseft_jax.training.mixed_batch import make_mix
from wiseft_jax.training.optimizer import make_optimizer, make_schedule
from wiseft_jax.training.state import abstract_state
from wiseft_jax.training.step import classification_loss, make_train_step

CONFIG = dataclasses.replace(toy_config(), label_smoothing=0.1, accumulation_steps=2)
PLAN = CONFIG.plan(48)
MIXING = MixingConfig("cutmix", off_last_epochs=1.0)


def test_the_step_has_all_that_the_configuration_says() -> None:
    classifier, theta = toy_classifier()
    layout = Layout(make_mesh(1))

    def logits(params: Any, batch: dict[str, Any]) -> Any:
        return classifier.logits(params, batch["image"])

    size, pixels = PLAN.batch_size, classifier.preprocess.size
    shapes = {
        "image": ((size, pixels, pixels, 3), np.uint8),
        "label": ((size,), np.int32),
        "mask": ((size,), np.bool_),
    }
    split = batch_sharding(layout.mesh)
    batch = {name: jax.ShapeDtypeStruct(*shape, sharding=split) for name, shape in shapes.items()}

    def traced(step: Any) -> str:
        state = abstract_state(theta, make_optimizer(CONFIG, PLAN), layout)
        return str(step.trace(state, batch).jaxpr)

    loss = classification_loss(logits, 0.1)
    by_hand = make_train_step(
        loss,
        make_optimizer(CONFIG, PLAN),
        make_schedule(CONFIG, PLAN),
        layout,
        accumulation_steps=2,
        mix=make_mix(MIXING, classifier.preprocess, 3, PLAN, layout, CONFIG.seed),
    )
    expected = traced(by_hand)
    whole = traced(configured_step(loss, classifier, CONFIG, MIXING, PLAN, layout, 3))
    assert whole == expected
    plain = traced(configured_step(loss, classifier, CONFIG, MixingConfig(), PLAN, layout, 3))
    assert plain != expected


@pytest.mark.parametrize(
    ("name", "users"),
    [
        ("make_train_step(", {"step.py"}),
        ("make_mix(", {"mixed_batch.py", "from_scratch.py"}),  # whose step has batch statistics
    ],
)
def test_nobody_else_puts_a_step_together(name: str, users: set[str]) -> None:
    package = Path(wiseft_jax.__file__).parent
    found = {path.name for path in package.rglob("*.py") if name in path.read_text()}
    assert found == users | {"configured_step.py"}
