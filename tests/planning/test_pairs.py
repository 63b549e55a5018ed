"""Plans of recipes that train the text tower, against the compiled step of the recipe itself."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.planning.jobs import CLASSES, make_job, parameter_bytes, prompts, text_flops
from tests.training.toy import toy_train
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.two_towers import TwoTowerClassifier, two_tower_classifier
from wiseft_jax.core.mesh import batch_sharding
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.planning.abstract import abstract_train_facts
from wiseft_jax.planning.hlo import count_program
from wiseft_jax.planning.jaxpr import count_jaxpr
from wiseft_jax.planning.steps import Job, trace_train_step
from wiseft_jax.training.config import TWO_TOWER_RECIPES
from wiseft_jax.training.configured_step import configured_step
from wiseft_jax.training.problem import Task
from wiseft_jax.training.recipes import RECIPES
from wiseft_jax.training.state import abstract_state

FLYP: dict[str, Any] = {"training": {"recipe": "flyp"}}
NAMES = tuple("abcde")


def train_flops(job: Job) -> float:
    return count_jaxpr(trace_train_step(job).jaxpr).flops


@pytest.mark.parametrize("recipe", TWO_TOWER_RECIPES)
def test_the_planned_step_is_the_recipes_own_eight_devices(recipe: str):
    job = make_job(training={"recipe": recipe})
    clip = load_clip("glyphclip", "float32", "scan")
    classifier, theta_0 = two_tower_classifier(clip, NAMES)
    config, plan, layout = job.config.training, job.plan, job.layout
    task = Task(classifier, theta_0, toy_train(recipe), config, plan, layout)
    problem = RECIPES[recipe](task)
    assert problem.loss is not None
    options = (config, job.config.mixing, plan, layout, CLASSES, problem.factors)
    step = configured_step(problem.loss, classifier, *options)
    batch = job.batch(plan.batch_size, batch_sharding(layout.mesh))
    traced = step.trace(abstract_state(problem.params, job.optimizer, layout), batch)
    assert trace_train_step(job).lower().as_text() == traced.lower().as_text()


def test_a_batch_has_a_text_for_each_image():
    job = make_job(tokens=9, **FLYP)
    batch = job.batch(4, None)
    assert set(batch) == {"label", "mask", "image", "ids", "ids_mask"}
    assert batch["ids"].shape == batch["ids_mask"].shape == (4, 16)  # rounded up, as in training
    assert batch["ids"].dtype == batch["ids_mask"].dtype == jnp.int32
    assert make_job(**FLYP).num_tokens == 20  # all that the model reads
    assert make_job().num_tokens == 0
    long = Job(job.config, job.classifier, job.theta, 10, job.layout, "cpu", caption_tokens=20)
    assert long.batch(4, None)["ids"].shape == (4, 20)


@pytest.mark.parametrize("tower", ["scan", "transformers"])
def test_flyp_adds_the_text_tower_to_end_to_end(tower: str):
    """Parameters, gradients and moments exactly; three forward passes of a text; activations."""
    flyp, alone = make_job(tower=tower, **FLYP), make_job(tower=tower)
    batch, width = 64, flyp.width
    text = parameter_bytes(flyp) - parameter_bytes(alone) + 4 * (width + 1) * CLASSES  # no head
    canonical = flyp.classifier.tower.to_canonical(flyp.theta)["text"]
    assert text == sum(4 * leaf.size for leaf in jax.tree_util.tree_leaves(canonical))
    table = 2.0 * width * batch**2
    head = 3 * 2.0 * width * CLASSES * batch
    added = train_flops(flyp) - train_flops(alone)
    # The loss has the table's products in both directions; the hits have them once more.
    assert added == pytest.approx(3 * batch * text_flops(flyp) + 4 * table - head, rel=0.01)
    more, less = abstract_train_facts(flyp).memory, abstract_train_facts(alone).memory
    change = parameter_bytes(flyp) - parameter_bytes(alone)
    for part, times in (("parameters", 1), ("gradients", 1), ("optimizer", 2)):
        assert more[part] - less[part] == pytest.approx(times * change, abs=64)
    assert more["activations"] > 1.1 * less["activations"]
    assert more["batch"] - less["batch"] == 8 * 2 * 4 * 20  # ids and their mask
    assert "table of pairs" not in less


def test_longer_texts_cost_more():
    short, long = (make_job(tokens=tokens, **FLYP) for tokens in (8, 16))
    added = train_flops(long) - train_flops(short)
    assert added == pytest.approx(3 * 64 * (text_flops(long) - text_flops(short)), rel=0.01)
    kept = [abstract_train_facts(job).memory["activations"] for job in (short, long)]
    assert kept[0] < kept[1]


@pytest.mark.parametrize(
    ("devices", "mesh", "rel"),
    [
        (1, MeshConfig(), 0.1),
        (8, MeshConfig(), 0.1),
        # XLA keeps split tables of tokens where they are, and pads what it splits unevenly.
        (8, MeshConfig(fsdp=4, min_shard_elements=2**10), 0.2),
    ],
)
def test_memory_and_flops_are_what_xla_says_of_the_compiled_step(
    devices: int, mesh: MeshConfig, rel: float
):
    job = make_job(mesh, devices=devices, **FLYP)
    facts = abstract_train_facts(job)
    compiled = trace_train_step(job).lower().compile()
    counted = count_program(compiled.as_text(), devices)
    assert counted.unknown_loops == ()
    assert facts.counts.flops == pytest.approx(counted.flops, rel=0.01)
    stats = compiled.memory_analysis()
    held = sum(facts.memory[part] for part in ("parameters", "optimizer", "batch"))
    assert held == pytest.approx(stats.argument_size_in_bytes, rel=0.01)
    whole = stats.argument_size_in_bytes + stats.temp_size_in_bytes
    assert facts.memory_bytes == pytest.approx(whole, rel=rel)


def test_flops_are_those_of_xlas_cost_analysis_where_nothing_loops():
    """It counts a loop's body once, and sums and exponentials too: a few percent more."""
    job = make_job(devices=1, tower="transformers", **FLYP)
    analysis = trace_train_step(job).lower().compile().cost_analysis()
    share = abstract_train_facts(job).counts.flops / analysis["flops"]
    assert 0.9 < share < 1.0


