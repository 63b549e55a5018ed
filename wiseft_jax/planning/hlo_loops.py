"""How often the loops of a compiled program run, from XLA's text of it."""

from __future__ import annotations

import dataclasses
import re

from wiseft_jax.planning.hlo_text import Instruction, Module

_KNOWN = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_INDEX = re.compile(r"index=(\d+)")
_DIRECTION = re.compile(r"direction=(\w+)")
_FORWARDED = ("copy", "bitcast", "convert", "reshape", "copy-done", "copy-start")
_MIRRORED = {"LT": "GT", "LE": "GE", "GT": "LT", "GE": "LE", "NE": "NE"}

Value = tuple[int | None, int]
"""An integer in one round of a loop: which of the loop's variables, if any, and what is added."""


def trip_count(module: Module, caller: str, loop: Instruction) -> int | None:
    """Return how often a ``while`` runs, or None when it can't be read.

    XLA's own annotation is used when there is one. Otherwise the condition must compare a counter
    with a constant, and the counter must start from a constant and change by a constant in each
    round: by one in JAX's loops, by two where XLA for TPUs overlaps a product with the gathering of
    its operand and unrolls that.

    Args:
      module: The program.
      caller: The computation that holds the loop.
      loop: The ``while``.
    """
    known = _KNOWN.search(loop.attributes)
    if known:
        return int(known.group(1))
    (condition,) = loop.called("condition")
    scope, compare = _Scope(module, condition), module.root(condition)
    if compare.opcode == "fusion":
        scope = scope.inside(compare)
        compare = module.root(scope.computation)
    direction = _DIRECTION.search(compare.attributes)
    if compare.opcode != "compare" or direction is None:
        return None
    sides = [_course(module, caller, loop, scope.value(name)) for name in compare.operands]
    left, right = sides
    if left is None or right is None or direction.group(1) not in _MIRRORED:
        return None
    if left[1] == 0:  # the counter is on the right
        return _rounds(right, left, _MIRRORED[direction.group(1)])
    return _rounds(left, right, direction.group(1))


def _course(
    module: Module, caller: str, loop: Instruction, value: Value | None
) -> tuple[int, int] | None:
    """Return what a value of the condition starts with, and what each round adds to it."""
    if value is None:
        return None
    index, added = value
    if index is None:
        return added, 0
    (body,) = loop.called("body")
    before, after = module.computations[caller].get(loop.operands[0]), module.root(body)
    if before is None or before.opcode != "tuple" or after.opcode != "tuple":
        return None
    start = _Scope(module, caller).value(before.operands[index])
    change = _Scope(module, body).value(after.operands[index])
    if start is None or start[0] is not None or change is None or change[0] != index:
        return None
    return start[1] + added, change[1]


def _rounds(counter: tuple[int, int], limit: tuple[int, int], direction: str) -> int | None:
    """Return how often ``counter DIRECTION limit`` holds; each is (start, added in a round)."""
    (start, step), (end, moved) = counter, limit
    if moved != 0 or step == 0:
        return None
    size, far = abs(step), (end - start if step > 0 else start - end)
    if direction == "NE":
        return far // size if far >= 0 and far % size == 0 else None
    if direction[0] != ("L" if step > 0 else "G"):
        return None  # it moves away from the limit
    return max(-(-(far + (direction[1] == "E")) // size), 0)


@dataclasses.dataclass(frozen=True)
class _Scope:
    """A computation in which names are looked up.

    Attributes:
      module: The program.
      computation: Its name.
      arguments: Of a fusion's computation, what it is given; None: a loop's own, whose only
        parameter is the tuple of the loop's variables.
    """

    module: Module
    computation: str
    arguments: tuple[Value | None, ...] | None = None

    def inside(self, fusion: Instruction) -> _Scope:
        """Return the scope of what a fusion calls."""
        (name,) = fusion.called("calls")
        return _Scope(self.module, name, tuple(map(self.value, fusion.operands)))

    def value(self, name: str) -> Value | None:
        """Return what an instruction makes; None for what isn't a variable plus a constant."""
        each = self.module.computations[self.computation].get(name)
        if each is None:
            return None
        if each.opcode in _FORWARDED:
            return self.value(each.operands[0])
        if each.opcode == "constant":
            return _integer(each)
        if each.opcode == "parameter":
            return None if self.arguments is None else self.arguments[int(each.arguments)]
        if each.opcode == "get-tuple-element":
            return self._element(each)
        if each.opcode == "fusion":
            inner = self.inside(each)
            return inner.value(self.module.root(inner.computation).name)
        if each.opcode in ("add", "subtract"):
            return _sum(*map(self.value, each.operands), sign=1 if each.opcode == "add" else -1)
        return None

    def _element(self, each: Instruction) -> Value | None:
        index = _INDEX.search(each.attributes)
        source = self.module.computations[self.computation].get(each.operands[0])
        if index is None or source is None:
            return None
        if source.opcode == "parameter" and self.arguments is None:
            return int(index.group(1)), 0
        if source.opcode == "fusion":
            inner = self.inside(source)
            made = self.module.root(inner.computation)
            if made.opcode == "tuple":
                return inner.value(made.operands[int(index.group(1))])
        return None


def _sum(left: Value | None, right: Value | None, *, sign: int) -> Value | None:
    if left is None or right is None:
        return None
    if right[0] is None:
        return left[0], left[1] + sign * right[1]
    return (right[0], left[1] + right[1]) if left[0] is None and sign == 1 else None


def _integer(constant: Instruction) -> Value | None:
    text = constant.arguments
    return (None, int(text)) if text.removeprefix("-").isdecimal() else None
