"""Whatever the package imports is a declared dependency."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterable

from packaging.requirements import Requirement

from tests.structure.source_tree import PACKAGE, ROOT, Module, imports_of, package_modules

EXTRAS_OF = {
    "wiseft_jax.quickstart": ("quickstart", "pretrain"),
    "wiseft_jax.backgrounds": ("segment",),
    "wiseft_jax.core": ("tensorboard", "wandb"),
}
"""Part -> the extras that it may use beside the core dependencies."""

OPTIONAL = {
    "cv2": ["opencv-python-headless"],
    "tensorboardX": ["tensorboardX"],
    "wandb": ["wandb"],
}
"""Library that needn't be installed here -> its distribution."""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(extras: Iterable[str]) -> set[str]:
    """Return the distributions that an installation with ``extras`` asks for by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = list(project["dependencies"])
    texts += [text for extra in extras for text in project["optional-dependencies"][extra]]
    return {_normal(Requirement(text).name) for text in texts}


def undeclared_imports(modules: Iterable[Module]) -> list[str]:
    """Return the imports of libraries that the module's installation needn't have."""
    providers = {**importlib.metadata.packages_distributions(), **OPTIONAL}
    found = []
    for module in modules:
        allowed = declared(EXTRAS_OF.get(".".join(module.name.split(".")[:2]), ()))
        for item in imports_of(module):
            top = item.target.split(".")[0]
            if top in sys.stdlib_module_names or top == PACKAGE:
                continue
            if not {_normal(name) for name in providers.get(top, [top])} & allowed:
                found.append(str(item))
    return found


def test_every_imported_library_is_declared():
    assert undeclared_imports(package_modules()) == []


def test_an_undeclared_import_is_found():
    text = "import json, numpy, sklearn\nfrom PIL import Image\nimport pandas as pd"
    core = undeclared_imports([Module("wiseft_jax.core.x", "x.py", text)])
    assert [line.split("import ")[-1] for line in core] == ["sklearn", "pandas"]
    quickstart = undeclared_imports([Module("wiseft_jax.quickstart.x", "x.py", text)])
    assert [line.split("import ")[-1] for line in quickstart] == ["pandas"]