def test_devices_exchange_the_texts_of_the_batch_eight_devices():
    job = make_job(**FLYP)
    facts = abstract_train_facts(job)
    size = 4 * 64 * job.width
    compiled = trace_train_step(job).lower().compile().as_text()
    expected = [each for each in count_program(compiled, 8).collectives if each.num_bytes == size]
    gathers = [each for each in facts.counts.collectives if each.kind == "all-gather"]
    assert gathers == expected  # of the loss, and of the hits
    assert [(each.num_bytes, each.group_size, each.count) for each in gathers] == [(size, 8, 2.0)]
    whole = facts.counts.by_kind()["all-reduce"][1]
    assert whole == pytest.approx(count_program(compiled, 8).by_kind()["all-reduce"][1], rel=0.01)


def test_a_device_has_its_rows_of_the_table_eight_devices():
    """As the batch grows on 8 devices, so do the rows and their length."""
    small, large = (
        abstract_train_facts(make_job(training={"recipe": "flyp", "batch_size": size})).memory
        for size in (512, 4096)
    )
    assert 30 < large["table of pairs"] / small["table of pairs"] < 64
    assert large["activations"] / small["activations"] == pytest.approx(8, rel=0.01)


def test_prompts_stand_for_those_of_the_classes():
    job = make_job(**FLYP, templates="digits")
    assert isinstance(job.classifier, TwoTowerClassifier)
    assert len(prompts(job)) % CLASSES == 0
    assert job.num_classes == CLASSES
    assert np.shape(prompts(make_job(**FLYP))) == (CLASSES, 20)
