#!/usr/bin/env python3
"""Pre-train GlyphCLIP, the small CLIP that `wiseft quickstart` fine-tunes.

It learns from rendered characters with captions, with the contrastive loss over all pairs of a
batch. Fonts come from installed packages; see the model card for the ones that were used. The
learning rate follows the share of ``--minutes`` that has passed, so a run ends when it is told to
on any machine; a checkpoint is written every few minutes, and the same command goes on from it.

    python scripts/pretrain_glyphclip.py --out runs/glyphclip --minutes 45 --fonts /usr/share/fonts

The model is in ``OUT/model``, a Hugging Face CLIPModel directory in float16.
"""

from __future__ import annotations

import argparse
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from safetensors.numpy import load_file, save_file

from wiseft_jax.clip.convert import to_hf
from wiseft_jax.clip.load import canonical_template, clip_module, read_config
from wiseft_jax.clip.processor import PREPROCESSOR_FILE, preprocess_settings
from wiseft_jax.clip.towers import image_features, normalise_pixels, text_features
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.typing import Params, PyTree
from wiseft_jax.quickstart.bank import Bank, build_bank, survey
from wiseft_jax.quickstart.batches import GlyphBatch, RenderConfig, make_batch
from wiseft_jax.quickstart.captions import DIGIT_NAMES, CaptionTokenizer, train_tokenizer
from wiseft_jax.quickstart.glyphclip import MAX_LOGIT_SCALE, glyphclip_settings, initial_params
from wiseft_jax.quickstart.glyphs import DIGITS, SIDE
from wiseft_jax.training.losses import contrastive_loss

logger = logging.getLogger("pretrain_glyphclip")

PREPROCESS = Preprocess(size=SIDE, resize=SIDE)


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of a run (see ``--help``)."""

    out: Path
    fonts: tuple[Path, ...]
    minutes: float
    seed: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    width: int
    ema_decay: float
    ramp_steps: int
    save_minutes: float
    processes: int

    @property
    def warmup_steps(self) -> int:
        """Steps of linear warm-up."""
        return 300

    def rate(self, step: int, elapsed_secs: float) -> float:
        """Return the learning rate: linear warm-up by step, cosine by elapsed time."""
        share = min(elapsed_secs / (60 * self.minutes), 1.0)
        cosine = 0.5 * (1 + np.cos(np.pi * share))
        return self.learning_rate * min((step + 1) / self.warmup_steps, 1.0) * cosine


def parse_args() -> PretrainConfig:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="run directory")
    parser.add_argument("--fonts", type=Path, nargs="+", default=[Path("/usr/share/fonts")])
    parser.add_argument("--minutes", type=float, default=45.0, help="training time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--width", type=int, default=160, help="width of the image tower")
    parser.add_argument("--ramp-steps", type=int, default=1500, help="until full difficulty")
    parser.add_argument("--ema-decay", type=float, default=0.998)
    parser.add_argument("--save-minutes", type=float, default=3.0)
    parser.add_argument("--processes", type=int, default=2)
    options = vars(parser.parse_args())
    return PretrainConfig(**{**options, "fonts": tuple(options["fonts"])})


def load_bank(config: PretrainConfig) -> Bank:
    """Read the run's glyph bank, or builds it from the installed fonts."""
    folder = config.out / "bank"
    if (folder / "faces.json").exists():
        return Bank.load(folder)
    faces, left_out = survey(config.fonts, config.processes)
    logger.info("%d faces; left out: %s", len(faces), dict(left_out))
    bank = build_bank(faces, config.processes)
    bank.save(folder)
    return bank


