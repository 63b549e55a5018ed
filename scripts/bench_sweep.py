"""Time the sweep over alphas against the reference's way in PyTorch, side by side.

The same JPEG files, weights and threads for all: (a) PyTorch, transformers' CLIP: for each alpha
merge the state dict, load it, go over the files with a DataLoader, as the reference does; (b) each
back-end of ``sweep``, with both towers; (c) the continuous curve, with and without the direct
evaluation of what it isn't sure of. Each side is a process of its own, so that its peak memory is
its own; they take turns, so that whatever else the machine does hurts all alike. The two models are
made here: an encoder pre-trained for some steps on generated images, and fine-tuned for some more.

Writes a JSON list of rows, one for each side, dtype and number of alphas: ``name``, ``model``,
``dtype``, ``alphas``, ``exact`` (whether every count is that of a direct evaluation by design: all
but the curve alone), ``wall_s``, ``cpu_s`` (medians of the turns, compiling left out),
``peak_rss_mb`` (MiB), ``compile_s``, ``ratio_to_reference`` (wall time of PyTorch in float32 over
the row's, at the same number of alphas), ``max_count_difference`` (the largest difference in right
answers from PyTorch in float32 at any alpha). Compare ratios, and name the processor beside them:
PyTorch's float32 is slow on AMD. Needs PyTorch (extra ``dev``).

With ``--reference-alphas N`` PyTorch evaluates at most about N alphas of each grid, evenly spaced,
and its times are scaled up, which its row's name then says; its work is the same at each alpha.
Sides run in a group for each dtype, PyTorch in float32 in each: later ones are rows "(beside ...)".

    python scripts/bench_sweep.py --model small --json small.json --picture small.png
    python scripts/bench_sweep.py --model b32 --images 64 --reference-alphas 11 --json b32.json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.bench_sweep_picture import draw_times  # noqa: E402
from scripts.bench_sweep_sides import (  # noqa: E402
    CURVES,
    DTYPES,
    SETTINGS_FILE,
    TOWERS,
    methods,
)
from scripts.bench_train import VariantError, answer, processor, worker  # noqa: E402
from wiseft_jax.core.writers import write_text  # noqa: E402

MODELS = {"small": "small", "b32": "ViT-B/32"}
IMAGES, STEPS = {"small": 512, "b32": 64}, {"small": 20, "b32": 6}
REFERENCE = ("torch", "float32")
LATE_COMPILE = 0.1
"""Seconds of compiling within a turn from which on that is told."""

Side = tuple[str, str]
"""A name and a dtype."""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, default="small")
    parser.add_argument("--alphas", type=counts, default=[1, 11, 21, 101], metavar="N,N,...")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--images", type=int, help="by default 512 for small, 64 for b32")
    parser.add_argument("--batch-size", type=int, default=32, help="of all sides")
    parser.add_argument(
        "--loader-workers", type=int, default=0, help="processes that decode for PyTorch"
    )
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side")
    parser.add_argument("--steps", type=int, help="of fine-tuning; by default 20 and 6")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="pins to that many cores"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help="sides, as map-scan, or parts of their names, as curve; PyTorch's float32 always runs",
    )
    parser.add_argument("--reference-alphas", type=int, metavar="N", help="see above")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the rows too")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="where to draw the times")
    args = parser.parse_args(argv)
    args.images = args.images or IMAGES[args.model]
    args.steps = args.steps or STEPS[args.model]
    if args.images < args.batch_size:
        parser.error(f"--images: expected at least a batch, {args.batch_size}, found {args.images}")
    if args.reference_alphas is not None and args.reference_alphas < 2:
        parser.error(f"--reference-alphas: expected at least 2, found {args.reference_alphas}")
    return args


def counts(text: str) -> list[int]:
    """Return the numbers of alphas of ``1,11,21``.

    Raises:
      ValueError: If one is no number above 0.
    """
    found = sorted({int(part) for part in text.split(",")})
    if found[0] < 1:
        raise ValueError(text)
    return found


def chosen_sides(only: Sequence[str] | None, dtypes: Sequence[str]) -> dict[str, list[Side]]:
    """Return the sides that run together for each dtype; the reference is in each group.

    Raises:
      SystemExit: A name of ``only`` isn't one of a side or a part of one.
    """
    names = ["torch", *(f"{method}-{tower}" for method in methods() for tower in TOWERS)]
    known = {name: {name, *name.replace("+", "-").split("-")} for name in names}
    for name in only or ():
        if not any(name in parts for parts in known.values()):
            raise SystemExit(f"--only: {name!r} is none of {', '.join(names)}, or a part of one")
    wanted = [name for name in names if not only or known[name] & set(only)]
    return {
        dtype: [REFERENCE, *((name, dtype) for name in wanted if (name, dtype) != REFERENCE)]
        for dtype in dtypes
    }


def write_pair(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Write models and images in a process of its own, and return facts about them."""
    options = (MODELS[args.model], str(args.images), str(args.steps), str(folder))
    command = [sys.executable, "-m", "scripts.bench_sweep_pair", *options]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    settings = {"batch_size": args.batch_size, "loader_workers": args.loader_workers}
    (folder / SETTINGS_FILE).write_text(json.dumps(settings))
    return json.loads(done.stdout)


