"""Time a train step with each mixer against one without, interleaved in one process.

The package's own step (``training.step.make_train_step``), end to end: image tower and head,
cross-entropy, clipping, AdamW. All variants are compiled first, which isn't counted; then they take
turns, a step or more each, in an order that is turned round every time, so that whatever else the
machine does hurts all alike. Compare the ratios, each of two turns that follow each other: their
median over the rounds, with its 95 % interval (of order statistics), of wall and of CPU time. A
ratio of 1.03 is 3 % more. Prints a JSON row for each mixer, and appends it to ``--out``.

    python scripts/bench_mixing.py --model b32 --batch-size 64
    python scripts/bench_mixing.py --model small --batch-size 256 --mixers smoothmix --rounds 40
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from wiseft_jax.core.metrics import clopper_pearson  # noqa: E402
from wiseft_jax.core.writers import JsonlWriter  # noqa: E402
from wiseft_jax.mixing.config import MixingConfig  # noqa: E402
from wiseft_jax.training.config import TrainConfig  # noqa: E402

MODELS = {"small": "glyphclip", "b32": "ViT-B/32"}
MIXERS = ("cutout", "cutmix", "smoothmix", "mixup", "random_choice")
CLASSES = 100

Turn = Callable[[], dict[str, float]]
"""Run some steps, and say how long they took: ``wall`` and ``cpu`` seconds, and the last loss."""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=MODELS, default="small")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--mixers", nargs="+", choices=MIXERS, default=list(MIXERS))
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--steps", type=int, default=1, help="steps in a turn")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each variant")
    parser.add_argument("--out", type=Path, help="a JSON-lines file to append the rows to")
    args = parser.parse_args(argv)
    if min(args.batch_size - 1, args.steps, args.rounds) < 1:
        parser.error("expected --batch-size >= 2, --steps >= 1 and --rounds >= 1")
    return args


def problem(args: argparse.Namespace) -> dict[str, Any]:
    """Return the model, its parameters and a batch: seeded, and the same for all variants."""
    import jax
    import jax.numpy as jnp

    from wiseft_jax.clip.load import load_clip, make_tower, published_config
    from wiseft_jax.core.mesh import Layout, put_batch
    from wiseft_jax.core.preprocess import Preprocess

    random = np.random.default_rng(0)
    if args.model == "small":
        clip = load_clip("glyphclip", args.dtype)
        tower, preprocess = clip.tower, clip.preprocess
        encoder = {key: clip.params[key] for key in ("vision_model", "visual_projection")}
        width = clip.config.projection_dim
    else:
        config = published_config(MODELS[args.model])
        tower, preprocess = make_tower(config, args.dtype), Preprocess()
        shapes = tower.template()
        encoder = {
            key: jax.tree_util.tree_map(
                lambda leaf: random.normal(0, 0.02, leaf.shape).astype(np.float32), shapes[key]
            )
            for key in ("vision_model", "visual_projection")
        }
        width = config.projection_dim
    kernel = random.normal(size=(width, CLASSES)).astype(np.float32)
    head = {"kernel": 100 * kernel / np.linalg.norm(kernel, axis=0), "bias": jnp.zeros(CLASSES)}
    layout = Layout.of(None).for_training()
    count, size = args.batch_size, preprocess.size
    batch = {
        "image": random.integers(0, 256, (count, size, size, 3)).astype(np.uint8),
        "label": random.integers(0, CLASSES, count).astype(np.int32),
        "mask": np.ones(count, bool),
    }
    return {
        "tower": tower,
        "preprocess": preprocess,
        "theta": {"encoder": encoder, "head": jax.device_get(head)},
        "batch": put_batch(batch, layout.mesh),
        "layout": layout,
    }


def make_turn(args: argparse.Namespace, facts: dict[str, Any], mixer: str) -> Turn:
    """Return what takes a variant's turns; its step is compiled, and has run once, by then."""
    import jax

    from wiseft_jax.clip.classifier import head_logits
    from wiseft_jax.clip.towers import normalise_pixels
    from wiseft_jax.training.mixed_batch import make_mix
    from wiseft_jax.training.optimizer import make_optimizer, make_schedule
    from wiseft_jax.training.state import init_state
    from wiseft_jax.training.step import classification_loss, make_train_step

    preprocess, layout = facts["preprocess"], facts["layout"]
    config = TrainConfig(batch_size=args.batch_size, epochs=10_000, warmup_steps=0)
    plan = config.plan(args.batch_size, layout.mesh.size)
    optimizer = make_optimizer(config, plan)

    def logits(theta: Any, batch: dict[str, Any]) -> Any:
        pixels = normalise_pixels(batch["image"], preprocess)
        return head_logits(theta["head"], facts["tower"].image_features(theta["encoder"], pixels))

    mixing = MixingConfig(mixer)  # type: ignore[arg-type]
    mix = make_mix(mixing, preprocess, CLASSES, plan, layout, seed=0)
    loss = classification_loss(logits)
    step = make_train_step(loss, optimizer, make_schedule(config, plan), layout, mix=mix)
    state = init_state(facts["theta"], optimizer, layout)
    state, metrics = jax.block_until_ready(step(state, facts["batch"]))

    def turn() -> dict[str, float]:
        nonlocal state, metrics
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(args.steps):
            state, metrics = step(state, facts["batch"])
        jax.block_until_ready((state, metrics))
        taken = time.perf_counter() - wall, time.process_time() - cpu
        return {"wall": taken[0], "cpu": taken[1], "loss": float(metrics["loss"])}

    return turn


