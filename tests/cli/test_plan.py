"""``wiseft plan``: what it prints, its JSON, its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.cli.main import main

SIZES = ["--images", "1000", "--classes", "3"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    directory = tiny_clip_directory(tmp_path_factory.mktemp("plan") / "clip")
    return ["custom/folder", "--model.name", str(directory), "--topology", "h100:2", *SIZES]


def test_a_plan_as_json_and_as_tables(tiny: list[str], capsys: pytest.CaptureFixture):
    assert main(["plan", *tiny, "--json", "-q"]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert value["topology"]["devices"] == 2
    assert value["steps"]["train"]["method"] == "abstract"
    assert value["steps"]["sweep"]["passes"] == 11
    assert value["steps"]["train"]["secs"]["exposed"] > 0
    assert value["configured"]["remat"] == "none"
    assert value["suggestions"][0]["fsdp"] == 2
    assert main(["plan", *tiny, "-q"]) == 0
    printed = capsys.readouterr().out
    assert "train step as configured, estimated as below: " in printed
    assert f"also fits: {value['suggestions'][0]['options']}" in printed
    assert f"fits: {value['configured']['options']}" not in printed
    # The batch is 128, the memory of both GPUs not enough for what it takes: exit code 3.
    assert main(["plan", *tiny, "--memory-gib", "0.001"]) == 3
    printed = capsys.readouterr()
    assert "BREAKS: the train step needs" in printed.out
    assert "predictions by the roofline model" in printed.out
    assert "method abstract (estimates only" in printed.err
    assert "train: tracing" in printed.err


@pytest.mark.slow
def test_how_the_sweep_runs_is_said(tiny: list[str], capsys: pytest.CaptureFixture):
    assert main(["plan", *tiny, "--sweep.method", "curve", "-q"]) == 0
    printed = capsys.readouterr().out
    assert "sweep: back-end curve (" in printed
    assert "5 to 9 nodes a batch" in printed
    assert "5.25 to 11.7 forward passes an image" in printed
    linear = [*tiny, "--training.recipe", "linear_probe"]
    assert main(["plan", *linear, "--json", "-q"]) == 0
    sweep = json.loads(capsys.readouterr().out)["steps"]["sweep"]
    assert (sweep["backend"], sweep["passes_per_image"]["high"]) == ("linear", 1)
    assert "only the head differs" in sweep["reason"]
    assert main(["plan", *tiny, "--sweep.backend", "linear"]) == 2
    assert "expected ends that differ in the head alone" in capsys.readouterr().err


@pytest.mark.slow
def test_the_largest_batch_that_fits_is_said(tiny: list[str], capsys: pytest.CaptureFixture):
    # No more than 64 parts are suggested, so so large a batch can't be split until it fits.
    argv = [*tiny, "--images", "100000", "--training.batch-size", "100000", "--memory-gib", "0.003"]
    assert main(["plan", *argv, "--json", "-q"]) == 3
    value = json.loads(capsys.readouterr().out)
    assert value["suggestions"] == []
    least, largest = value["tightest"], value["largest_batch"]
    assert least["memory_bytes"] > value["memory_limit_bytes"] > largest["memory_bytes"]
    assert main(["plan", *argv, "-q"]) == 3
    printed = capsys.readouterr().out
    assert f"a device with {least['options']}" in printed
    assert f"{largest['batch_size']:,} images a step, the most that fit" in printed
    assert main(["plan", *argv, "--memory-gib", "0.00001", "-q"]) == 3
    assert "not even one image a device is predicted to fit" in capsys.readouterr().out


def test_what_is_not_known_is_not_claimed(tiny: list[str], capsys: pytest.CaptureFixture):
    assert main(["plan", *tiny, "--topology", "cpu:2", "--method", "abstract", "-q"]) == 0
    printed = capsys.readouterr().out
    assert "memory limit not known: give --memory-gib" in printed
    assert "nothing breaks" not in printed
    (bound,) = (line for line in printed.splitlines() if "bound by" in line)
    assert bound.count("not known") == 2


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "no preset or file is named"),
        (["custom/folder"], "--topology is not given"),
        (["custom/folder", "--topology", "v5e:3x5", *SIZES], "multiples"),
        (["custom/folder", "--topology", "v9:2x2", *SIZES], "unknown chip 'v9'"),
        (["custom/folder", "--topology", "h100:8", "--images", "5"], "no images to count"),
        (["custom/folder", "--topology", "h100:8", *SIZES, "--mesh.fsdp", "3"], "fsdp 3"),
        (["custom/folder", "--topology", "h100:8", *SIZES, "--method", "compile"], "abstract"),
        (["custom/foldr", "--topology", "h100:8"], "Did you mean 'custom/folder'?"),
    ],
)
def test_mistakes_are_bad_input(argv: list[str], said: str, capsys: pytest.CaptureFixture):
    assert main(["plan", *argv]) == 2
    assert said in capsys.readouterr().err


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture, tmp_path: Path):
    argv = ["custom/folder", "--topology", "h100:2", *SIZES, "--model.name"]
    assert main(["plan", *argv, "ViT-B/15"]) == 2
    assert "Did you mean 'ViT-B/16'?" in capsys.readouterr().err
    # The hub can't be reached: no plan of another model takes the place of this one's.
    assert main(["plan", *argv, "nope/nope"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("wiseft: error:") == 1
    assert "'nope/nope': no directory" in printed.err
    assert "give as --model.name a directory with its config.json" in printed.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--topology", "v9:2x2"], "unknown chip 'v9'"),
        (["--topology", "v5e:3x5"], "multiples"),
        (["--topology", "h100:8", "--mesh.fsdp", "3"], "fsdp 3"),
        (["--topology", "h100:8", "--method", "compile"], "use --method abstract"),
        (["--topology", "h100:8", "--model.name", "nope"], "unknown model 'nope'"),
        (["--topology", "h100:8", "--model.name", "nope/nope"], "'nope/nope': no directory"),
    ],
)
def test_mistakes_are_refused_before_an_image_is_counted_or_a_step_traced(
    options: list[str], said: str, capsys: pytest.CaptureFixture, tmp_path: Path
):
    nowhere = ["--data.train", f"folder:{tmp_path / 'nowhere'}"]
    for counted in (nowhere, SIZES):
        assert main(["plan", "custom/folder", *options, *counted]) == 2
        printed = capsys.readouterr().err
        assert said in printed
        assert "nowhere" not in printed
        assert "tracing" not in printed


def test_a_plan_of_both_towers_has_the_heads(tiny: list[str], capsys: pytest.CaptureFixture):
    flyp = [*tiny, "--training.recipe", "flyp"]
    assert main(["plan", *flyp, "--tokens", "9", "--json", "-q"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert list(value["steps"]) == ["train", "heads", "sweep"]
    heads = value["steps"]["heads"]
    assert (heads["images"], heads["steps"], heads["method"]) == (3, 11, "abstract")
    assert heads["hours"]["exposed"] > 0
    assert "table of pairs" in value["steps"]["train"]["memory"]
    assert value["configured"]["accumulation_steps"] == 1
    assert main(["plan", *flyp, "-q"]) == 0
    printed = capsys.readouterr().out
    assert "head of an alpha" in printed
    assert "as many tokens as the model reads (--tokens)" in printed
    assert main(["plan", *tiny, "--tokens", "9"]) == 2
    assert "--tokens: expected with a training.recipe that trains" in capsys.readouterr().err
