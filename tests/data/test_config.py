from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.config import DataConfig


def test_at_most_fifteen_fields():
    assert len(dataclasses.fields(DataConfig)) <= 15


@pytest.mark.parametrize(
    "options",
    [
        {"validation_fraction": 0.0},
        {"test_fraction": 1.0},
        {"full_decode_limit": -1},
        {"num_threads": -1},
    ],
)
def test_values_out_of_range_name_the_field(options: dict[str, float]):
    (name,) = options
    with pytest.raises(InputError, match=f"data.{name}: expected"):
        DataConfig(train="folder:x", **options)  # type: ignore[arg-type]


def test_nothing_heavy_is_imported():
    code = (
        "import sys, wiseft_jax.data.config, wiseft_jax.data.specs, wiseft_jax.data\n"
        "heavy = {'jax', 'grain', 'numpy', 'PIL', 'tensorflow_datasets', 'transformers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
