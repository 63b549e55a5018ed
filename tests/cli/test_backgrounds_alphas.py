"""``wiseft backgrounds alphas`` as a person runs it: a run and a set on disk, and the demo."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.backgrounds.square_cutouts import make_cutouts
from tests.helpers.light_help import light_help
from tests.helpers.photos import write_photos
from tests.helpers.small_release import write_release
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.cli.main import main
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.quickstart.backgrounds_demo import demo_images
from wiseft_jax.quickstart.backgrounds_demo_config import DemoConfig
from wiseft_jax.studies.backgrounds_alphas_config import AlphasConfig
from wiseft_jax.studies.backgrounds_train_data import limited

FEW = ["--alphas", "0", "0.5", "1", "--foregrounds", "6", "--backgrounds", "5"]
FEW += ["--saliency-images", "6", "--bootstrap-samples", "50"]


@dataclasses.dataclass(frozen=True)
class Workshop:
    """A run whose head was trained on colours, and two splits of cut-outs of these classes."""

    run: Path
    data: Path


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    root = tmp_path_factory.mktemp("alphas")
    model = tiny_clip_directory(root / "clip", vision_layers=1)
    photos, run = write_photos(root / "photos", per_class=4), root / "run"
    options = ["--model.name", str(model), "--data.train", f"folder:{photos}"]
    options += ["--data.test-fraction", "0.25", "--data.validation-fraction", "0.25"]
    options += ["--training.recipe", "linear_probe", "--training.batch-size", "8"]
    options += ["--training.epochs", "2", "--training.learning-rate", "0.1"]
    assert main(["train", "custom/folder", *options, "--out", str(run), "-q"]) == 0
    names = ("00_red", "01_green", "02_blue")
    for seed, split in enumerate(("val", "spare")):
        made = dataclasses.replace(make_cutouts(12, seed, side=16), class_names=names)
        write_release(root / "set", made, split)
    return Workshop(run, root / "set")


def alphas(*options: object) -> int:
    return main(["backgrounds", "alphas", *map(str, options)])


@pytest.mark.slow
def test_a_run_on_a_set_in_the_published_layout(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
):
    out = tmp_path / "out"
    command = ["--run", workshop.run, "--data", workshop.data, *FEW, "--choose-split", "spare"]
    assert alphas(*command, "--out", out) == 0
    printed = capsys.readouterr()
    assert "BG-Gap nearest to 0" in printed.out
    assert "challenge at alpha 0.5" in printed.err
    summary = json.loads((out / "summary.json").read_text())
    assert summary["n"] == {"test": 12, "validation": 12}
    assert summary["pairing_seeds"] == 1
    assert summary["challenge"]["upper_bound"]
    for name in ("alphas.png", "progress.png"):
        with Image.open(out / name) as picture:
            assert min(picture.size) > 600
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    gaps = [row for row in rows if (row["measure"], row["split"]) == ("gap", "test")]
    assert [row["alpha"] for row in gaps] == [0, 0.5, 1]
    files = (out / "predictions" / "test").glob("*.npz")
    stored = {each.dataset: each for each in map(Predictions.load, files)}
    right = [stored[f"{kind}/0"].correct.mean(1) for kind in ("mixed_same", "mixed_rand")]
    np.testing.assert_allclose([row["value"] for row in gaps], right[0] - right[1])

    assert alphas(*command, "--out", out, "--json") == 0
    printed = capsys.readouterr()
    assert "challenge at alpha" not in printed.err  # it was there
    assert json.loads(printed.out) == {"study": str(out), **summary}


@pytest.mark.slow
def test_pairings_can_be_composed_and_studies_drawn_together(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
):
    one, two, built = (tmp_path / name for name in ("one", "two", "built"))
    command = ["--run", workshop.run, "--data", workshop.data, *FEW, "--foregrounds", "0", "-q"]
    new = [*command, "--pairing", "new", "--pairing-seeds", "2", "--saliency-images", "0"]
    assert alphas(*new, "--out", one) == 0
    summary = json.loads((one / "summary.json").read_text())
    assert summary["pairing_seeds"] == 2
    assert summary["choices"] == []
    assert not {"challenge", "saliency"} & summary.keys()
    assert alphas(*new, "--out", two, "--beside", one) == 0
    capsys.readouterr()
    assert alphas(*command, "--out", built, "--beside", one) == 2  # other mixed images
    assert "of other images than" in capsys.readouterr().err


def test_a_run_of_other_classes_is_refused_before_anything_is_written(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
):
    data = write_release(tmp_path / "set", make_cutouts(6))
    assert alphas("--run", workshop.run, "--data", data, "--out", tmp_path / "out") == 2
    assert "expected the same ones. It lacks:" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_missing_variants_are_refused(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
):
    data = shutil.copytree(workshop.data, tmp_path / "set")
    shutil.rmtree(data / "mixed_rand")
    assert alphas("--run", workshop.run, "--data", data, "--out", tmp_path / "out") == 2
    assert "it lacks mixed_rand" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--demo", "--alphas", "0", "1", "0.5"], "--alphas: expected rising numbers, 0 and 1"),
        ([], "expected --run DIR with --data ROOT, or --demo, found neither"),
        (["--demo", "--run", "x"], "found both"),
        (["--run", "x"], "--data ROOT: is needed too"),
        (["--data", "x"], "--run DIR: is needed too"),
        (["--run", "x", "--data", "y", "--epochs", "2"], "--epochs: is of --demo"),
        (["--run", "x", "--data", "y", "--strength", "0.5"], "--strength, --contrast, --noise"),
        (["--run", "x", "--data", "y", "--demo-seed", "1"], "--demo-seed: is of --demo"),
        (["--demo", "--pairing", "new"], "--pairing: is of --data"),
        (["--run", "x", "--data", "y", "--pairing-seeds", "5"], "give --pairing new"),
        (["--run", "x", "--data", "y", "--choose-split", "val"], "the same images would choose"),
        (["--demo", "--beside", "nowhere"], "summary.json: no such file"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert alphas(*options, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_directory_is_needed(capsys: pytest.CaptureFixture):
    assert alphas("--demo") == 2
    assert "--out DIR: no directory is named" in capsys.readouterr().err


@pytest.mark.slow
def test_the_demo_on_a_tiny_budget(tmp_path: Path, capsys: pytest.CaptureFixture):
    options = ["--demo", "--limit", "48", "--epochs", "1", "--pairing-seeds", "1", *FEW]
    assert alphas(*options, "--out", tmp_path / "a", "-q") == 0
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["n"] == {"test": 48, "validation": 48}
    assert summary["chosen_on"] == "validation"
    assert summary["model"] == "glyphclip, fine-tuned on Original"
    theta = tmp_path / "a" / "theta_1.safetensors"
    whole = demo_images("train", DemoConfig(), 0).dataset("original", AlphasConfig().training_seed)
    origin = json.loads((tmp_path / "a" / "theta_1.json").read_text())
    assert origin["trained_on"] == limited(whole, 48).fingerprint()
    before = theta.stat().st_mtime_ns
    assert alphas(*options, "--out", tmp_path / "a", "-q") == 0
    assert theta.stat().st_mtime_ns == before
    mixed = [*options, "--train-on", "mixed_rand", "--beside", tmp_path / "a"]
    assert alphas(*mixed, "--out", tmp_path / "b", "-q") == 0
    found = json.loads((tmp_path / "b" / "summary.json").read_text())
    zero_shot = [each["curves"]["test"]["gap"]["value"][0] for each in (summary, found)]
    assert zero_shot[0] == zero_shot[1]
    capsys.readouterr()
    for other in (["--strength", "0.5"], ["--demo-seed", "1"]):
        assert alphas(*options, *other, "--out", tmp_path / "a", "-q") == 2
        assert "was trained on other images than today's" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["draw_alphas", "alphas_tables"])
def test_an_interruption_when_all_is_measured_says_what_is_kept(
    part: str,
    workshop: Workshop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    place = {"draw_alphas": "backgrounds_alphas", "alphas_tables": "backgrounds_alphas_table"}
    monkeypatch.setattr(f"wiseft_jax.reporting.{place[part]}.{part}", stop)
    none = ["--alphas", "0", "1", "--foregrounds", "0", "--saliency-images", "0"]
    command = ["--run", workshop.run, "--data", workshop.data, *none, "--bootstrap-samples", "50"]
    assert alphas(*command, "--out", tmp_path / "a", "-q") == 42
    said = f"what is complete is in {tmp_path / 'a'}; the same command goes on from there"
    assert capsys.readouterr().err.endswith(f"interrupted: {said}\n")


def test_help_names_what_is_measured_and_loads_nothing_heavy():
    text = light_help("backgrounds", "alphas")
    for option in ("--run", "--data", "--demo", "--alphas", "--out", "--foregrounds", "--beside"):
        assert option in text
