"""The two sides of ``bench_train.py``: this package's fine-tuning step, and PyTorch's.

Run by it, a process a variant: ``python -m scripts.bench_train_sides VARIANT DTYPE FOLDER``.
"""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = 100
LEARNING_RATE, WEIGHT_DECAY = 1e-5, 0.1
SMALL = {"width": 192, "layers": 6, "heads": 3, "image_size": 32, "patch_size": 4}
MEBIBYTE = 2**20
FLOAT32_PRODUCTS = {"cpu": "float32", "gpu": "TF32", "tpu": "bfloat16"}
"""What a product of float32 matrices is computed in by JAX's default."""

Advance = Callable[[int], float]
"""Runs some steps to their end and returns the last loss."""


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


def model_config(model: str) -> Any:
    """Return the configuration of a published model, or of ``small``."""
    from wiseft_jax.clip.load import published_config

    return small_config() if model == "small" else published_config(model)


def random_params(config: Any, random: np.random.Generator) -> dict[str, Any]:
    """Return random weights of unit scale for a whole CLIP, as Hugging Face has it."""
    from wiseft_jax.clip.canonical import canonical_template
    from wiseft_jax.core.trees import flatten_paths, unflatten_paths

    leaves = {}
    for path, leaf in flatten_paths(canonical_template(config)).items():
        values = random.standard_normal(leaf.shape, np.float32) * np.float32(0.02)
        if path.endswith("kernel"):
            values *= np.float32(50 / np.sqrt(np.prod(leaf.shape[:-1])))
        leaves[path] = values + np.float32(path.endswith("scale"))
    return unflatten_paths(leaves)


def write_inputs(model: str, batch_size: int, folder: Path) -> None:
    """Write what all variants start from: random weights of unit scale, a head, a batch."""
    from safetensors.numpy import save_file

    from wiseft_jax.clip.convert import to_hf
    from wiseft_jax.clip.load import config_settings

    config, random = model_config(model), np.random.default_rng(0)
    params = random_params(config, random)
    save_file(to_hf(params), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config_settings(config)))
    size = config.vision_config.image_size
    np.savez(
        folder / "batch.npz",
        head=random.standard_normal((config.projection_dim, CLASSES), np.float32),
        image=random.integers(0, 256, (batch_size, size, size, 3), np.uint8),
        label=random.integers(0, CLASSES, batch_size).astype(np.int32),
    )


def step_flops(config: Any, batch_size: int) -> float:
    """Return the operations of the matrix products of a step.

    The backward pass takes two products for each of the forward pass, by its inputs and by its
    weights; only the pixels need no gradient.
    """
    vision, features = config.vision_config, config.projection_dim
    width, hidden = vision.hidden_size, vision.intermediate_size
    patches = (vision.image_size // vision.patch_size) ** 2
    tokens, per_token = patches + 1, 8 * width**2 + 4 * width * hidden
    layer = tokens * (per_token + 4 * tokens * width)
    embedding = 2 * patches * vision.patch_size**2 * vision.num_channels * width
    head = 2 * features * (width + CLASSES)
    return batch_size * (3.0 * (vision.num_hidden_layers * layer + head) + 2.0 * embedding)


def jax_step(variant: str, dtype: str, folder: Path) -> tuple[Any, Any, Any]:
    """Return the package's jitted step, and the state and batch that it starts from."""
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
    from wiseft_jax.training.step import classification_loss, make_train_step

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
        classification_loss(lambda params, batch: classifier.logits(params, batch["image"])),
        optimizer,
        schedule,
        layout,
    )
    state = init_state(theta, optimizer, layout)
    batch = put_batch({**batch, "mask": np.ones(len(batch["label"]), bool)}, layout.mesh)
    return step, state, batch


def jax_variant(variant: str, dtype: str, folder: Path) -> tuple[Advance, dict[str, Any]]:
    """Return the package's step, compiled, and facts about it."""
    import jax

    step, state, batch = jax_step(variant, dtype, folder)
    start = time.perf_counter()
    compiled = step.lower(state, batch).compile()
    facts: dict[str, Any] = {"compile_secs": time.perf_counter() - start}
    facts["device"] = jax.devices()[0].device_kind
    facts["products"] = FLOAT32_PRODUCTS[jax.default_backend()] if dtype == "float32" else dtype
    memory = compiled.memory_analysis()
    if memory is not None:
        facts["temporary_mebibytes"] = memory.temp_size_in_bytes / MEBIBYTE

    def advance(steps: int) -> float:
        nonlocal state
        for _ in range(steps):
            state, metrics = compiled(state, batch)
        return float(metrics["loss"])  # waits for all of them

    def peak() -> int | None:
        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")

    return advance, {**facts, "device_peak": peak}


def matmul_rate(size: int = 16384, repeats: int = 100) -> float:
    """Return the operations per second of a large bfloat16 product, here and now.

    The matrices are random, for a GPU draws less power, and clocks higher, on constant ones.
    """
    import jax
    import jax.numpy as jnp

    keys = jax.random.split(jax.random.key(0))
    left, right = (jax.random.normal(key, (size, size), jnp.bfloat16) for key in keys)
    right = right / jnp.bfloat16(math.sqrt(size))  # products keep the variance of ``left``
    product = jax.jit(jnp.matmul)
    for _ in range(max(1, repeats // 10)):
        result = product(left, right)
    result.block_until_ready()
    start = time.perf_counter()
    for _ in range(repeats):
        left = product(left, right)
    left.block_until_ready()
    return 2 * size**3 * repeats / (time.perf_counter() - start)


def matmul_facts() -> dict[str, Any]:
    """Return the matrix-product rate of the accelerator; nothing on a CPU."""
    import jax

    on_cpu = jax.default_backend() == "cpu"
    return {} if on_cpu else {"matmul_flops_per_sec": matmul_rate()}


def torch_variant(variant: str, dtype: str, folder: Path) -> tuple[Advance, dict[str, Any]]:
    """Return PyTorch's step (compiled, for ``torch-compile``), and facts about it."""
    import torch
    from transformers import CLIPModel

    from wiseft_jax.core.preprocess import OPENAI_MEAN, OPENAI_STD

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    on_gpu = torch.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    if on_gpu:
        torch.set_float32_matmul_precision("high")  # TF32, as JAX does by default
    arrays = np.load(folder / "batch.npz")
    model: Any = CLIPModel.from_pretrained(folder)
    model.to(device)
    head = torch.nn.Linear(*arrays["head"].shape).to(device)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(arrays["head"].T.copy()))
        head.bias.zero_()
    trained = [*model.vision_model.parameters(), *model.visual_projection.parameters()]
    trained += head.parameters()
    optimizer = torch.optim.AdamW(
        trained, LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=on_gpu or None
    )
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
    if on_gpu:
        facts["device"] = torch.cuda.get_device_name()
        facts["device_peak"] = torch.cuda.max_memory_allocated
    products = FLOAT32_PRODUCTS["gpu" if on_gpu else "cpu"]
    facts["products"] = products if dtype == "float32" else dtype
    return advance, facts


def work(variant: str, dtype: str, folder: Path) -> None:
    """Run one variant, ``answers``, and say what ends it early."""
    try:
        if variant == "matmul":
            print(json.dumps(matmul_facts()), flush=True)
        else:
            answers(variant, dtype, folder)
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")
        print(json.dumps({"failed": f"{type(error).__name__}: {line}"}), flush=True)
        raise


def answers(variant: str, dtype: str, folder: Path) -> None:
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


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
