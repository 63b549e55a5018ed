"""Operations on weights; `interpolate` holds the only lerp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, {"lerp": "interpolate"})

if TYPE_CHECKING:
    from wiseft_jax.weights.interpolate import lerp as lerp
