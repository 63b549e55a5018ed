"""The table of fine-tuning recipes; a contract test runs over all of them."""

from __future__ import annotations

from collections.abc import Callable

from wiseft_jax.training.end_to_end import end_to_end
from wiseft_jax.training.linear_classifier import linear_classifier
from wiseft_jax.training.problem import Problem, Task

RECIPES: dict[str, Callable[[Task], Problem]] = {
    "end_to_end": end_to_end,
    "linear_classifier": linear_classifier,
}
