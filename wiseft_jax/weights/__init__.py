"""Operations on weights; `interpolate` holds the only lerp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Coefficients": "coefficients",
        "bernoulli_mix": "bernoulli",
        "coefficient_gradient": "coefficients",
        "lerp": "interpolate",
        "lerp_groups": "coefficients",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.weights.bernoulli import bernoulli_mix as bernoulli_mix
    from wiseft_jax.weights.coefficients import Coefficients as Coefficients
    from wiseft_jax.weights.coefficients import coefficient_gradient as coefficient_gradient
    from wiseft_jax.weights.coefficients import lerp_groups as lerp_groups
    from wiseft_jax.weights.interpolate import lerp as lerp
