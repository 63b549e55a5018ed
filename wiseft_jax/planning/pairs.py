"""The table of all pairs of a batch, which each device has some rows of: contrastive recipes.

A trace with a device's share of a batch has the pairs within that share alone; here is what the
rows of the whole batch's table take, so that one can be put in the place of the other.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from wiseft_jax.core.typing import Params
from wiseft_jax.planning.counts import Collective
from wiseft_jax.planning.jaxpr import count_jaxpr, saved_for_backward
from wiseft_jax.planning.steps import Job
from wiseft_jax.training.two_towers import loss_of_pairs


@dataclasses.dataclass(frozen=True)
class Pairs:
    """What some rows of a table take in the forward and the backward pass.

    Attributes:
      num_bytes: Kept for the backward pass.
      widest: Bytes of the widest operation.
      flops: Of products.
      traffic: Operands and results of products, in bytes.
    """

    num_bytes: float = 0.0
    widest: float = 0.0
    flops: float = 0.0
    traffic: float = 0.0


def rows_of_pairs(job: Job, rows: int, batch_size: int) -> Pairs:
    """Return what some rows of the table of a batch take; nothing where a recipe has no table.

    Args:
      job: The run.
      rows: How many.
      batch_size: Images of the batch.
    """
    if not job.trains_text:
        return Pairs()

    def loss(features: Params, mask: jax.Array) -> jax.Array:
        images, texts, scale = features["images"], features["texts"], features["scale"]
        return loss_of_pairs(images, texts, scale, mask, job.config.training.recipe)[0]

    vectors = jax.ShapeDtypeStruct((batch_size, job.width), jnp.float32)
    scale = jax.ShapeDtypeStruct((), jnp.float32)
    mask = jax.ShapeDtypeStruct((batch_size,), jnp.bool_)
    features = {"images": vectors, "texts": vectors, "scale": scale}
    saved = saved_for_backward(loss, features, mask)
    counted = count_jaxpr(jax.make_jaxpr(jax.grad(loss))(features, mask))
    share = rows / batch_size
    return Pairs(
        saved.num_bytes * share,
        saved.widest * share,
        counted.flops * share,
        counted.num_bytes * share,
    )


def gathered_texts(job: Job, batch_size: int, shards: int) -> int:
    """Return the bytes of what a device has of other devices' texts: features, and gradients.

    Args:
      job: The run.
      batch_size: Images of the batch.
      shards: Devices that share it.
    """
    return 2 * 4 * job.width * (batch_size - batch_size // shards) if job.trains_text else 0


def pair_collectives(job: Job, batch_size: int, shards: int) -> tuple[Collective, ...]:
    """Return what devices exchange of a batch's texts; rows of the table stay where they are.

    The features come to every device for the loss and again for the hits, and their gradients are
    summed, as XLA compiles it.

    Args:
      job: The run.
      batch_size: Images of the batch.
      shards: Devices that share it.
    """
    if shards == 1 or not job.trains_text:
        return ()
    size = 4 * job.width * batch_size
    return (
        Collective("all-gather", size, shards, 2.0),
        Collective("all-reduce", size, shards, 1.0),
    )
