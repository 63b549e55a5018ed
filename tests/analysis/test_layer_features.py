"""The file of features: written and read back, mapped, without pickle; damage is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.analysis.layers_of_run import HASHES, LAYERS, layer_features, stored_run
from wiseft_jax.analysis.layer_features import (
    LayerFeatures,
    features_file,
    other_ends,
    run_alphas,
    stored_features,
)
from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.mapped import read_arrays, write_arrays


def test_what_is_written_is_read_back(tmp_path: Path):
    features = layer_features(12)
    path = features.save(tmp_path)
    assert path == features_file(tmp_path, "test") == tmp_path / "features" / "test.npz"
    found = LayerFeatures.load(path)
    names = [name for name in vars(features) if name != "values"]
    assert {name: getattr(found, name) for name in names} == {
        name: getattr(features, name) for name in names
    }
    for alpha in features.alphas:
        for layer in LAYERS:
            np.testing.assert_array_equal(found.at(alpha)[layer], features.at(alpha)[layer])
            assert isinstance(found.at(alpha)[layer], np.memmap)
    assert len(found) == 12
    assert [each.dataset for each in stored_features(tmp_path)] == ["test"]


def rewritten(path: Path, **changes: object) -> None:
    arrays = {name: np.array(each) for name, each in read_arrays(path).items()}
    for name, value in changes.items():
        name = name.replace("__", "/")
        if value is None:
            del arrays[name]
        else:
            arrays[name] = np.asarray(value)
    with path.open("wb") as file:
        write_arrays(file, arrays)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"0__embedding": None}, "damaged, '0/embedding' is missing; remove it"),
        ({"0__embedding": np.zeros((3, 5))}, r"embedding has the shape \(3, 5\) for 12 images"),
        ({"facts": "{}"}, "not a file of features of layers: format, dataset"),
        ({"facts": "["}, "can't be read as features of layers"),
        ({"facts": None}, "can't be read as features of layers"),
    ],
)
def test_damage_is_named(tmp_path: Path, changes: dict[str, object], message: str):
    path = layer_features(12).save(tmp_path)
    rewritten(path, **changes)
    with pytest.raises(InputError, match=message):
        LayerFeatures.load(path)


def test_a_newer_format_and_a_missing_file_are_named(tmp_path: Path):
    path = layer_features(12).save(tmp_path)
    facts = str(read_arrays(path)["facts"])
    rewritten(path, facts=facts.replace('"format": 1', '"format": 99'))
    with pytest.raises(InputError, match="written by a newer version"):
        LayerFeatures.load(path)
    with pytest.raises(InputError, match="no such file"):
        LayerFeatures.load(tmp_path / "none.npz")


def test_other_ends_are_noticed(tmp_path: Path):
    run = stored_run(tmp_path)
    assert other_ends(run.path, {"ends": HASHES}) == ""
    assert "from other ends (theta_0 differ)" in other_ends(
        run.path, {"ends": {**HASHES, "theta_0": "c"}}
    )
    assert "theta_0, theta_1 differ" in other_ends(run.path, {})


@pytest.mark.parametrize(
    ("chosen", "expected"), [(0.5, (0.0, 0.5, 1.0)), (1.0, (0.0, 1.0)), (1.2, (0.0, 1.0, 1.2))]
)
def test_the_models_that_are_compared(chosen: float, expected: tuple[float, ...]):
    assert run_alphas(chosen) == expected
