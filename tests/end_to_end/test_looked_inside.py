"""``wiseft report RUN --analyses cka layers plane``: models are opened once, then never again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from tests.end_to_end.conftest import Workshop
from wiseft_jax.analysis.layer_features import LayerFeatures
from wiseft_jax.cli.main import main
from wiseft_jax.core.analysis_rows import read_analysis_rows


@pytest.fixture
def run(workshop: Workshop, tmp_path: Path) -> Path:
    return Path(shutil.copytree(workshop.run, tmp_path / "run"))


def never(*arguments: object) -> NoReturn:
    raise AssertionError(f"opened again: {arguments}")


def test_layers_are_looked_at_once_and_read_later(
    run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["report", str(run), "--analyses", "cka", "layers", "-q"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "CKA of a layer with itself" in printed
    assert "cosine of the two ends" in printed
    found = LayerFeatures.load(run / "features" / "photos-test.npz")
    assert found.alphas == (0.0, 0.5, 1.0)
    names = {path.name for path in (run / "analyses").iterdir()}
    assert names == {
        *("cka.jsonl", "cka.png", "cka.svg"),
        *("layers.json", "layers.jsonl", "layers.png", "layers.svg", "made.json"),
    }
    rows = read_analysis_rows(run, "cka"), read_analysis_rows(run, "layers")
    monkeypatch.setattr("wiseft_jax.studies.looked_inside.load_endpoints", never)
    monkeypatch.setattr("wiseft_jax.cli.inputs.experiment_data", never)
    assert main([*command, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["analyses"]
    assert (again["cka"], again["layers"]) == rows


def test_what_is_missing_or_means_nothing_is_said(run: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["report", str(run), "--analyses", "plane", "-q"]) == 2
    assert f"wiseft report {run} --analyses plane --plane.other DIR" in capsys.readouterr().err
    assert main(["report", str(run), "--analyses", "cka", "--plane.points", "5", "-q"]) == 2
    assert "--plane.*: has no meaning without --analyses plane" in capsys.readouterr().err
    assert main(["report", str(run), "--analyses", "all", "--features.images", "9", "-q"]) == 2
    assert "--features.*: has no meaning without --analyses cka" in capsys.readouterr().err
    merged = ["--plane.other", str(run / "merged"), "--plane.points", "2"]
    assert main(["report", str(run), "--analyses", "plane", *merged, "-q"]) == 2
    assert "the third model lies on the line" in capsys.readouterr().err


def test_all_takes_what_is_stored_and_opens_no_model(
    run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wiseft_jax.studies.looked_inside.load_endpoints", never)
    assert main(["report", str(run), "--analyses", "all", "--no-pictures", "-q"]) == 0
    printed = capsys.readouterr().out
    assert (
        "left out: cka: no features of its models' layers are stored; extract them: wiseft"
        in printed
    )
    assert f"wiseft report {run} --analyses layers" in printed


@pytest.mark.slow
def test_a_plane_through_another_seeds_model(
    run: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    other = tmp_path / "other"
    train = ["train", "custom/folder", *workshop.options(), "--training.seed", "1"]
    assert main([*train, "--out", str(other), "-q"]) == 0
    command = ["report", str(run), "--analyses", "plane", "--plane.other", str(other)]
    assert main([*command, "--plane.points", "3", "-q"]) == 0
    assert "fine-tuned of other" in capsys.readouterr().out
    assert {"plane.npz", "plane.png"} <= {path.name for path in (run / "analyses").iterdir()}
    rows = read_analysis_rows(run, "plane")
    stored = {row["other"]: row["value"] for row in rows if row["metric"] == "accuracy"}
    results = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    expected = {
        row["alpha"]: row["value"] for row in results
        if (row["dataset"], row["metric"]) == ("photos-test", "top1")
    }  # fmt: skip
    assert stored["zero_shot"] == expected[0.0]
    assert stored["fine_tuned"] == expected[1.0]
    assert stored["chosen"] == expected[0.5]
    assert main(["report", str(run), "--analyses", "plane", "-q"]) == 0  # the stored one
