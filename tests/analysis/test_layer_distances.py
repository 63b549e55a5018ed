"""Distances and cosines of layers: exact values, what isn't defined, and stale files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.layers_of_run import HASHES, stored_run
from wiseft_jax.analysis.layer_distances import distance_rows, layer_distances
from wiseft_jax.analysis.layers_file import layers_file
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.writers import write_json

# theta_0 = (3, 4), theta_1 = (3, 1): tau = (0, -3)
TURNED = {"count": 2, "square_0": 25.0, "square_1": 10.0, "change": 9.0, "along": -12.0}
# theta_0 = (1, 0), theta_1 = (1, 0)
STILL = {"count": 2, "square_0": 1.0, "square_1": 1.0, "change": 0.0, "along": 0.0}
# theta_0 = 0, theta_1 = (0, 2)
NEW = {"count": 2, "square_0": 0.0, "square_1": 4.0, "change": 4.0, "along": 0.0}


def values(layers: dict[str, Any]) -> dict[tuple[str, str], float]:
    rows = distance_rows(layers, "hash")
    return {(str(row["group"]), row["metric"]): row["value"] for row in rows}


def test_exact_values():
    found = values({"block_0": TURNED})
    assert found["block_0", "distance"] == 3
    assert found["block_0", "relative_distance"] == pytest.approx(0.6)
    assert found["block_0", "cosine"] == pytest.approx(13 / (5 * 10**0.5))
    assert found["block_0", "task_cosine"] == pytest.approx(-12 / 15)


def test_all_layers_together_are_one_vector():
    found = values({"block_0": TURNED, "block_1": STILL, "head": NEW})
    assert found["all", "distance"] == pytest.approx(13**0.5)
    assert found["all", "relative_distance"] == pytest.approx((13 / 26) ** 0.5)
    assert found["all", "cosine"] == pytest.approx(14 / (26 * 15) ** 0.5)
    rows = distance_rows({"block_0": TURNED, "head": NEW}, "hash")
    assert {(row["group"], row["n"]) for row in rows} == {("block_0", 2), ("head", 2), ("all", 4)}
    assert {(row["alpha"], row["other"], row["ci_low"]) for row in rows} == {
        (1.0, "zero_shot", None)
    }


def test_what_is_not_defined_has_no_row_and_is_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    found = values({"block_1": STILL, "head": NEW})
    assert {metric for group, metric in found if group == "head"} == {"distance"}
    assert found["block_1", "cosine"] == 1
    assert ("block_1", "task_cosine") not in found
    assert "head is zero at zero-shot" in caplog.text
    assert "block_1 didn't move" in caplog.text


def test_rounding_leaves_no_cosine_beyond_one():
    parallel = {"count": 1, "square_0": 1.0, "square_1": 1.0 - 1e-15, "change": 1e-15, "along": 0.0}
    assert values({"block_0": parallel})["block_0", "cosine"] == 1.0


def test_a_stored_run_is_read_and_other_ends_are_refused(tmp_path: Path):
    run = stored_run(tmp_path)
    with pytest.raises(InputError, match=r"aren't measured; .*wiseft report .* --analyses layers"):
        layer_distances(run, AnalysisOptions())
    facts = {"layers": {"block_0": TURNED}, "made_from": {"ends": HASHES}}
    write_json(layers_file(run.path), facts)
    assert layer_distances(run, AnalysisOptions())[0]["config_hash"] == "run-hash"
    write_json(layers_file(run.path), facts | {"made_from": {"ends": {**HASHES, "theta_1": "c"}}})
    with pytest.raises(InputError, match=r"made from other ends \(theta_1 differ\)"):
        layer_distances(run, AnalysisOptions())
    write_json(layers_file(run.path), [])
    with pytest.raises(InputError, match="isn't a file of layers"):
        layer_distances(run, AnalysisOptions())
