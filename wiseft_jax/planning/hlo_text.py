"""Read XLA's text of a compiled program: computations, instructions, shapes."""

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
