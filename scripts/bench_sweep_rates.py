"""Measure how near the sweep comes to the device's own matrix products, and whether it waits.

The sweep's rate: FLOPs of its matrix products and convolutions (counted in the trace, merging not
among them) a second, over random images that lie on the device, beside the best rate of plain
matrix products in the same precision. Decoding's: JPEG files of 500 x 375 through the package's
pipeline. And the sweep of those files, as a user runs it, which should take as long as the slower
of the two.

Weights and matrices are random normal ones; on cards that are bound by power other values may give
another rate. Measurements take turns; medians are compared.
Goal on an H200, ViT-B/16 and L/14 in bfloat16: a share of at least 0.6. Prints JSON.

    python scripts/bench_sweep_rates.py --model ViT-B/16 --dtype bfloat16 --batch-size 256
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import bench_pipeline
from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.trees import count_parameters
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.engine import EngineConfig, compiled_step, padded_alphas
from wiseft_jax.evaluation.evaluator import evaluate_alphas
from wiseft_jax.experiment import ModelConfig
from wiseft_jax.planning.jaxpr import count_jaxpr
from wiseft_jax.planning.model import abstract_classifier

Run = Callable[[], float]
"""Works once; returns the wall-clock seconds."""

PRODUCTS_A_CALL = 8
SIZES = {"cpu": (1024, 2048), "other": (4096, 8192, 16384)}
"""Rows and columns of the plain products; the best rate counts."""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="ViT-B/16", help="glyphclip, or a published size")
    parser.add_argument("--tower", choices=("scan", "transformers"), default="scan")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--chunk-size", type=int, default=1, help="alphas at once")
    defaults = {"batch-size": 256, "alphas": 11, "classes": 1000, "repeats": 5, "jpegs": 1024}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", type=int, default=cores, help="that decode")
    return parser.parse_args(argv)


def products(size: int, dtype: str) -> Run:
    """Return the timing of products of two square matrices, each fed with the one before."""
    rng = np.random.default_rng(0)
    left, right = (jnp.asarray(rng.normal(size=(size, size)), dtype) for _ in range(2))

    @jax.jit
    def chain(left: Any, right: Any) -> Any:
        def once(_: Any, left: Any) -> Any:
            product = jnp.matmul(left, right, preferred_element_type=jnp.float32)
            return (product / size**0.5).astype(left.dtype)

        return jax.lax.fori_loop(0, PRODUCTS_A_CALL, once, left)

    return lambda: timed(lambda: jax.block_until_ready(chain(left, right)))


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What is measured of the sweep.

    Attributes:
      step: The timing of one batch, on the devices, at every alpha.
      files: The timing of a dataset from its files, by dataset.
      flops: Of one batch.
      parameters: Of the model.
      pixels: Along a side of an image.
    """

    step: Run
    files: Callable[[Dataset], Run]
    flops: float
    parameters: int
    pixels: int


def make_sweep(args: argparse.Namespace) -> Sweep:
    """Return what is measured of the sweep of a model with random weights."""
    config = ModelConfig(name=args.model, tower=args.tower, compute_dtype=args.dtype)
    classifier, shapes = abstract_classifier(config, args.classes)
    rng = np.random.default_rng(0)

    def fill(leaf: Any) -> np.ndarray:
        scale = leaf.shape[-2] ** -0.5 if len(leaf.shape) > 1 else 1.0
        return (scale * rng.standard_normal(leaf.shape)).astype(np.float32)

    layout = Layout.of(None)
    ends = [layout.place(jax.tree_util.tree_map(fill, shapes)) for _ in range(2)]
    engine = EngineConfig.resolve(
        ends[0],
        batch_size=args.batch_size,
        chunk_size=args.chunk_size,
        mesh=layout,
        num_threads=args.threads,
    )
    step, size = compiled_step(classifier, engine), engine.batch_size
    pixels = classifier.preprocess.size
    batch = jax.device_put(
        {
            "image": rng.integers(0, 256, (size, pixels, pixels, 3), np.uint8),
            "index": np.arange(size, dtype=np.int32),
            "mask": np.ones(size, bool),
        }
    )
    alphas_asked = tuple(np.linspace(0, 1, args.alphas).tolist())
    groups = padded_alphas(alphas_asked, args.chunk_size)
    flops = sum(
        count_jaxpr(
            step.trace(*ends, alphas, count, batch).jaxpr,
            -(-count // args.chunk_size) / alphas.shape[0],
        ).flops
        for alphas, count in groups
    )

    def run() -> None:
        for alphas, count in groups:
            jax.block_until_ready(step(*ends, alphas, count, batch))

    def files(dataset: Dataset) -> Run:
        found = dataclasses.replace(classifier, class_names=dataset.class_names)
        return lambda: timed(
            lambda: evaluate_alphas(found, ends[0], ends[1], dataset, alphas_asked, engine)
        )

    return Sweep(lambda: timed(run), files, flops, count_parameters(ends[0]), pixels)


def decoding(args: argparse.Namespace, dataset: Dataset, size: int) -> Run:
    """Return the timing of reading and decoding images into batches."""

    def run() -> None:
        options = {"batch_size": args.batch_size, "num_threads": args.threads}
        with eval_batches(dataset, Preprocess(size, size), **options) as batches:
            for _ in batches:
                pass

    return lambda: timed(run)


def timed(run: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    args = parse(argv)
    device = jax.devices()[0]
    sweep = make_sweep(args)
    sizes = SIZES.get(device.platform, SIZES["other"])
    runs = {f"products of {size}": products(size, args.dtype) for size in sizes}
    runs["sweep"] = sweep.step
    with tempfile.TemporaryDirectory() as directory:
        jpegs = bench_pipeline.write_jpegs(Path(directory)).subset(np.arange(args.jpegs))
        names = tuple(f"class {index}" for index in range(args.classes))
        jpegs = dataclasses.replace(jpegs, class_names=names)
        runs["decoding"] = decoding(args, jpegs, sweep.pixels)
        runs["sweep of files"] = sweep.files(jpegs)
        for run in runs.values():
            run()  # compiles
        times = {name: [] for name in runs}
        for _ in range(args.repeats):
            for name, run in runs.items():
                times[name].append(run())
    medians = {name: statistics.median(values) for name, values in times.items()}
    rates = {size: PRODUCTS_A_CALL * 2 * size**3 / medians[f"products of {size}"] for size in sizes}
    best, own = max(rates.values()), sweep.flops / medians["sweep"]
    swept, decoded = args.batch_size / medians["sweep"], args.jpegs / medians["decoding"]
    report = {
        "device": f"{device.platform}: {device.device_kind}",
        "machine": bench_pipeline.machine(),
        "jax": jax.__version__,
        "parameters": sweep.parameters,
        **vars(args),
        "product_tflops_per_sec": {
            str(size): round(rate / 1e12, 4) for size, rate in rates.items()
        },
        "sweep_tflops_per_sec": round(own / 1e12, 4),
        "sweep_share_of_products": round(own / best, 3),
        "sweep_images_per_sec": round(swept, 2),
        "decoded_images_per_sec": round(decoded, 1),
        "swept_files_per_sec": round(args.jpegs / medians["sweep of files"], 2),
        "bound_by": "decoding" if decoded < swept else "matrix products",
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
