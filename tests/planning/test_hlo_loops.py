"""A loop over split layers counts what its unrolled form does: FLOPs, collectives, bytes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from wiseft_jax.clip.matmul import dense
from wiseft_jax.core.gathering import split_over
from wiseft_jax.core.mesh import Layout, batch_sharding
from wiseft_jax.core.mesh_config import FSDP_AXIS, MeshConfig
from wiseft_jax.planning.counts import Counts
from wiseft_jax.planning.hlo import count_program

LAYERS, WIDTH, ROWS = 12, 128, 64


def counts_of(unroll: int | bool, *, backward: bool, parts: int = 1) -> Counts:
    mesh = Layout.of(MeshConfig(fsdp=8)).mesh

    def loss(kernels: Any, x: Any) -> Any:
        def layer(h: Any, kernel: Any) -> tuple[Any, None]:
            return jnp.tanh(dense(h, kernel, None, "float32")), None

        def part(total: Any, rows: Any) -> tuple[Any, None]:
            with split_over(mesh):
                h = jax.lax.scan(layer, rows, kernels, unroll=unroll)[0]
            return total + jnp.sum(jnp.square(h)), None

        batches = x.reshape(-1, parts, WIDTH).swapaxes(0, 1)
        return jax.lax.scan(part, jnp.zeros(()), batches, unroll=unroll)[0]

    split = NamedSharding(mesh, PartitionSpec(None, None, FSDP_AXIS))
    rows = batch_sharding(mesh)
    kernels = jax.ShapeDtypeStruct((LAYERS, WIDTH, WIDTH), jnp.float32, sharding=split)
    x = jax.ShapeDtypeStruct((ROWS, WIDTH), jnp.float32, sharding=rows)
    # Both gradients: without that of x, an unrolled first layer has a product less.
    function = jax.jit(jax.grad(loss, (0, 1)), out_shardings=(split, rows)) if backward else loss
    return count_program(jax.jit(function).lower(kernels, x).compile().as_text() or "", 8)


def sent(counts: Counts) -> Counter[str]:
    totals: Counter[str] = Counter()
    for each in counts.collectives:
        totals[each.kind] += round(each.count * each.num_bytes)
    return totals


@pytest.mark.parametrize(("backward", "parts"), [(False, 1), (True, 1), (False, 4)])
def test_a_loop_of_split_layers_counts_as_unrolled_eight_devices(backward: bool, parts: int):
    looped = counts_of(1, backward=backward, parts=parts)
    unrolled = counts_of(True, backward=backward, parts=parts)
    assert looped.unknown_loops == ()
    assert looped.flops == pytest.approx(unrolled.flops, rel=0.02)
    assert looped.flops >= 2 * LAYERS * ROWS / 8 * WIDTH * WIDTH * (3 if backward else 1)
    for kind, total in sent(unrolled).items():
        assert sent(looped)[kind] == pytest.approx(total, rel=0.02), kind
    gathered = LAYERS * WIDTH * WIDTH * 4 * (2 if backward else 1) * parts
    assert sent(looped)["all-gather"] == pytest.approx(gathered, rel=0.02)
    # What a loop slices and stacks isn't what straight code reads and writes: no closer than this.
    assert looped.num_bytes == pytest.approx(unrolled.num_bytes, rel=0.25)
