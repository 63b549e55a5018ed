"""Colours, textured backgrounds and image degradations (NumPy, seeded)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8

from wiseft_jax.quickstart.glyphs import SIDE, smooth_upsample

COLOURS: dict[str, tuple[float, float, float]] = {
    "black": (0.05, 0.05, 0.05),
    "white": (0.95, 0.95, 0.95),
    "gray": (0.5, 0.5, 0.5),
    "red": (0.85, 0.1, 0.1),
    "orange": (0.95, 0.55, 0.1),
    "yellow": (0.95, 0.9, 0.15),
    "green": (0.15, 0.65, 0.2),
    "cyan": (0.2, 0.85, 0.9),
    "blue": (0.1, 0.2, 0.85),
    "purple": (0.5, 0.15, 0.65),
    "pink": (0.95, 0.55, 0.75),
    "brown": (0.45, 0.28, 0.12),
}
"""Named colours, RGB in [0, 1]."""

TEXTURES = ("plain", "shaded", "cloudy", "striped", "checked")
"""Kinds of background."""

_RGB = np.asarray(list(COLOURS.values()), np.float32)
_LUMINANCE = np.asarray([0.299, 0.587, 0.114], np.float32)


def contrasting(minimum: float = 0.22) -> list[Int[np.ndarray, " M"]]:
    """Returns, for each named colour, the colours that differ by ``minimum`` in luminance."""
    light = _RGB @ _LUMINANCE
    return [np.flatnonzero(np.abs(light - own) >= minimum) for own in light]


_CONTRASTING = contrasting()


def colour_pairs(
    rng: np.random.Generator, count: int
) -> tuple[Int[np.ndarray, " B"], Int[np.ndarray, " B"]]:
    """Draw foreground and background colour indices that can be told apart."""
    front = rng.integers(len(_RGB), size=count)
    pick = rng.random(count)
    back = [
        _CONTRASTING[f][int(u * len(_CONTRASTING[f]))] for f, u in zip(front, pick, strict=True)
    ]
    return front, np.asarray(back)


def shades(
    rng: np.random.Generator, colours: Int[np.ndarray, " B"], jitter: float = 0.08
) -> Float[np.ndarray, "B 3"]:
    """Return RGB values near named colours."""
    noise = rng.normal(0, jitter, (len(colours), 3))
    return np.clip(_RGB[colours] + noise, 0, 1).astype(np.float32)


def backgrounds(
    rng: np.random.Generator,
    base: Float[np.ndarray, "B 3"],
    texture: Int[np.ndarray, " B"],
    strength: float = 0.3,
) -> Float[np.ndarray, "B H W 3"]:
    """Paint textured backgrounds around a base colour.

    Args:
        rng: source of randomness.
        base: RGB in [0, 1].
        texture: index into ``TEXTURES``.
        strength: largest difference of a channel from the base colour.

    Returns:
        RGB in [0, 1], ``float32[B, SIDE, SIDE, 3]``.
    """
    count = len(base)
    pattern = np.zeros((count, SIDE, SIDE), np.float32)
    for kind, name in enumerate(TEXTURES):
        rows = np.flatnonzero(texture == kind)
        if len(rows) and name != "plain":
            pattern[rows] = _PATTERNS[name](rng, len(rows))
    other = rng.uniform(-strength, strength, (count, 3)).astype(np.float32)
    picture = base[:, None, None] + other[:, None, None] * pattern[..., None]
    return np.clip(picture, 0, 1)


def _waves(rng: np.random.Generator, count: int) -> Float[np.ndarray, "B H W"]:
    """Return plane waves of random direction, period and phase, in [-1, 1]."""
    angle, phase = rng.uniform(0, 2 * np.pi, (2, count, 1, 1)).astype(np.float32)
    period = rng.uniform(4, 14, (count, 1, 1)).astype(np.float32)
    axis = np.arange(SIDE, dtype=np.float32)
    along = np.cos(angle) * axis[None, :, None] + np.sin(angle) * axis[None, None, :]
    return np.sin(2 * np.pi * along / period + phase)


def _shaded(rng: np.random.Generator, count: int) -> Float[np.ndarray, "B H W"]:
    return smooth_upsample(rng.uniform(-1, 1, (count, 2, 2, 1)).astype(np.float32), SIDE)[..., 0]


def _cloudy(rng: np.random.Generator, count: int) -> Float[np.ndarray, "B H W"]:
    coarse = rng.standard_normal((count, 5, 5, 1), np.float32)
    fine = rng.standard_normal((count, 13, 13, 1), np.float32)
    return (smooth_upsample(coarse, SIDE) + 0.7 * smooth_upsample(fine, SIDE))[..., 0]


def _striped(rng: np.random.Generator, count: int) -> Float[np.ndarray, "B H W"]:
    return np.clip(3 * _waves(rng, count), -1, 1)


def _checked(rng: np.random.Generator, count: int) -> Float[np.ndarray, "B H W"]:
    return np.clip(3 * _waves(rng, count) * _waves(rng, count), -1, 1)


_PATTERNS = {"shaded": _shaded, "cloudy": _cloudy, "striped": _striped, "checked": _checked}


def paint(
    coverage: Float[np.ndarray, "B H W"],
    front: Float[np.ndarray, "B 3"],
    back: Float[np.ndarray, "B H W 3"],
) -> Float[np.ndarray, "B H W 3"]:
    """Lay a colour over a background: ``(1 - c) * back + c * front``."""
    return back + coverage[..., None] * (front[:, None, None] - back)


def blur(
    pictures: Float[np.ndarray, "B H W C"], sigma: Float[np.ndarray, " B"]
) -> Float[np.ndarray, "B H W C"]:
    """Blur each picture with its own Gaussian (borders repeat)."""
    offset = np.arange(SIDE)[:, None] - np.arange(SIDE)[None, :]
    weights = np.exp(-(offset[None] ** 2) / (2 * np.maximum(sigma, 1e-3)[:, None, None] ** 2))
    weights = (weights / weights.sum(2, keepdims=True)).astype(np.float32)
    rows = np.einsum("bij,bjwc->biwc", weights, pictures, optimize=True)
    return np.einsum("bij,bhjc->bhic", weights, rows, optimize=True)


def coarsen(pictures: Float[np.ndarray, "B H W C"], side: int) -> Float[np.ndarray, "B H W C"]:
    """Reduce pictures to ``side`` x ``side`` by averaging, and enlarges them smoothly again."""
    block = SIDE // side
    shape = (len(pictures), side, block, side, block, pictures.shape[-1])
    return smooth_upsample(pictures.reshape(shape).mean((2, 4)), SIDE)


def add_noise(
    rng: np.random.Generator, pictures: Float[np.ndarray, "B H W C"], sigma: Float[np.ndarray, " B"]
) -> Float[np.ndarray, "B H W C"]:
    """Add Gaussian noise of each picture's own standard deviation."""
    noise = rng.standard_normal(pictures.shape, np.float32)
    return pictures + noise * sigma[:, None, None, None].astype(np.float32)


def to_bytes(pictures: Float[np.ndarray, "B H W C"]) -> UInt8[np.ndarray, "B H W C"]:
    """Convert [0, 1] to bytes, rounding and clipping."""
    return np.round(np.clip(pictures, 0, 1) * 255).astype(np.uint8)
