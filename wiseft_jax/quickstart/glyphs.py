"""Characters as distance fields, and their rendering as small distorted pictures.

A character in a font face becomes two distance fields: to its outline (signed, inside positive) and
to its skeleton. Sampling a field through a random warp and cutting it at a random level draws the
character with any stroke width without aliasing; cutting the distance to the skeleton draws it as a
round pen would. All functions are NumPy; randomness comes from a ``np.random.Generator``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageDraw, ImageFont

DIGITS = "0123456789"
UPPERCASE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOWERCASE = "abcdefghijklmnopqrstuvwxyz"
CHARACTERS = DIGITS + UPPERCASE + LOWERCASE

SIDE = 32
"""Side of a rendered picture, in pixels."""
FIELD = 40
"""Side of a stored distance field."""
SPAN = 28
"""Larger side of a digit, and height of a capital H, inside its field."""
LEVELS = 16.0
"""Quantisation steps of a stored field, per field pixel."""

_OVERSAMPLING = 3


@dataclass(frozen=True)
class Face:
    """One face of a font file.

    Attributes:
        path: the font file.
        index: number of the face in a collection (0 otherwise).
    """

    path: Path
    index: int = 0

    def at(self, size: int) -> ImageFont.FreeTypeFont:
        """Return the face at ``size`` pixels per em, laid out without shaping."""
        return ImageFont.truetype(
            str(self.path), size, index=self.index, layout_engine=ImageFont.Layout.BASIC
        )


def glyph_mask(face: Face, character: str, *, side: int, span: int) -> UInt8[np.ndarray, "S S"]:
    """Draw one character, white on black, centred by its bounding box.

    Digits are scaled until their larger side is ``span``; letters share one scale per face, in
    which a capital H is ``span`` high (so that "c" stays smaller than "C"), and shrink if too wide.

    Args:
        face: the font face.
        character: one character.
        side: side of the square picture, in pixels.
        span: the larger side of a digit, in pixels.

    Returns:
        Coverage, ``uint8[side, side]``; all zeros when the face draws nothing.
    """
    probe = face.at(100)
    left, top, right, bottom = probe.getbbox(character)
    extent = max(right - left, bottom - top)
    if extent <= 0:
        return np.zeros((side, side), np.uint8)
    size = 100.0 * span / extent
    if character not in DIGITS:
        capital = probe.getbbox("H")
        height = max(capital[3] - capital[1], 1)
        size = min(100.0 * span / height, size * (side - 4) / span)
    font = face.at(int(np.clip(round(size), 4, 8 * side)))
    left, top, right, bottom = font.getbbox(character)
    picture = Image.new("L", (side, side))
    corner = ((side - right - left) / 2, (side - bottom - top) / 2)
    ImageDraw.Draw(picture).text(corner, character, fill=255, font=font)
    return np.asarray(picture)


def distance_fields(mask: UInt8[np.ndarray, "S S"]) -> UInt8[np.ndarray, "2 F F"]:
    """Turn an oversampled mask into its outline and skeleton fields.

    Stored values: outline ``128 + 16 d`` with d the signed distance in field pixels (inside
    positive), skeleton ``16 d`` with d the distance to the medial line, both clipped to a byte.

    Args:
        mask: coverage at three times the field's resolution.

    Returns:
        ``uint8[2, FIELD, FIELD]``: outline, skeleton.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from skimage.morphology import skeletonize

    inside = mask > 127
    signed = np.asarray(distance_transform_edt(inside)) - np.asarray(
        distance_transform_edt(~inside)
    )
    smooth = gaussian_filter(mask.astype(np.float32), 1.5) > 110
    line = skeletonize(smooth)
    line = line if line.any() else inside
    medial = distance_transform_edt(~line)
    fields = np.stack([signed, medial]).astype(np.float32) / _OVERSAMPLING
    fields = fields.reshape(2, FIELD, _OVERSAMPLING, FIELD, _OVERSAMPLING).mean((2, 4))
    fields = np.stack([128 + LEVELS * fields[0], LEVELS * fields[1]])
    return np.clip(np.round(fields), 0, 255).astype(np.uint8)


def glyph_fields(face: Face, character: str) -> UInt8[np.ndarray, "2 F F"]:
    """Return the two distance fields of a character in a face (see ``distance_fields``)."""
    side, span = FIELD * _OVERSAMPLING, SPAN * _OVERSAMPLING
    return distance_fields(glyph_mask(face, character, side=side, span=span))


@dataclass(frozen=True)
class WarpConfig:
    """How strongly characters are distorted (lengths in picture pixels).

    Attributes:
        size: range of the character's size.
        rotation: standard deviation in degrees of most rotations.
        wide_rotation: half-range in degrees of the rest, a share of ``wide_share``.
        wide_share: share of the pictures with a wide rotation.
        shear: standard deviation of the horizontal shear.
        aspect: standard deviation of the log aspect ratio.
        elastic: largest standard deviation of the elastic displacement.
        shift: largest displacement of the centre.
        pen_share: share of the pictures drawn with a pen along the skeleton.
        pen_radius: range of the pen's radius.
        weight: range of the change of an outline, each side.
    """

    size: tuple[float, float] = (14.0, 28.0)
    rotation: float = 9.0
    wide_rotation: float = 45.0
    wide_share: float = 0.12
    shear: float = 0.18
    aspect: float = 0.15
    elastic: float = 1.6
    shift: float = 4.0
    pen_share: float = 0.5
    pen_radius: tuple[float, float] = (0.6, 2.1)
    weight: tuple[float, float] = (-0.5, 0.9)


