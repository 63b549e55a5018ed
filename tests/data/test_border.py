"""The red border of ObjectNet's images, as PNG and as JPEG, and pictures without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.builders import encode, pixels
from tests.data.published_miniatures import write_miniature
from wiseft_jax.data.border import has_red_border, without_border
from wiseft_jax.data.decode import decode_image
from wiseft_jax.data.files import open_images
from wiseft_jax.data.specs import open_source


def bordered(width: int, color: tuple[int, int, int] = (255, 0, 0)) -> np.ndarray:
    """Return a smooth picture of 40 x 56 with a border."""
    image = np.asarray(Image.fromarray(pixels(0, 4, 4)).resize((56, 40), Image.Resampling.BICUBIC))
    framed = np.full_like(image, color)
    framed[width : 40 - width, width : 56 - width] = image[width : 40 - width, width : 56 - width]
    return framed


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_border_is_seen_however_it_is_kept(width: int, format: str):
    kept = np.asarray(decode_image(encode(bordered(width), format), "x"))
    assert has_red_border(kept) or (width, format) == (1, "JPEG")  # one pixel is blurred away
    assert not has_red_border(kept[width:-width, width:-width])


@pytest.mark.parametrize("color", [(255, 255, 255), (0, 0, 0), (255, 128, 0)])
def test_a_frame_of_another_colour_is_none(color: tuple[int, int, int]):
    assert not has_red_border(bordered(2, color))


def test_what_can_not_be_decoded_is_not_among_those_without(tmp_path: Path):
    for name, data in {"a": encode(bordered(2)), "b": b"no image", "c": encode(pixels(1))}.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    source = open_images(tmp_path)
    assert without_border(source, np.arange(3)) == [str(tmp_path / "c.png")]


def test_the_loader_tells_of_a_copy_whose_border_was_cut_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    write_miniature(tmp_path, "objectnet", "test")
    open_source(f"published:objectnet@{tmp_path}")
    assert "red border" not in caplog.text
    for path in (tmp_path / "objectnet-1.0" / "images" / "chair").iterdir():
        path.write_bytes(encode(pixels(5)))
    open_source(f"published:objectnet@{tmp_path}")
    (said,) = [line for line in caplog.messages if "red border" in line]
    assert "1 of 3 images" in said
    assert "chair" in said
    assert "the 2 px that are cut off each side are the picture's" in said