def too_large(side: Side, count: int, model_mebibytes: float) -> bool:
    """Return whether ``vmap`` would need more than half of the free memory for its copies."""
    if not side[0].startswith("vmap"):
        return False
    return count * model_mebibytes > free_mebibytes() / 2


def free_mebibytes() -> float:
    """Return the memory that new programs can have; infinite where the system doesn't say."""
    facts = Path("/proc/meminfo").read_text() if Path("/proc/meminfo").exists() else ""
    found = re.search(r"MemAvailable:\s+(\d+) kB", facts)
    return int(found[1]) / 1024 if found else math.inf


def timed_count(side: Side, count: int, limit: int | None) -> int:
    """Return how many alphas a side evaluates where so many are asked for.

    Where PyTorch is limited these are at most ``limit`` of the same grid, evenly spaced.
    """
    if side[0] != "torch" or limit is None or count <= limit:
        return count
    fits = (n for n in range(2, limit + 1) if (count - 1) % (n - 1) == 0)
    return max(fits, default=2)


@contextlib.contextmanager
def started(sides: Sequence[Side], folder: Path) -> Iterator[dict[Side, Any]]:
    """Yield the processes of the sides; one that can't start is told and left out."""
    with contextlib.ExitStack() as stack:
        processes = {}
        for name, dtype in sides:
            process = worker(name, dtype, folder, "scripts.bench_sweep_sides")
            processes[name, dtype] = stack.enter_context(process)
            try:
                answer(processes[name, dtype])
            except VariantError as error:
                tell_failure((name, dtype), error, processes)
        yield processes


def tell_failure(side: Side, error: Exception, processes: dict[Side, Any]) -> None:
    """Say that a side failed, and leave it out from here on.

    Raises:
      SystemExit: It is the reference.
    """
    processes.pop(side)
    print(f"{' '.join(side)}: {error}", file=sys.stderr)
    if side == REFERENCE:
        raise SystemExit(f"the reference failed: {error}")


def run_group(
    args: argparse.Namespace, sides: Sequence[Side], folder: Path, model_mebibytes: float
) -> dict[int, dict[Side, list[dict[str, Any]]]]:
    """Return all turns, by number of alphas and side.

    A side that fails is told, and left out from there on.
    """
    turns: dict[int, dict[Side, list[dict[str, Any]]]] = {count: {} for count in args.alphas}
    with started(sides, folder) as processes:
        for repeat in range(args.repeats):
            for count in args.alphas:
                for side in list(processes):
                    if too_large(side, count, model_mebibytes):
                        if repeat == 0:
                            print(f"{' '.join(side)}, {count} alphas: no memory", file=sys.stderr)
                        continue
                    number = timed_count(side, count, args.reference_alphas)
                    try:
                        found = answer(processes[side], number)
                    except VariantError as error:
                        tell_failure(side, error, processes)
                        continue
                    turns[count].setdefault(side, []).append(found)
                    tell_turn(side, count, found)
    return turns


def tell_turn(side: Side, count: int, found: dict[str, Any]) -> None:
    """Print a turn, and whether something was compiled in it."""
    late = found["late_compile"]
    note = f", {late:.1f} s of them compiling" if late > LATE_COMPILE else ""
    line = f"{' '.join(side)}, {count} alphas: {found['wall']:.2f} s, CPU {found['cpu']:.2f} s"
    print(f"{line}{note}", file=sys.stderr, flush=True)


