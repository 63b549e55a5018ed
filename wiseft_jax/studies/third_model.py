"""The third model of a plane: what another run was fine-tuned to, or an exported model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError, few
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.core.run_directory import EXPORT_FACTS_FILE, RunDirectory
from wiseft_jax.experiment import ExperimentConfig, load_endpoints

LoadConfig: TypeAlias = Callable[[str], ExperimentConfig]
"""Reads the configuration that a path names."""

_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class ThirdModel:
    """A model that is named by a directory.

    Attributes:
      path: A run, or an exported model.
      name: In tables and pictures.
      fingerprint: Changes when the model does.
      exported: Whether it is an exported model.
      class_names: Its classes.
      start: The hash of what a run started from; None of an exported model.
    """

    path: Path
    name: str
    fingerprint: str
    exported: bool
    class_names: tuple[str, ...]
    start: str | None = None

    @classmethod
    def of(cls, path: Path) -> ThirdModel:
        """Return the model that a directory holds; its weights aren't read yet.

        Raises:
          InputError: If it is neither a finished run nor an exported model.
        """
        label = path.resolve().name
        if (path / EXPORT_FACTS_FILE).is_file():
            from wiseft_jax.clip.export import read_facts

            facts = read_facts(path)
            sizes = {file.name: file.stat().st_size for file in sorted(path.glob("*.safetensors"))}
            fingerprint = hash_json([facts, sizes])
            return cls(path, f"model {label}", fingerprint, True, tuple(facts["class_names"]))
        directory = RunDirectory(path)
        directory.read_config()
        if not directory.endpoints_file.is_file():
            raise InputError(
                f"{path}: fine-tuning isn't complete there; continue it with wiseft run"
                f" {directory.config_file} --out {path} --resume"
            )
        facts = read_json(directory.endpoints_file)
        names = tuple(facts["class_names"])
        hashes = str(facts["theta_1"]), str(facts["theta_0"])
        return cls(path, f"fine-tuned of {label}", hashes[0], False, names, hashes[1])

    def load(self, classifier: Any, load_config: LoadConfig) -> Any:
        """Return its parameters in the layout of a classifier's tower.

        Args:
          classifier: Of the run that it is shown beside.
          load_config: Reads a run's configuration.

        Raises:
          InputError: If its classes are others; as ``load_endpoints``.
        """
        if self.class_names != tuple(classifier.class_names):
            raise InputError(
                f"{self.path}: its classes ({few(self.class_names, _SHOWN)}) aren't the run's"
                f" ({few(classifier.class_names, _SHOWN)}), so that their heads can't be mixed"
            )
        if self.exported:
            from wiseft_jax.clip.export import load_classifier

            own, theta = load_classifier(self.path)
        else:
            directory = RunDirectory(self.path)
            config = load_config(str(directory.config_file))
            own, _, theta = load_endpoints(config, directory)
        return classifier.tower.from_canonical(own.tower.to_canonical(theta))
