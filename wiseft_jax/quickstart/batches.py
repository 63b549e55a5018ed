"""Pre-training batches: rendered characters, captions, and which captions are true of which."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from wiseft_jax.quickstart.bank import Bank
from wiseft_jax.quickstart.captions import Attributes, facts, true_captions, write_captions
from wiseft_jax.quickstart.glyphs import CHARACTERS, DIGITS, WarpConfig, draw
from wiseft_jax.quickstart.painting import (
    COLOURS,
    TEXTURES,
    add_noise,
    backgrounds,
    blur,
    coarsen,
    colour_pairs,
    paint,
    shades,
    to_bytes,
)

_BLACK, _WHITE = list(COLOURS).index("black"), list(COLOURS).index("white")


@dataclass(frozen=True)
class RenderConfig:
    """What the pictures of pre-training look like.

    Attributes:
        warp: distortions of the characters.
        digit_share: share of digits; the rest are letters.
        plain_share: share of pictures in black and white on an even background.
        blur_share: share of blurred pictures.
        blur_sigma: range of the blur's standard deviation, in pixels.
        coarse_share: share of pictures reduced to 8 x 8 or 16 x 16 and enlarged again.
        noise_share: share of noisy pictures.
        noise_sigma: largest standard deviation of the noise.
        said_share: how often captions name more than the character, relative to the full rate.
        dark_share: share of plain pictures that are dark on light.
    """

    warp: WarpConfig = field(default_factory=WarpConfig)
    digit_share: float = 0.55
    plain_share: float = 0.5
    blur_share: float = 0.3
    blur_sigma: tuple[float, float] = (0.4, 1.2)
    coarse_share: float = 0.12
    noise_share: float = 0.35
    noise_sigma: float = 0.2
    said_share: float = 1.0
    dark_share: float = 0.35

    def eased(self, difficulty: float) -> RenderConfig:
        """Return easier pictures, for the start of training: at 0 plain, upright, undegraded.

        From random parameters a tower first learns colours and polarity; without easy pictures at
        the start it needs much longer to see shapes.
        """
        d, warp = float(np.clip(difficulty, 0, 1)), self.warp
        small, large = warp.size
        warp = replace(
            warp,
            size=(d * small + (1 - d) * 22.0, d * large + (1 - d) * 24.0),
            rotation=d * warp.rotation,
            wide_share=d * warp.wide_share,
            shear=d * warp.shear,
            aspect=d * warp.aspect,
            elastic=d * warp.elastic,
            shift=d * warp.shift,
        )
        return replace(
            self,
            warp=warp,
            plain_share=1 - d * (1 - self.plain_share),
            blur_share=d * self.blur_share,
            coarse_share=d * self.coarse_share,
            noise_share=d * self.noise_share,
            said_share=d * self.said_share,
            dark_share=d * self.dark_share,
        )


@dataclass(frozen=True)
class GlyphBatch:
    """One batch of pictures with captions.

    Attributes:
        images: ``uint8[B, 32, 32, 3]``.
        captions: one per image.
        positives: ``[i, j]``: caption j is true of image i.
        character: index of each picture's character in ``CHARACTERS``.
    """

    images: UInt8[np.ndarray, "B H W 3"]
    captions: list[str]
    positives: Bool[np.ndarray, "B B"]
    character: Int[np.ndarray, " B"]


def make_batch(
    rng: np.random.Generator,
    bank: Bank,
    weights: Float[np.ndarray, " F"],
    size: int,
    config: RenderConfig,
) -> GlyphBatch:
    """Render a batch.

    Args:
        rng: source of randomness.
        bank: the glyphs.
        weights: sampling weight of each face.
        size: number of pictures.
        config: what they look like.

    Returns:
        The batch.
    """
    faces = rng.choice(len(weights), size, p=weights)
    digits = rng.random(size) < config.digit_share
    letter = rng.integers(len(DIGITS), len(CHARACTERS), size)
    character = np.where(digits, rng.integers(len(DIGITS), size=size), letter)
    pen = rng.random(size) < config.warp.pen_share
    coverage = draw(rng, bank.fields[faces, character], config.warp, pen)
    pictures, front, back, texture = _colour(rng, coverage, config)
    images = to_bytes(_degrade(rng, pictures, config))
    drawn = (pen | bank.pen_like[faces]).astype(np.int32)
    attributes = Attributes(character, front, back, texture, drawn)
    captions, said = write_captions(rng, attributes, config.said_share)
    return GlyphBatch(images, captions, true_captions(said, facts(attributes)), character)


def _colour(
    rng: np.random.Generator, coverage: Float[np.ndarray, "B H W"], config: RenderConfig
) -> tuple[
    Float[np.ndarray, "B H W 3"],
    Int[np.ndarray, " B"],
    Int[np.ndarray, " B"],
    Int[np.ndarray, " B"],
]:
    """Paint characters; returns pictures, colour indices (front, back) and texture indices."""
    count = len(coverage)
    plain = rng.random(count) < config.plain_share
    front, back = colour_pairs(rng, count)
    light = rng.random(count) >= config.dark_share
    front = np.where(plain, np.where(light, _WHITE, _BLACK), front)
    back = np.where(plain, np.where(light, _BLACK, _WHITE), back)
    texture = np.where(plain, 0, rng.integers(len(TEXTURES), size=count))
    ink, paper = shades(rng, front), shades(rng, back)
    grey = rng.uniform(0, 0.2, (2, count, 1)).astype(np.float32) * (rng.random((1, count, 1)) < 0.6)
    ink = np.where(plain[:, None], np.where(light[:, None], 1 - grey[0], grey[0]), ink)
    paper = np.where(plain[:, None], np.where(light[:, None], grey[1], 1 - grey[1]), paper)
    behind = backgrounds(rng, paper.astype(np.float32), texture)
    return paint(coverage, ink.astype(np.float32), behind), front, back, texture


def _degrade(
    rng: np.random.Generator, pictures: Float[np.ndarray, "B H W 3"], config: RenderConfig
) -> Float[np.ndarray, "B H W 3"]:
    """Blur some pictures, coarsens some, adds noise to some."""
    count = len(pictures)
    draws = rng.random((4, count))
    rows = np.flatnonzero(draws[0] < config.blur_share)
    pictures[rows] = blur(pictures[rows], rng.uniform(*config.blur_sigma, len(rows)))
    coarse = draws[1] < config.coarse_share
    for side, chosen in ((8, coarse & (draws[2] < 0.5)), (16, coarse & (draws[2] >= 0.5))):
        rows = np.flatnonzero(chosen)
        pictures[rows] = coarsen(pictures[rows], side)
    rows = np.flatnonzero(draws[3] < config.noise_share)
    sigma = rng.uniform(0, config.noise_sigma, len(rows))
    pictures[rows] = add_noise(rng, pictures[rows], sigma)
    return pictures
