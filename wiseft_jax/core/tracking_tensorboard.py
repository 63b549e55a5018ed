"""TensorBoard's event files, by tensorboardX: without TensorFlow, and without a thread.

tensorboardX's ``SummaryWriter`` writes in a thread; should that die of a full disk, its queue fills
and training waits for ever. Its ``EventsWriter`` writes where it is called, and raises there.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.core.config_io import flat
from wiseft_jax.core.results import Row
from wiseft_jax.core.tracking import results_at, results_table, values_by_alpha

FLUSH_SECS = 10.0
_SCALES = (1_000, 1_000_000, 1_000_000_000)
_EXACT = 1e-6


class TensorBoardWriter:
    """Writes ``events.out.tfevents.*`` into a directory; those that are there are removed.

    Accuracies against alpha are charts too. As TensorBoard's axis holds whole numbers only, their
    step is 1000 alpha (or more, for alphas that need it): the description of each chart says so.

    Args:
      directory: Where to; it is this writer's alone.
      described: ``run_directory.describe``.
      clock: Seconds since 1970.
    """

    def __init__(
        self,
        directory: Path,
        described: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from tensorboardX.event_file_writer import EventsWriter

        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.glob("events.out.tfevents.*"):
            old.unlink()
        # Generated modules, of whose content type checkers know nothing.
        self._proto: Any = importlib.import_module("tensorboardX.proto.summary_pb2")
        self._event: Any = importlib.import_module("tensorboardX.proto.event_pb2").Event
        self._clock = clock
        self._flushed_at = clock()
        self._described: set[str] = set()
        self._writer = EventsWriter(str(directory.absolute() / "events"))
        self._session_end: Any = None
        self._begin(described)

    def scalars(self, step: int, values: Mapping[str, float], time_secs: float | None) -> None:
        """Write numbers of a step; see ``MetricsWriter``."""
        made = self._proto.Summary
        shown = [made.Value(tag=name, simple_value=value) for name, value in values.items()]
        summary = made(value=shown)
        self._add(summary, step, time_secs)
        if self._clock() - self._flushed_at >= FLUSH_SECS:
            self._writer.flush()
            self._flushed_at = self._clock()

    def text(self, name: str, text: str) -> None:
        """Write a text in Markdown."""
        from tensorboardX.summary import text as text_summary

        self._add(text_summary(name, text), 0)

    def rows(self, rows: Sequence[Row], selection: Mapping[str, Any]) -> None:
        """Write the results: charts by alpha, the numbers at the ends and the chosen alpha."""
        by_alpha = values_by_alpha(rows)
        scale = alpha_scale(list(by_alpha))
        for alpha, values in by_alpha.items():
            self._add(self._by_alpha(values, scale), round(scale * alpha))
        self.scalars(0, results_at(rows, selection), None)
        self.text("results", results_table(rows, selection))
        if self._session_end is not None:
            self._add(self._session_end, 0)
        self._writer.flush()

    def close(self) -> None:
        """Write what is still in memory, and close the file."""
        self._writer.close()

    def _begin(self, described: Mapping[str, Any]) -> None:
        from tensorboardX.summary import hparams

        # Names without a value yet: TensorBoard looks for charts of these names.
        shown = {"chosen alpha": 0.0, "validation/accuracy": 0.0, "chosen/mean of shifts": 0.0}
        settings = {name: _setting(value) for name, value in flat(described["config"]).items()}
        settings["config_hash"] = described["config_hash"]
        experiment, start, self._session_end = hparams(settings, shown)
        self._add(experiment, 0)
        self._add(start, 0)
        listed = json.dumps(described, indent=2).replace("\n", "\n    ")
        self.text("configuration", f"    {listed}")
        self._writer.flush()

    def _by_alpha(self, values: Mapping[str, float], scale: int) -> Any:
        found = []
        for name, value in values.items():
            known = {} if name in self._described else {"metadata": self._title(name, scale)}
            self._described.add(name)
            found.append(self._proto.Summary.Value(tag=name, simple_value=value, **known))
        return self._proto.Summary(value=found)

    def _title(self, name: str, scale: int) -> Any:
        """Return what says that a chart's step is alpha."""
        made = self._proto.SummaryMetadata
        return made(
            plugin_data=made.PluginData(plugin_name="scalars"),
            display_name=f"{name} (step = {scale} alpha)",
            summary_description=(
                f"By alpha, not by time: step {scale // 2} is alpha = 0.5, step 0 the zero-shot"
                f" model, step {scale} the fine-tuned one."
            ),
        )

    def _add(self, summary: Any, step: int, time_secs: float | None = None) -> None:
        wall_time = self._clock() if time_secs is None else time_secs
        event = self._event(wall_time=wall_time, step=step, summary=summary)
        self._writer.write_event(event)


def alpha_scale(alphas: Sequence[float]) -> int:
    """Return by how much alphas are multiplied to be whole numbers: 1000 unless they need more.

    Example:
      >>> alpha_scale([0.0, 0.25, 1.0])
      1000
    """
    for scale in _SCALES:
        if all(abs(scale * alpha - round(scale * alpha)) < _EXACT for alpha in alphas):
            return scale
    return _SCALES[-1]


def _setting(value: Any) -> Any:
    """Return a value as TensorBoard's table of settings holds it."""
    return value if isinstance(value, str | bool | int | float) else json.dumps(value)
