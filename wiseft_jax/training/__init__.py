"""Fine-tuning: configuration, recipes, step and loop; the losses.

``fine_tune`` is ``wiseft_jax.fine_tune``; here the name is the module that defines it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Plan": "config",
        "RECIPES": "recipes",
        "TrainConfig": "config",
        "cross_entropy": "losses",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.training.config import Plan as Plan
    from wiseft_jax.training.config import TrainConfig as TrainConfig
    from wiseft_jax.training.losses import cross_entropy as cross_entropy
    from wiseft_jax.training.recipes import RECIPES as RECIPES
