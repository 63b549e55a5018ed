from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core import cache as cache_module
from wiseft_jax.core.cache import Cache, cache_root, disabled, is_disabled


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(root=tmp_path / "cache")


def megabyte(value: int = 0) -> dict[str, np.ndarray]:
    return {"x": np.full(1_000_000, value, np.uint8)}


def entries(cache: Cache) -> set[str]:
    assert cache.root is not None
    return {path.stem for path in cache.root.glob("*/*.npz")}


def test_arrays_come_back_with_their_names_dtypes_and_shapes(cache: Cache):
    arrays = {
        "head/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
        "file": np.float64(2.5),
        "allow_pickle": np.array(["a", "bc"]),
        "empty": np.zeros((0, 4), np.int64),
    }
    cache.store("kind", "key", arrays)
    loaded = cache.load("kind", "key")
    assert loaded is not None
    assert list(loaded) == list(arrays)
    for name, array in arrays.items():
        assert loaded[name].dtype == np.asarray(array).dtype
        np.testing.assert_array_equal(loaded[name], array)


def test_what_was_not_stored_is_a_miss(cache: Cache):
    cache.store("kind", "key", megabyte())
    assert cache.load("kind", "other") is None
    assert cache.load("other", "key") is None


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_a_key_and_different_keys_have_different_files(first: str, second: str):
    cache = Cache(root=Path("/nowhere"))
    path = cache.path("kind", first)
    assert path.parent == Path("/nowhere/kind")
    assert (path == cache.path("kind", second)) == (first == second)


def test_the_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Cache().store("kind", "key", megabyte())
    assert (tmp_path / "wiseft_jax" / "kind" / "key.npz").is_file()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_root() == Path("/home/someone/.cache/wiseft_jax")


def test_least_recently_used_entries_leave(tmp_path: Path):
    cache = Cache(root=tmp_path, max_bytes=3_100_000)
    for age, key in enumerate("abc"):
        cache.store("kind", key, megabyte())
        os.utime(cache.path("kind", key), (1000 + age, 1000 + age))
    assert cache.load("kind", "a") is not None  # used: now b is the oldest
    cache.store("other", "d", megabyte())
    assert entries(cache) == {"a", "c", "d"}


def test_an_entry_larger_than_the_bound_is_not_stored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    cache = Cache(root=tmp_path, max_bytes=1000)
    cache.store("kind", "small", {"x": np.zeros(1, np.uint8)})
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        cache.store("kind", "large", megabyte())
    assert entries(cache) == {"small"}
    assert "not stored" in caplog.text


@pytest.mark.parametrize("damage", ["truncate", "garbage", "empty", "flip"])
def test_a_damaged_entry_is_a_miss_with_a_warning(
    cache: Cache, damage: str, caplog: pytest.LogCaptureFixture
):
    cache.store("kind", "key", megabyte(7))
    path = cache.path("kind", "key")
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 0xFF
    damaged = {"truncate": data[:-200], "garbage": b"not a zip", "empty": b"", "flip": data}
    path.write_bytes(bytes(damaged[damage]))
    assert cache.load("kind", "key") is None
    assert "damaged cache entry" in caplog.text
    assert not path.exists()
    cache.store("kind", "key", megabyte(8))
    loaded = cache.load("kind", "key")
    assert loaded is not None
    assert loaded["x"][0] == 8


def test_pickles_are_neither_written_nor_read(cache: Cache):
    with pytest.raises(TypeError, match="can't be stored"):
        cache.store("kind", "key", {"x": np.array([{}])})
    with pytest.raises(TypeError, match="bfloat16"):
        cache.store("kind", "key", {"x": np.zeros(2, ml_dtypes.bfloat16)})
    path = cache.path("kind", "key")
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        np.savez(file, allow_pickle=True, x=np.array([{}]))
    assert cache.load("kind", "key") is None


@pytest.mark.parametrize("value", ["1", "yes"])
def test_the_environment_turns_it_off(cache: Cache, monkeypatch: pytest.MonkeyPatch, value: str):
    cache.store("kind", "key", megabyte())
    monkeypatch.setenv("WISEFT_NO_CACHE", value)
    assert is_disabled()
    assert cache.load("kind", "key") is None
    cache.store("kind", "new", megabyte())
    monkeypatch.setenv("WISEFT_NO_CACHE", "0")
    assert cache.load("kind", "key") is not None
    assert cache.load("kind", "new") is None


def test_a_block_and_a_flag_turn_it_off(cache: Cache):
    off = Cache(enabled=False, root=cache.root)
    off.store("kind", "key", megabyte())
    with disabled():
        with disabled():
            cache.store("kind", "key", megabyte())
        assert is_disabled()
    assert entries(cache) == set()
    assert not is_disabled()
    cache.store("kind", "key", megabyte())
    assert off.load("kind", "key") is None


def test_a_disk_that_can_not_be_written_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    cache = Cache(root=blocked)
    cache.store("kind", "key", megabyte())
    assert "can't write the cache" in caplog.text
    assert blocked.read_text() == "not a directory"


def test_stale_temporary_files_are_removed_and_fresh_ones_left(cache: Cache):
    folder = cache.path("kind", "key").parent
    folder.mkdir(parents=True)
    stale, fresh = folder / ".a.npz.1.tmp", folder / ".b.npz.2.tmp"
    stale.touch()
    fresh.touch()
    os.utime(stale, (1000, 1000))
    cache.store("kind", "key", megabyte())
    assert not stale.exists()
    assert fresh.exists()


def test_threads_that_write_and_read_one_entry_see_whole_entries(cache: Cache):
    problems: list[str] = []

    def work(value: int) -> None:
        for _ in range(8):
            cache.store("kind", "key", megabyte(value))
            loaded = cache.load("kind", "key")
            if loaded is None or len(set(loaded["x"][::1000].tolist())) != 1:
                problems.append(f"{value}: {loaded}")

    threads = [threading.Thread(target=work, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert entries(cache) == {"key"}
    assert list(cache.path("kind", "key").parent.glob("*.tmp")) == []


def test_an_entry_that_vanishes_during_eviction_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cache = Cache(root=tmp_path)
    cache.store("kind", "a", megabyte())
    stat = Path.stat

    def vanishing(self: Path, **options: bool) -> os.stat_result:
        if self.stem == "a":
            raise FileNotFoundError(self)
        return stat(self, **options)

    monkeypatch.setattr(cache_module.Path, "stat", vanishing)
    cache.store("kind", "b", megabyte())
    assert cache.load("kind", "b") is not None
