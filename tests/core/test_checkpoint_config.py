from __future__ import annotations

import pytest

from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.errors import InputError


@pytest.mark.parametrize(("field", "value"), [("keep_latest", 0), ("keep_best", -1)])
def test_what_is_wrong_is_named(field: str, value: int):
    with pytest.raises(InputError, match=f"checkpoints.{field}: expected at least"):
        CheckpointConfig(**{field: value})  # type: ignore[arg-type]
