"""The cache of compiled facts."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from wiseft_jax.core import cache
from wiseft_jax.planning import plan_cache
from wiseft_jax.planning.plan_cache import load_plan, plan_path, store_plan


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_what_is_stored_is_found():
    assert load_plan("a1") is None
    store_plan("a1", {"flops": 1.5})
    assert load_plan("a1") == {"flops": 1.5}


def test_a_damaged_entry_is_a_miss_and_is_named(caplog: pytest.LogCaptureFixture):
    store_plan("a1", {"flops": 1.5})
    plan_path("a1").write_text("{", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert load_plan("a1") is None
    assert "a1.json" in caplog.text
    assert not plan_path("a1").exists()


def test_a_disabled_cache_keeps_nothing():
    with cache.disabled():
        store_plan("a1", {})
    assert load_plan("a1") is None
    store_plan("a1", {})
    with cache.disabled():
        assert load_plan("a1") is None


def test_the_number_of_entries_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan_cache, "MAX_PLANS", 3)
    for index in range(5):
        store_plan(f"k{index}", {"index": index})
    assert len(list(plan_path("k0").parent.glob("*.json"))) == 3
    assert load_plan("k4") == {"index": 4}


def test_a_read_only_cache_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        store_plan("a1", {})
    assert "going on without" in caplog.text
