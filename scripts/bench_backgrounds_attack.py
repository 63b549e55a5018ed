"""Time the forward of foreground x background pairs: composed in the compiled step, or on the host.

Both ways answer the same pairs, in turns that alternate; ratios are of turns that follow each
other. Compiling isn't counted. Prints a JSON row for each way and model, with the hours that the
published set's 4,050 x 4,050 pairs would take at its rate, and appends it to ``--out``.

    python scripts/bench_backgrounds_attack.py --model small --rounds 20
    python scripts/bench_backgrounds_attack.py --model b32 --foregrounds 2 --backgrounds 8
    python scripts/bench_backgrounds_attack.py --model b32 --size 64

``b32`` is a ViT-B/32 of random weights, at its own 224 x 224 pixels or at ``--size``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from wiseft_jax.core.writers import JsonlWriter  # noqa: E402

MODELS = {"small": "glyphclip", "b32": "ViT-B/32"}
CLASSES = 9
PATCH = 32


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=MODELS, default="small")
    parser.add_argument(
        "--size", type=int, help="pixels a side, a multiple of 32; of b32 alone (default: 224)"
    )
    parser.add_argument("--foregrounds", type=int, default=8, help="in a forward pass")
    parser.add_argument("--backgrounds", type=int, default=32, help="in a forward pass")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each way")
    parser.add_argument("--out", type=Path, help="a JSON-lines file to append the rows to")
    args = parser.parse_args(argv)
    if min(args.foregrounds, args.backgrounds, args.rounds) < 1:
        parser.error("expected --foregrounds, --backgrounds and --rounds >= 1")
    if args.size is not None and args.model != "b32":
        parser.error("--size: the small model's is 32; give --model b32")
    if args.size is not None and (args.size < PATCH or args.size % PATCH):
        parser.error(f"--size: expected a multiple of {PATCH}, found {args.size}")
    return args


def make_predictor(model: str, size: int | None) -> Any:
    """Return a model with a random head; a ViT-B/32 of random weights, at any size."""
    from wiseft_jax.backgrounds.predictor import Predictor
    from wiseft_jax.clip.classifier import head_logits
    from wiseft_jax.clip.load import load_clip, make_tower, published_config
    from wiseft_jax.clip.towers import normalise_pixels
    from wiseft_jax.core.preprocess import Preprocess

    random = np.random.default_rng(0)
    keys = ("vision_model", "visual_projection")
    if model == "small":
        clip = load_clip(MODELS[model])
        tower, preprocess, width = clip.tower, clip.preprocess, clip.config.projection_dim
        encoder = {key: clip.params[key] for key in keys}
    else:
        import jax

        config = published_config(MODELS[model])
        side = size or config.vision_config.image_size
        config.vision_config.image_size = side
        tower, preprocess, width = make_tower(config), Preprocess(side, side), config.projection_dim
        encoder = jax.tree_util.tree_map(
            lambda leaf: random.normal(0, 0.02, leaf.shape).astype(np.float32),
            {key: tower.template()[key] for key in keys},
        )
    head = {
        "kernel": random.normal(size=(width, CLASSES)).astype(np.float32),
        "bias": np.zeros(CLASSES, np.float32),
    }

    def logits(params: Any, images: Any) -> Any:
        pixels = normalise_pixels(images, preprocess)
        return head_logits(params["head"], tower.image_features(params["encoder"], pixels))

    names = tuple(f"class {index}" for index in range(CLASSES))
    params = {"encoder": encoder, "head": head}
    return Predictor(model, "random head", "random", names, preprocess, logits, params)


def make_turns(args: argparse.Namespace) -> tuple[dict[str, Callable[[], np.ndarray]], int]:
    """Return both ways, compiled, each of ``foregrounds x backgrounds`` pairs, and the size."""
    import jax

    from wiseft_jax.backgrounds.attack import PairForward
    from wiseft_jax.backgrounds.attack_config import AttackConfig
    from wiseft_jax.backgrounds.composition import compose
    from wiseft_jax.core.mesh import make_mesh

    predictor = make_predictor(args.model, args.size)
    random, side = np.random.default_rng(1), predictor.preprocess.size
    shape = (side, side, 3)
    front = random.integers(0, 256, (args.foregrounds, *shape), np.uint8)
    back = random.integers(0, 256, (args.backgrounds, *shape), np.uint8)
    masks = random.random((args.foregrounds, side, side)) < 0.3
    config = AttackConfig(chunk_foregrounds=args.foregrounds, chunk_backgrounds=args.backgrounds)
    forward = PairForward(predictor, config, make_mesh(1))
    params = forward.place(predictor.params)
    block = (
        np.resize(front, (forward.block_rows, *shape)),
        np.resize(masks, (forward.block_rows, side, side)),
    )
    placed = tuple(forward.place(each) for each in block)
    rows = list(range(args.foregrounds))
    answers = jax.jit(predictor.answers)

    def fused() -> np.ndarray:
        return np.asarray(forward(params, placed, rows, forward.place(back), args.backgrounds))

    def on_host() -> np.ndarray:
        mixed = compose(front[:, None], masks[:, None], back[None], "mixed_rand")
        return np.asarray(answers(params, mixed.reshape(-1, *shape))).reshape(len(front), -1)

    return {"compiled": fused, "host": on_host}, side


def timed(turn: Callable[[], np.ndarray]) -> dict[str, float]:
    """Return the wall and CPU seconds of a turn."""
    wall, cpu = time.perf_counter(), time.process_time()
    turn()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def rows_of(
    args: argparse.Namespace, turns: dict[str, Callable[[], Any]], size: int
) -> list[dict[str, Any]]:
    """Time the ways in turn, and return a row for each."""
    from wiseft_jax.backgrounds.attack_summary import OFFICIAL_PAIRS

    found: dict[str, list[dict[str, float]]] = {name: [] for name in turns}
    for number in range(args.rounds):
        for name in list(turns)[:: 1 if number % 2 == 0 else -1]:
            found[name].append(timed(turns[name]))
    pairs = args.foregrounds * args.backgrounds
    made = []
    for name, times in found.items():
        ratios = [
            one["wall"] / host["wall"] for one, host in zip(times, found["host"], strict=True)
        ]
        wall = statistics.median(each["wall"] for each in times)
        made.append(
            {
                "name": name,
                "model": args.model,
                "size": size,
                "foregrounds": args.foregrounds,
                "backgrounds": args.backgrounds,
                "rounds": args.rounds,
                "wall_s": wall,
                "cpu_s": statistics.median(each["cpu"] for each in times),
                "pairs_per_sec": pairs / wall,
                "official_hours": OFFICIAL_PAIRS * wall / pairs / 3600,
                "ratio_to_host": statistics.median(ratios),
            }
        )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Time and print."""
    args = parse(argv)
    turns, size = make_turns(args)
    first = {name: turn() for name, turn in turns.items()}
    if (different := int((first["compiled"] != first["host"]).sum())) > 0:
        print(f"{different} of {first['host'].size} answers differ", file=sys.stderr)
    rows = rows_of(args, turns, size)
    for row in rows:
        print(json.dumps(row))
    if args.out is not None:
        with JsonlWriter(args.out) as log:
            for row in rows:
                log.write(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
