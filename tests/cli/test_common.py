"""Logging of the first process, and of the others."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from wiseft_jax.cli.common import CommonOptions

logger = logging.getLogger("wiseft_jax.test")


def speak() -> None:
    logger.debug("a detail")
    logger.info("a step")
    logger.warning("a warning")


@pytest.mark.parametrize(
    ("options", "process_index", "expected"),
    [
        ({}, 0, ["INFO a step", "WARNING a warning"]),
        ({"quiet": True}, 0, ["WARNING a warning"]),
        ({"verbose": True}, 0, ["DEBUG a detail", "INFO a step", "WARNING a warning"]),
        ({}, 3, ["[p3] WARNING a warning"]),
        (
            {"verbose": True},
            1,
            ["[p1] DEBUG a detail", "[p1] INFO a step", "[p1] WARNING a warning"],
        ),
    ],
)
def test_what_is_shown(
    options: dict[str, Any],
    process_index: int,
    expected: list[str],
    capsys: pytest.CaptureFixture,
) -> None:
    CommonOptions(**options).apply(process_index)
    speak()
    assert capsys.readouterr().err.splitlines() == expected


def test_every_process_has_a_log_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "run.log"
    for process_index in (0, 1):
        CommonOptions(log_file=file).apply(process_index)
        speak()
    CommonOptions().apply()
    assert file.read_text() == "INFO a step\nWARNING a warning\n"
    assert (tmp_path / "logs" / "run.log.p1").read_text() == "[p1] WARNING a warning\n"
