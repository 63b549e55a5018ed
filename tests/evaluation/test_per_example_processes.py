"""Each image at its own alpha in 2 processes: both find what one process finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.processes import run_processes
from tests.helpers.tiny import tiny_clip_directory

PROGRAM = """
import jax
import numpy as np

from tests.evaluation.conftest import NAMES, dataset
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.clip.load import load_clip
from wiseft_jax.core.distributed import gather_json
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.evaluation.per_example import predictors

classifier, theta_0 = zero_shot_classifier(load_clip(CLIP), NAMES)
rng = np.random.default_rng(0)
theta_1 = jax.tree_util.tree_map(
    lambda leaf: leaf + np.float32(0.5 * leaf.std()) * rng.standard_normal(leaf.shape, np.float32),
    theta_0,
)
sets = {"uneven": dataset(19, "uneven"), "few": dataset(3, "few")}
run = predictors(classifier, theta_0, theta_1, sets, batch_size=8, mesh=MeshConfig(**MESH))
found = {name: run[name](np.linspace(0, 1, len(sets[name]))).tolist() for name in sets}
assert gather_json(found) == [found] * jax.process_count()
if jax.process_index() == 0:
    np.savez(OUT, **found)
"""


def found_by(processes: int, directory: Path, **mesh: int) -> dict[str, np.ndarray]:
    out = directory / f"{processes}.npz"
    facts = f"CLIP, OUT, MESH = {str(directory / 'clip')!r}, {str(out)!r}, {mesh!r}\n"
    done = run_processes(processes, facts + PROGRAM, devices_per_process=2)
    assert [each.returncode for each in done] == [0] * processes, done
    return dict(np.load(out))


@pytest.mark.slow
def test_two_processes_find_what_one_does(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    tiny_clip_directory(tmp_path / "clip", vision_layers=1)
    one = found_by(1, tmp_path)
    two = found_by(2, tmp_path, fsdp=2, alpha=2)
    assert {name: len(top1) for name, top1 in two.items()} == {"uneven": 19, "few": 3}
    for name, top1 in one.items():
        assert (top1 >= 0).all()
        np.testing.assert_array_equal(two[name], top1)
