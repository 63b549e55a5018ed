"""The feed: each step its own batch, one step ahead, and the waiting counted by the clock."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.training.feed import Feed, Watcher


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Source(Iterator[dict[str, Any]]):
    """Batch k holds k; making it takes ``secs[k]`` on the clock, and then calls ``during[k]``."""

    def __init__(self, clock: Clock, secs: list[float]) -> None:
        self.clock, self.secs = clock, secs
        self.made: list[int] = []
        self.during: dict[int, Callable[[], None]] = {}
        self.skipped: list[str] = []
        self.closed = 0

    def __next__(self) -> dict[str, Any]:
        number = len(self.made)
        self.made.append(number)
        self.during.get(number, lambda: None)()
        self.clock.now += self.secs[number]
        return {"index": np.array([number]), "image": np.array([number])}

    def close(self) -> None:
        self.closed += 1


class Steps(Watcher):
    """Ends that the test decides on, in the place of a thread."""

    def __init__(self) -> None:
        self.closed = 0
        self.ends: dict[Any, concurrent.futures.Future[float]] = {}

    def end_of(self, running: Any) -> concurrent.futures.Future[float]:
        return self.ends.setdefault(running, concurrent.futures.Future())

    def close(self) -> None:
        self.closed += 1


def make_feed(secs: list[float]) -> tuple[Feed, Source, Steps, Clock]:
    clock, steps = Clock(), Steps()
    source = Source(clock, secs)
    feed = Feed(source, lambda batch: batch["image"], len(secs), watcher=steps, clock=clock)
    return feed, source, steps, clock


def test_a_step_gets_its_own_batch_and_the_next_one_is_made_meanwhile():
    feed, source, _, _ = make_feed([1.0] * 4)
    assert source.made == []
    for number in range(4):
        fed = feed.take()
        assert (int(fed.placed[0]), int(fed.index[0])) == (number, number)
        assert source.made == list(range(number + 1))
        feed.fetch_next(number)
        assert source.made == list(range(min(number + 2, 4)))


def test_the_first_batch_is_waited_for_in_full():
    feed, _, _, _ = make_feed([3.0, 1.0])
    assert feed.take().wait_secs == 3.0


def test_a_batch_that_is_there_before_the_step_ends_costs_nothing():
    feed, _, steps, _ = make_feed([3.0, 1.0])
    feed.take()
    feed.fetch_next("step")
    assert steps.ends.keys() == {"step"}
    assert feed.take().wait_secs == 0.0


def test_a_slow_batch_is_waited_for_from_the_end_of_the_step():
    """Batch 1 is asked for at 3 s and takes 10 s; the step ends at 7 s."""
    feed, source, steps, _ = make_feed([3.0, 10.0])
    source.during[1] = lambda: steps.ends["step"].set_result(7.0)
    feed.take()
    feed.fetch_next("step")
    assert feed.take().wait_secs == 6.0


def test_a_step_that_was_over_before_is_waited_for_no_longer_than_the_batch_took():
    feed, source, steps, _ = make_feed([3.0, 10.0])
    source.during[1] = lambda: steps.ends["step"].set_result(1.0)
    feed.take()
    feed.fetch_next("step")
    assert feed.take().wait_secs == 10.0


def test_placing_counts_as_waiting():
    clock, steps = Clock(), Steps()

    def place(batch: dict[str, Any]) -> Any:
        clock.now += 5.0
        return batch["image"]

    feed = Feed(Source(clock, [1.0]), place, 1, watcher=steps, clock=clock)
    assert feed.take().wait_secs == 6.0


def test_a_failed_step_is_left_to_its_reader():
    feed, source, steps, _ = make_feed([3.0, 10.0])
    source.during[1] = lambda: steps.ends["step"].set_exception(RuntimeError("out of memory"))
    feed.take()
    feed.fetch_next("step")
    assert feed.take().wait_secs == 0.0


def fail(error: BaseException) -> None:
    raise error


def test_an_error_waits_for_its_turn():
    feed, source, _, _ = make_feed([1.0] * 3)
    source.during[1] = lambda: fail(ValueError("a bad image"))
    feed.take()
    feed.fetch_next("step")
    with pytest.raises(ValueError, match="a bad image"):
        feed.take()


def test_an_interruption_does_not():
    feed, source, _, _ = make_feed([1.0] * 3)
    source.during[1] = lambda: fail(KeyboardInterrupt())
    feed.take()
    with pytest.raises(KeyboardInterrupt):
        feed.fetch_next("step")


def test_skipped_images_are_those_of_the_batches_that_were_taken():
    feed, source, _, _ = make_feed([1.0] * 3)
    source.during = {number: lambda: source.skipped.append("bad") for number in (0, 1, 2)}
    assert list(feed.skipped) == []
    for count in (1, 2, 3):
        feed.take()
        feed.fetch_next(count)
        assert len(source.skipped) == min(count + 1, 3)
        assert len(feed.skipped) == count


def test_closing_closes_the_source_and_the_watcher():
    feed, source, steps, _ = make_feed([1.0])
    feed.close()
    assert (source.closed, steps.closed) == (1, 1)


class Running:
    """An array that is being computed until the test says otherwise."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def block_until_ready(self) -> Running:
        assert self.over.wait(60)
        return self


def test_the_watcher_notes_the_end_and_holds_nobody_up():
    clock, running = Clock(), Running()
    watcher = Watcher(clock)
    end = watcher.end_of(running)
    assert not end.done()
    clock.now = 5.0
    running.over.set()
    assert end.result(60) == 5.0
    watcher.close()


def test_closing_the_watcher_waits_for_no_step():
    running = Running()
    watcher = Watcher()
    first, second = watcher.end_of(running), watcher.end_of(running)
    watcher.close()
    assert not first.done()
    assert second.cancelled()
    running.over.set()
    assert first.result(60) > 0


def test_the_watcher_knows_arrays_of_jax():
    watcher = Watcher()
    assert watcher.end_of({"loss": jnp.ones(3) + 1}).result(60) > 0
    watcher.close()
