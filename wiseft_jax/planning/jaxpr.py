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
      unknown_loops: How many ``while`` loops have no trip count; their bodies are counted once.
    """

    flops: float
    unknown_loops: int = 0


def count_jaxpr(jaxpr: ClosedJaxpr | Jaxpr, taken: float = 1.0) -> TracedCounts:
    """Return the FLOPs of a trace; a scan or map counts as often as it runs.

    Args:
      jaxpr: ``jax.make_jaxpr(f)(...)`` or ``jitted.trace(...).jaxpr``.
      taken: The share of the times that the dearest branch of a ``cond`` is taken; the others share
        the rest.
    """
    if isinstance(jaxpr, ClosedJaxpr):
        jaxpr = jaxpr.jaxpr
    flops, unknown = 0.0, 0
    for eqn in jaxpr.eqns:
        name = eqn.primitive.name
        if name == "dot_general":
            flops += _dot_flops(eqn)
        elif name == "conv_general_dilated":
            flops += _convolution_flops(eqn)
        elif name == "cond":
            inner = [count_jaxpr(branch, taken) for branch in eqn.params["branches"]]
            dear = max(inner, key=lambda each: each.flops)
            rest = sum(each.flops for each in inner) - dear.flops
            flops += taken * dear.flops + (1 - taken) * rest / max(len(inner) - 1, 1)
            unknown += max(each.unknown_loops for each in inner)
        elif name == "while":
            inner = [count_jaxpr(eqn.params[key], taken) for key in ("cond_jaxpr", "body_jaxpr")]
            flops += sum(each.flops for each in inner)
            unknown += sum(each.unknown_loops for each in inner) + (inner[1].flops > 0)
        else:
            times = eqn.params["length"] if name == "scan" else 1
            for inner_jaxpr in _inner_jaxprs(eqn.params):
                counted = count_jaxpr(inner_jaxpr, taken)
                flops += times * counted.flops
                unknown += counted.unknown_loops
    return TracedCounts(flops, unknown)


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
    return Saved(sum(size for _, size in sizes), largest, _widest(traced))


def _widest(jaxpr: Jaxpr) -> int:
    """Return the most bytes that one equation's inputs and results take, inside loops too."""
    most = 0
    for eqn in jaxpr.eqns:
        inner = list(_inner_jaxprs(eqn.params))
        if inner:
            most = max(most, *(_widest(getattr(each, "jaxpr", each)) for each in inner))
        else:
            variables = {var for var in eqn.invars if not isinstance(var, Literal)}
            sizes = [_num_bytes(var.aval) for var in (*variables, *eqn.outvars)]
            most = max(most, sum(sizes))
    return most


def _num_bytes(aval: Any) -> int:
    if not hasattr(aval, "shape") or not hasattr(aval.dtype, "itemsize"):
        return 0
    return math.prod(aval.shape) * aval.dtype.itemsize


def _describe(aval: Any) -> str:
    return f"{getattr(aval, 'dtype', '?')}[{','.join(map(str, getattr(aval, 'shape', ())))}]"
