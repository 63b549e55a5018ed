"""How checkpoints are read, from every verb that takes models by ``--model``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.data.builders import write_folder
from tests.helpers.tiny_openclip import tiny_openclip_directory
from wiseft_jax.cli.evaluate_options import EvaluateArgs, settings
from wiseft_jax.cli.main import main
from wiseft_jax.cli.reading_options import ReadingOptions
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.clip.export import export_classifier
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.reading import Reading

WEIGHTS = "open_clip_model.safetensors"
OPTIONS = ["--allow-missing", "extra.*", "--activation", "gelu", "--image-size", "32"]


def add_extra(directory: Path) -> None:
    tensors = load_file(directory / WEIGHTS)
    save_file({**tensors, "extra.weight": np.zeros(2, np.float32)}, directory / WEIGHTS)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """``a`` and ``b``, QuickGELU's by their configuration, with a tensor in excess; and images."""
    for seed, name in enumerate("ab"):
        add_extra(tiny_openclip_directory(tmp_path / name, seed=seed))
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
    ],
)
def test_the_options_reach_the_checkpoint_and_the_error_names_them(
    command: str, place: Path, capsys: pytest.CaptureFixture
):
    argv = [*command.format(place=place).split(), "--json"]
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert "unknown: extra.weight. Check that weights and open_clip_config.json belong" in said
    assert "--allow-missing of evaluate and predict" in said
    assert main([*argv, *OPTIONS]) == 0
    said = capsys.readouterr().err
    assert f"{place / 'a' / WEIGHTS}: not read, as allowed: extra.weight" in said
    assert "says quick_gelu; gelu is used, as asked for" in said
    assert "4 x 4" in said


@pytest.mark.parametrize("verb", ["evaluate --data folder:photos", "predict --images photos"])
def test_an_activation_that_nothing_says_is_asked_for_by_the_verbs_option(
    verb: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    (place / "a" / "open_clip_config.json").unlink()
    monkeypatch.chdir(place)
    argv = [*verb.split(), "--model", f"a/{WEIGHTS}", "--templates", "simple"]
    argv += ["--class-names", "names.txt"] if verb.startswith("predict") else []
    assert main(argv) == 2
    assert "--activation of evaluate and predict" in capsys.readouterr().err
    assert main([*argv, "--activation", "gelu"]) == 2  # its number of heads is in no published CLIP
    assert "its number of heads can't be told" in capsys.readouterr().err


def test_an_export_is_read_at_another_resolution(place: Path, capsys: pytest.CaptureFixture):
    clip = load_clip(place / "a", reading=Reading(allow_missing=("extra.*",)))
    pair = zero_shot_classifier(clip, ("blue", "red"), ["a {}"])
    out = export_classifier(place / "out", *pair, alpha=1.0, format="openclip")
    argv = ["evaluate", "--data", f"folder:{place}/photos", "--model", str(out), *OPTIONS[-2:]]
    assert main(argv) == 0
    assert "4 x 4" in capsys.readouterr().err
    add_extra(out)
    assert main(argv) == 2
    assert main([*argv, *OPTIONS[:2]]) == 0


def test_a_size_that_is_none_is_refused(capsys: pytest.CaptureFixture):
    argv = ["predict", "--images", "x", "--image-size", "0"]
    assert main(argv) == 2
    assert "error: --image-size: expected pixels, found 0" in capsys.readouterr().err


def test_only_what_differs_is_in_the_hash_of_the_settings():
    asked = (("merged",), ("folder:x",))
    plain = settings(EvaluateArgs(*asked))
    other = settings(EvaluateArgs(*asked, reading=ReadingOptions(base="b", image_size=32)))
    assert other == {**plain, "base": "b", "image_size": 32}
    assert not {"reading", "allow_missing", "activation"} & other.keys()
