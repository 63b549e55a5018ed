"""Lazy re-exports (PEP 562), so that importing a package costs nothing until a name is used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_exports(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the module-level ``__getattr__`` and ``__dir__`` of a package.

    Args:
      package: The package's ``__name__``.
      names: Public name -> the submodule that defines it, relative to ``package``.

    Returns:
      ``(__getattr__, __dir__)``; a name is imported the first time that it is read. ``__all__`` is
      the names.

    Example:
      >>> __getattr__, __dir__ = lazy_exports(__name__, {"lerp": "weights.interpolate"})
    """

    def getattr_(name: str) -> Any:
        if name == "__all__":  # asked for by ``from package import *``, which imports all of them
            return sorted(names)
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{names[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def dir_() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names})

    return getattr_, dir_
