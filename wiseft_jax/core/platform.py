"""Which kind of device a program is traced for; usually the one that is there."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

import jax

_target: contextvars.ContextVar[str | None] = contextvars.ContextVar("target", default=None)


def target_platform() -> str:
    """Return ``"cpu"``, ``"gpu"`` or ``"tpu"``: what the program that is being traced will run on.

    It is JAX's default backend, unless a ``compiling_for`` block says otherwise.
    """
    return _target.get() or jax.default_backend()


@contextlib.contextmanager
def compiling_for(platform: str) -> Iterator[None]:
    """Trace what is inside for another kind of device, which needn't be there.

    Args:
      platform: ``"cpu"``, ``"gpu"`` or ``"tpu"``.
    """
    token = _target.set(platform)
    try:
        yield
    finally:
        _target.reset(token)