def summary(
    model: str, count: int, turns: dict[Side, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return the rows of one number of alphas; of a curve and its exact form the name is one."""
    rows: list[dict[str, Any]] = []
    reference = turns[REFERENCE][-1]["correct"]
    for (name, dtype), found in turns.items():
        correct = found[-1]["correct"]
        scale = count / len(correct)
        wall, cpu = (statistics.median(turn[key] for turn in found) for key in ("wall", "cpu"))
        method, _, tower = name.partition("-")
        shown = f"curve-{tower}" if method in CURVES else name
        rows.append(
            {
                "name": shown if scale == 1 else f"{name} ({len(correct)} of {count} timed)",
                "model": model,
                "dtype": dtype,
                "alphas": count,
                "exact": method != "curve",
                "wall_s": wall * scale,
                "cpu_s": cpu * scale,
                "peak_rss_mb": max(turn["peak"] for turn in found),
                "compile_s": found[-1]["compile"],
                "ratio_to_reference": None,
                "max_count_difference": count_difference(correct, reference),
            }
        )
    for row in rows:
        row["ratio_to_reference"] = rows[0]["wall_s"] / row["wall_s"]
    return rows


def told_apart(rows: list[dict[str, Any]], dtype: str) -> list[dict[str, Any]]:
    """Return the rows of a later group with the name of its own runs of the reference changed."""
    return [
        row | {"name": f"{row['name']} (beside {dtype})"}
        if row["name"].startswith("torch") and row["dtype"] == REFERENCE[1]
        else row
        for row in rows
    ]


def count_difference(ours: Sequence[int], reference: Sequence[int]) -> int:
    """Return the largest difference at any alpha that both grids have.

    Raises:
      ValueError: If neither grid is a part of the other.
    """
    few, many = sorted((ours, reference), key=len)
    places = np.linspace(0, len(many) - 1, len(few))
    if (places % 1).any():
        raise ValueError(f"no grid of {len(few)} alphas is a part of one of {len(many)}")
    return int(np.max(np.abs(np.asarray(few) - np.asarray(many)[places.astype(int)])))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return a group's rows for reading, with ratios of CPU time and to PyTorch in bfloat16."""
    lines = [
        f"{'':34} alphas     wall s      CPU s   MiB compile s   ratio   (CPU) to bf16 difference"
    ]
    torch_rows = [row for row in rows if row["name"].startswith("torch")]
    baselines = {(row["alphas"], row["dtype"]): row for row in torch_rows}
    for row in rows:
        reference = baselines[row["alphas"], REFERENCE[1]]
        rounded = baselines.get((row["alphas"], "bfloat16"))
        exact = " exact" if row["exact"] and row["name"].startswith("curve") else ""
        lines.append(
            f"{row['name'] + exact + ' ' + row['dtype']:34} {row['alphas']:6d}"
            f" {row['wall_s']:10.2f} {row['cpu_s']:10.2f} {row['peak_rss_mb']:5.0f}"
            f" {row['compile_s']:9.1f} {row['ratio_to_reference']:6.2f}x"
            f" {reference['cpu_s'] / row['cpu_s']:6.2f}x"
            + (f" {rounded['wall_s'] / row['wall_s']:6.2f}x" if rounded else f" {'-':>7}")
            + f" {row['max_count_difference']:10d}"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Time all sides, and print JSON."""
    args = parse(argv)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    groups: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facts = write_pair(args, folder)
        setting = (
            f"{MODELS[args.model]}, {args.images} images in batches of {args.batch_size},"
            f" {args.threads} threads of {processor()}"
        )
        print(f"{setting}; {describe_pair(facts)}", file=sys.stderr, flush=True)
        for dtype, sides in chosen_sides(args.only, args.dtypes).items():
            turns = run_group(args, sides, folder, facts["model_mebibytes"])
            rows = [
                row for count in args.alphas for row in summary(args.model, count, turns[count])
            ]
            groups[dtype] = rows if not groups else told_apart(rows, dtype)
            everything = [row for rows in groups.values() for row in rows]
            print(f"{setting}\n{table(rows)}", file=sys.stderr, flush=True)
            if args.json:
                write_text(args.json, json.dumps(everything, indent=2) + "\n")
    if args.picture:
        draw_times(groups, args.picture, setting)
    print(json.dumps(everything, indent=2))


def describe_pair(facts: dict[str, Any]) -> str:
    """Return the facts about the two models in words."""
    distance, size = 100 * facts["relative_distance"], facts["model_mebibytes"]
    return f"an encoder of {size:.0f} MiB, moved by {distance:.2f} %"


if __name__ == "__main__":
    main()
