"""Read a preset's lab notebook: its exact command, and the hours that `wiseft plan` predicted."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from wiseft_jax.core.errors import InputError

_HARDWARE = re.compile(r"Hardware: (.+?)(?=\n\S+:|\Z)", re.DOTALL)
_PREDICTED = re.compile(
    r"predicted, not measured, a lower bound \(decoding isn't counted\), on (?P<devices>\d+ \w+):"
    r" (?P<hours>.+?), if the hosts decode (?P<rate>[\d,]+) images/s"
)
_PART = re.compile(r"([\d.]+)(?: to ([\d.]+))?(?: hours)? (?:of|for the) ([\w-]+)")


@dataclasses.dataclass(frozen=True)
class PredictedHours:
    """What `wiseft plan` predicted: hours that were never measured, and a lower bound.

    Attributes:
      devices: How many of which, ``"8 H100"``.
      parts: Part of the run -> hours when all collectives are hidden, and when none is.
      images_per_sec: What the hosts must decode for the first part to take these hours.
    """

    devices: str
    parts: dict[str, tuple[float, float]]
    images_per_sec: int

    @property
    def total(self) -> tuple[float, float]:
        """The hours of all parts: when all collectives are hidden, and when none is."""
        lows, highs = zip(*self.parts.values(), strict=True)
        return sum(lows), sum(highs)


@dataclasses.dataclass(frozen=True)
class Notebook:
    """What a lab notebook says in a fixed form.

    Attributes:
      command: The line that runs the preset.
      hardware: The words after ``Hardware:``, in one line.
      hours: The prediction; None where there is none, and ``hardware`` says why.
    """

    command: str
    hardware: str
    hours: PredictedHours | None

    def to_json(self) -> dict[str, Any]:
        """Return ``command``, ``hardware`` and ``predicted``, which is null where nothing is."""
        predicted = None
        if self.hours is not None:
            kinds = {"prediction": True, "lower_bound": True}
            low, high = self.hours.total
            total = {"overlapped": low, "exposed": high}
            predicted = dataclasses.asdict(self.hours) | {"hours": total} | kinds
        return {"command": self.command, "hardware": self.hardware, "predicted": predicted}


def read_notebook(name: str, notes: str) -> Notebook:
    """Return what the notebook of a preset says.

    Args:
      name: ``task/name``.
      notes: The docstring of its file.

    Raises:
      InputError: The command or the hardware isn't there, or a prediction isn't in the form that
        the others have.
    """
    run = rf"^(?:Command: | +)((?:\w+=\S+ )*wiseft run {re.escape(name)}(?: .*)?)$"
    command, hardware = re.search(run, notes, re.MULTILINE), _HARDWARE.search(notes)
    if command is None:
        raise InputError(f"{name}: the notebook has no line with its command, wiseft run {name}")
    if hardware is None:
        raise InputError(f"{name}: the notebook has no part `Hardware:`")
    words = " ".join(hardware[1].replace(" \\\n", " ").split())
    return Notebook(command[1], words, _hours(name, words))


def _hours(name: str, words: str) -> PredictedHours | None:
    if not words.startswith("predicted"):
        return None
    found = _PREDICTED.match(words)
    parts = {} if found is None else {part[3]: part for part in _PART.finditer(found["hours"])}
    if found is None or not parts:
        raise InputError(
            f"{name}: expected 'Hardware: predicted, not measured, a lower bound (decoding isn't"
            " counted), on N CHIP: X hours of fine-tuning, Y of sweep, if the hosts decode Z"
            f" images/s'; found {words!r}"
        )
    return PredictedHours(
        devices=found["devices"],
        parts={key: (float(each[1]), float(each[2] or each[1])) for key, each in parts.items()},
        images_per_sec=int(found["rate"].replace(",", "")),
    )
