"""One small experiment, run once through the command line, for all the tests here."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.helpers.photos import write_photos
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.cli.main import main


@dataclasses.dataclass(frozen=True)
class Workshop:
    """Where the inputs and the finished run are."""

    model: Path
    photos: Path
    shifted: Path
    run: Path

    def options(self) -> list[str]:
        """Options that make ``custom/folder`` small."""
        return [
            *("--model.name", str(self.model)),
            *("--data.train", f"folder:{self.photos}"),
            *("--data.shifts", f"inverted=folder:{self.shifted}"),
            *("--data.test-fraction", "0.25", "--data.validation-fraction", "0.25"),
            *("--training.epochs", "2", "--training.batch-size", "8"),
            *("--training.learning-rate", "1e-3", "--checkpoints.save-every-steps", "1"),
            *("--sweep.alphas", "0", "0.5", "1", "--sweep.batch-size", "8"),
        ]


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Return a model and two folders of images, and a place for the run."""
    root = tmp_path_factory.mktemp("workshop")
    return Workshop(
        model=tiny_clip_directory(root / "clip"),
        photos=write_photos(root / "photos"),
        shifted=write_photos(root / "shifted", per_class=3, seed=1, invert=True),
        run=root / "run",
    )


@pytest.fixture(scope="session")
def workshop(inputs: Workshop) -> Workshop:
    """Return the same after ``wiseft run``."""
    code = main(["run", "custom/folder", *inputs.options(), "--out", str(inputs.run), "-q"])
    assert code == 0
    return inputs
