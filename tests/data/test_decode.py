from __future__ import annotations

import io
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.builders import encode, pixels
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.decode import BadImageError, check_decodes, decode_image, is_plain, open_image

WHITE, RED, BLUE = (255, 255, 255), (255, 0, 0), (0, 0, 255)


def solid(mode: str, color: object, size: tuple[int, int] = (4, 3)) -> Image.Image:
    return Image.new(mode, size, color)  # type: ignore[arg-type]


def filled(color: tuple[int, int, int], size: tuple[int, int] = (4, 3)) -> np.ndarray:
    return np.full((size[1], size[0], 3), color, np.uint8)


def palette_with_transparency() -> bytes:
    image = Image.new("P", (4, 3), 1)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 2)
    return encode(image, transparency=2)


def palette_with_alpha_bytes() -> bytes:
    image = Image.new("P", (4, 3), 1)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 2)
    return encode(image, transparency=bytes([255, 255, 0]))


def red_but_for_a_white_corner() -> np.ndarray:
    expected = filled(RED)
    expected[0, 0] = WHITE
    return expected


def grey_16() -> np.ndarray:
    return np.linspace(0, 65535, 12).astype(np.uint16).reshape(3, 4)


def eight_bits(grey: np.ndarray) -> np.ndarray:
    return np.repeat(np.rint(grey / 257).astype(np.uint8)[..., None], 3, -1)


def ppm_16() -> bytes:
    return b"P5 4 3 65535\n" + grey_16().astype(">u2").tobytes()


def animation(format: str) -> bytes:
    frames = [solid("RGB", RED), solid("RGB", BLUE)]
    options = {"lossless": True} if format == "WEBP" else {}
    return encode(frames[0], format, save_all=True, append_images=frames[1:], **options)


GOOD = {
    "png": (encode(pixels(1)), pixels(1)),
    "bmp": (encode(pixels(1), "BMP"), pixels(1)),
    "grey": (encode(solid("L", 77)), filled((77, 77, 77))),
    "1-bit": (encode(solid("1", 1)), filled(WHITE)),
    "16-bit png": (encode(Image.fromarray(grey_16())), eight_bits(grey_16())),
    "16-bit tiff": (encode(Image.fromarray(grey_16()), "TIFF"), eight_bits(grey_16())),
    "16-bit pgm": (ppm_16(), eight_bits(grey_16())),
    "palette": (encode(Image.fromarray(filled(RED)).quantize(2)), filled(RED)),
    "palette, transparent": (palette_with_transparency(), red_but_for_a_white_corner()),
    "palette, alpha bytes": (palette_with_alpha_bytes(), red_but_for_a_white_corner()),
    "rgba, transparent": (encode(solid("RGBA", (0, 0, 0, 0))), filled(WHITE)),
    "rgba, opaque": (encode(solid("RGBA", (*BLUE, 255))), filled(BLUE)),
    "rgba, a fifth": (encode(solid("RGBA", (0, 100, 200, 51))), filled((204, 224, 244))),
    "la": (encode(solid("LA", (0, 51))), filled((204, 204, 204))),
    "rgb with a colour key": (encode(solid("RGB", RED), transparency=RED), filled(WHITE)),
    "cmyk tiff": (encode(solid("CMYK", (0, 255, 255, 0)), "TIFF"), filled(RED)),
    "animated gif": (animation("GIF"), filled(RED)),
    "animated webp": (animation("WEBP"), filled(RED)),
    "animated png": (animation("PNG"), filled(RED)),
}


@pytest.mark.parametrize("name", GOOD)
def test_odd_images_become_the_right_rgb(name: str):
    data, expected = GOOD[name]
    image = decode_image(data, "x.img")
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), expected)
    assert check_decodes(data, "x.img") == name.startswith("animated")


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpegs_are_what_pillow_says(mode: str):
    data = encode(Image.fromarray(pixels(3)).convert(mode), "JPEG", quality=95)
    expected = Image.open(io.BytesIO(data)).convert("RGB")
    np.testing.assert_array_equal(np.asarray(decode_image(data, "x.jpg")), np.asarray(expected))
    assert not check_decodes(data, "x.jpg")


