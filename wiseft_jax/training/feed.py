"""The next batch is on its way to the devices while they compute; and how long they waited for it.

The order matters. A step is handed to the devices first, and only then is the batch after it asked
for: that batch may take as long as the rest of the step before and the whole of this one. Where a
batch is asked for before the step that already has its own is handed over, as a buffer between
pipeline and loop does it, a batch that takes longer than one step leaves the devices idle.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax


@dataclasses.dataclass(frozen=True)
class Fed:
    """A batch that is on the devices, or on its way.

    Attributes:
      placed: What the step takes.
      index: The position of each example in the dataset, on the host.
      wait_secs: How long the devices had nothing to do because this batch wasn't there.
    """

    placed: Any
    index: Any
    wait_secs: float


class Watcher:
    """Notes when steps end, in a thread of its own.

    Args:
      clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="watcher")

    def end_of(self, running: Any) -> concurrent.futures.Future[float]:
        """Return the time at which arrays that are being computed will be there; at once.

        Args:
          running: Outputs of a step.
        """
        return self._executor.submit(self._wait, running)

    def close(self) -> None:
        """End the thread as soon as the step that it watches is over; doesn't wait for it."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _wait(self, running: Any) -> float:
        jax.block_until_ready(running)
        return self._clock()


class Feed:
    """Hands out batches that were fetched one step ahead; batch k is the source's batch k.

    The devices waited from the end of the step before until the batch was placed. The end is known
    from a thread, so the loop itself never waits for the newest step. The thread may note it late,
    by the time that it takes to wake, and never early: ``wait_secs`` is a lower bound, and a close
    one. It tells nothing of a transfer that outlasts the step before, or of other processes.

    Args:
      batches: An iterator of host batches with ``index``, and with ``close()``; ``skipped``, if it
        has it, lists the bad images met.
      place: Host batch -> arrays on the devices; should return before the transfer is over.
      count: How many batches will be taken; no more are fetched.
      watcher: Tells when a step ended; closed with the feed.
      clock: Seconds, as the watcher counts them.
    """

    def __init__(
        self,
        batches: Any,
        place: Callable[[dict[str, Any]], Any],
        count: int,
        *,
        watcher: Watcher | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._batches = batches
        self._place = place
        self._to_fetch = count
        self._watcher = Watcher(clock) if watcher is None else watcher
        self._clock = clock
        self._ahead: tuple[Fed | Exception, int] | None = None
        self._num_skipped = 0

    @property
    def skipped(self) -> Sequence[str]:
        """``"id: reason"`` of each bad image met up to the batch that was taken last."""
        return getattr(self._batches, "skipped", ())[: self._num_skipped]

    def take(self) -> Fed:
        """Return the next batch.

        Raises:
          Exception: What went wrong with this batch, though it was fetched a step earlier.
        """
        fed, self._num_skipped = self._ahead or self._fetch(None)
        self._ahead = None
        if isinstance(fed, Exception):
            raise fed
        return fed

    def fetch_next(self, running: Any) -> None:
        """Fetch the next batch, unless the last one was taken, while the devices compute.

        An error waits for its turn: the step under way can still be read, validated and saved.

        Args:
          running: An output of the step that was handed to the devices last.
        """
        if self._to_fetch > 0:
            self._ahead = self._fetch(self._watcher.end_of(running))

    def close(self) -> None:
        """Close the source; waits for no step."""
        self._watcher.close()
        self._batches.close()

    def _fetch(
        self, ended_at: concurrent.futures.Future[float] | None
    ) -> tuple[Fed | Exception, int]:
        self._to_fetch -= 1
        started = self._clock()
        fed: Fed | Exception
        try:
            batch = next(self._batches)
            placed = self._place(batch)
            fed = Fed(placed, batch["index"], self._waited(started, ended_at))
        except Exception as error:
            fed = error
        return fed, len(getattr(self._batches, "skipped", ()))

    def _waited(self, started: float, ended_at: concurrent.futures.Future[float] | None) -> float:
        now = self._clock()
        if ended_at is None:  # nothing was handed over before
            return now - started
        if not ended_at.done() or ended_at.exception():  # the log raises it when it reads the step
            return 0.0
        return max(0.0, now - max(started, ended_at.result()))