def interleaved(turns: dict[str, Turn], rounds: int) -> dict[str, list[dict[str, float]]]:
    """Return what each variant's turns took; in every second round the order is turned round."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in turns}
    for number in range(rounds):
        names = list(turns) if number % 2 == 0 else list(turns)[::-1]
        for name in names:
            found[name].append(turns[name]())
    return found


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return a 95 % interval of the median: order statistics, whatever the distribution.

    Of fewer than six values it is their range, which covers less.
    """
    ordered, n = sorted(values), len(values)
    # As few values as may lie below the median: the largest k that a binomial share allows.
    low = next(k for k in range(n // 2, -1, -1) if k == 0 or clopper_pearson(k, n)[1] <= 0.5)
    return ordered[low], ordered[n - 1 - low]


def row(
    args: argparse.Namespace, mixer: str, found: dict[str, list[dict[str, float]]]
) -> dict[str, Any]:
    """Return a mixer's row: ratios against the step without mixing, of the same round."""
    import jax

    plain, mixed = found["none"], found[mixer]
    result: dict[str, Any] = {
        "model": args.model,
        "batch_size": args.batch_size,
        "dtype": args.dtype,
        "mixer": mixer,
        "rounds": len(mixed),
        "steps": args.steps,
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
    }
    for clock in ("wall", "cpu"):
        ratios = [one[clock] / other[clock] for one, other in zip(mixed, plain, strict=True)]
        low, high = median_interval(ratios)
        result |= {
            f"{clock}_ratio": statistics.median(ratios),
            f"{clock}_ratio_low": low,
            f"{clock}_ratio_high": high,
            f"{clock}_step_secs": statistics.median(each[clock] for each in mixed) / args.steps,
            f"{clock}_plain_step_secs": statistics.median(each[clock] for each in plain)
            / args.steps,
        }
    return result | {"loss": mixed[-1]["loss"], "plain_loss": plain[-1]["loss"]}


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Time every mixer, print the rows, and return them."""
    args = parse(argv)
    facts = problem(args)
    turns = {name: make_turn(args, facts, name) for name in ("none", *args.mixers)}
    found = interleaved(turns, args.rounds)
    rows = [row(args, mixer, found) for mixer in args.mixers]
    for each in rows:
        print(json.dumps(each), flush=True)
    if args.out is not None:
        with JsonlWriter(args.out) as writer:
            for each in rows:
                writer.write(each)
    return rows


if __name__ == "__main__":
    main()