def test_a_cmyk_jpeg_of_pure_cyan_is_cyan_not_its_negative():
    data = encode(solid("CMYK", (255, 0, 0, 0), (16, 16)), "JPEG", quality=100)
    assert np.abs(np.asarray(decode_image(data, "x.jpg")) - [0, 255, 255.0]).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_exif_orientation_is_applied(orientation: int, format: str):
    rows = np.zeros((16, 32, 3), np.uint8)
    rows[:8, :16] = RED  # upright: red at the top left, blue at the bottom right
    rows[8:, 16:] = BLUE
    upright = Image.fromarray(rows)
    method = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored so that turning it clockwise is right
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    stored = upright if method is None else upright.transpose(method)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 100}
    data = encode(stored, format, exif=exif, **({} if format == "PNG" else options))
    decoded = np.asarray(decode_image(data, "x"), np.int64)
    assert decoded.shape == (16, 32, 3)
    assert np.abs(decoded - rows)[2:6, 2:14].max() <= 4
    assert np.abs(decoded - rows)[10:14, 18:30].max() <= 4


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_what_every_reader_decodes_alike_is_upright_rgb_or_grey(format: str):
    for orientation in (None, *range(10)):
        exif = Image.Exif()
        if orientation is not None:
            exif[0x0112] = orientation
        data = encode(pixels(1), format, exif=exif)
        assert is_plain(data, "x") == (orientation not in range(2, 9))
    image = Image.fromarray(pixels(1))
    assert is_plain(encode(image.convert("L"), format), "x")
    others = ("CMYK",) if format == "JPEG" else ("RGBA", "LA", "P", "1", "I;16")
    for mode in others:
        given = Image.new(mode, (4, 3)) if mode == "I;16" else image.convert(mode)
        assert not is_plain(encode(given, format), "x")
    if format == "PNG":
        assert not is_plain(encode(image, transparency=(1, 2, 3)), "x")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_damaged_exif_block_does_not_spoil_the_pixels():
    good = encode(pixels(1), "JPEG", quality=95)
    block = b"Exif\x00\x00MM\x00*\xff\xff\xff\xff garbage"
    data = good[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + good[2:]
    np.testing.assert_array_equal(
        np.asarray(decode_image(data, "x.jpg")), np.asarray(decode_image(good, "x.jpg"))
    )


def test_an_exif_block_that_can_not_be_parsed_is_taken_as_upright(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(self: Image.Image) -> None:
        raise struct.error("unpack requires a buffer of 4 bytes")

    monkeypatch.setattr(Image.Image, "getexif", fail)
    with caplog.at_level("DEBUG", "wiseft_jax"):
        image = decode_image(encode(pixels(1)), "x.png")
    np.testing.assert_array_equal(np.asarray(image), pixels(1))
    assert "x.png: EXIF can't be read" in caplog.text


def png_of_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00" * 100))
    return b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b"")


BAD = {
    "zero bytes": (b"", "is empty"),
    "text": (b"hello, I am no image", "not an image"),
    "html": (b"<!DOCTYPE html><html>404</html>", "not an image"),
    "truncated jpeg": (encode(pixels(1, 64, 64), "JPEG")[:-600], "truncated"),
    "truncated png": (encode(pixels(1, 64, 64))[:4000], "can't be decoded"),
    "header of a jpeg": (encode(pixels(1), "JPEG")[:20], "not an image|can't be decoded"),
    "header of a png alone": (encode(pixels(1))[:33], "not an image"),
    "pixels missing": (png_of_size(200, 200), "can't be decoded"),
    "bomb": (png_of_size(11_000, 11_000), "decompression bomb"),
    "twice a bomb": (png_of_size(200_000, 200_000), "decompression bomb"),
    "float tiff": (encode(Image.fromarray(np.ones((3, 4), np.float32)), "TIFF"), "32-bit"),
    "int tiff": (encode(Image.fromarray(np.ones((3, 4), np.int32)), "TIFF"), "32-bit"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("check", [decode_image, check_decodes])
def test_bad_images_are_reported_by_path(name: str, check):
    data, reason = BAD[name]
    with pytest.raises(BadImageError, match=reason) as info:
        check(data, "some/where.png")
    assert info.value.where == "some/where.png"
    assert str(info.value).startswith("some/where.png: ")
    assert isinstance(info.value, InputError)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_an_error_even_where_pillow_only_warns():
    with pytest.raises(BadImageError, match=r"11000 x 11000 is more than \d+ pixels"):
        open_image(png_of_size(11_000, 11_000), "x.png")


def test_the_users_own_pixel_limit_counts(monkeypatch: pytest.MonkeyPatch):
    data = encode(pixels(1))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert decode_image(data, "x").size == (16, 12)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16 * 12)
    assert decode_image(data, "x").size == (16, 12)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16 * 12 - 1)
    with pytest.raises(BadImageError, match="more than 191 pixels"):
        decode_image(data, "x")


def test_running_out_of_memory_is_not_the_images_fault(monkeypatch: pytest.MonkeyPatch):
    def fail(*args: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "load", fail)
    with pytest.raises(MemoryError):
        decode_image(encode(pixels(1), "BMP"), "x.bmp")
    with pytest.raises(MemoryError):
        check_decodes(encode(pixels(1), "JPEG"), "x.jpg")
    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(MemoryError):
        open_image(b"data", "x.bmp")


def test_arrays_pass_through():
    image = decode_image(pixels(5), "memory[5]")
    np.testing.assert_array_equal(np.asarray(image), pixels(5))


def test_the_error_survives_a_pickle():
    error = pickle.loads(pickle.dumps(BadImageError("a.jpg", "is empty")))  # noqa: S301
    assert (error.where, error.reason, str(error)) == ("a.jpg", "is empty", "a.jpg: is empty")


def test_a_pointer_of_git_lfs_is_named_as_one(tmp_path: Path):
    data = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"
    (tmp_path / "a.jpg").write_bytes(data)
    with (tmp_path / "a.jpg").open("rb") as file:
        for given in (data, file):
            with pytest.raises(BadImageError, match="is a Git LFS pointer, not the image"):
                open_image(given, "a.jpg")
