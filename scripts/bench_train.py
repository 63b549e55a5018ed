"""Time a fine-tuning step against PyTorch's, side by side: same weights, images and threads.

The package's own step (``training.step.make_train_step``, either tower) against transformers'
PyTorch CLIPModel: image tower and head, cross-entropy, clipping to norm 1, AdamW. Each variant is a
process of its own, so that its peak memory is its own; they take turns, a step or more at a time,
so that whatever else the machine does hurts all alike. Compare ratios, of CPU seconds where others
use the machine, and name the processor beside each: PyTorch's float32 is slow on AMD. On a GPU the
share of the matrix-product rate that JAX reaches there in bfloat16 (MFU) is given too, with 3
forward passes' worth of operations in a step. Prints JSON. Needs PyTorch (extra ``dev``).

    python scripts/bench_train.py
    python scripts/bench_train.py --models ViT-B/16 ViT-L/14 --batch-sizes 64 128 256 512 \
        --variants torch-compile transformers scan --dtypes bfloat16 --steps 20
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = 100
LEARNING_RATE, WEIGHT_DECAY = 1e-5, 0.1
SMALL = {"width": 192, "layers": 6, "heads": 3, "image_size": 32, "patch_size": 4}
VARIANTS = ("torch", "torch-compile", "transformers", "scan", "scan-dots", "scan-full")
MEBIBYTE = 2**20

Advance = Callable[[int], float]
"""Runs some steps to their end and returns the last loss."""


def parse() -> argparse.Namespace:
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
    parser.add_argument("--worker", nargs=3, metavar=("VARIANT", "DTYPE", "FOLDER"))
    return parser.parse_args()


def small_config() -> Any:
    """Return the small model's configuration."""
    from wiseft_jax.clip.load import published_config

    config = published_config("ViT-B/32")
    vision, text = config.vision_config, config.text_config
    vision.hidden_size, vision.intermediate_size = SMALL["width"], 4 * SMALL["width"]
    vision.num_hidden_layers, vision.num_attention_heads = SMALL["layers"], SMALL["heads"]
    vision.image_size, vision.patch_size = SMALL["image_size"], SMALL["patch_size"]
    text.num_hidden_layers, text.vocab_size = 1, 1000
    return config


def write_inputs(model: str, batch_size: int, folder: Path) -> None:
    """Write what all variants start from: random weights of unit scale, a head, a batch."""
    from safetensors.numpy import save_file

    from wiseft_jax.clip.canonical import canonical_template
    from wiseft_jax.clip.convert import to_hf
    from wiseft_jax.clip.load import config_settings, published_config
    from wiseft_jax.core.trees import flatten_paths, unflatten_paths

    config = small_config() if model == "small" else published_config(model)
    random, leaves = np.random.default_rng(0), {}
    for path, leaf in flatten_paths(canonical_template(config)).items():
        values = random.standard_normal(leaf.shape, np.float32) * np.float32(0.02)
        if path.endswith("kernel"):
            values *= np.float32(50 / np.sqrt(np.prod(leaf.shape[:-1])))
        leaves[path] = values + np.float32(path.endswith("scale"))
    save_file(to_hf(unflatten_paths(leaves)), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config_settings(config)))
    size = config.vision_config.image_size
    np.savez(
        folder / "batch.npz",
        head=random.standard_normal((config.projection_dim, CLASSES), np.float32),
        image=random.integers(0, 256, (batch_size, size, size, 3), np.uint8),
        label=random.integers(0, CLASSES, batch_size).astype(np.int32),
    )


