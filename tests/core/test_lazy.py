from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package ``lazily`` that re-exports ``answer`` from ``lazily.deep.thought``."""
    root = tmp_path / "lazily"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "__init__.py").touch()
    (root / "deep" / "thought.py").write_text("answer = [42]\n")
    (root / "__init__.py").write_text(
        textwrap.dedent(
            """
            from wiseft_jax.core.lazy import lazy_exports

            __version__ = "1"
            __getattr__, __dir__ = lazy_exports(
                __name__, {"answer": "deep.thought", "gone": "deep.thought"}
            )
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "lazily"
    for name in [name for name in sys.modules if name.split(".")[0] == "lazily"]:
        del sys.modules[name]


def test_a_name_is_imported_when_it_is_read(package: str):
    import lazily  # type: ignore[import-not-found]

    assert "lazily.deep.thought" not in sys.modules
    first = lazily.answer
    assert first == [42]
    assert "lazily.deep.thought" in sys.modules
    assert vars(lazily)["answer"] is first
    assert lazily.answer is first


def test_from_import_works(package: str):
    from lazily import answer  # type: ignore[import-not-found]

    assert answer == [42]


def test_dir_lists_lazy_and_own_names(package: str):
    import lazily  # type: ignore[import-not-found]

    assert {"answer", "gone", "__version__"} <= set(dir(lazily))
    assert dir(lazily) == sorted(dir(lazily))


def test_an_unknown_name_names_the_package(package: str):
    import lazily  # type: ignore[import-not-found]

    with pytest.raises(AttributeError, match="module 'lazily' has no attribute 'question'"):
        lazily.question  # noqa: B018
    assert not hasattr(lazily, "__path_to_nowhere__")


def test_a_name_that_its_module_lacks_is_an_attribute_error(package: str):
    import lazily  # type: ignore[import-not-found]

    with pytest.raises(AttributeError, match="gone"):
        lazily.gone  # noqa: B018


def test_all_names_are_those_that_are_exported(package: str):
    import lazily  # type: ignore[import-not-found]

    assert lazily.__all__ == ["answer", "gone"]
    assert "lazily.deep.thought" not in sys.modules
    with pytest.raises(AttributeError, match="gone"):
        exec("from lazily import *", {})
