"""``wiseft report``: what is stored, and the comparison with the paper."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tests.helpers.paper_workshop import workshop_options, write_workshop
from wiseft_jax.cli.main import main
from wiseft_jax.cli.presets import all_presets
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.results import accuracy_row, read_rows, write_rows
from wiseft_jax.core.run_directory import RunDirectory, describe
from wiseft_jax.core.writers import write_json
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.reporting.paper_numbers import SET_SIZES
from wiseft_jax.reporting.report import write_report

SELECTION = {"alpha": 0.5, "reason": "why", "sentence": "alpha = 0.5: why"}


def write_run(path: Path, config: ExperimentConfig) -> Path:
    """Write what a run leaves of its results: 810 of 1,000 right at alpha 0, 0.5 and 1."""
    directory = RunDirectory(path)
    directory.prepare(config, resume=False, overwrite=False)
    rows = [
        accuracy_row(
            Accuracy(810, 1000),
            dataset="imagenet-val",
            split="test",
            role="reference",
            alpha=alpha,
            config_hash="x",
        )
        for alpha in (0.0, 0.5, 1.0)
    ]
    write_rows(directory.results_file, rows)
    write_json(directory.selection_file, SELECTION)
    write_report(directory.report_file, rows, selection=SELECTION, title="mine")
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", all_presets()["imagenet/vit_b16"].load())


def test_the_stored_report_and_rows(run: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["report", str(run)]) == 0
    printed = capsys.readouterr()
    assert printed.out == RunDirectory(run).report_file.read_text()
    assert printed.out.startswith("# mine\n\n**Ship alpha = 0.5**: why\n")
    assert "stale" not in printed.err
    assert main(["report", str(run), "--json"]) == 0
    stored = json.loads(capsys.readouterr().out)
    assert stored["selection"] == SELECTION
    assert [row["value"] for row in stored["rows"]] == [0.81] * 3


@pytest.mark.parametrize("what", ["alpha", "rows", "configuration"])
def test_a_stale_report_is_not_shown_as_current(
    run: Path, capsys: pytest.CaptureFixture, what: str
) -> None:
    directory, alpha = RunDirectory(run), 0.5
    rows = read_rows(run)
    if what == "alpha":
        alpha = 1.0
        write_json(directory.selection_file, {**SELECTION, "alpha": alpha})
    elif what == "rows":
        write_rows(directory.results_file, [*rows[:2], rows[2] | {"value": 0.82}])
    else:
        write_rows(directory.results_file, [row | {"config_hash": "y"} for row in rows])
    assert main(["report", str(run), "--no-images"]) == 0
    printed = capsys.readouterr()
    assert "Ship alpha" not in printed.out
    assert f"alpha = {alpha:g}" in printed.out.splitlines()[-1]
    assert ("why" in printed.out) == (what != "alpha")
    assert "report.md: stale: its alpha, configuration or accuracies aren't those" in printed.err
    assert f"the whole report: wiseft sweep {run}" in printed.err


@pytest.mark.parametrize("more", [[], ["--json"], ["--against-paper"], ["--tables", "t"]])
def test_a_damaged_value_is_one_error_before_anything_is_printed(
    run: Path, capsys: pytest.CaptureFixture, more: list[str]
) -> None:
    directory = RunDirectory(run)
    text = directory.results_file.read_text()
    directory.results_file.write_text(text.replace('"value": 0.81', '"value": null', 1))
    assert main(["report", str(run), *more]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "results.jsonl:1: value: expected a number in [0, 1], found None; make it" in printed.err
    assert f"make it again: wiseft sweep {run}\n" in printed.err


def test_a_run_without_results_says_how_far_it_came_and_what_goes_on(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    directory = RunDirectory(run)
    other = write_run(tmp_path / "other", ExperimentConfig(name="mine"))
    for file in (directory.results_file, directory.selection_file, directory.report_file):
        file.unlink()
    directory.train_log_file.write_text('{"step": 7, "loss": 0.5}\n')
    on = f"interrupted after step 7; go on: wiseft run {run}/config.json --out {run} --resume\n"
    page = ["--out", str(tmp_path / "page.html")]
    for command in ([run], [run, "--json"], [other, run, *page], [run, "--tables", tmp_path / "t"]):
        assert main(["report", *map(str, command)]) == 2
        printed = capsys.readouterr()
        assert printed.err.endswith(f"{run}: there are no results to report: the run {on}")
        assert printed.out == ""
    directory.endpoints_file.write_text("{}")
    assert main(["report", str(run)]) == 2
    assert f"the run is trained; make them: wiseft sweep {run}\n" in capsys.readouterr().err


def test_a_run_is_compared_with_its_own_preset(run: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["report", str(run), "--against-paper", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["preset"] == "imagenet/vit_b16"
    assert found["differs"] == ["imagenet-val has 1,000 images, the published set 50,000"]
    by_alpha = {each["alpha"]: each for each in found["compared"]}
    assert by_alpha[0.5]["paper"] == 0.817
    assert by_alpha[0.5]["difference"] == pytest.approx(-0.007)
    assert [by_alpha[alpha]["verdict"] for alpha in (0.0, 0.5, 1.0)] == ["above"] + [
        "within the interval"
    ] * 2
    assert sum(len(each["alphas"]) for each in found["missing"]) == 27 - 3


def test_the_printed_table(run: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["report", str(run), "--against-paper"]) == 0
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if "0.5" in line and "│" in line]
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == [
        "imagenet-val", "0.5", "1000", "81.0", "81.7", "-0.7 [-3.3, +1.7]", "within the interval",
    ]  # fmt: skip
    for said in (
        "missing: imagenet-val at alpha 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9: not evaluated\n",
        "missing: mean of shifts at alpha 0, 0.1,",
        "not the paper's experiment: imagenet-val has 1,000 images, the published set 50,000\n",
        "the seed's spread isn't in it, and run and paper share their images",
        "source: arXiv 2109.01903v3",
    ):
        assert said in printed
    assert printed.count("not the paper's experiment") == 1
    assert "Within the tolerance" not in printed
    assert "ObjectNet" not in printed


def test_zero_shot_and_objectnet_are_explained(run: Path, capsys: pytest.CaptureFixture) -> None:
    rows = [
        accuracy_row(Accuracy(34_150, 50_000), dataset="imagenet-val", split="test",
                     role="reference", alpha=0.0, config_hash="x"),
        accuracy_row(Accuracy(10_643, 18_574), dataset="objectnet-test", split="test",
                     role="shift", alpha=0.5, config_hash="x"),
    ]  # fmt: skip
    write_rows(RunDirectory(run).results_file, rows)
    assert main(["report", str(run), "--against-paper"]) == 0
    printed = capsys.readouterr().out
    assert "within the tolerance" in printed
    assert "held to 0.15 points (the paper's rounding, and 0.1 for numerics)" in printed
    assert "note: ObjectNet: the border of 2 pixels is cropped here" in printed


def test_the_configuration_is_that_of_the_sweep_that_made_the_rows(
    run: Path, capsys: pytest.CaptureFixture
) -> None:
    config = all_presets()["imagenet/vit_b16"].load()
    data = dataclasses.replace(config.data, test="imagenet-val=folder:/x")
    swept = describe(dataclasses.replace(config, data=data))
    write_json(RunDirectory(run).sweep_config_file, swept)
    assert main(["report", str(run), "--against-paper", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differs"][0].startswith("data.test is folder:/x")


def test_what_makes_it_another_experiment_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = all_presets()["imagenet/vit_b16"].load()
    training = dataclasses.replace(config.training, epochs=1)
    model = dataclasses.replace(config.model, name="mine")
    changed = dataclasses.replace(config, name="mine", training=training, model=model)
    run = write_run(tmp_path / "run", changed)
    assert main(["report", str(run), "--against-paper", "imagenet/vit_b16"]) == 0
    printed = capsys.readouterr().out
    assert "model.name is mine, the preset's is openai/clip-vit-base-patch16" in printed
    assert "training.epochs is 1.0, the preset's is 10.0" in printed


def test_what_cannot_be_compared_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    other = write_run(tmp_path / "other", ExperimentConfig(name="mine"))
    for command, message in (
        ([str(other), "--against-paper"], "a run called 'mine'; name a preset: --against-paper"),
        ([str(run), "--against-paper", "imagenet/vit_b32"], "no numbers of the paper"),
        ([str(run), "--against-paper", "imagenet/vit_b61"], "Did you mean"),
        ([str(tmp_path / "nowhere")], "nowhere: no such"),
        ([str(tmp_path)], "no such results file"),
        ([], "no run is named"),
    ):
        assert main(["report", *command]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_rows_of_a_presets_run_have_the_names_of_the_papers_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    workshop, run = write_workshop(tmp_path), str(tmp_path / "run")
    monkeypatch.setenv("WISEFT_DATA_ROOT", str(workshop / "data"))
    preset = "imagenet/vit_b16"
    quick = ["--training.epochs", "1", "--model.templates", "simple", "--sweep.batch-size", "8"]
    quick += ["--out", run, "-q"]
    assert main(["run", preset, *workshop_options(preset, workshop), *quick]) == 0
    capsys.readouterr()
    assert main(["report", run, "--against-paper", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["dataset"] for each in found["compared"]} == {*SET_SIZES, "mean of shifts"}
    assert found["missing"] == []
    matched = {row["dataset"]: row.get("matched_reference") for row in read_rows(run)}
    assert {name: reference for name, reference in matched.items() if reference} == {
        "imagenet-r-test": "imagenet-r-val-classes-val",
        "objectnet-test": "imagenet-objectnet-val-classes-val",
        "imagenet-a-test": "imagenet-a-val-classes-val",
    }
