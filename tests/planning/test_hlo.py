"""Counting compiled programs: loops as often as they run, collectives with size and group."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from tests.planning.programs import LOOPS, ROWS, WIDTH
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.planning.counts import Collective, Counts
from wiseft_jax.planning.hlo import count_program, largest_arrays

TPU_PROGRAM = """\
HloModule jit_step, is_scheduled=true

%fused_computation.1 (param_0.1: bf16[4,8,16], param_1.1: s32[], param_2.1: bf16[6,8]) -> bf16[6,16] {
  %param_0.1 = bf16[4,8,16]{2,1,0:T(8,128)(2,1)} parameter(0)
  %param_1.1 = s32[]{:T(128)S(6)} parameter(1)
  %constant.1 = s32[]{:T(128)} constant(0)
  %dynamic-slice.1 = bf16[1,8,16]{2,1,0} dynamic-slice(%param_0.1, %param_1.1, %constant.1, %constant.1), dynamic_slice_sizes={1,8,16}
  %bitcast.1 = bf16[8,16]{1,0} bitcast(%dynamic-slice.1)
  %param_2.1 = bf16[6,8]{1,0} parameter(2)
  ROOT %convolution.1 = bf16[6,16]{1,0} convolution(%param_2.1, %bitcast.1), dim_labels=bf_io->bf, metadata={op_name="dot (general)"}
}

%start.1 (param_0.2: bf16[6,8]) -> bf16[12,8] {
  %param_0.2 = bf16[6,8]{1,0} parameter(0)
  ROOT %all-gather.1 = bf16[12,8]{1,0} all-gather(%param_0.2), channel_id=7, replica_groups=[2,2]<=[4], dimensions={0}
}

%done.1 (param_0.3: bf16[6,8]) -> bf16[12,8] {
  %param_0.3 = bf16[6,8]{1,0} parameter(0)
  ROOT %all-gather.2 = bf16[12,8]{1,0} all-gather(%param_0.3), channel_id=7, replica_groups=[2,2]<=[4], dimensions={0}
}

%all-reduce-scatter.1 (input.1: f32[8,8]) -> f32[4,8] {
  %input.1 = f32[8,8]{1,0} parameter(0)
  %all-reduce.9 = f32[8,8]{1,0} all-reduce(%input.1), channel_id=8, replica_groups={{0,1},{2,3}}, to_apply=%add.1
  %constant.9 = s32[] constant(0)
  ROOT %dynamic-slice.9 = f32[4,8]{1,0:S(1)} dynamic-slice(%all-reduce.9, %constant.9, %constant.9), dynamic_slice_sizes={4,8}
}

%body.1 (state.1: (s32[], bf16[4,8,16], bf16[6,8], f32[8,8])) -> (s32[], bf16[4,8,16], bf16[6,8], f32[8,8]) {
  %state.1 = (s32[]{:T(128)}, bf16[4,8,16]{2,1,0}, bf16[6,8]{1,0}, /*index=3*/f32[8,8]{1,0}) parameter(0)
  %counter.1 = s32[]{:T(128)} get-tuple-element(%state.1), index=0
  %kernels.1 = bf16[4,8,16]{2,1,0} get-tuple-element(%state.1), index=1
  %rows.1 = bf16[6,8]{1,0} get-tuple-element(%state.1), index=2
  %grads.1 = f32[8,8]{1,0} get-tuple-element(%state.1), index=3
  %fusion.1 = bf16[6,16]{1,0:S(1)} fusion(%kernels.1, %counter.1, %rows.1), kind=kOutput, calls=%fused_computation.1
  %start.2 = bf16[12,8]{1,0:S(1)} fusion(%rows.1), kind=kCustom, calls=%start.1
  %done.2 = bf16[12,8]{1,0:S(1)} fusion(%rows.1), kind=kCustom, calls=%done.1
  %scattered.1 = f32[4,8]{1,0:S(1)} fusion(%grads.1), kind=kCustom, calls=%all-reduce-scatter.1
  %one.1 = s32[] constant(1)
  %next.1 = s32[] add(%counter.1, %one.1)
  ROOT %tuple.1 = (s32[], bf16[4,8,16]{2,1,0}, bf16[6,8]{1,0}, f32[8,8]{1,0}) tuple(%next.1, %kernels.1, %rows.1, %grads.1)
}

