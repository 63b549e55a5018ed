"""Count what a compiled program does in one step, loops multiplied by their trip counts.

XLA's own ``cost_analysis()`` counts the body of a loop once: a scan over 12 layers reports a
twelfth. Here the text of the compiled program is walked from its entry, and what lies in a loop
counts as often as the loop runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from wiseft_jax.planning.counts import COLLECTIVE_KINDS, Collective, Counts, merge_collectives
from wiseft_jax.planning.hlo_loops import trip_count
from wiseft_jax.planning.hlo_text import (
    ArrayShape,
    Computation,
    Instruction,
    Module,
    parse_arrays,
    tuple_elements,
)

_FREE = {
    "parameter", "constant", "iota", "tuple", "get-tuple-element", "bitcast", "while",
    "conditional", "call", "after-all", "add-dependency", "opt-barrier", "partition-id",
    "replica-id", "domain", "call-start", "async-start", "async-update",
}  # fmt: skip
"""Instructions that move nothing themselves; what loops and calls contain is counted there."""

_MESH_GROUPS = r"replica_groups=mesh\[([^\]]*)\](?:,\s*device_ids=\([^{]*\))?\s*\{([^}]*)\}"
"""Axes of a mesh, in whatever order its devices are, and then those that a group spans."""

_WINDOW = {"size": "1", "stride": "1", "pad": "0_0", "lhs_dilate": "1", "rhs_dilate": "1"}


def count_program(text: str, num_devices: int, taken: float = 1.0) -> Counts:
    """Return what one device does in one run of a compiled program.

    Bytes are those that an instruction outside of fusions reads from and writes to the main memory:
    whole operands and results, of slices and updates only the part; what stays in on-chip memory
    (TPU layouts say so) is free.

    Args:
      text: ``compiled.as_text()``.
      num_devices: How many devices run it; the group of a collective that names none.
      taken: The share of the times that the dearer branch of a conditional is taken, the other
        branches share the rest. A sweep skips the alphas beyond its last by such a conditional.
    """
    return _Walk(Module.parse(text), num_devices, taken).run()


def largest_arrays(text: str, number: int = 5) -> list[tuple[str, int]]:
    """Return ``(array, bytes)`` of the largest distinct shapes in main memory, without padding.

    Args:
      text: ``compiled.as_text()``.
      number: How many.
    """
    sizes: dict[str, int] = {}
    module = Module.parse(text)
    fused = {
        name
        for computation in module.computations.values()
        for each in computation.values()
        if each.opcode == "fusion"
        for name in each.called("calls")
    }
    for name, computation in module.computations.items():
        if name in fused:
            continue
        for each in computation.values():
            for array in each.arrays:
                if array.space == 0 and array.dims:
                    listed = ",".join(map(str, array.dims))
                    sizes[f"{array.dtype}[{listed}]"] = array.num_bytes
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:number]


class _Walk:
    def __init__(self, module: Module, num_devices: int, taken: float):
        self.module = module
        self.num_devices = num_devices
        self.taken = taken
        self.unknown: list[str] = []
        self.collectives: list[Collective] = []
        self.fused_flops: dict[str, float] = {}
        self.visited: set[str] = set()

    def run(self) -> Counts:
        """Return the counts of the whole program.

        Raises:
          ValueError: If a collective lies where the walk doesn't come by.
        """
        flops, num_bytes = self._visit(self.module.entry, 1.0, collect=True)
        for name in self.module.computations.keys() - self.visited:
            for each in self.module.computations[name].values():
                if each.opcode.removesuffix("-start") in COLLECTIVE_KINDS:
                    raise ValueError(
                        f"{each.name} ({each.opcode}) lies in the computation {name}, whose caller"
                        " isn't known, so it can't be counted; another version of the compiler may"
                        " call computations in a new way"
                    )
        collectives = merge_collectives(self.collectives)
        return Counts(flops, num_bytes, collectives, tuple(dict.fromkeys(self.unknown)))

    def _visit(self, name: str, times: float, *, collect: bool) -> tuple[float, float]:
        """Return (FLOPs, bytes) of one run; record collectives, ``times`` over."""
        computation = self.module.computations[name]
        self.visited.add(name)
        flops = num_bytes = 0.0
        seen: set[str] = set()
        for each in computation.values():
            parts: list[tuple[str, float]] = []
            if each.opcode == "while":
                trips = trip_count(self.module, name, each)
                if trips is None and collect:
                    self.unknown.append(each.name)
                parts = [(body, trips or 1) for body in each.called("body")]
            elif each.opcode == "conditional":
                parts = self._branches(each)
            elif each.opcode in ("call", "call-start"):
                # TPU7x runs collectives on its SparseCores by calls that it waits for later.
                parts = [(callee, 1.0) for callee in each.called("to_apply")]
            elif each.opcode == "async-start":
                parts = [(callee, 1.0) for callee in each.called("calls")]
            for callee, share in parts:
                inner = self._visit(callee, times * share, collect=collect)
                flops += share * inner[0]
                num_bytes += share * inner[1]
            flops += self._flops(name, each)
            num_bytes += self._bytes(computation, each)
            if collect:
                self._collect(name, each, times, seen)
        return flops, num_bytes

    def _branches(self, each: Instruction) -> list[tuple[str, float]]:
        names = each.called("branch_computations") or (
            *each.called("true_computation"),
            *each.called("false_computation"),
        )
        costs = {name: self._visit(name, 1.0, collect=False) for name in names}
        dear = max(names, key=lambda name: costs[name])
        rest = (1.0 - self.taken) / max(len(names) - 1, 1)
        return [(name, self.taken if name == dear else rest) for name in names]

    def _flops(self, name: str, each: Instruction) -> float:
        if each.opcode in ("dot", "convolution"):
            return _product_flops(self.module.computations[name], each)
        if each.opcode == "fusion":
            return self._fused_flops(each.called("calls")[0])
        return 0.0

    def _fused_flops(self, name: str) -> float:
        if name not in self.fused_flops:
            computation = self.module.computations[name]
            self.fused_flops[name] = sum(self._flops(name, each) for each in computation.values())
        return self.fused_flops[name]

    def _bytes(self, computation: Computation, each: Instruction) -> float:
        if each.opcode in _FREE or each.opcode.endswith("-done"):
            return 0.0
        operands = [computation[name] for name in each.operands if name in computation]
        if each.opcode == "slice-start":  # a part fetched ahead, often into on-chip memory
            (part, *_) = parse_arrays(tuple_elements(each.shape)[1])
            ends = (bool(_main_memory(operands[0].arrays)), part.space == 0)
            return float(sum(ends) * part.num_bytes)
        if each.opcode in ("dynamic-slice", "slice", "gather"):
            return 2.0 * _main_memory(each.arrays)
        if each.opcode in ("dynamic-update-slice", "scatter"):
            return 2.0 * _main_memory(operands[-1 if each.opcode == "scatter" else 1].arrays)
        if each.opcode == "fusion":
            fused = each.called("calls")[0]
            read = sum(
                self._read(fused, index, operand.arrays) for index, operand in enumerate(operands)
            )
            return read + self._written(fused, each.arrays)
        if each.opcode.removesuffix("-start") in COLLECTIVE_KINDS:
            made = _collective_result(each)
        else:
            made = each.arrays[:1] if each.opcode.endswith("-start") else each.arrays
        return float(sum(_main_memory(each.arrays) for each in operands) + _main_memory(made))

    def _read(self, fused: str, index: int, arrays: tuple[ArrayShape, ...]) -> float:
        """Return the bytes that a fusion reads of one operand: the slices, if it only slices."""
        whole = _main_memory(arrays)
        if not whole:
            return 0.0
        computation = self.module.computations[fused]
        parameter = next(
            (
                each.name
                for each in computation.values()
                if each.opcode == "parameter" and each.arguments == str(index)
            ),
            None,
        )
        read = 0.0
        for each in computation.values():
            if parameter not in each.operands:
                continue
            first = each.operands[0] == parameter
            if each.opcode == "dynamic-slice" and first:
                read += sum(array.num_bytes for array in each.arrays)
            elif each.opcode == "fusion":
                inner = each.called("calls")[0]
                read += self._read(inner, each.operands.index(str(parameter)), arrays)
            elif not (each.opcode == "dynamic-update-slice" and first):
                return float(whole)
        return min(read, float(whole))

    def _written(self, fused: str, arrays: tuple[ArrayShape, ...]) -> float:
        """Return the bytes that a fusion writes: the update alone, if it updates in place."""
        computation = self.module.computations[fused]
        roots = [self.module.root(fused)]
        if roots[0].opcode == "tuple":
            roots = [computation[name] for name in roots[0].operands]
        written = 0.0
        for root, array in zip(roots, arrays, strict=False):
            while root.opcode == "bitcast":
                root = computation[root.operands[0]]
            if array.space:
                continue
            if root.opcode == "dynamic-update-slice":
                update = computation[root.operands[1]]
                written += sum(each.num_bytes for each in update.arrays)
            else:
                written += array.num_bytes
        return written

    def _collect(self, name: str, each: Instruction, times: float, seen: set[str]) -> None:
        """Record a collective, once however many fusions of an asynchronous one show it."""
        for instruction, inside in self._with_fused(name, each):
            kind = instruction.opcode.removesuffix("-start")
            if kind not in COLLECTIVE_KINDS:
                continue
            channel = re.search(r"channel_id=(\d+)", instruction.attributes)
            key = channel.group(1) if channel else instruction.name
            if key in seen:
                continue
            seen.add(key)
            made = sum(array.num_bytes for array in _collective_result(instruction))
            size = _group_size(instruction.attributes) or self.num_devices
            if kind == "all-reduce" and "all-reduce-scatter" in inside:
                kind = "reduce-scatter"  # a fusion of an all-reduce and the slice of each device
            elif kind in ("reduce-scatter", "all-to-all"):
                made *= size
            self.collectives.append(Collective(kind, made, size, times))  # type: ignore[arg-type]

    def _with_fused(self, name: str, each: Instruction) -> Iterator[tuple[Instruction, str]]:
        yield each, name
        if each.opcode == "fusion":
            callee = each.called("calls")[0]
            self.visited.add(callee)
            for inner in self.module.computations[callee].values():
                yield from self._with_fused(callee, inner)


def _main_memory(arrays: tuple[ArrayShape, ...]) -> int:
    return sum(array.num_bytes for array in arrays if array.space == 0)


def _collective_result(each: Instruction) -> tuple[ArrayShape, ...]:
    """Return the arrays that a collective ends with.

    The start of an asynchronous one makes ``(operands, results, ...)``; only that of an all-reduce
    makes its results alone.
    """
    elements = tuple_elements(each.shape)
    if each.opcode.endswith("-start") and each.opcode != "all-reduce-start" and len(elements) > 1:
        return tuple(parse_arrays(elements[1]))
    return each.arrays


def _group_size(attributes: str) -> int:
    """Return how many devices form a group, 0 if none are named: XLA writes groups in three ways.

    Raises:
      ValueError: If groups are named in another way.
    """
    groups = re.search(r"replica_groups=\{\{([\d,]*)\}", attributes)
    if groups:
        return len(groups.group(1).split(","))
    groups = re.search(r"replica_groups=\[\d+,(\d+)\]<=", attributes)
    if groups:
        return int(groups.group(1))
    groups = re.search(_MESH_GROUPS, attributes)
    if groups:
        sizes = dict(re.findall(r"'([^']+)'=(\d+)", groups.group(1)))
        return math.prod(int(sizes[axis]) for axis in re.findall(r"'([^']+)'", groups.group(2)))
    if "replica_groups=" in attributes and "replica_groups={}" not in attributes:
        start = attributes.index("replica_groups=")
        raise ValueError(f"groups of devices in an unknown form: {attributes[start : start + 120]}")
    return 0


def _product_flops(computation: Computation, each: Instruction) -> float:
    (out,) = each.arrays
    left = computation[each.operands[0]].arrays[0]
    if each.opcode == "dot":
        contracted = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", each.attributes)
        dims = contracted.group(1).split(",") if contracted else []
        return 2.0 * math.prod(out.dims) * math.prod(left.dims[int(d)] for d in dims if d)
    right = computation[each.operands[1]].arrays[0]
    return _convolution_flops(each.attributes, left.dims, right.dims, out.dims)


def _convolution_flops(
    attributes: str, left: tuple[int, ...], right: tuple[int, ...], out: tuple[int, ...]
) -> float:
    """Return 2 x the multiplications of a convolution; padding and dilation multiply nothing.

    XLA for TPUs writes batched matrix products as convolutions over a dilated dimension, in which
    most positions are empty.
    """
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", attributes)
    if labels is None:
        raise ValueError(f"convolution without dim_labels: {attributes[:120]}")
    lhs, rhs, made = labels.groups()
    window = re.search(r"window=\{([^}]*)\}", attributes)
    given = dict(item.split("=") for item in window.group(1).split()) if window else {}
    fields = {key: given.get(key) for key in _WINDOW}
    pairs = 1.0
    for axis in range(sum(label.isdigit() for label in made)):
        sizes = {
            key: (value.split("x")[axis] if value else _WINDOW[key])
            for key, value in fields.items()
        }
        label = str(axis)
        pairs *= _valid_pairs(
            left[lhs.index(label)],
            right[rhs.index(label)],
            out[made.index(label)],
            {key: value for key, value in sizes.items() if key != "size"},
        )
    groups = {
        key: int(found.group(1)) if (found := re.search(rf"{key}=(\d+)", attributes)) else 1
        for key in ("feature_group_count", "batch_group_count")
    }
    depth = left[lhs.index("f")] // groups["feature_group_count"]
    batch = left[lhs.index("b")] // groups["batch_group_count"]
    return 2.0 * batch * depth * out[made.index("f")] * pairs


def _valid_pairs(length: int, kernel: int, out: int, window: dict[str, str]) -> int:
    """Return how many (output, kernel) positions meet an element of the input, not a hole."""
    stride, spread = int(window["stride"]), int(window["lhs_dilate"])
    step, low = int(window["rhs_dilate"]), int(window["pad"].split("_")[0])
    end = (length - 1) * spread
    return sum(
        1
        for o in range(out)
        for k in range(kernel)
        if 0 <= (place := o * stride + k * step - low) <= end and place % spread == 0
    )
