"""TFDS directories, prepared once a session."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

from tests.data.builders import (
    TwoLabels,
    TwoLabelsSupervised,
    convert_to_tfrecord,
    prepare_array_record,
)


@pytest.fixture(scope="session")
def tfds_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return format -> data directory with the data set ``mini_photos``."""
    root = tmp_path_factory.mktemp("tfds")
    with contextlib.redirect_stdout(io.StringIO()):
        prepared = prepare_array_record(root / "array_record")
        prepare_array_record(root / "array_record", TwoLabels)
        prepare_array_record(root / "array_record", TwoLabelsSupervised)
    convert_to_tfrecord(prepared, root / "tfrecord")
    return {"array_record": root / "array_record", "tfrecord": root / "tfrecord"}