%condition.1 (state.2: (s32[], bf16[4,8,16], bf16[6,8], f32[8,8])) -> pred[] {
  %limit.1 = s32[]{:T(128)} constant(4)
  %state.2 = (s32[]{:T(128)}, bf16[4,8,16]{2,1,0}, bf16[6,8]{1,0}, f32[8,8]{1,0}) parameter(0)
  %counter.2 = s32[]{:T(128)} get-tuple-element(%state.2), index=0
  ROOT %lt.1 = pred[] compare(%counter.2, %limit.1), direction=LT
}

ENTRY %main.1 (kernels.9: bf16[4,8,16], rows.9: bf16[6,8], grads.9: f32[8,8]) -> bf16[6,8] {
  %kernels.9 = bf16[4,8,16]{2,1,0} parameter(0)
  %rows.9 = bf16[6,8]{1,0} parameter(1)
  %grads.9 = f32[8,8]{1,0} parameter(2)
  %zero.9 = s32[] constant(0)
  %start.9 = (s32[], bf16[4,8,16]{2,1,0}, bf16[6,8]{1,0}, f32[8,8]{1,0}) tuple(%zero.9, %kernels.9, %rows.9, %grads.9)
  %while.9 = (s32[], bf16[4,8,16]{2,1,0}, bf16[6,8]{1,0}, f32[8,8]{1,0}) while(%start.9), condition=%condition.1, body=%body.1
  %loss.9 = f32[] constant(0)
  %mean.9 = bf16[6,8]{1,0} all-reduce(%rows.9), channel_id=10, replica_groups=mesh['axis_0'=2,'axis_1'=1,'axis_2'=2], device_ids=([2,2]T(1,0)) {'axis_0'}, to_apply=%add.1
  %sum.9 = f32[] all-reduce(%loss.9), channel_id=9, replica_groups=mesh['a'=2,'b'=2] {'a','b'}, to_apply=%add.1
  ROOT %out.9 = bf16[6,8]{1,0} get-tuple-element(%while.9), index=2
}
"""  # noqa: E501


def compiled_counts(function: Any, arguments: tuple[Any, ...]) -> tuple[Counts, float]:
    compiled = jax.jit(function).lower(*arguments).compile()
    return count_program(compiled.as_text(), 1), compiled.cost_analysis()["flops"]


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_counts_as_much_as_unrolled(name: str):
    make, count, switch = LOOPS[name]
    looped, by_xla = compiled_counts(*make(count, **{switch: True})[:2])
    unrolled, _ = compiled_counts(*make(count, **{switch: False})[:2])
    expected = make(count, **{switch: True})[2]
    assert looped.unknown_loops == ()
    assert looped.flops == pytest.approx(unrolled.flops, rel=0.02)
    assert looped.flops == pytest.approx(expected, rel=0.02)
    assert by_xla < expected / 2  # what is to be mended: XLA counts the body once


def test_bytes_grow_with_the_trip_count():
    make, _, _ = LOOPS["12 layers"]
    four, twelve = (compiled_counts(*make(count, scan=True)[:2])[0] for count in (4, 12))
    assert 2.5 < twelve.num_bytes / four.num_bytes < 3.5


def test_collectives_in_a_loop_count_as_often_as_it_runs():
    mesh = make_mesh(8, MeshConfig())
    whole = NamedSharding(mesh, PartitionSpec())

    def total(batch: Any) -> Any:
        def add(sums: Any, part: Any) -> tuple[Any, None]:
            row = jax.lax.with_sharding_constraint(jnp.sum(jnp.tanh(part), axis=0), whole)
            return jnp.sin(sums) + row, None

        return jax.lax.scan(add, jnp.zeros(WIDTH), batch)[0]

    split = NamedSharding(mesh, PartitionSpec(None, "data"))
    batch = jax.ShapeDtypeStruct((5, ROWS, WIDTH), jnp.float32, sharding=split)
    compiled = jax.jit(total, out_shardings=whole).lower(batch).compile()
    counts = count_program(compiled.as_text(), 8)
    assert counts.collectives == (Collective("all-reduce", WIDTH * 4, 8, 5.0),)
    assert counts.by_kind() == {"all-reduce": (5.0, 5.0 * WIDTH * 4)}


def test_the_taken_share_of_a_conditional_counts():
    def skip(points: Any, used: Any, hidden: Any, kernel: Any) -> Any:
        def at(item: Any) -> Any:
            index, alpha = item
            return jax.lax.cond(
                index < used,
                lambda: hidden @ (alpha * kernel),
                lambda: jnp.zeros((ROWS, WIDTH)),
            )

        return jax.lax.map(at, (jnp.arange(32), points))

    arguments = (
        jax.ShapeDtypeStruct((32,), jnp.float32),
        jax.ShapeDtypeStruct((), jnp.int32),
        jax.ShapeDtypeStruct((ROWS, WIDTH), jnp.float32),
        jax.ShapeDtypeStruct((WIDTH, WIDTH), jnp.float32),
    )
    compiled = jax.jit(skip).lower(*arguments).compile()
    counts = count_program(compiled.as_text(), 1, taken=11 / 32)
    assert counts.flops == pytest.approx(11 * 2 * ROWS * WIDTH**2)


def test_a_tpu_program():
    counts = count_program(TPU_PROGRAM, 4)
    assert counts.flops == 4 * 2 * 6 * 8 * 16
    assert counts.collectives == (
        Collective("reduce-scatter", 8 * 8 * 4, 2, 4.0),
        Collective("all-gather", 12 * 8 * 2, 2, 4.0),  # start and done are one
        Collective("all-reduce", 6 * 8 * 2, 2, 1.0),  # over one axis of the mesh
        Collective("all-reduce", 4, 4, 1.0),
    )
    kernel, rows, grads = 8 * 16 * 2, 6 * 8 * 2, 8 * 8 * 4
    # A slice of the kernels, not all of them; rows three times; results on the chip are free.
    body = kernel + 3 * rows + grads + 3 * 4
    assert counts.num_bytes == 4 * (body + 4) + 2 * rows + 2 * 4


def one_collective(instruction: str, shape: str = "f32[128]", rest: str = "") -> Counts:
    text = f"""\
{rest}
ENTRY %main (a: f32[128], b: f32[128]) -> {shape} {{
  %a = f32[128]{{0}} parameter(0)
  %b = f32[128]{{0}} parameter(1)
  ROOT %made = {instruction}
}}
"""
    return count_program(text, 8)


GROUPS = "channel_id=1, replica_groups=[2,4]<=[8]"
WRAPPED = """\
%called (a.1: f32[128]) -> f32[512] {
  %a.1 = f32[128]{0} parameter(0)
  ROOT %gathered = f32[512]{0} all-gather(%a.1), channel_id=1, replica_groups=[2,4]<=[8]
}
"""


@pytest.mark.parametrize(
    ("instruction", "rest", "kind", "size"),
    [
        (f"(f32[128]{{0}}, f32[512]{{0:T(128)}}) all-gather-start(%a), {GROUPS}", "",
         "all-gather", 2048),
        (f"((f32[128]{{0}}, f32[128]{{0}}), (f32[512]{{0}}, f32[512]{{0}})) all-gather-start(%a,"
         f" %b), {GROUPS}", "", "all-gather", 4096),
        (f"((f32[128]{{0}}), f32[32]{{0}}, s32[]) reduce-scatter-start(%a), {GROUPS}", "",
         "reduce-scatter", 512),
        (f"(f32[128]{{0}}, f32[128]{{0}}) all-reduce-start(%a, %b), {GROUPS}", "",
         "all-reduce", 1024),
        ("((f32[128]{0}), f32[512]{0}, s32[]) async-start(%a), calls=%called", WRAPPED,
         "all-gather", 2048),
        ('((f32[128]{0}), f32[512]{0}, u32[]) call-start(%a), async_execution_thread="sparsecore",'
         " to_apply=%called", WRAPPED, "all-gather", 2048),
    ],
)  # fmt: skip
def test_an_asynchronous_collective(instruction: str, rest: str, kind: Any, size: int):
    counts = one_collective(instruction, rest=rest)
    assert counts.collectives == (Collective(kind, size, 4, 1.0),)
    arrays = 2048 + 512 if kind == "all-gather" else 640 if kind == "reduce-scatter" else 2048
    assert counts.num_bytes == (5120 if size == 4096 else arrays)


def test_a_collective_that_is_not_reached_is_an_error():
    with pytest.raises(ValueError, match=r"gathered.*called"):
        one_collective("f32[512] new-way-to-call(%a), runs=%called", rest=WRAPPED)


def test_groups_in_an_unknown_form_are_an_error():
    with pytest.raises(ValueError, match=r"unknown form.*new"):
        one_collective("f32[128]{0} all-reduce(%a), replica_groups=new(8), to_apply=%add")


@pytest.mark.parametrize("groups", ["replica_groups={}", "to_apply=%add"])
def test_no_groups_are_all_devices(groups: str):
    counts = one_collective(f"f32[128]{{0}} all-reduce(%a), {groups}")
    assert counts.collectives == (Collective("all-reduce", 512, 8, 1.0),)


def test_batched_products_as_dilated_convolutions():
    text = """\
