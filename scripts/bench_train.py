"""Time a fine-tuning step against PyTorch's, side by side: same weights, images and threads.

The package's own step (``training.step.make_train_step``, either tower) against transformers'
PyTorch CLIPModel: image tower and head, cross-entropy, clipping to norm 1, AdamW. Each variant is a
process of its own, so that its peak memory is its own. They start one after the other, each when
the one before has compiled and rests; then they take turns, a step or more at a time, so that
whatever else the machine does hurts all alike. Compare ratios, of CPU seconds where others use the
machine, and name the processor beside each: PyTorch's float32 is slow on AMD. On a GPU the share of
the matrix-product rate that JAX reaches there alone in bfloat16 (MFU) is given too, by the
operations of the model: what is computed twice to save memory counts once. Float32 products are
TF32 on a GPU, on both sides.

The first losses of all variants must agree; if not, the row and the exit status say so. A variant
that fails is a row with the error's first line, and larger batches aren't tried with it. All
variants of a row share a GPU's memory: to find the largest batch of one, give it alone. Prints
JSON; a file (``--out``) is written after each row. Needs PyTorch (extra ``dev``).

    python scripts/bench_train.py
    python scripts/bench_train.py --models ViT-B/16 ViT-L/14 --batch-sizes 64 128 256 512 \
        --variants torch-compile transformers scan --dtypes bfloat16 --steps 20
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import platform
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

from scripts.bench_train_sides import MEBIBYTE, step_flops, write_inputs  # noqa: E402
from wiseft_jax.clip.load import read_config  # noqa: E402
from wiseft_jax.core.writers import write_text  # noqa: E402

VARIANTS = ("torch", "torch-compile", "transformers", "scan", "scan-dots", "scan-full")
ROUNDING = {"float32": 2**-24, "TF32": 2**-11, "bfloat16": 2**-8}
"""The largest relative error of one rounding."""
LEAST_TOLERANCE = 1e-4


class VariantError(Exception):
    """A variant ended early; the message is the first line of its error."""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["ViT-B/32", "small"])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    default = ["torch", "transformers", "scan"]
    parser.add_argument("--variants", nargs="+", default=default, choices=VARIANTS)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32])
    parser.add_argument("--steps", type=int, default=1, help="steps in a turn")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each variant")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="pins to that many cores"
    )
    parser.add_argument("--out", type=Path, help="where to write the JSON too")
    return parser.parse_args(argv)


@contextlib.contextmanager
def worker(
    variant: str, dtype: str, folder: Path, module: str = "scripts.bench_train_sides"
) -> Iterator[Any]:
    """Yield a variant's process, of a module that takes turns; it ends with the block."""
    command = [sys.executable, "-m", module, variant, dtype, str(folder)]
    # By default JAX takes most of a GPU's memory, which the variants share.
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()  # type: ignore[union-attr]
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def answer(process: Any, steps: int | None = None) -> dict[str, Any]:
    """Return a worker's next line, after asking it for some steps.

    Raises:
      VariantError: It ended instead.
    """
    if steps is not None:
        with contextlib.suppress(BrokenPipeError):  # what it wrote last says why
            process.stdin.write(f"{steps}\n")
            process.stdin.flush()
    line = process.stdout.readline()
    found = json.loads(line) if line else {"failed": f"ended with exit code {process.wait()}"}
    if "failed" in found:
        raise VariantError(found["failed"])
    return found


def compare(
    args: argparse.Namespace, model: str, dtype: str, batch_size: int, failed: dict[str, int]
) -> dict[str, Any]:
    """Return the row of one model, all variants in turns.

    Args:
      args: The options.
      model: A published one, or ``small``.
      dtype: What is computed in.
      batch_size: Images in a step.
      failed: Variant -> the batch size at which it failed: not tried again. Added to.
    """
    rows = {v: {"failed": f"not tried: failed at {size}"} for v, size in failed.items()}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        write_inputs(model, batch_size, folder)
        config, workers, facts = read_config(folder), {}, {}
        turns: dict[str, list[dict[str, Any]]] = {}
        for repeat in range(args.repeats + 1):
            for variant in [v for v in args.variants if v not in rows]:
                try:
                    if repeat:
                        turns[variant].append(answer(workers[variant], args.steps))
                        continue
                    workers[variant] = stack.enter_context(worker(variant, dtype, folder))
                    facts[variant], turns[variant] = answer(workers[variant]), []
                except VariantError as error:
                    rows[variant], failed[variant] = {"failed": str(error)}, batch_size
    flops = step_flops(config, batch_size)
    rows |= {
        v: summary(turns[v], facts[v] | args.matmul, args.steps, flops, batch_size)
        for v in args.variants
        if v not in rows
    }
    add_speeds(rows)
    found = {"model": model, "dtype": dtype, "batch_size": batch_size}
    return found | agreement(rows, config.vision_config.num_hidden_layers) | {"variants": rows}