def held_out_faces(bank: Bank, seed: int) -> np.ndarray:
    """Return which faces are kept for validation: one family in twenty-five."""
    families = sorted(set(bank.families))
    chosen = np.random.default_rng([seed, 1]).permutation(families)[: len(families) // 25]
    return np.isin(bank.families, chosen)


def stream(
    bank: Bank, weights: np.ndarray, config: PretrainConfig, start_step: int
) -> Iterator[GlyphBatch]:
    """Render batches in a thread, a few ahead; batch ``n`` depends on the seed and ``n`` only."""
    ready: queue.Queue[GlyphBatch] = queue.Queue(maxsize=4)

    def produce() -> None:
        step = start_step
        while True:
            rng = np.random.default_rng([config.seed, 2, step])
            render = RenderConfig().eased(step / config.ramp_steps)
            ready.put(make_batch(rng, bank, weights, config.batch_size, render))
            step += 1

    threading.Thread(target=produce, daemon=True).start()
    while True:
        yield ready.get()


def features(
    module: Any, params: Params, images: jax.Array, tokens: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the image and text features of a batch, before L2-normalisation."""
    image = image_features(module, params, normalise_pixels(images, PREPROCESS))
    return image, text_features(module, params, tokens, jnp.ones_like(tokens))


def optimizer(config: PretrainConfig) -> optax.GradientTransformation:
    """AdamW without decay on vectors; the learning rate is applied by the step."""
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(b1=0.9, b2=0.98, eps=1e-6),
        optax.add_decayed_weights(
            config.weight_decay, mask=partial(jax.tree_util.tree_map, lambda p: p.ndim > 1)
        ),
    )


def make_step(module: Any, config: PretrainConfig) -> Any:
    """Compile one training step over ``state = (params, moments, ema)``."""
    tx = optimizer(config)

    def loss_fn(params: Params, images: jax.Array, tokens: jax.Array, positives: jax.Array):
        image, text = features(module, params, images, tokens)
        return contrastive_loss(image, text, params["logit_scale"], positives)

    @partial(jax.jit, donate_argnums=0)
    def step(
        state: PyTree, number: jax.Array, rate: jax.Array, images, tokens, positives
    ) -> tuple[PyTree, jax.Array]:
        params, moments, ema = state
        loss, grads = jax.value_and_grad(loss_fn)(params, images, tokens, positives)
        updates, moments = tx.update(grads, moments, params)
        params = jax.tree_util.tree_map(lambda p, u: p - rate * u, params, updates)
        params["logit_scale"] = jnp.clip(params["logit_scale"], 0.0, MAX_LOGIT_SCALE)
        keep = jnp.minimum(config.ema_decay, (1.0 + number) / (10.0 + number))
        ema = jax.tree_util.tree_map(lambda e, p: keep * e + (1 - keep) * p, ema, params)
        return (params, moments, ema), loss

    return step


def save_state(folder: Path, state: PyTree, progress: dict[str, float]) -> None:
    """Write a checkpoint to resume from, atomically."""
    leaves = jax.tree_util.tree_leaves(jax.device_get(state))
    named = {f"{i:04d}": np.array(leaf, order="C") for i, leaf in enumerate(leaves)}
    partial_file = folder / "state.safetensors.partial"
    save_file(named, partial_file, metadata={"progress": json.dumps(progress)})
    partial_file.replace(folder / "state.safetensors")


def load_state(folder: Path, state: PyTree) -> tuple[PyTree, dict[str, float]]:
    """Read the checkpoint of a folder, or returns the given state at step 0."""
    path = folder / "state.safetensors"
    if not path.exists():
        return state, {"step": 0, "elapsed_secs": 0.0}
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        progress = json.loads(file.metadata()["progress"])
    named = load_file(path)
    leaves = [jnp.asarray(named[key]) for key in sorted(named)]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(state), leaves), progress


def initial_state(module: Any, config: PretrainConfig) -> PyTree:
    """Return ``(parameters, Adam's moments, moving average)`` at step 0."""
    params = initial_params(jax.random.key(config.seed), canonical_template(module.config))
    average = jax.tree_util.tree_map(jnp.copy, params)
    return params, optimizer(config).init(params), average


def prepare_model(config: PretrainConfig) -> tuple[Any, CaptionTokenizer]:
    """Write the tokenizer and the configuration files, and returns the module."""
    folder = config.out / "model"
    if not (folder / "vocab.json").exists():
        train_tokenizer(folder, np.random.default_rng([config.seed, 0]))
    tokenizer = CaptionTokenizer(folder)
    settings = glyphclip_settings(
        tokenizer.vocabulary_size, tokenizer.start_id, tokenizer.end_id, width=config.width
    )
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    preprocess = preprocess_settings(PREPROCESS)
    (folder / PREPROCESSOR_FILE).write_text(json.dumps(preprocess, indent=2) + "\n")
    return clip_module(read_config(folder)), tokenizer


def export(params: Params, folder: Path) -> None:
    """Write parameters as a Hugging Face CLIPModel in float16, atomically."""
    half = {name: value.astype(np.float16) for name, value in to_hf(jax.device_get(params)).items()}
    partial_file = folder / "model.safetensors.partial"
    save_file(half, partial_file, metadata={"format": "pt"})
    partial_file.replace(folder / "model.safetensors")


def validate(
    predict: Callable[..., tuple[jax.Array, jax.Array]],
    params: Params,
    tokens: jax.Array,
    batches: list[GlyphBatch],
) -> float:
    """Return the zero-shot accuracy on the digits of held-out faces."""
    hits = []
    for batch in batches:
        rows = batch.character < len(DIGITS)
        image, text = predict(params, batch.images, tokens)
        text = text / jnp.linalg.norm(text, axis=-1, keepdims=True)
        answers = np.asarray(jnp.argmax(image @ text.T, -1))
        hits.append(answers[rows] == batch.character[rows])
    return float(np.concatenate(hits).mean())


def train(config: PretrainConfig) -> None:
    """Train until the time is over, from the last checkpoint if there is one."""
    module, tokenizer = prepare_model(config)
    bank = load_bank(config)
    held_out = held_out_faces(bank, config.seed)
    weights = np.where(held_out, 0, bank.weights())
    weights = weights / weights.sum()
    logger.info("%d faces, %d held out", len(held_out), held_out.sum())
    rng = np.random.default_rng([config.seed, 3])
    unseen = held_out * bank.weights() / (held_out * bank.weights()).sum()
    validation = [make_batch(rng, bank, unseen, 256, RenderConfig()) for _ in range(8)]
    questions = jnp.asarray(tokenizer([f"a photo of the digit {name}." for name in DIGIT_NAMES]))
    state, progress = load_state(config.out, initial_state(module, config))
    step_fn, step = make_step(module, config), int(progress["step"])
    predict = jax.jit(partial(features, module))
    before, start = progress["elapsed_secs"], time.monotonic()
    saved, losses = start, []
    for batch in stream(bank, weights, config, step):
        elapsed = before + time.monotonic() - start
        if elapsed >= 60 * config.minutes:
            break
        tokens = tokenizer(batch.captions)
        state, loss = step_fn(
            state, step, config.rate(step, elapsed), batch.images, tokens, batch.positives
        )
        losses.append(float(loss))
        step += 1
        if step % 100 == 0:
            scale = float(jnp.exp(state[0]["logit_scale"]))
            rate = step * config.batch_size / elapsed
            mean = np.mean(losses[-100:])
            logger.info(
                "step %d %.0f s loss %.4f scale %.1f %.0f images/s",
                step,
                elapsed,
                mean,
                scale,
                rate,
            )
        if time.monotonic() - saved > 60 * config.save_minutes:
            saved = time.monotonic()
            save_all(predict, config, state, step, elapsed, questions, validation)
    save_all(predict, config, state, step, 60 * config.minutes, questions, validation)


def save_all(
    predict: Callable[..., tuple[jax.Array, jax.Array]],
    config: PretrainConfig,
    state: PyTree,
    step: int,
    elapsed: float,
    questions: jax.Array,
    validation: list[GlyphBatch],
) -> None:
    """Write the checkpoint and the model so far, and logs its accuracy on unseen fonts."""
    accuracy = validate(predict, state[2], questions, validation)
    last = validate(predict, state[0], questions, validation)
    text = "step %d: %.1f %% of the digits in unseen fonts (%.1f without averaging)"
    logger.info(text, step, 100 * accuracy, 100 * last)
    save_state(config.out, state, {"step": step, "elapsed_secs": elapsed})
    export(state[2], config.out / "model")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    train(parse_args())
