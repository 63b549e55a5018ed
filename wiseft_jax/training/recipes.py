"""The table of fine-tuning recipes; a contract test runs over all of them."""

from __future__ import annotations

from collections.abc import Callable

from wiseft_jax.training.end_to_end import end_to_end, paint
from wiseft_jax.training.linear_probe import linear_probe, lp_ft
from wiseft_jax.training.problem import Problem, Task
from wiseft_jax.training.two_towers import contrastive, flyp

RECIPES: dict[str, Callable[[Task], Problem]] = {
    "end_to_end": end_to_end,
    "linear_probe": linear_probe,
    "lp_ft": lp_ft,
    "flyp": flyp,
    "paint": paint,
    "few_shot": end_to_end,  # of the few images that ``training.sampling`` leaves
    "contrastive": contrastive,
}