def add_speeds(rows: dict[str, dict[str, Any]]) -> None:
    """Add to each row its speed against PyTorch, of those that ran."""
    ran = {variant: row for variant, row in rows.items() if "failed" not in row}
    baseline = ran.get("torch") or ran.get("torch-compile")
    for row in ran.values() if baseline else ():
        for clock in ("wall", "cpu"):
            row[f"speed_against_torch_{clock}"] = (
                baseline[f"step_{clock}_secs"] / row[f"step_{clock}_secs"]  # type: ignore[index]
            )


def agreement(rows: dict[str, dict[str, Any]], layers: int) -> dict[str, Any]:
    """Return how far the first losses are apart, and whether that is rounding.

    A tower rounds the more often the more layers it has; the errors add up as random ones do.
    """
    ran = [row for row in rows.values() if "failed" not in row]
    if len(ran) < 2:
        return {}
    losses = np.array([row["losses"] for row in ran])
    apart = float(np.max(np.ptp(losses, axis=0) / np.min(np.abs(losses), axis=0)))
    rounding = max(ROUNDING[row["products"]] for row in ran)
    tolerance = max(LEAST_TOLERANCE, rounding * math.sqrt(layers))
    agree = apart <= tolerance  # not so if one isn't finite
    return {"losses_agree": agree, "losses_apart": apart, "losses_tolerance": tolerance}


def summary(
    turns: list[dict[str, Any]], facts: dict[str, Any], steps: int, flops: float, batch_size: int
) -> dict[str, Any]:
    """Return one variant's row: medians over its turns."""
    wall, cpu = (statistics.median(turn[key] / steps for turn in turns) for key in ("wall", "cpu"))
    row = {
        **facts,
        "step_wall_secs": wall,
        "step_cpu_secs": cpu,
        "best_step_cpu_secs": min(turn["cpu"] for turn in turns) / steps,
        "images_per_sec": batch_size / wall,
        "flops_per_sec": flops / wall,
        "peak_mebibytes": turns[-1]["peak_mebibytes"],
    }
    if turns[-1]["device_peak"]:
        row["device_peak_mebibytes"] = turns[-1]["device_peak"] / MEBIBYTE
    if "matmul_flops_per_sec" in facts:
        row["model_flops_utilisation"] = flops / wall / facts["matmul_flops_per_sec"]
    return row


def processor() -> str:
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main(argv: Sequence[str] | None = None) -> None:
    """Compare, and print JSON.

    Raises:
      SystemExit: Losses disagree, or a variant failed at its smallest batch.
    """
    args = parse(argv)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    with worker("matmul", "bfloat16", Path()) as process:
        args.matmul = answer(process)
    found = {"processor": processor(), "threads": args.threads, **args.matmul, "results": []}
    problems = []
    for model, dtype in itertools.product(args.models, args.dtypes):
        failed: dict[str, int] = {}
        for batch_size in sorted(args.batch_sizes):
            row = compare(args, model, dtype, batch_size, failed)
            found["results"].append(row)
            print(json.dumps(row, indent=2), file=sys.stderr, flush=True)
            if args.out:
                write_text(args.out, json.dumps(found, indent=2) + "\n")
            if not row.get("losses_agree", True):
                problems.append(f"{model}, {dtype}, batch {batch_size}: the losses disagree")
        never = [variant for variant, size in failed.items() if size == min(args.batch_sizes)]
        problems += [f"{model}, {dtype}: {variant} failed at every batch" for variant in never]
    print(json.dumps(found, indent=2))
    if problems:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
