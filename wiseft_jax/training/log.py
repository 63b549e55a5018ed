"""``train.jsonl``: one record a step, read one step late; and the stop at a non-finite loss."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wiseft_jax.core.distributed import gather_json
from wiseft_jax.core.errors import NonFiniteLossError
from wiseft_jax.core.tracking import Tracker
from wiseft_jax.core.writers import JsonlWriter, write_text
from wiseft_jax.training.config import Plan
from wiseft_jax.training.step import Metrics

logger = logging.getLogger(__name__)

_SHOWN_IDS = 8
_MUCH_WAITING = 0.1
_WORTH_ADVICE_SECS = 1.0


class TrainLog:
    """Writes what each step measured.

    The metrics of step k are read when step k + 1 has been handed to the device, so the host never
    makes the device wait.

    Each record has ``time``, seconds since 1970 when it was written, and that of a step
    ``data_wait_secs``: how long the devices had nothing to do because the step's
    batch wasn't there (``training.feed`` says how it is known). The first batch after a start is
    waited for in full, while the pipeline fills; the summary leaves it out.

    Args:
      path: The file to append to; None keeps no file.
      plan: The steps of the run.
      image_id: Position in the training set -> what a person calls that image.
      last_checkpoint: Returns the last good checkpoint, for the message of a failure; raises
        nothing.
      clock: Seconds.
      tracker: Who gets each record too.
    """

    def __init__(
        self,
        path: Path | None,
        plan: Plan,
        image_id: Callable[[int], str],
        last_checkpoint: Callable[[], str],
        *,
        clock: Callable[[], float] = time.perf_counter,
        tracker: Tracker | None = None,
    ) -> None:
        self._writer = JsonlWriter(path) if path is not None else None
        self._plan = plan
        self._image_id = image_id
        self._last_checkpoint = last_checkpoint
        self._clock = clock
        self._tracker = tracker
        self._pending: tuple[int, Metrics, Any, float] | None = None
        self._read_at: float | None = None
        self._wait_secs: float | None = None
        self._secs = 0.0
        self.last: dict[str, Any] = {}

    def start_clock(self) -> None:
        """Count the time from now on, unless it is counted already."""
        if self._read_at is None:
            self._read_at = self._clock()

    def push(self, step: int, metrics: Metrics, index: Any, *, data_wait_secs: float = 0.0) -> None:
        """Take the metrics of ``step``, still being computed, and read those of the step before.

        Args:
          step: The step that was handed to the devices last.
          metrics: What it returned.
          index: Positions of the batch's images in the training set.
          data_wait_secs: How long the devices waited for the batch.

        Raises:
          NonFiniteLossError: If the step before had a loss or gradient that isn't finite.
        """
        previous, self._pending = self._pending, (step, metrics, index, data_wait_secs)
        self.start_clock()
        if self._wait_secs is None:
            self._wait_secs = 0.0
        else:
            self._wait_secs += data_wait_secs
        if previous is not None:
            self._read(*previous)

    def flush(self) -> None:
        """Wait for the newest step and read it; the time until the next step isn't counted.

        Raises:
          NonFiniteLossError: As ``push``.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            self._read(*pending)
        self._read_at = None

    def validation(self, step: int, accuracy: float) -> None:
        """Write the validation accuracy (a fraction) after ``step``."""
        epoch = self._plan.epoch(step)
        logger.info(
            "step %d (epoch %.1f): validation accuracy %.2f %%", step, epoch, 100 * accuracy
        )
        self._write({"step": step, "epoch": round(epoch, 4), "validation_accuracy": accuracy})

    def skipped(self, step: int, images: Sequence[str]) -> None:
        """Write the bad images (``"id: reason"``) that any process met; a collective."""
        found = dict.fromkeys(line for each in gather_json(list(images)) for line in each)
        if found:
            self._write({"step": step, "skipped": list(found)})

    def report_data_wait(self) -> None:
        """Say how long the devices waited for data; the first batch and all pauses don't count.

        A collective: one slow process holds up all of them, and only its own devices are seen to
        wait for data, so the process that waited longest is what is told.
        """
        found = gather_json([self._wait_secs or 0.0, self._secs])
        slowest = max(range(len(found)), key=lambda process: found[process][0])
        wait_secs, secs = found[slowest]
        if secs <= 0:
            return
        share = wait_secs / secs
        who = f"process {slowest}'s" if len(found) > 1 else "the"
        text = who + " devices waited for data %.0f %% of the time (%.1f s of %.1f s)"
        if len(found) > 1:
            text += f", the longest of {len(found)} processes"
        if share > _MUCH_WAITING and wait_secs > _WORTH_ADVICE_SECS:
            text += (
                "; images are read too slowly: more processes that decode (training.num_workers,"
                " on a host with idle cores), images stored no larger than they are used, or a"
                " faster disk would help"
            )
            logger.warning(text, 100 * share, wait_secs, secs)
        else:
            logger.info(text, 100 * share, wait_secs, secs)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def _read(self, step: int, metrics: Metrics, index: Any, data_wait_secs: float) -> None:
        values = {name: value.item() for name, value in jax.device_get(metrics).items()}
        assert self._read_at is not None
        now = self._clock()
        elapsed, self._read_at = now - self._read_at, now
        self._secs += elapsed
        finite = values.pop("finite")
        rate = self._plan.batch_size / elapsed if elapsed > 0 else math.nan
        self.last = {
            "step": step,
            "epoch": round(self._plan.epoch(step), 4),
            **values,
            "accuracy": values["hits"] / max(values["count"], 1),
            "images_per_second": round(rate, 1),
            "data_wait_secs": round(data_wait_secs, 4),
        }
        if finite:
            self._write(self.last)
        else:
            self._stop(step, values, index)

    def _stop(self, step: int, values: dict[str, float], index: Any) -> None:
        # Metrics are replicated, so that every process stops here; each has its share of the batch.
        own = [self._image_id(int(position)) for position in np.asarray(index)]
        ids = list(dict.fromkeys(each for share in gather_json(own) for each in share))
        self._write({**self.last, "finite": False, "ids": ids})
        logger.error("step %d: the images of the batch: %s", step, ", ".join(ids))
        shown = ", ".join(ids[:_SHOWN_IDS])
        more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
        raise NonFiniteLossError(
            f"step {step}: loss {values['loss']}, gradient norm {values['grad_norm']}; images of"
            f" the batch: {shown}{more}; last good checkpoint: {self._last_checkpoint()}; a smaller"
            " training.learning_rate often helps, and so does compute in float32"
        )

    def _write(self, record: dict[str, Any]) -> None:
        dated = {**record, "time": round(time.time(), 3)}
        if self._writer is not None:
            self._writer.write({name: _json_value(value) for name, value in dated.items()})
        if self._tracker is not None:
            self._tracker.record(dated)


def _json_value(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def drop_records_after(path: Path, step: int, *, validated: bool = True) -> None:
    """Remove the records of later steps, which a resumed run will write again.

    Args:
      path: The file.
      step: The last step that is complete.
      validated: Whether the validation after it is complete; else its record goes too.
    """
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
            again = record["step"] == step and "validation_accuracy" in record and not validated
            if record["step"] <= step and not again:
                kept.append(line + "\n")
        except (json.JSONDecodeError, KeyError, TypeError):
            logger.warning("%s: an incomplete record was dropped", path)
    write_text(path, "".join(kept))
