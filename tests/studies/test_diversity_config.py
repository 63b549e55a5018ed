"""Fields of the study of diversity are checked by name."""

from __future__ import annotations

from typing import Any

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.studies.diversity_config import DiversityConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("probe_splits", -1),
        ("most_pairs", 0),
        ("samples", 0),
        ("seed", -1),
        ("probe_c", ()),
        ("probe_c", (0.0,)),
    ],
)
def test_a_wrong_value_is_refused_by_name(field: str, value: Any):
    with pytest.raises(InputError, match=f"^{field}: expected .*, found "):
        DiversityConfig(**{field: value})
