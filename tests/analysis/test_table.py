"""Every analysis keeps one contract: rows that can be stored, with n and interval, without jax."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.analysis.runs import (
    HASH,
    SEED,
    default_sets,
    made_predictions,
    write_baselines,
    write_run,
)
from tests.structure.source_tree import ROOT
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.analysis.table import ANALYSES, analyse, chosen_analyses
from wiseft_jax.core.analysis_rows import (
    AnalysisRow,
    analysis_file,
    read_analysis_rows,
    write_analysis_rows,
)
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.results import write_rows
from wiseft_jax.evaluation.predictions import save_predictions

SETS = [each.dataset for each in default_sets()]

WITHOUT_INTERVAL = {"flip_won", "flip_lost", "flip_changed", "baseline_accuracy"} | {
    *("distance", "relative_distance", "cosine", "task_cosine", "share_of_classes")
}
"""Metrics of single examples, of weights and of sets, and what a table gives without an n."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = write_run(tmp_path_factory.mktemp("run"))
    others = made_predictions("sketch", 30, keep_logits=False)
    save_predictions(run / "other_sets", [others])
    write_rows(run / "other_sets" / "results.jsonl", others.rows(HASH))
    return run


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> AnalysisOptions:
    file = write_baselines(tmp_path_factory.mktemp("baselines") / "b.csv", SETS)
    return AnalysisOptions(seed=SEED, samples=100, baselines=file)


@pytest.fixture(scope="module")
def rows_of(stored: Path, options: AnalysisOptions) -> Callable[[str], list[AnalysisRow]]:
    run = StoredRun.load(stored)
    made: dict[str, list[AnalysisRow]] = {}

    def rows(name: str) -> list[AnalysisRow]:
        return made.setdefault(name, analyse(run, name, options))

    return rows


@pytest.mark.parametrize("name", ANALYSES)
def test_rows_are_stored_and_read_back(
    name: str, rows_of: Callable[[str], list[AnalysisRow]], tmp_path: Path
):
    rows = rows_of(name)
    assert rows
    write_analysis_rows(analysis_file(tmp_path, name), rows)
    assert read_analysis_rows(tmp_path, name) == rows


@pytest.mark.parametrize("name", ANALYSES)
def test_every_number_has_its_n_interval_and_configuration(
    name: str, rows_of: Callable[[str], list[AnalysisRow]], stored: Path
):
    config_hash = StoredRun.load(stored).config_hash
    for row in rows_of(name):
        assert row["analysis"] == name
        assert row["n"] > 0
        assert row["config_hash"] == config_hash
        assert row["dataset"] is None or row["dataset"] in SETS
        low, high = row["ci_low"], row["ci_high"]
        if row["metric"] in WITHOUT_INTERVAL:
            assert (low, high) == (None, None)
        else:
            assert low is not None, row
            assert high is not None
            assert low - 1e-9 <= row["value"] <= high + 1e-9
        for p_value in (row["p_value"], row["p_holm"]):
            assert p_value is None or 0 <= p_value <= 1
        assert (row["p_holm"] is None) == (row["p_value"] is None)
        assert row["p_value"] is None or row["p_holm"] >= row["p_value"]


@pytest.mark.parametrize("name", ANALYSES)
def test_the_same_seed_gives_the_same_rows(
    name: str,
    rows_of: Callable[[str], list[AnalysisRow]],
    stored: Path,
    options: AnalysisOptions,
):
    again = analyse(StoredRun.load(stored), name, options)
    assert again == rows_of(name)
    seeds = {row["seed"] for row in again}
    assert seeds <= {None, options.seed}


@pytest.mark.parametrize("name", ANALYSES)
def test_rows_tell_themselves_apart(name: str, rows_of: Callable[[str], list[AnalysisRow]]):
    told = ("metric", "dataset", "alpha", "other", "group")
    keys = [tuple(row[field] for field in told) for row in rows_of(name)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", ANALYSES)
def test_every_analysis_says_what_it_is_in_a_line(name: str):
    assert 10 < len(ANALYSES[name].help) < 80
    assert "\n" not in ANALYSES[name].help


def test_no_analysis_of_stored_predictions_loads_jax(stored: Path, options: AnalysisOptions):
    program = f"""
import sys
from pathlib import Path
from wiseft_jax.analysis import ANALYSES, AnalysisOptions, StoredRun, analyse
run = StoredRun.load({str(stored)!r})
options = AnalysisOptions(samples=20, baselines=Path({str(options.baselines)!r}))
for name in ANALYSES:
    assert analyse(run, name, options), name
loaded = {{name.split(".")[0] for name in sys.modules}}
print(sorted(loaded & {{"jax", "jaxlib", "flax", "transformers", "matplotlib"}}))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_names_are_chosen():
    assert chosen_analyses(["flips", "diversity", "flips"]) == ["flips", "diversity"]
    assert chosen_analyses(["flips", "all"]) == list(ANALYSES)
    with pytest.raises(InputError, match=r"unknown analysis 'diversty'. Did you mean 'diversity'"):
        chosen_analyses(["diversty"])


@pytest.mark.parametrize(
    ("name", "sets", "message"),
    [
        ("diversity", {"alphas": (0.0, 0.5)}, "lacks alpha 1; .*--sweep.alphas 0 0.5 1$"),
        ("landscape", {"alphas": (0.0, 1.0)}, "needs 3 alphas from 0 to 1 or more"),
        ("classes", {"alphas": (0.0, 1.0)}, "lacks alpha 0.5; sweep with it"),
        ("overrides", {"alphas": (0.0, 1.0)}, "lacks alpha 0.5; sweep with it"),
        ("flips", {"alphas": (1.0,)}, "needs two alphas or more"),
        ("calibration", {"keep_logits": False}, "expected stored logits .*keep-logits"),
        ("effective_robustness", {}, "there is no shifted test set"),
    ],
)
def test_what_a_run_lacks_is_said_with_the_command(
    tmp_path: Path, name: str, sets: dict, message: str
):
    predictions = made_predictions("test", 60, **sets)
    run = StoredRun.load(write_run(tmp_path, [predictions]))
    with pytest.raises(InputError, match=f"{name}: .*{message}") as caught:
        analyse(run, name)
    assert "\n" not in str(caught.value)
    assert "RUN" not in str(caught.value)


def test_without_a_reference_or_baselines_there_is_no_effective_robustness(tmp_path: Path):
    run = StoredRun.load(write_run(tmp_path / "a", [made_predictions("s", role="shift")]))
    with pytest.raises(InputError, match="no test or validation set of the reference"):
        analyse(run, "effective_robustness")
    whole = StoredRun.load(write_run(tmp_path / "b"))
    with pytest.raises(InputError, match="give a table of them: --baselines CSV"):
        analyse(whole, "effective_robustness")
