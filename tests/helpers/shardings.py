"""How each preset lays its trained parameters out over eight devices: key path -> dimensions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from wiseft_jax.cli.presets import all_presets
from wiseft_jax.core.mesh import Layout, make_mesh
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.planning.model import abstract_classifier

GOLDEN = Path(__file__).parent.parent / "golden" / "shardings.json"
DEVICES = 8
CLASSES = 1000


def variants() -> dict[str, ExperimentConfig]:
    """Return the presets but those in ``unsplit``, and the one that splits with either tower."""
    configs = {name: preset.load() for name, preset in all_presets().items()}
    configs = {name: config for name, config in configs.items() if name not in unsplit()}
    split = configs["pod/vit_l14_336"]
    model = dataclasses.replace(split.model, tower="transformers")
    return configs | {
        "pod/vit_l14_336 --model.tower transformers": dataclasses.replace(split, model=model)
    }


def unsplit() -> set[str]:
    """Return the presets of the papers' runs, which lay nothing out in a way of their own."""
    own = ("custom", "pod", "quickstart")
    return {name for name in all_presets() if name.partition("/")[0] not in own}


def shardings(config: ExperimentConfig) -> dict[str, str]:
    """Return key path -> ``"[24, 1024, 3072] split 2"`` or ``"[1000] whole"``."""
    _, theta = abstract_classifier(config.model, CLASSES)
    params = theta if config.training.recipe == "end_to_end" else theta["head"]
    layout = Layout(make_mesh(DEVICES, config.mesh), config.mesh).for_training()
    specs = flatten_paths(layout.shardings(params))
    return {
        path: _describe(leaf.shape, tuple(specs[path].spec))
        for path, leaf in sorted(flatten_paths(params).items())
    }


def _describe(shape: tuple[int, ...], spec: tuple[str | None, ...]) -> str:
    split = [index for index, axis in enumerate(spec) if axis is not None]
    assert [spec[index] for index in split] in ([], ["fsdp"])
    return f"{list(shape)} " + (f"split {split[0]}" if split else "whole")
