from __future__ import annotations

import pytest

from wiseft_jax.core.older_roles import role_of_older
from wiseft_jax.data.catalog_objects import MATCHED_DATASETS


@pytest.mark.parametrize("name", MATCHED_DATASETS)
def test_what_was_published_then_was_no_shift(name: str):
    assert role_of_older(name, "shift") == "matched_reference"
    assert role_of_older(f"{name}-val", "shift") == "matched_reference"
    assert role_of_older(name, "reference") == "reference"


@pytest.mark.parametrize("name", ["imagenet-r-test", "sketches", "mine-val-classes", "night-val"])
def test_every_other_set_keeps_its_role(name: str):
    assert role_of_older(name, "shift") == "shift"
