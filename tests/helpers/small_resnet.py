"""A ResNet of a few thousand parameters, for images of 8 x 8 pixels."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from wiseft_jax.clip.resnet import ResNet, make_resnet
from wiseft_jax.core.preprocess import Preprocess

SIZE = 8
SETTINGS: dict[str, Any] = {
    "embedding_size": 4,
    "hidden_sizes": [6, 8],
    "depths": [1, 1],
    "layer_type": "basic",
}


def small_resnet(num_classes: int = 3) -> ResNet:
    return make_resnet(num_classes, Preprocess(SIZE, SIZE), SETTINGS, enlarged_to=32)


def random_variables(resnet: ResNet, seed: int = 0) -> Any:
    """Return variables with a random head and statistics: nothing is 0 or 1 by accident."""
    random = np.random.default_rng(seed)
    variables = resnet.init(seed)

    def drawn(leaf: Any) -> np.ndarray:
        return random.uniform(0.5, 1.5, np.shape(leaf)).astype(np.float32)

    params = variables["params"]
    head = jax.tree_util.tree_map(lambda leaf: drawn(leaf) - 1, params["head"])
    stats = jax.tree_util.tree_map(drawn, variables["batch_stats"])
    return {"params": {**params, "head": head}, "batch_stats": stats}
