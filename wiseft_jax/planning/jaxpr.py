"""Count FLOPs of a traced function, and what its backward pass keeps; nothing is compiled."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from wiseft_jax.core.typing import PyTree


@dataclasses.dataclass(frozen=True)
class TracedCounts:
    """FLOPs of a trace, over all devices.

    Attributes:
      flops: Multiplications and additions of matrix products and convolutions.
      num_bytes: Operands and results of those: the memory traffic, if all else is fused into them.
      unknown_loops: How many ``while`` loops have no trip count; their bodies are counted once.
    """

    flops: float = 0.0
    num_bytes: float = 0.0
    unknown_loops: int = 0

    def __add__(self, other: TracedCounts) -> TracedCounts:
        """Return the sum of both."""
        return TracedCounts(
            self.flops + other.flops,
            self.num_bytes + other.num_bytes,
            self.unknown_loops + other.unknown_loops,
        )

    def times(self, factor: float) -> TracedCounts:
        """Return the counts of so many runs; loops stay as many as there are in the text."""
        return TracedCounts(self.flops * factor, self.num_bytes * factor, self.unknown_loops)


def count_jaxpr(jaxpr: ClosedJaxpr | Jaxpr, taken: float = 1.0) -> TracedCounts:
    """Return the FLOPs of a trace; a scan or map counts as often as it runs.

    Args:
      jaxpr: ``jax.make_jaxpr(f)(...)`` or ``jitted.trace(...).jaxpr``.
      taken: The share of the times that the dearest branch of a ``cond`` is taken; the others share
        the rest.
    """
    if isinstance(jaxpr, ClosedJaxpr):
        jaxpr = jaxpr.jaxpr
    total = TracedCounts()
    for eqn in jaxpr.eqns:
        name = eqn.primitive.name
        if name in _PRODUCTS:
            arrays = (*eqn.invars, *eqn.outvars)
            moved = sum(_num_bytes(array.aval) for array in arrays)
            total += TracedCounts(_PRODUCTS[name](eqn), moved)
        elif name == "cond":
            inner = [count_jaxpr(branch, taken) for branch in eqn.params["branches"]]
            dear = max(range(len(inner)), key=lambda index: inner[index].flops)
            for index, each in enumerate(inner):
                rest = (1 - taken) / max(len(inner) - 1, 1)
                total += each.times(taken if index == dear else rest)
        elif name == "while":
            inner = [count_jaxpr(eqn.params[key], taken) for key in ("cond_jaxpr", "body_jaxpr")]
            total += sum(inner, TracedCounts(unknown_loops=int(inner[1].flops > 0)))
        else:
            times = eqn.params["length"] if name == "scan" else 1
            for each in _inner_jaxprs(eqn.params):
                total += count_jaxpr(each, taken).times(times)
    return total


def _inner_jaxprs(params: dict[str, Any]) -> Iterator[ClosedJaxpr | Jaxpr]:
    """Yield the one jaxpr that an equation calls, whatever its parameter is called."""
    for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if isinstance(params.get(key), (ClosedJaxpr, Jaxpr)):
            yield params[key]
            return


def _dot_flops(eqn: Any) -> float:
    (contracted, _), _ = eqn.params["dimension_numbers"]
    left = eqn.invars[0].aval.shape
    return 2.0 * math.prod(eqn.outvars[0].aval.shape) * math.prod(left[d] for d in contracted)


def _convolution_flops(eqn: Any) -> float:
    """Return the FLOPs of a convolution without holes; padding counts as if it were data."""
    numbers, kernel = eqn.params["dimension_numbers"], eqn.invars[1].aval.shape
    depth = kernel[numbers.rhs_spec[1]]  # of a group
    window = math.prod(kernel[axis] for axis in numbers.rhs_spec[2:])
    holes = math.prod(eqn.params["lhs_dilation"]) * eqn.params["batch_group_count"]
    return 2.0 * math.prod(eqn.outvars[0].aval.shape) * depth * window / holes


_PRODUCTS = {"dot_general": _dot_flops, "conv_general_dilated": _convolution_flops}


@dataclasses.dataclass(frozen=True)
class Saved:
    """What the forward pass keeps for the backward pass.

    Attributes:
      num_bytes: All of it, apart from the function's own arguments.
      largest: ``(shape, bytes)`` of the largest array.
      widest: Bytes of the inputs and results of the widest single operation: what must exist beside
        the saved arrays while it runs.
    """

    num_bytes: int
    largest: tuple[str, int]
    widest: int


def saved_for_backward(loss: Callable[..., Any], params: PyTree, *args: Any) -> Saved:
    """Return what ``jax.vjp(loss, params)`` keeps, by tracing; rematerialisation is honoured.

    Args:
      loss: ``(params, *args) -> scalar``.
      params: What is differentiated: arrays or ``jax.ShapeDtypeStruct``.
      *args: The rest.
    """

    def forward(params: PyTree, *args: Any) -> Any:
        return jax.vjp(lambda inner: loss(inner, *args), params)[1]

    traced = jax.make_jaxpr(forward)(params, *args).jaxpr
    given = set(traced.invars)
    kept = {
        var: var.aval for var in traced.outvars if not isinstance(var, Literal) and var not in given
    }
    sizes = [(_describe(aval), _num_bytes(aval)) for aval in kept.values()]
    largest = max(sizes, key=lambda item: item[1], default=("nothing", 0))
    return Saved(sum(size for _, size in sizes), largest, widest_operation(traced))


def widest_operation(jaxpr: ClosedJaxpr | Jaxpr) -> int:
    """Return the most bytes that one operation's inputs and results take, inside loops too."""
    most = 0
    for eqn in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        inner = [*_inner_jaxprs(eqn.params), *eqn.params.get("branches", ())]
        if inner:
            most = max(most, *map(widest_operation, inner))
        else:
            variables = {var for var in eqn.invars if not isinstance(var, Literal)}
            most = max(most, sum(_num_bytes(var.aval) for var in (*variables, *eqn.outvars)))
    return most


def _num_bytes(aval: Any) -> int:
    if not hasattr(aval, "shape") or not hasattr(aval.dtype, "itemsize"):
        return 0
    return math.prod(aval.shape) * aval.dtype.itemsize


def _describe(aval: Any) -> str:
    return f"{getattr(aval, 'dtype', '?')}[{','.join(map(str, getattr(aval, 'shape', ())))}]"
