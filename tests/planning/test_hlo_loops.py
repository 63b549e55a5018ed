"""How often loops run, and that one over split layers counts what its unrolled form does."""

from __future__ import annotations

import re
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
from wiseft_jax.planning.hlo_loops import trip_count
from wiseft_jax.planning.hlo_text import Module

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


COUNTS = "compare(%counter.2, %limit.2), direction="
MIRRORED = "compare(%limit.2, %counter.2), direction="


def trips(start: int, change: str, condition: str) -> int | None:
    """Return what is read of a loop with the limit 4, whose counter is the second variable.

    Args:
      start: Where the counter starts.
      change: What makes its next value, of %counter.1, %other.1, %one.1, %two.1.
      condition: Of %counter.2, %limit.2 and %moving.2, a variable that starts with 4.
    """
    text = f"""\
%fused.1 (param_0: s32[], param_1: s32[]) -> s32[] {{
  %param_0 = s32[] parameter(0)
  %param_1 = s32[] parameter(1)
  ROOT %sum.1 = s32[] add(%param_1, %param_0)
}}

%several.1 (param_2: s32[]) -> (f32[], s32[]) {{
  %param_2 = s32[] parameter(0)
  %one.3 = s32[] constant(1)
  %zero.3 = f32[] constant(0)
  %sum.3 = s32[] add(%param_2, %one.3)
  ROOT %both.3 = (f32[], s32[]) tuple(%zero.3, %sum.3)
}}

%body.1 (state.1: (s32[], s32[])) -> (s32[], s32[]) {{
  %state.1 = (s32[], s32[]) parameter(0)
  %other.1 = s32[] get-tuple-element(%state.1), index=0
  %counter.1 = s32[] get-tuple-element(%state.1), index=1
  %one.1 = s32[] constant(1)
  %two.1 = s32[] constant(2)
  %moved.1 = s32[] add(%other.1, %one.1)
  %several.2 = (f32[], s32[]) fusion(%counter.1), kind=kLoop, calls=%several.1
  %next.1 = s32[] {change}
  %copied.1 = s32[] copy(%next.1)
  ROOT %tuple.1 = (s32[], s32[]) tuple(%moved.1, %copied.1)
}}

%compared.1 (param_4: s32[], param_5: s32[]) -> pred[] {{
  %param_4 = s32[] parameter(0)
  %param_5 = s32[] parameter(1)
  ROOT %compare.4 = pred[] compare(%param_5, %param_4), direction=LT
}}

%condition.1 (state.2: (s32[], s32[])) -> pred[] {{
  %state.2 = (s32[], s32[]) parameter(0)
  %moving.2 = s32[] get-tuple-element(%state.2), index=0
  %counter.2 = s32[] get-tuple-element(%state.2), index=1
  %limit.2 = s32[] constant(4)
  ROOT %holds.2 = pred[] {condition}
}}

ENTRY %main.1 (x: f32[]) -> s32[] {{
  %start.9 = s32[] constant({start})
  %four.9 = s32[] constant(4)
  %begun.9 = (s32[], s32[]) tuple(%four.9, %start.9)
  %while.9 = (s32[], s32[]) while(%begun.9), condition=%condition.1, body=%body.1
  ROOT %out.9 = s32[] get-tuple-element(%while.9), index=0
}}
"""
    module = Module.parse(text)
    return trip_count(module, "main.1", module.computations["main.1"]["while.9"])


@pytest.mark.parametrize(
    ("start", "change", "condition", "expected"),
    [
        (0, "add(%counter.1, %one.1)", COUNTS + "LT", 4),
        (1, "add(%one.1, %counter.1)", COUNTS + "LE", 4),
        (-2, "add(%counter.1, %one.1)", COUNTS + "NE", 6),
        (0, "add(%counter.1, %one.1)", MIRRORED + "GT", 4),
        (0, "add(%counter.1, %one.1)", MIRRORED + "GE", 5),
        (9, "subtract(%counter.1, %one.1)", COUNTS + "GT", 5),
        (9, "subtract(%counter.1, %one.1)", MIRRORED + "LE", 6),
        (4, "add(%counter.1, %one.1)", COUNTS + "LT", 0),
        (0, "add(%counter.1, %two.1)", COUNTS + "LT", 2),  # not 4
        (-1, "add(%counter.1, %two.1)", COUNTS + "LT", 3),
        (0, "add(%counter.1, %two.1)", COUNTS + "LE", 3),
        (0, "add(%counter.1, %two.1)", COUNTS + "NE", 2),
        (9, "subtract(%counter.1, %two.1)", COUNTS + "GT", 3),
        (8, "subtract(%counter.1, %two.1)", COUNTS + "GE", 3),
        (0, "fusion(%two.1, %counter.1), kind=kLoop, calls=%fused.1", COUNTS + "LT", 2),
        (0, "fusion(%one.1, %counter.1), kind=kLoop, calls=%fused.1", COUNTS + "LT", 4),
        (0, "get-tuple-element(%several.2), index=1", COUNTS + "LT", 4),
        (0, "add(%counter.1, %one.1)", "fusion(%limit.2, %counter.2), calls=%compared.1", 4),
    ],
)
def test_a_counter_that_changes_by_a_constant_is_read(
    start: int, change: str, condition: str, expected: int
):
    assert trips(start, change, condition) == expected


@pytest.mark.parametrize(
    ("start", "change", "condition"),
    [
        (1, "add(%counter.1, %two.1)", COUNTS + "NE"),  # by two: it steps over the limit
        (1, "multiply(%counter.1, %two.1)", COUNTS + "LT"),
        (0, "add(%counter.1, %other.1)", COUNTS + "LT"),  # by what isn't a constant
        (0, "add(%other.1, %one.1)", COUNTS + "LT"),  # not from itself
        (0, "copy(%counter.1)", COUNTS + "LT"),  # not at all
        (0, "subtract(%counter.1, %one.1)", COUNTS + "LT"),  # away from the limit
        (9, "add(%counter.1, %one.1)", COUNTS + "NE"),
        (0, "add(%counter.1, %one.1)", "compare(%counter.2, %moving.2), direction=LT"),
        (0, "add(%counter.1, %one.1)", COUNTS + "EQ"),
        (0, "add(%counter.1, %one.1)", "and(%counter.2, %limit.2)"),
    ],
)
def test_no_other_counter_is_taken_for_one(start: int, change: str, condition: str):
    assert trips(start, change, condition) is None


@pytest.mark.parametrize(("step", "rounds"), [(1, 9), (2, 5), (4, 3)])
def test_compiled_loops_are_read_with_and_without_xlas_annotation(step: int, rounds: int):
    def loop(x: Any) -> Any:
        return jax.lax.while_loop(
            lambda state: state[0] < 9, lambda state: (state[0] + step, state[1] @ state[1]), (0, x)
        )[1]

    size = 64
    shape = jax.ShapeDtypeStruct((size, size), jnp.float32)
    text = jax.jit(loop).lower(shape).compile().as_text() or ""
    bare = re.sub(r'"known_trip_count":\{[^}]*\},?', "", text)
    assert bare != text
    for each in (text, bare):
        counts = count_program(each, 1)
        assert counts.unknown_loops == ()
        assert counts.flops == rounds * 2 * size**3
