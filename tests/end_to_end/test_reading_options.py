"""How checkpoints are read, from every verb that takes models by ``--model``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.data.builders import write_folder
from tests.helpers.tiny_openclip import tiny_openclip_directory
from wiseft_jax.cli.evaluate_options import EvaluateArgs, settings
from wiseft_jax.cli.main import main
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.clip.export import export_classifier
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.reading import Reading

WEIGHTS = "open_clip_model.safetensors"
MISSING = "visual.ln_pre.bias"
ALLOWED = ("extra.*", "visual.ln_pre.*")
EVALUATE = ["backgrounds", "evaluate", "--demo", "--limit", "10", "--seeds", "0"]
FAST = ["--methods", "attention_rollout"]
OPTIONS = ["--allow-missing", *ALLOWED, "--activation", "gelu", "--image-size", "32"]


def with_other_tensors(directory: Path) -> None:
    """Leave a bias out of the weights, and put a tensor in."""
    tensors = load_file(directory / WEIGHTS)
    del tensors[MISSING]
    save_file({**tensors, "extra.weight": np.zeros(2, np.float32)}, directory / WEIGHTS)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """``a`` and ``b``, QuickGELU's by their configuration, with another tensor; and images."""
    for seed, name in enumerate("ab"):
        with_other_tensors(tiny_openclip_directory(tmp_path / name, seed=seed))
    write_folder(tmp_path / "photos", {"red": 2, "blue": 1})
    (tmp_path / "names.txt").write_text("red\nblue\n")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "evaluate --data folder:{place}/photos --model {place}/a",
        "evaluate --data folder:{place}/photos --model {place}/a {place}/b",
        "predict --images {place}/photos --model {place}/a --text red",
        "predict --images {place}/photos --model {place}/a --class-names {place}/names.txt",
        "explain {place}/photos --model {place}/a --text red --methods grad_cam --out {place}/out",
        "explain {place}/photos --model {place}/a --class-names {place}/names.txt"
        " --methods attention_rollout --out {place}/out",
        "backgrounds evaluate --demo --limit 10 --seeds 0 --model {place}/a {place}/b",
        "backgrounds show --demo --model {place}/a --out {place}/out.png",
        "backgrounds attack --demo --foregrounds 10 --backgrounds 10 --model {place}/a"
        " --out {place}/out",
        pytest.param(
            "backgrounds train --demo --limit 10 --train-on original --test-on original"
            " --batch-size 5 --model {place}/a --out {place}/out",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_options_reach_the_checkpoint_and_the_error_names_them(
    command: str, place: Path, capsys: pytest.CaptureFixture
):
    argv = [*command.format(place=place).split(), "--json"]
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert said.count("error:") == 1
    assert f"missing: {MISSING}; unknown: extra.weight. Check that weights and" in said
    assert "--allow-missing beside --model, --model.allow-missing beside --model.name" in said
    assert main([*argv, *OPTIONS]) == 0
    said = capsys.readouterr().err
    assert f"{place / 'a' / WEIGHTS}: not read, as allowed: extra.weight" in said
    assert f"missing, as allowed, and taken as 0 (biases) or 1 (scales): {MISSING}" in said
    assert "says quick_gelu; gelu is used, as asked for" in said
    assert "4 x 4" in said


@pytest.mark.parametrize(
    ("verb", "names"),
    [
        ("evaluate --data folder:photos", False),
        ("predict --images photos", True),
        ("explain photos", True),
        ("backgrounds evaluate --demo", False),
        ("backgrounds show --demo --out out.png", False),
        ("backgrounds attack --demo --out out", False),
        ("backgrounds train --demo --out out", False),
    ],
)
def test_an_activation_that_nothing_says_is_asked_for_by_the_verbs_option(
    verb: str,
    names: bool,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    (place / "a" / "open_clip_config.json").unlink()
    monkeypatch.chdir(place)
    argv = [*verb.split(), "--model", f"a/{WEIGHTS}", "--templates", "simple"]
    argv += ["--class-names", "names.txt"] if names else []
    assert main(argv) == 2
    assert "--activation beside --model" in capsys.readouterr().err
    assert main([*argv, "--activation", "gelu"]) == 2  # its number of heads is in no published CLIP
    assert "its number of heads can't be told" in capsys.readouterr().err


def test_an_export_is_read_at_another_resolution(place: Path, capsys: pytest.CaptureFixture):
    clip = load_clip(place / "a", reading=Reading(allow_missing=ALLOWED))
    pair = zero_shot_classifier(clip, ("blue", "red"), ["a {}"])
    out = export_classifier(place / "out", *pair, alpha=1.0, format="openclip")
    data, photos = f"folder:{place}/photos", str(place / "photos")
    verbs = [["evaluate", "--data", data], ["explain", photos, "--out", str(place / "maps"), *FAST]]
    tensors = load_file(out / WEIGHTS)
    for verb in verbs:
        save_file(tensors, out / WEIGHTS)
        argv = [*verb, "--model", str(out), *OPTIONS[-2:]]
        assert main(argv) == 0
        assert "4 x 4" in capsys.readouterr().err
        save_file({**tensors, "extra.weight": np.zeros(2, np.float32)}, out / WEIGHTS)
        assert main(argv) == 2
        assert main([*argv, *OPTIONS[:2]]) == 0
    facts = json.loads((place / "maps" / "explain.json").read_text())
    assert facts["reading"] == {"allow_missing": ["extra.*"], "image_size": 32}


def test_an_image_tower_alone_is_explained_with_its_base(
    place: Path, capsys: pytest.CaptureFixture
):
    reading = Reading(allow_missing=ALLOWED)
    pair = zero_shot_classifier(load_clip(place / "a", reading=reading), ("blue", "red"), ["a {}"])
    whole = export_classifier(place / "whole", *pair, alpha=1.0)
    tower = export_classifier(place / "tower", *pair, alpha=1.0, format="vision")
    argv = ["explain", str(place / "photos"), "--out", str(place / "maps"), "--model", str(tower)]
    argv += FAST
    assert main(argv) == 2
    assert "--base beside --model" in capsys.readouterr().err
    assert main([*argv, "--base", str(whole), "--text", "red"]) == 0
    assert main([*EVALUATE, "--model", str(tower), "--base", str(whole)]) == 2
    assert "2 classes" in capsys.readouterr().err  # it is read, and isn't of these digits


def test_how_a_model_was_read_is_told_and_is_in_the_hash(
    place: Path, capsys: pytest.CaptureFixture
):
    def found(*options: str) -> dict:
        argv = [*EVALUATE, "--json", "--model", str(place / "a"), "--allow-missing", *ALLOWED]
        assert main([*argv, *options]) == 0
        return json.loads(capsys.readouterr().out)

    plain, other = found(), found("--activation", "gelu")
    read = "read with allow_missing ('extra.*', 'visual.ln_pre.*')"
    assert plain["models"][0]["weights"].endswith(read)
    assert other["models"][0]["weights"].endswith(f"{read}, activation gelu")
    assert plain["config_hash"] != other["config_hash"]
    assert other["options"]["models"]["activation"] == "gelu"
    assert not {"reading", "activation", "image_size"} & plain["options"]["models"].keys()


@pytest.mark.slow
def test_an_attack_on_a_model_read_otherwise_is_another(place: Path, capsys: pytest.CaptureFixture):
    argv = ["backgrounds", "attack", "--demo", "--foregrounds", "10", "--backgrounds", "10"]
    argv += ["--model", str(place / "a"), "--allow-missing", *ALLOWED, "--out", str(place / "out")]
    assert main(argv) == 0
    assert main([*argv, "--activation", "gelu"]) == 2  # of the same weights
    assert "activation gelu" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("predict --images x --image-size 0", "--image-size: expected pixels, found 0"),
        ("explain x --run r --image-size 32", "--image-size: is for models that --model names"),
        ("explain x --resnet r --activation gelu", "--resnet: a ResNet has its classes"),
        (
            "backgrounds evaluate --demo --run r --allow-missing extra.*",
            "--allow-missing: is for models that --model names",
        ),
        (
            "backgrounds attack --demo --resnet r --base b --out o",
            "--base: is for models that --model names",
        ),
    ],
)
def test_options_that_nothing_reads_are_refused(
    command: str, said: str, capsys: pytest.CaptureFixture
):
    assert main(command.split()) == 2
    assert f"error: {said}" in capsys.readouterr().err


def test_only_what_differs_is_in_the_hash_of_the_settings():
    asked = (("merged",), ("folder:x",))
    plain = settings(EvaluateArgs(*asked))
    other = settings(EvaluateArgs(*asked, reading=Reading(base="b", image_size=32)))
    assert other == {**plain, "base": "b", "image_size": 32}
    assert not {"reading", "allow_missing", "activation"} & other.keys()