def draw(
    rng: np.random.Generator,
    fields: UInt8[np.ndarray, "B 2 F F"],
    warp: WarpConfig,
    pen: Shaped[np.ndarray, " B"],
) -> Float[np.ndarray, "B H W"]:
    """Draw characters through random affine and elastic warps.

    Args:
        rng: source of randomness.
        fields: distance fields, as ``glyph_fields`` makes them.
        warp: ranges of the distortions.
        pen: whether each character is drawn along its skeleton.

    Returns:
        Coverage in [0, 1], ``float32[B, SIDE, SIDE]``.
    """
    count = len(fields)
    scale = rng.uniform(*warp.size, count).astype(np.float32) / SPAN
    chosen = np.where(pen[:, None, None], fields[:, 1], fields[:, 0]).astype(np.float32)
    radius = rng.uniform(*warp.pen_radius, count).astype(np.float32) / scale
    weight = rng.uniform(*warp.weight, count).astype(np.float32) / scale
    thickness = (fields[:, 0].reshape(count, -1).max(1).astype(np.float32) - 128) / LEVELS
    weight = np.maximum(weight, -0.4 * thickness)
    level = np.where(pen, radius, weight - 128 / LEVELS)
    sign = np.where(pen, -1.0, 1.0).astype(np.float32)
    y, x = _source_coordinates(rng, scale, warp)
    distance = sample_bilinear(chosen, y, x) / LEVELS
    signed = sign[:, None, None] * distance + level[:, None, None]
    return np.clip(0.5 + signed * scale[:, None, None], 0, 1).astype(np.float32)


def _source_coordinates(
    rng: np.random.Generator, scale: Float[np.ndarray, " B"], warp: WarpConfig
) -> tuple[Float[np.ndarray, "B H W"], Float[np.ndarray, "B H W"]]:
    """Return where in its field each pixel of each picture looks: rows, columns."""
    count = len(scale)
    wide = rng.random(count) < warp.wide_share
    angle = np.where(
        wide,
        rng.uniform(-warp.wide_rotation, warp.wide_rotation, count),
        rng.normal(0, warp.rotation, count),
    )
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    shear = rng.normal(0, warp.shear, count)
    stretch = np.exp(rng.normal(0, warp.aspect, count) / 2)
    rotation = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    skew = np.zeros((count, 2, 2))
    skew[:, 0, 0], skew[:, 1, 1], skew[:, 1, 0] = stretch, 1 / stretch, shear
    matrix = (rotation @ skew / scale[:, None, None]).astype(np.float32)
    room = np.minimum(warp.shift, 1 + (SIDE - SPAN * scale) / 2)
    shift = (rng.uniform(-1, 1, (count, 2)) * room[:, None]).astype(np.float32)
    axis = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    points = grid[None] - shift[:, None, None] + _elastic(rng, count, warp.elastic)
    source = np.einsum("bhwi,bij->bhwj", points, matrix, optimize=True) + (FIELD - 1) / 2
    return source[..., 0], source[..., 1]


def _elastic(rng: np.random.Generator, count: int, strength: float) -> Float[np.ndarray, "B H W 2"]:
    """Return smooth random displacements, of a random standard deviation up to ``strength``."""
    knots = 5
    size = (strength * rng.random(count) ** 1.5).astype(np.float32)
    coarse = rng.standard_normal((count, knots, knots, 2), np.float32) * size[:, None, None, None]
    return smooth_upsample(coarse, SIDE)


def smooth_upsample(
    coarse: Float[np.ndarray, "B K K C"], side: int
) -> Float[np.ndarray, "B H W C"]:
    """Interpolate a coarse grid to ``side`` x ``side`` with normalised Gaussian weights."""
    knots = coarse.shape[1]
    position = np.linspace(0, knots - 1, side, dtype=np.float32)
    weights = np.exp(-((position[:, None] - np.arange(knots)) ** 2) / (2 * 0.55**2))
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    rows = np.einsum("hk,bklc->bhlc", weights, coarse, optimize=True)
    return np.einsum("wl,bhlc->bhwc", weights, rows, optimize=True)


def sample_bilinear(
    fields: Float[np.ndarray, "B F F"],
    y: Float[np.ndarray, "B H W"],
    x: Float[np.ndarray, "B H W"],
) -> Float[np.ndarray, "B H W"]:
    """Sample fields at fractional coordinates; coordinates outside take the border's value."""
    count, rows, columns = fields.shape
    y, x = np.clip(y, 0, rows - 1.001), np.clip(x, 0, columns - 1.001)
    top, left = y.astype(np.int32), x.astype(np.int32)
    fy, fx = y - top, x - left
    base = np.arange(count, dtype=np.int32)[:, None, None] * (rows * columns)
    corner = base + top * columns + left
    flat = fields.ravel()
    above = flat[corner] * (1 - fx) + flat[corner + 1] * fx
    below = flat[corner + columns] * (1 - fx) + flat[corner + columns + 1] * fx
    return above * (1 - fy) + below * fy
