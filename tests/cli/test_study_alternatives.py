"""``wiseft study alternatives`` through the program: files, JSON, going on, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.light_help import light_help
from tests.helpers.photos import write_photos
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.cli.main import main

VALUES = [
    *("--learning-rates", "0.1", "--ema-decays", "0.8", "--l2", "1", "--distillation", "1"),
    *("--early-stops", "2", "--bernoulli-alphas", "0.5", "--bernoulli-draws", "1"),
]


@pytest.mark.slow
def test_the_whole_study_and_diversity_on_top(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    photos = write_photos(tmp_path / "photos")
    shift = write_photos(tmp_path / "a", per_class=3, seed=1, invert=True)
    out = tmp_path / "study"
    call = [
        *("study", "alternatives", "custom/folder", "--out", str(out)),
        *("--model.name", str(tiny_clip_directory(tmp_path / "clip", vision_layers=1))),
        *("--data.train", f"folder:{photos}", "--data.shifts", f"inverted=folder:{shift}"),
        *("--data.test-fraction", "0.25", "--data.validation-fraction", "0.25"),
        *("--training.recipe", "linear_probe", "--training.epochs", "2"),
        *(
            "--training.batch-size",
            "8",
            "--sweep.batch-size",
            "8",
            "--sweep.alphas",
            "0",
            "0.5",
            "1",
        ),
        *VALUES,
    ]
    assert main([*call, "-q"]) == 0
    printed = capsys.readouterr().out
    assert "Best under shift, chosen on the shifts (an oracle): WiSE-FT at alpha" in printed
    assert str(out / "alternatives.png") in printed
    made = {f"alternatives.{kind}" for kind in ("png", "svg", "md", "json", "jsonl")}
    assert made <= {path.name for path in out.iterdir()}
    rows = (out / "runs.jsonl").read_bytes()
    assert main([*call, "-q"]) == 2
    assert "there is a study; continue it" in capsys.readouterr().err
    assert main([*call, "--resume", "--json"]) == 0
    printed = capsys.readouterr()
    assert "5 configurations, 5 finished, 0 to go" in printed.err
    facts = json.loads(printed.out)
    assert facts.pop("directory") == str(out)
    assert facts == json.loads((out / "alternatives.json").read_text())
    assert (out / "runs.jsonl").read_bytes() == rows
    diversity = ["study", "diversity", str(out), "--samples", "50", "--probe-splits", "1"]
    assert main([*diversity, "--probe-c", "1"]) == 0
    printed = capsys.readouterr().out
    assert "How differently models err, 5 fine-tunings of" in printed
    facts = json.loads((out / "diversity.json").read_text())
    assert facts["pairs"] == {
        "zero_shot/fine_tuned": 5, "fine_tuned/fine_tuned": 10, "probe/probe": 1,
    }  # fmt: skip
    groups = {"zero_shot/fine_tuned", "fine_tuned/fine_tuned", "probe/probe"}
    assert {*facts["sets"][0]["measures"]["kl_divergence"]} == groups
    made = {f"diversity.{kind}" for kind in ("png", "svg", "md", "json", "jsonl")}
    assert made <= {path.name for path in out.iterdir()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume"], "--resume needs --out DIR"),
        (["--sweep.alphas", "0", "1"], "0.5 is missing"),
        (["--l2", "-1"], "l2: expected distinct numbers > 0"),
        (["--training.recipe", "flyp"], "to leave the alternative out: --distillation"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
):
    out = [] if "--resume" in options else ["--out", str(tmp_path / "study")]
    assert main(["study", "alternatives", *options, *out]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_help_loads_nothing_heavy():
    text = light_help("study", "alternatives")
    for option in ("--l2", "--distillation", "--ema-decays", "--early-stops", "--bernoulli-draws"):
        assert option in text
