"""Find and load presets: `configs/<task>/<name>.py`, a user's file, or a run's `config.json`."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

from wiseft_jax.core.config_io import from_dict, read_json
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.experiment import ExperimentConfig

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Preset:
    """A named configuration.

    Attributes:
      name: ``task/name``.
      path: The file that defines ``config()``.
    """

    name: str
    path: Path

    @property
    def notes(self) -> str:
        """The lab notebook: the docstring of the file."""
        import ast

        return ast.get_docstring(ast.parse(self.path.read_text(encoding="utf-8"))) or ""

    @property
    def summary(self) -> str:
        """The first line of the notes."""
        return self.notes.split("\n", 1)[0]

    def load(self) -> ExperimentConfig:
        """Return the configuration."""
        return _config_of_python(self.path)


def presets_directory() -> Path:
    """Return where the presets lie: inside an installed wheel, or at the top of a checkout."""
    for directory in (_PACKAGE / "_configs", _PACKAGE.parent / "configs"):
        if directory.is_dir():
            return directory
    raise InputError(f"no presets found beside {_PACKAGE}; is the installation complete?")


def all_presets() -> dict[str, Preset]:
    """Return every preset by name."""
    root = presets_directory()
    presets = {}
    for path in sorted(root.glob("*/*.py")):
        if not path.name.startswith("_"):
            name = f"{path.parent.name}/{path.stem}"
            presets[name] = Preset(name, path)
    return presets


def load_config(name_or_file: str) -> ExperimentConfig:
    """Return the configuration of a preset, of a ``.py`` or ``.json`` file, or of a run directory.

    Raises:
      InputError: If there is no such preset or file, or it doesn't define a configuration.
    """
    path = Path(name_or_file)
    if path.is_dir():
        path = path / "config.json"
    if path.suffix == ".json":
        return _config_of_json(path)
    if path.suffix == ".py":
        if not path.is_file():
            raise InputError(f"{path}: no such configuration file")
        return _config_of_python(path)
    presets = all_presets()
    if name_or_file not in presets:
        raise unknown_name("preset", name_or_file, presets)
    return presets[name_or_file].load()


def _config_of_json(path: Path) -> ExperimentConfig:
    value = read_json(path)
    if isinstance(value, dict) and "config" in value and "config_hash" in value:
        value = value["config"]
    return from_dict(ExperimentConfig, value, str(path))


def _config_of_python(path: Path) -> ExperimentConfig:
    spec = importlib.util.spec_from_file_location(f"wiseft_preset_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: can't be loaded as a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: {type(error).__name__}: {error}") from error
    factory = getattr(module, "config", None)
    if not callable(factory):
        raise InputError(f"{path}: expected a function `config()` that returns ExperimentConfig")
    config = factory()
    if not isinstance(config, ExperimentConfig):
        raise InputError(
            f"{path}: config() returned {type(config).__name__}, expected ExperimentConfig"
        )
    return config
