"""Read XLA's text of a compiled program: computations, instructions, shapes, trip counts."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Iterator

ITEM_BITS = {
    "pred": 8, "s4": 4, "u4": 4, "s8": 8, "u8": 8, "s16": 16, "u16": 16, "s32": 32, "u32": 32,
    "s64": 64, "u64": 64, "bf16": 16, "f16": 16, "f32": 32, "f64": 64, "c64": 64, "c128": 128,
    "f8e4m3fn": 8, "f8e5m2": 8,
}  # fmt: skip
"""Bits of an element; a type that isn't here (tokens, opaque values) has no size."""

_ARRAY = re.compile(r"(\w+)\[([\d,]*)\](\{[^}]*\})?")
_COMMENT = re.compile(r"/\*.*?\*/")
_COMPUTATION = re.compile(r"(ENTRY )?%?([\w.-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"\s+(ROOT )?%?([\w.-]+) = ")
_NAME = re.compile(r"%([\w.-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_FORWARDED = ("copy", "bitcast", "convert", "reshape", "copy-done", "copy-start")


@dataclasses.dataclass(frozen=True)
class ArrayShape:
    """One array: its element type, dimensions, and the memory it lies in (0 is the main memory)."""

    dtype: str
    dims: tuple[int, ...]
    space: int = 0

    @property
    def num_bytes(self) -> int:
        """Size without padding."""
        return -(-math.prod(self.dims) * ITEM_BITS.get(self.dtype, 0) // 8)


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation."""

    name: str
    shape: str
    opcode: str
    operands: tuple[str, ...]
    arguments: str
    attributes: str
    is_root: bool

    @functools.cached_property
    def arrays(self) -> tuple[ArrayShape, ...]:
        """The arrays that it makes; several for a tuple."""
        return tuple(parse_arrays(self.shape))

    def called(self, attribute: str) -> tuple[str, ...]:
        """Return the computations named by ``attribute=%x`` or ``attribute={%x, %y}``."""
        found = re.search(rf"\b{attribute}=(\{{[^}}]*\}}|%[\w.-]+)", self.attributes)
        return tuple(_NAME.findall(found.group(1))) if found else ()


Computation = dict[str, Instruction]


def parse_arrays(shape: str) -> Iterator[ArrayShape]:
    """Yield the arrays of a shape, of a tuple's elements too."""
    for dtype, dims, layout in _ARRAY.findall(shape):
        space = re.search(r"S\((\d+)\)", layout)
        sizes = tuple(int(size) for size in dims.split(",") if size)
        yield ArrayShape(dtype, sizes, int(space.group(1)) if space else 0)


def tuple_elements(shape: str) -> list[str]:
    """Return the shapes that a tuple's shape holds, those of inner tuples whole; else none."""
    if not shape.startswith("("):
        return []
    elements, depth, begun = [], 0, 1
    for position, character in enumerate(shape):
        if depth == 1 and character in ",)":
            elements.append(shape[begun:position].strip())
            begun = position + 1
        depth += (character in "([{") - (character in ")]}")
    return [each for each in elements if each]


@dataclasses.dataclass(frozen=True)
class Module:
    """A compiled program.

    Attributes:
      computations: By name.
      entry: The one that runs.
    """

    computations: dict[str, Computation]
    entry: str

    @classmethod
    def parse(cls, text: str) -> Module:
        """Read the text of ``compiled.as_text()``.

        Raises:
          ValueError: If it has no entry computation.
        """
        computations: dict[str, Computation] = {}
        entry, current = "", None
        for line in text.splitlines():
            head = _COMPUTATION.match(line)
            if head:
                current = computations.setdefault(head.group(2), {})
                entry = head.group(2) if head.group(1) else entry
            elif current is not None and line.startswith(" "):
                instruction = _parse_instruction(_COMMENT.sub("", line))
                if instruction is not None:
                    current[instruction.name] = instruction
        if not entry:
            raise ValueError("no ENTRY computation in the text of the compiled program")
        return cls(computations, entry)

    def root(self, name: str) -> Instruction:
        """Return the instruction that a computation returns."""
        return next(each for each in self.computations[name].values() if each.is_root)

    def trip_count(self, caller: str, loop: Instruction) -> int | None:
        """Return how often a ``while`` runs, or None when it can't be read.

        XLA's own annotation is used when there is one. Otherwise the condition must compare a
        counter, which rises by 1 from a constant, with a constant.

        Args:
          caller: The computation that holds the loop.
          loop: The ``while``.
        """
        known = _TRIPS.search(loop.attributes)
        if known:
            return int(known.group(1))
        (condition,) = loop.called("condition")
        compare = self._compare(condition)
        if compare is None:
            return None
        values = [self._loop_value(caller, loop, condition, name) for name in compare.operands]
        direction = re.search(r"direction=(\w+)", compare.attributes)
        if len(values) != 2 or None in values or direction is None:
            return None
        start, end = (int(value) for value in values if value is not None)
        trips = {"LT": end - start, "LE": end - start + 1, "NE": end - start, "GT": start - end}
        return trips.get(direction.group(1))

    def _compare(self, condition: str) -> Instruction | None:
        root = self.root(condition)
        if root.opcode == "compare":
            return root
        if root.opcode == "fusion":
            inner = self.root(root.called("calls")[0])
            if inner.opcode == "compare":  # its parameters are the fusion's operands
                computation = self.computations[root.called("calls")[0]]
                names = []
                for operand in inner.operands:
                    source = computation[operand]
                    if source.opcode != "parameter":
                        return None
                    names.append(root.operands[int(source.arguments)])
                return dataclasses.replace(inner, operands=tuple(names))
        return None

    def _loop_value(self, caller: str, loop: Instruction, condition: str, name: str) -> int | None:
        """Return a constant of the condition, or what a loop variable starts with."""
        instruction = self.computations[condition].get(name)
        while instruction is not None and instruction.opcode in _FORWARDED:
            instruction = self.computations[condition].get(instruction.operands[0])
        if instruction is None:
            return None
        if instruction.opcode == "constant":
            return _integer(instruction)
        if instruction.opcode != "get-tuple-element":
            return None
        index = re.search(r"index=(\d+)", instruction.attributes)
        start = self.computations[caller].get(loop.operands[0])
        if index is None or start is None or start.opcode != "tuple":
            return None
        source = self.computations[caller].get(start.operands[int(index.group(1))])
        while source is not None and source.opcode in _FORWARDED:
            source = self.computations[caller].get(source.operands[0])
        return _integer(source) if source is not None and source.opcode == "constant" else None


def _integer(constant: Instruction) -> int | None:
    return int(constant.arguments) if constant.arguments.lstrip("-").isdigit() else None


def _parse_instruction(line: str) -> Instruction | None:
    head = _INSTRUCTION.match(line)
    if head is None:
        return None
    rest = line[head.end() :]
    end = _balanced(rest, 0) if rest.startswith("(") else rest.find(" ")
    shape, rest = rest[:end], rest[end:].lstrip()
    opening = rest.find("(")
    if opening < 0:
        return None
    closing = _balanced(rest, opening)
    arguments = rest[opening + 1 : closing - 1]
    return Instruction(
        name=head.group(2),
        shape=shape,
        opcode=rest[:opening],
        operands=tuple(_NAME.findall(arguments)),
        arguments=arguments.strip(),
        attributes=rest[closing:],
        is_root=bool(head.group(1)),
    )


def _balanced(text: str, opening: int) -> int:
    """Return the position after the parenthesis that closes the one at ``opening``."""
    depth = 0
    for position in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return position + 1
    raise ValueError(f"unbalanced parentheses in {text[:80]!r}")
