"""Options of the sweep that exclude each other are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.config import SweepConfig


@pytest.mark.parametrize("options", [{"backend": "map"}, {"chunk_size": 2}])
def test_options_of_the_direct_method_mean_nothing_to_the_curve(options: dict[str, Any]) -> None:
    SweepConfig(**options)
    with pytest.raises(InputError, match=f"sweep.{next(iter(options))}: has no meaning"):
        SweepConfig(method="curve", **options)


def test_a_curve_stores_logits_as_the_direct_method_does() -> None:
    assert SweepConfig().keep_logits == SweepConfig(method="curve").keep_logits == "auto"
    assert SweepConfig(method="curve", keep_logits="all").keep_logits == "all"


@pytest.mark.parametrize("alphas", [(), (0.5, 0.5), (1.0, 0.0), (float("nan"),)])
def test_grids_that_are_none_are_refused(alphas: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"sweep\.alphas"):
        SweepConfig(alphas=alphas)
