from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers.tiny_openclip import tiny_model_cfg, tiny_openclip_tensors
from wiseft_jax.clip.torch_names import STATE_DICTS, split_state_dict
from wiseft_jax.core.errors import InputError

TENSORS = tiny_openclip_tensors(tiny_model_cfg())
HEAD = {
    "classification_head.weight": np.arange(60, dtype=np.float32).reshape(3, 20),
    "classification_head.bias": np.float32([1, 2, 3]),
}


def fine_tuned(prefix: str) -> dict[str, Any]:
    """The state dict of an image classifier, from which the text transformer was removed."""
    kept = {n: t for n, t in TENSORS.items() if not n.startswith("transformer.")}
    return {f"{prefix}{name}": tensor for name, tensor in kept.items()}


@pytest.mark.parametrize("parallel", ["", "module."])
@pytest.mark.parametrize("prefix", STATE_DICTS)
def test_the_references_state_dicts_are_known(prefix: str, parallel: str):
    given = {**fine_tuned(prefix), **HEAD}
    found = split_state_dict({f"{parallel}{n}": t for n, t in given.items()}, "x.pt")
    assert found.clip.keys() == {name for name in TENSORS if name.startswith("visual.")}
    for name, tensor in found.clip.items():
        assert tensor is TENSORS[name]
    np.testing.assert_array_equal(found.head["kernel"], HEAD["classification_head.weight"].T)
    np.testing.assert_array_equal(found.head["bias"], [1, 2, 3])
    assert not found.whole
    assert found.unknown == ()
    assert found.left_out == (
        "ln_final.bias",
        "ln_final.weight",
        "logit_scale",
        "positional_embedding",
        "text_projection",
        "token_embedding.weight",
    )


def test_a_whole_clip_stays_whole():
    found = split_state_dict({f"module.{n}": t for n, t in TENSORS.items()}, "x.pt")
    assert found.clip.keys() == TENSORS.keys()
    assert found.whole
    assert not found.head
    assert not found.left_out


def test_what_is_not_known_is_listed():
    given = {**fine_tuned("model."), **HEAD, "optimizer.step": np.zeros(1)}
    assert split_state_dict(given, "x.pt").unknown == ("optimizer.step",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"visual.layer1.0.conv1.weight": np.zeros(1)}, "with a vision transformer .*layer1"),
        ({}, "found nothing"),
        ({**TENSORS, "classification_head.bias": np.zeros(3)}, "weight and .bias, found one"),
    ],
)
def test_what_is_no_image_classifier_is_refused(given: Any, message: str):
    with pytest.raises(InputError, match=rf"x\.pt: .*{message}"):
        split_state_dict(given, "x.pt")
