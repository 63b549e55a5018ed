from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.clip.config import ModelConfig, load_model
from wiseft_jax.clip.reading import AS_STORED, Reading
from wiseft_jax.core.errors import InputError


def test_what_is_said_of_a_checkpoint_reaches_its_reader():
    assert ModelConfig().reading() == AS_STORED
    config = ModelConfig("x", base="b", allow_missing=("v*",), activation="gelu", image_size=32)
    assert config.reading() == Reading("b", ("v*",), "gelu", 32)


@pytest.mark.parametrize("size", [0, -224])
def test_a_size_that_is_none_is_refused(size: int):
    with pytest.raises(InputError, match=rf"model\.image_size: expected pixels, found {size}"):
        ModelConfig(image_size=size)


def test_a_model_is_loaded_at_the_resolution_that_is_asked_for(tmp_path: Path):
    directory = tiny_clip_directory(tmp_path, vision_layers=1)
    config = ModelConfig(str(directory), image_size=24)
    classifier, theta = load_model(config, ["x", "y"])
    positions = theta["encoder"]["vision_model"]["embeddings"]["position_embedding"]["embedding"]
    assert np.shape(positions) == (10, 32)
    assert classifier.preprocess.size == 24
