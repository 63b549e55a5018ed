from __future__ import annotations

import jax
import ml_dtypes
import numpy as np
import pytest

from wiseft_jax.clip.convert import from_hf, to_hf
from wiseft_jax.clip.reading import Reading
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import flatten_paths

TENSORS = {
    "vision_model.embeddings.patch_embedding.weight": np.arange(48.0).reshape(2, 3, 4, 2),
    "vision_model.embeddings.class_embedding": np.arange(2.0),
    "text_model.embeddings.token_embedding.weight": np.arange(10.0).reshape(5, 2),
    "text_model.fc.weight": np.arange(6.0).reshape(2, 3),
    "text_model.fc.bias": np.arange(2.0),
    "text_model.norm.weight": np.arange(3.0),
    "logit_scale": np.array(4.6),
}


def shape(*axes: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(axes, np.float32)


TEMPLATE = {
    "vision_model": {
        "embeddings": {
            "patch_embedding": {"kernel": shape(4, 2, 3, 2)},
            "class_embedding": shape(2),
        }
    },
    "text_model": {
        "embeddings": {"token_embedding": {"embedding": shape(5, 2)}},
        "fc": {"kernel": shape(3, 2), "bias": shape(2)},
        "norm": {"scale": shape(3)},
    },
    "logit_scale": shape(),
}


def test_linear_and_convolution_weights_are_transposed():
    params = from_hf(TENSORS, TEMPLATE)
    kernel = params["vision_model"]["embeddings"]["patch_embedding"]["kernel"]
    stored = TENSORS["vision_model.embeddings.patch_embedding.weight"]
    for out, channel, row, column in np.ndindex(stored.shape):
        assert kernel[row, column, channel, out] == stored[out, channel, row, column]
    np.testing.assert_array_equal(params["text_model"]["fc"]["kernel"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(
        params["text_model"]["embeddings"]["token_embedding"]["embedding"],
        TENSORS["text_model.embeddings.token_embedding.weight"],
    )
    assert params["logit_scale"].shape == ()


def test_everything_is_contiguous_float32_on_the_host():
    for leaf in flatten_paths(from_hf(TENSORS, TEMPLATE)).values():
        assert type(leaf) is np.ndarray
        assert leaf.dtype == np.float32
        assert leaf.flags.c_contiguous


def test_the_inverse_gives_every_tensor_back():
    tensors = to_hf(from_hf(TENSORS, TEMPLATE))
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in tensors.items():
        expected = TENSORS[name].astype(np.float32)
        np.testing.assert_array_equal(tensor, expected, err_msg=name)
        assert tensor.shape == expected.shape
        assert tensor.flags.c_contiguous


@pytest.mark.parametrize("separator", [".", "/"])
def test_flax_names_are_taken_as_they_are(separator: str):
    params = from_hf(TENSORS, TEMPLATE)
    stored = {name.replace("/", separator): leaf for name, leaf in flatten_paths(params).items()}
    again = from_hf(stored, TEMPLATE)
    for name, leaf in flatten_paths(params).items():
        np.testing.assert_array_equal(flatten_paths(again)[name], leaf, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_floats_are_cast_to_float32(dtype: type):
    stored = {name: tensor.astype(dtype) for name, tensor in TENSORS.items()}
    bias = from_hf(stored, TEMPLATE)["text_model"]["fc"]["bias"]
    assert bias.dtype == np.float32
    np.testing.assert_array_equal(bias, [0, 1])


def test_position_ids_are_ignored():
    stored = {**TENSORS, "text_model.embeddings.position_ids": np.arange(5)}
    found, expected = (flatten_paths(from_hf(each, TEMPLATE)) for each in (stored, TENSORS))
    assert list(found) == list(expected)
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)


def test_every_fault_is_listed_in_one_error():
    stored = {name: tensor for name, tensor in TENSORS.items() if "norm" not in name}
    stored |= {
        "text_model.fc.weight": np.zeros((7, 3)),
        "logit_scale": np.zeros(1),
        "text_model.fc.bias": np.arange(2),
        "vision_model.embeddings.class_embedding": np.array([1.0, np.nan]),
        "text_model.lora.weight": np.zeros(1),
        "extra": np.zeros(1),
    }
    with pytest.raises(InputError) as caught:
        from_hf(stored, TEMPLATE, "somewhere/model")
    message = str(caught.value)
    assert message.startswith("somewhere/model: ")
    assert "missing: text_model.norm.weight;" in message
    assert "unknown: extra, text_model.lora.weight;" in message
    assert "of another shape: " in message
    assert "text_model.fc.weight (expected (2, 3), found (7, 3))" in message
    assert "logit_scale (expected (), found (1,))" in message
    assert "not floating point: text_model.fc.bias (int64);" in message
    assert "not finite: vision_model.embeddings.class_embedding" in message


@pytest.mark.parametrize(
    ("reading", "escapes"),
    [(None, False), (Reading(), True), (Reading(allow_missing=("*",)), False)],
)
def test_the_way_out_is_named_where_there_is_one(reading: Reading | None, escapes: bool):
    stored = {name: tensor for name, tensor in TENSORS.items() if "logit_scale" not in name}
    del stored["text_model.norm.weight"]
    with pytest.raises(InputError, match=r"missing: .*logit_scale") as caught:
        from_hf({**stored, "extra": np.zeros(1)}, TEMPLATE, reading=reading)
    way_out = "--allow-missing beside --model, --model.allow-missing beside --model.name"
    assert (way_out in str(caught.value)) == escapes


def test_no_way_out_is_named_for_weights_that_cannot_be_made_up():
    stored = {name: tensor for name, tensor in TENSORS.items() if name != "text_model.fc.weight"}
    with pytest.raises(InputError, match=r"missing: text_model\.fc\.weight\.") as caught:
        from_hf(stored, TEMPLATE, reading=Reading())
    assert "allow-missing" not in str(caught.value)


def test_misshapen_convolutions_are_reported_in_the_layout_of_the_file():
    stored = {**TENSORS, "vision_model.embeddings.patch_embedding.weight": np.zeros((2, 3, 8, 8))}
    with pytest.raises(InputError, match=r"expected \(2, 3, 4, 2\), found \(2, 3, 8, 8\)"):
        from_hf(stored, TEMPLATE)


def test_very_long_lists_are_cut_with_a_count():
    stored = {**TENSORS, **{f"more.{i:03}": np.zeros(1) for i in range(100)}}
    with pytest.raises(InputError, match=r"more\.039 and 60 more"):
        from_hf(stored, TEMPLATE)
