from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import CLIPImageProcessor

from tests.data.builders import pixels
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.transforms import TrainTransform, eval_transform, train_transform

RESAMPLE = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
sides = st.integers(1, 90)


def clip_processor(preprocess: Preprocess, **options: bool) -> CLIPImageProcessor:
    return CLIPImageProcessor(
        size={"shortest_edge": preprocess.resize},
        crop_size={"height": preprocess.size, "width": preprocess.size},
        resample=RESAMPLE[preprocess.interpolation],
        image_mean=list(preprocess.mean),
        image_std=list(preprocess.std),
        **options,
    )


def processed(preprocess: Preprocess, image: Image.Image) -> np.ndarray:
    processor = clip_processor(preprocess, do_rescale=False, do_normalize=False)
    out = processor(image, return_tensors="np", input_data_format="channels_last")
    return out["pixel_values"][0].transpose(1, 2, 0)


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.integers(0, 10**6), st.sampled_from(sorted(RESAMPLE)))
def test_evaluation_equals_clips_image_processor_bit_for_bit(
    width: int, height: int, seed: int, interpolation: str
):
    preprocess = Preprocess(size=24, resize=24, interpolation=interpolation)  # type: ignore[arg-type]
    image = Image.fromarray(pixels(seed, height, width))
    ours = eval_transform(preprocess)(image)
    assert ours.dtype == np.uint8
    np.testing.assert_array_equal(ours, processed(preprocess, image))


@pytest.mark.parametrize(("size", "resize"), [(24, 32), (32, 24), (31, 24), (24, 31)])
@pytest.mark.parametrize(("width", "height"), [(50, 40), (40, 51), (24, 24), (31, 31), (7, 90)])
def test_so_it_does_when_crop_and_resize_differ(size: int, resize: int, width: int, height: int):
    preprocess = Preprocess(size=size, resize=resize)
    image = Image.fromarray(pixels(0, height, width))
    np.testing.assert_array_equal(eval_transform(preprocess)(image), processed(preprocess, image))


@pytest.mark.parametrize(("width", "height"), [(500, 375), (375, 500), (224, 224), (100, 640)])
def test_normalised_pixels_equal_clips_too(width: int, height: int):
    preprocess = Preprocess()
    image = Image.fromarray(pixels(1, height, width))
    theirs = clip_processor(preprocess)(image, return_tensors="np")["pixel_values"][0]
    ours = eval_transform(preprocess)(image).astype(np.float32) / 255
    ours = (ours - np.float32(preprocess.mean)) / np.float32(preprocess.std)
    np.testing.assert_allclose(ours.transpose(2, 0, 1), theirs, atol=1e-6, rtol=0)


def test_an_image_that_has_the_size_is_untouched():
    image = pixels(2, 32, 32)
    out = eval_transform(Preprocess(32, 32))(Image.fromarray(image))
    np.testing.assert_array_equal(out, image)


@settings(deadline=None)
@given(
    sides,
    sides,
    st.integers(0, 2**32),
    st.tuples(st.floats(0.05, 1), st.floats(0.05, 1)).map(sorted).map(tuple),
)
def test_a_random_box_lies_in_the_image_and_keeps_to_scale_and_ratio(
    width: int, height: int, seed: int, scale: tuple[float, float]
):
    transform = TrainTransform(Preprocess(8, 8), scale)
    left, top, right, bottom = transform.box((width, height), np.random.default_rng(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    w, h = right - left, bottom - top
    centred = (left, top) == ((width - w) // 2, (height - h) // 2)
    # each side is rounded by at most a half
    in_scale = (w + 0.5) * (h + 0.5) >= scale[0] * width * height and (
        (w - 0.5) * (h - 0.5) <= scale[1] * width * height
    )
    in_ratio = (w + 0.5) / (h - 0.5) >= 3 / 4 and (w - 0.5) / (h + 0.5) <= 4 / 3
    assert in_ratio or min(width, height) == 1
    assert in_scale or centred


def test_boxes_follow_torchvisions_distribution():
    transform = train_transform(Preprocess(8, 8), (0.2, 0.6))
    rng = np.random.default_rng(0)
    boxes = np.array([transform.box((1000, 1000), rng) for _ in range(4000)], float)
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area, ratio = w * h / 1e6, np.log(w / h)
    assert abs(area.mean() - 0.4) < 0.01
    assert abs(area.std() - 0.4 / np.sqrt(12)) < 0.01
    assert abs(ratio.mean()) < 0.02
    assert abs(ratio.std() - 2 * np.log(4 / 3) / np.sqrt(12)) < 0.01
    left = boxes[:, 0] / (1000 - w)
    assert abs(left.mean() - 0.5) < 0.02
    assert left.min() < 0.01 < 0.99 < left.max()


@pytest.mark.parametrize(
    ("size", "expected"), [((100, 10), (43, 0, 56, 10)), ((10, 100), (0, 43, 10, 56))]
)
def test_an_image_too_narrow_for_the_ratio_gives_its_middle(size, expected):
    transform = train_transform(Preprocess(8, 8), (0.9, 1.0))
    assert transform.box(size, np.random.default_rng(0)) == expected


def test_the_whole_of_a_square_image_is_resized_as_for_evaluation():
    image = Image.fromarray(pixels(4, 40, 40))
    preprocess = Preprocess(24, 24)
    out = TrainTransform(preprocess, (1.0, 1.0), (1.0, 1.0))(image, np.random.default_rng(0))
    np.testing.assert_array_equal(out, eval_transform(preprocess)(image))


def test_the_crop_is_cut_before_it_is_resized():
    image = Image.fromarray(pixels(5, 30, 40))
    transform = train_transform(Preprocess(16, 16), (0.3, 0.5))
    box = transform.box(image.size, np.random.default_rng(7))
    expected = image.crop(box).resize((16, 16), Image.Resampling.BICUBIC)
    out = transform(image, np.random.default_rng(7))
    np.testing.assert_array_equal(out, np.asarray(expected))


@pytest.mark.parametrize("scale", [(0.0, 1.0), (0.5, 0.4), (0.9, 1.1)])
def test_a_scale_out_of_range_is_refused(scale: tuple[float, float]):
    with pytest.raises(InputError, match="crop scale"):
        train_transform(Preprocess(), scale)


def test_a_ratio_out_of_range_is_refused():
    with pytest.raises(InputError, match="crop ratio"):
        TrainTransform(Preprocess(), (0.9, 1.0), (2.0, 1.0))


def test_transforms_can_be_pickled_for_worker_processes():
    transform = train_transform(Preprocess(8, 8))
    assert pickle.loads(pickle.dumps(transform)) == transform  # noqa: S301
