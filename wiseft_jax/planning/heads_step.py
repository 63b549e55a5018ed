"""What heads need that are made of the merged text tower: one for each alpha, before the sweep.

They are made in float32 on the first device alone, from host arrays, whatever the mesh.
"""

from __future__ import annotations

import math
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wiseft_jax.clip.two_towers import TwoTowerClassifier
from wiseft_jax.core.typing import PyTree
from wiseft_jax.evaluation.heads import head_between
from wiseft_jax.planning.counts import Counts
from wiseft_jax.planning.facts import StepFacts
from wiseft_jax.planning.jaxpr import count_jaxpr, widest_operation
from wiseft_jax.planning.steps import Job

_MERGING = 3
"""Merging reads both ends and writes their mean."""


def trace_heads_step(job: Job) -> Any:
    """Return the trace of the program's own step that makes the head of one alpha.

    Args:
      job: Of a recipe that trains the text tower.
    """
    assert isinstance(job.classifier, TwoTowerClassifier)
    text, alpha = job.theta["text"], jax.ShapeDtypeStruct((), np.float32)
    return jax.jit(head_between(job.classifier)).trace(text, text, alpha)


def abstract_heads_facts(job: Job) -> StepFacts:
    """Return what making the head of one alpha needs, estimated from its trace.

    Args:
      job: Of a recipe that trains the text tower.
    """
    begun = time.monotonic()
    assert isinstance(job.classifier, TwoTowerClassifier)
    jaxpr = trace_heads_step(job).jaxpr
    counted = count_jaxpr(jaxpr)
    text = _num_bytes(job.theta["text"])
    prompts = job.classifier.prompt_ids
    memory = {
        "both ends": 2 * text,
        "merged": text,
        "widest operation": widest_operation(jaxpr),  # nothing is kept for a backward pass
        "prompts": 2 * prompts.nbytes + 4 * len(prompts) * job.width,
    }
    return StepFacts(
        step="heads",
        method="abstract",
        images=len(prompts),
        passes=1,
        counts=Counts(counted.flops, counted.num_bytes + _MERGING * text),
        traced_flops=counted.flops,
        memory=memory,
        alphas=1,
        seconds=time.monotonic() - begun,
    )


def _num_bytes(tree: PyTree) -> int:
    leaves = jax.tree_util.tree_leaves(tree)
    return sum(math.prod(leaf.shape) * jnp.dtype(leaf.dtype).itemsize for leaf in leaves)
