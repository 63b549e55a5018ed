"""When the rate drops, and what is refused."""

from __future__ import annotations

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.training.sgd_config import SgdConfig


def test_the_rate_drops_with_the_first_step_of_an_epoch():
    paper = SgdConfig()
    assert paper.drop_steps(2560, 256, 2000) == (500, 1000, 1500)  # 200 epochs
    assert paper.drop_steps(2560, 256, 500) == ()
    assert SgdConfig(drop_every_epochs=1).drop_steps(10, 4, 10) == (3, 5, 8)  # 2.5 steps an epoch
    assert SgdConfig(drop_every_epochs=0.5).drop_steps(10, 10, 3) == (1, 1, 2, 2)
    assert SgdConfig(drop_every_epochs=None).drop_steps(10, 1, 1000) == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 1.0}, r"momentum: expected a number in \[0, 1\), found 1\.0"),
        ({"drop_every_epochs": 0}, r"drop_every_epochs: expected a number > 0, or none, found 0"),
        ({"drop_factor": 0.0}, r"drop_factor: expected a number in \(0, 1\], found 0\.0"),
    ],
)
def test_what_does_not_fit_is_named(options: dict[str, float], message: str):
    with pytest.raises(InputError, match=message):
        SgdConfig(**options)