ENTRY %main (a: bf16[12,64,50], b: bf16[12,64,50]) -> bf16[12,50,50] {
  %a = bf16[12,50,64]{2,1,0} parameter(0)
  %b = bf16[12,64,50]{2,1,0} parameter(1)
  ROOT %c = bf16[12,50,50]{2,1,0} convolution(%a, %b), window={size=12 stride=11 pad=0_0 lhs_dilate=12}, dim_labels=0bf_0io->0bf
}
"""  # noqa: E501
    assert count_program(text, 1).flops == 12 * 2 * 50 * 64 * 50


def test_a_loop_without_a_trip_count_is_named():
    def until(x: Any) -> Any:
        return jax.lax.while_loop(lambda h: jnp.sum(h) < 1e6, lambda h: h @ h, x)

    compiled = jax.jit(until).lower(jax.ShapeDtypeStruct((WIDTH, WIDTH), jnp.float32)).compile()
    counts = count_program(compiled.as_text(), 1)
    assert len(counts.unknown_loops) == 1
    assert counts.flops == pytest.approx(2 * WIDTH**3)


def test_largest_arrays_are_those_in_main_memory():
    assert largest_arrays(TPU_PROGRAM, 2) == [("bf16[4,8,16]", 1024), ("f32[8,8]", 256)]


def test_no_program_is_refused():
    with pytest.raises(ValueError, match="ENTRY"):
        count_program("HloModule nothing", 1)


@pytest.mark.parametrize(
    ("source", "target", "ends"), [("", "S(1)", 1), ("", "", 2), ("S(1)", "", 1)]
)
def test_a_slice_fetched_ahead_moves_its_part_alone(source: str, target: str, ends: int):
    whole, part = f"bf16[12,64]{{1,0:T(8,128){source}}}", f"bf16[1,64]{{1,0:T(8,128){target}}}"
    text = f"""\
ENTRY %main.1 (stack.1: bf16[12,64]) -> bf16[1,64] {{
  %stack.1 = {whole} parameter(0)
  %start.1 = (({whole}), {part}, s32[]{{:S(2)}}) slice-start(%stack.1), slice={{[3:4], [0:64]}}
  ROOT %done.1 = {part} slice-done(%start.1)
}}
"""
    assert count_program(text, 1).num_bytes == ends * 64 * 2
