"""Measure one batch at every alpha: how many alphas at once, and how many images a batch.

Random weights and images (time doesn't depend on them), transformers' tower, the package's own
compiled step; the baseline calls a compiled function once for each alpha. Variants take turns, so
that whatever else the machine does hurts all of them alike; compare ratios. Prints JSON.

    python scripts/bench_sweep_chunk.py --width 192 --layers 4 --image-size 32 --patch-size 4
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from wiseft_jax.clip.classifier import Classifier, make_classifier
from wiseft_jax.clip.load import Clip, make_tower
from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.trees import count_parameters
from wiseft_jax.core.typing import Params
from wiseft_jax.evaluation.engine import (
    EngineConfig,
    compiled_step,
    padded_alphas,
    summarise,
)
from wiseft_jax.weights.interpolate import lerp

Run = Callable[[dict[str, Any]], Any]
SIZES = {
    "width": 192,
    "layers": 4,
    "image-size": 32,
    "patch-size": 4,
    "classes": 10,
    "alphas": 11,
    "images": 256,
    "repeats": 5,
}


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--chunks", type=int, nargs="+", default=[1, 4, 11])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 128, 256])
    return parser.parse_args()


def random_classifier(args: argparse.Namespace) -> tuple[Classifier, Params, Params]:
    """Return a classifier of the asked size and two random ends."""
    from transformers import CLIPConfig

    config = CLIPConfig(
        text_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1},
        vision_config={
            "hidden_size": args.width,
            "intermediate_size": 4 * args.width,
            "num_hidden_layers": args.layers,
            "num_attention_heads": args.width // 64,
            "image_size": args.image_size,
            "patch_size": args.patch_size,
        },
        projection_dim=args.width,
    )
    rng = np.random.default_rng(0)

    def fill(leaf: Any) -> np.ndarray:
        scale = 1 / np.sqrt(leaf.shape[0]) if leaf.ndim > 1 else 1.0
        return (scale * rng.standard_normal(leaf.shape)).astype(np.float32)

    tower = make_tower(config)
    params = jax.tree_util.tree_map(fill, tower.template())
    preprocess = Preprocess(args.image_size, args.image_size)
    tokenizer: Any = None
    clip = Clip(params, config, tower, tokenizer, preprocess, "random")
    names = tuple(f"class {index}" for index in range(args.classes))
    head = {"kernel": np.zeros((args.width, args.classes)), "bias": np.zeros(args.classes)}
    encoder = {name: params[name] for name in ("vision_model", "visual_projection")}
    theta_0 = jax.tree_util.tree_map(fill, {"encoder": encoder, "head": head})
    theta_1 = jax.tree_util.tree_map(fill, theta_0)
    return make_classifier(clip, names, ("{}",)), theta_0, theta_1


def looped_calls(classifier: Classifier, ends: Any, alphas: tuple[float, ...]) -> Run:
    """Return the baseline: one call of a compiled function for each alpha."""

    @jax.jit
    def one(ends: Any, alpha: Any, image: Any) -> Any:
        return summarise(classifier.logits(lerp(ends[0], ends[1], alpha), image), False)

    return lambda batch: [one(ends, np.float32(alpha), batch["image"]) for alpha in alphas]


def one_call(
    classifier: Classifier, ends: Any, alphas: tuple[float, ...], batch_size: int, chunk: int
) -> Run:
    """Return the package's step: all alphas in one call, ``chunk`` at once."""
    config = EngineConfig.resolve(ends[0], batch_size=batch_size, chunk_size=chunk)
    step, groups = compiled_step(classifier, config), padded_alphas(alphas, chunk)
    return lambda batch: [step(*ends, padded, count, batch) for padded, count in groups]


def measure(run: Run, images: np.ndarray, batch_size: int) -> tuple[float, float]:
    """Return the wall-clock and CPU seconds of all images, batch by batch."""
    wall, cpu = time.perf_counter(), time.process_time()
    index, mask = np.arange(batch_size, dtype=np.int32), np.ones(batch_size, bool)
    for low in range(0, len(images), batch_size):
        image = images[low : low + batch_size]
        jax.block_until_ready(run({"image": image, "index": index, "mask": mask}))
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Run the benchmark."""
    args = parse()
    classifier, theta_0, theta_1 = random_classifier(args)
    ends = Layout.of(None).place((theta_0, theta_1))
    alphas = tuple(float(alpha) for alpha in np.linspace(0, 1, args.alphas))
    shape = (args.images, args.image_size, args.image_size, 3)
    images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    runs: dict[str, tuple[int, Run]] = {}
    for size in args.batch_sizes:
        runs[f"batch {size}, a call each"] = size, looped_calls(classifier, ends, alphas)
        for chunk in args.chunks:
            run = one_call(classifier, ends, alphas, size, chunk)
            runs[f"batch {size}, chunk {chunk}"] = size, run
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for repeat in range(args.repeats + 1):
        for name, (size, run) in runs.items():
            measured = measure(run, images, size)
            if repeat:  # the first turn compiles
                times[name].append(measured)
    medians = {
        name: [statistics.median(column) for column in zip(*values, strict=True)]
        for name, values in times.items()
    }
    reference = next(iter(medians.values()))[1]
    report = {
        "device": str(jax.devices()[0]),
        "parameters": count_parameters(theta_0),
        **vars(args),
        "results": {
            name: {
                "wall_secs": round(wall, 3),
                "cpu_secs": round(cpu, 3),
                "cpu_ratio": round(cpu / reference, 3),
            }
            for name, (wall, cpu) in medians.items()
        },
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
