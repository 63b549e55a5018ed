"""Where a run stores the sums over its layers' parameters, and whether they are of its ends."""

from __future__ import annotations

from pathlib import Path

from wiseft_jax.analysis.layer_features import other_ends
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.analysis_rows import ANALYSES_DIR
from wiseft_jax.core.config_io import read_json

LAYERS_COMMAND = "wiseft report RUN --analyses layers"


def layers_file(run_dir: Path | str) -> Path:
    """Return where the sums over each layer's parameters are stored, by ``weights.layer_sums``."""
    return Path(run_dir) / ANALYSES_DIR / "layers.json"


def missing_layers(run: StoredRun) -> str:
    """Return why the sums of a run's present ends aren't stored; empty if they are."""
    path = layers_file(run.path)
    if not path.is_file():
        return f"the distances of its layers aren't measured; measure them: {LAYERS_COMMAND}"
    facts = read_json(path)
    if not isinstance(facts, dict) or not {"layers", "made_from"} <= facts.keys():
        why = f"{path.name} isn't a file of layers"
    else:
        why = other_ends(run.path, facts["made_from"])
        why = f"{path.name} is {why}" if why else ""
    return f"{why}; measure them again: {LAYERS_COMMAND}" if why else ""