def step_flops(config: Any, batch_size: int) -> float:
    """Return the operations of the matrix products of a step: three forward passes."""
    vision = config.vision_config
    width, hidden = vision.hidden_size, vision.intermediate_size
    patches = (vision.image_size // vision.patch_size) ** 2
    tokens, per_token = patches + 1, 8 * width**2 + 4 * width * hidden
    layer = tokens * (per_token + 4 * tokens * width)
    embedding = 2 * patches * vision.patch_size**2 * vision.num_channels * width
    return 3.0 * batch_size * (vision.num_hidden_layers * layer + embedding)


def jax_variant(variant: str, dtype: str, folder: Path) -> tuple[Advance, dict[str, Any]]:
    """Return the package's step, compiled, and facts about it."""
    import jax

    from wiseft_jax.clip.canonical import canonical_template
    from wiseft_jax.clip.classifier import make_classifier
    from wiseft_jax.clip.convert import from_hf
    from wiseft_jax.clip.load import Clip, make_tower, read_config
    from wiseft_jax.clip.towers import VISION_KEYS
    from wiseft_jax.core.mesh import Layout, make_mesh, put_batch
    from wiseft_jax.core.preprocess import Preprocess
    from wiseft_jax.core.tensors import read_tensors
    from wiseft_jax.training.config import Plan, TrainConfig
    from wiseft_jax.training.optimizer import make_optimizer, make_schedule
    from wiseft_jax.training.state import init_state
    from wiseft_jax.training.step import make_train_step

    name, _, remat = variant.partition("-")
    config, batch = read_config(folder), dict(np.load(folder / "batch.npz"))
    tower = make_tower(config, dtype, name, remat or "none")
    params = from_hf(read_tensors(folder), canonical_template(config), str(folder))
    params = tower.from_canonical(params)
    size, tokenizer = config.vision_config.image_size, None
    clip = Clip(params, config, tower, tokenizer, Preprocess(size, size), "random")  # type: ignore
    names = tuple(f"class {index}" for index in range(CLASSES))
    head = {"kernel": batch.pop("head"), "bias": np.zeros(CLASSES, np.float32)}
    theta = {"encoder": {key: params[key] for key in VISION_KEYS}, "head": head}
    classifier = make_classifier(clip, names, ("{}",))
    settings = TrainConfig(learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY, clip_norm=1.0)
    plan = Plan(1, len(batch["label"]), 1_000_000, 0, ())
    optimizer, schedule = make_optimizer(settings, plan), make_schedule(settings, plan)
    layout = Layout.of(make_mesh(1))
    step = make_train_step(
        lambda params, batch: classifier.logits(params, batch["image"]), optimizer, schedule, layout
    )
    state = init_state(theta, optimizer, layout)
    batch = put_batch({**batch, "mask": np.ones(len(batch["label"]), bool)}, layout.mesh)
    start = time.perf_counter()
    compiled = step.lower(state, batch).compile()
    facts = {"compile_secs": time.perf_counter() - start, "device": jax.devices()[0].device_kind}
    memory = compiled.memory_analysis()
    if memory is not None:
        facts["temporary_mebibytes"] = memory.temp_size_in_bytes / MEBIBYTE
    if jax.default_backend() != "cpu":
        facts["matmul_flops_per_sec"] = measured_matmul_rate()

    def advance(steps: int) -> float:
        nonlocal state
        for _ in range(steps):
            state, metrics = compiled(state, batch)
        return float(metrics["loss"])  # waits for all of them

    def peak() -> int | None:
        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")

    return advance, {**facts, "device_peak": peak}


def measured_matmul_rate(size: int = 8192, repeats: int = 10) -> float:
    """Return the operations per second of a large bfloat16 product, here and now."""
    import jax
    import jax.numpy as jnp

    square = jnp.ones((size, size), jnp.bfloat16)
    product = jax.jit(lambda a, b: (a @ b) * jnp.bfloat16(1 / size))
    result = product(square, square).block_until_ready()
    start = time.perf_counter()
    for _ in range(repeats):
        result = product(result, square)
    result.block_until_ready()
    return 2 * size**3 * repeats / (time.perf_counter() - start)


def torch_variant(variant: str, dtype: str, folder: Path) -> tuple[Advance, dict[str, Any]]:
    """Return PyTorch's step (compiled, for ``torch-compile``), and facts about it."""
    import torch
    from transformers import CLIPModel

    from wiseft_jax.core.preprocess import OPENAI_MEAN, OPENAI_STD

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    arrays = np.load(folder / "batch.npz")
    model: Any = CLIPModel.from_pretrained(folder)
    model.to(device)
    head = torch.nn.Linear(*arrays["head"].shape).to(device)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(arrays["head"].T.copy()))
        head.bias.zero_()
    trained = [*model.vision_model.parameters(), *model.visual_projection.parameters()]
    trained += head.parameters()
    optimizer = torch.optim.AdamW(trained, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    images, labels = (torch.from_numpy(arrays[name]).to(device) for name in ("image", "label"))
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (OPENAI_MEAN, OPENAI_STD))

    def loss_fn() -> Any:
        pixels = (images.permute(0, 3, 1, 2).float() / 255 - mean) / std
        with torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16"):
            features = model.visual_projection(model.vision_model(pixels).pooler_output)
        features = torch.nn.functional.normalize(features.float(), dim=-1)
        return torch.nn.functional.cross_entropy(head(features), labels.long())

    call = torch.compile(loss_fn) if variant == "torch-compile" else loss_fn

    def advance(steps: int) -> float:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            loss = call()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
        return float(loss.detach())

    facts: dict[str, Any] = {"device": platform.processor() or "cpu"}
    if device == "cuda":
        facts = {
            "device": torch.cuda.get_device_name(),
            "device_peak": torch.cuda.max_memory_allocated,
        }
    return advance, facts


