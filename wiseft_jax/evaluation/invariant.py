"""Compute once what doesn't depend on alpha: a traced function cut into a part before the loop.

Between two models that share their first layers, all that follows from the images through these
layers alone is the same at every alpha. It is found in the trace, so no model needs to know of it:
pixel normalisation, the patch embedding, a prefix of frozen layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun

from wiseft_jax.core.typing import PyTree


def hoist(
    function: Callable[[Any, PyTree, PyTree], PyTree], alpha: Any, params: PyTree, data: PyTree
) -> Callable[[Any], PyTree]:
    """Return ``a -> function(a, params, data)``; what needs only ``data`` and ``params`` is done.

    An operation is moved out of the returned function if it depends on ``data`` and not on
    ``alpha``; what it needs of ``params`` alone (a cast, a gather) moves with it. Other operations
    on ``params`` stay, so that no copy of the parameters waits in memory. An operation with an
    effect (a debugging callback) stays too. The cut is between operations: a loop over stacked
    layers is one.

    Args:
      function: Pure; may close over arrays, which count as ``params``.
      alpha: Of the shape and dtype that the returned function takes.
      params: A tree of arrays.
      data: A tree of arrays.
    """
    closed, shape = jax.make_jaxpr(function, return_shape=True)(alpha, params, data)
    values = jax.tree_util.tree_leaves((params, data))
    jaxpr = closed.jaxpr
    data_inputs = jaxpr.invars[len(jaxpr.invars) - len(jax.tree_util.tree_leaves(data)) :]
    early = _early(jaxpr.eqns, {jaxpr.invars[0]}, set(data_inputs))
    late = [eqn for index, eqn in enumerate(jaxpr.eqns) if index not in early]
    made = {var for index in early for var in jaxpr.eqns[index].outvars}
    wanted = {*_inputs(late), *(var for var in jaxpr.outvars if isinstance(var, Var))}
    frontier = [var for eqn in jaxpr.eqns for var in eqn.outvars if var in made & wanted]

    before = _part(jaxpr, jaxpr.invars[1:], frontier, _with_ancestors(jaxpr.eqns, early))
    after = _part(jaxpr, [*jaxpr.invars, *frontier], jaxpr.outvars, late)
    done = jaxpr_as_fun(ClosedJaxpr(before, closed.consts))(*values)
    rest = jaxpr_as_fun(ClosedJaxpr(after, closed.consts))
    structure = jax.tree_util.tree_structure(shape)
    return lambda a: jax.tree_util.tree_unflatten(structure, rest(a, *values, *done))


def _inputs(eqns: list[JaxprEqn]) -> list[Var]:
    return [var for eqn in eqns for var in eqn.invars if not isinstance(var, Literal)]


def _early(eqns: list[JaxprEqn], of_alpha: set[Var], of_data: set[Var]) -> set[int]:
    """Return which operations depend on the data and not on alpha."""
    found = set()
    for index, eqn in enumerate(eqns):
        inputs = set(_inputs([eqn]))
        if eqn.effects or inputs & of_alpha:
            of_alpha = of_alpha | set(eqn.outvars)
        elif inputs & of_data:
            of_data = of_data | set(eqn.outvars)
            found.add(index)
    return found


def _with_ancestors(eqns: list[JaxprEqn], chosen: set[int]) -> list[JaxprEqn]:
    """Return the chosen operations and all that they are computed from, in order."""
    kept: list[JaxprEqn] = []
    wanted: set[Var] = set()
    for index in reversed(range(len(eqns))):
        if index in chosen or wanted & set(eqns[index].outvars):
            kept.append(eqns[index])
            wanted.update(_inputs([eqns[index]]))
    return kept[::-1]


def _part(jaxpr: Jaxpr, invars: Any, outvars: Any, eqns: list[JaxprEqn]) -> Jaxpr:
    return jaxpr.replace(invars=list(invars), outvars=list(outvars), eqns=eqns)