def work(variant: str, dtype: str, folder: Path) -> None:
    """Run one variant: a line of JSON for each line that is read, a number of steps."""
    make = torch_variant if variant.startswith("torch") else jax_variant
    advance, facts = make(variant, dtype, folder)
    peak = facts.pop("device_peak", lambda: None)
    start = time.perf_counter()
    losses = [advance(1)]
    facts["first_step_secs"] = time.perf_counter() - start
    losses += [advance(1) for _ in range(2)]
    print(json.dumps({**facts, "losses": losses}), flush=True)
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        advance(int(line))
        times = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE
        print(json.dumps({**times, "peak_mebibytes": own, "device_peak": peak()}), flush=True)


@contextlib.contextmanager
def worker(variant: str, dtype: str, folder: Path) -> Iterator[Any]:
    """Yield a variant's process; it ends with the block."""
    command = [sys.executable, __file__, "--worker", variant, dtype, str(folder)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process
    finally:
        process.stdin.close()  # type: ignore[union-attr]
        process.wait()


def answer(process: Any, steps: int | None = None) -> dict[str, Any]:
    """Return a worker's next line, after asking it for some steps."""
    if steps is not None:
        process.stdin.write(f"{steps}\n")
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"a variant ended early (exit code {process.wait()}): see above")
    return json.loads(line)


def compare(args: argparse.Namespace, model: str, dtype: str, batch_size: int) -> dict[str, Any]:
    """Return the times of all variants on one model, taken in turns."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        write_inputs(model, batch_size, folder)
        workers = {v: stack.enter_context(worker(v, dtype, folder)) for v in args.variants}
        facts = {variant: answer(process) for variant, process in workers.items()}
        turns: dict[str, list[dict[str, Any]]] = {variant: [] for variant in workers}
        for _ in range(args.repeats):
            for variant, process in workers.items():
                turns[variant].append(answer(process, args.steps))
        from wiseft_jax.clip.load import read_config

        flops = step_flops(read_config(folder), batch_size)
    rows = {v: summary(turns[v], facts[v], args.steps, flops, batch_size) for v in workers}
    baseline = rows.get("torch") or rows.get("torch-compile")
    for row in rows.values() if baseline else ():
        for clock in ("wall", "cpu"):
            row[f"speed_against_torch_{clock}"] = (
                baseline[f"step_{clock}_secs"] / row[f"step_{clock}_secs"]  # type: ignore[index]
            )
    return {"model": model, "dtype": dtype, "batch_size": batch_size, "variants": rows}


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


def main() -> None:
    """Compare, and print JSON."""
    args = parse()
    if args.worker:
        work(args.worker[0], args.worker[1], Path(args.worker[2]))
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    found: dict[str, Any] = {"processor": processor(), "threads": args.threads, "results": []}
    for model in args.models:
        for dtype in args.dtypes:
            for batch_size in args.batch_sizes:
                found["results"].append(compare(args, model, dtype, batch_size))
                print(json.dumps(found["results"][-1], indent=2), file=sys.stderr, flush=True)
    text = json.dumps(found, indent=2)
    if args.out:
        args.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
