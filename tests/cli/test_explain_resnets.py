"""``wiseft explain --resnet``: class activation maps side by side, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from tests.helpers.small_resnet import random_variables, small_resnet
from wiseft_jax.cli.main import main
from wiseft_jax.clip.resnet_files import save_resnet

NAMES = ("one", "two", "three")
RESNET = small_resnet()


def explain(*options: object) -> int:
    return main(["explain", *map(str, options), "-q"])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("resnets")
    for seed, name in enumerate(("plain", "mixed")):
        save_resnet(root / name, RESNET, random_variables(RESNET, seed), NAMES)
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(root / f"{name}.png")
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 255
    Image.fromarray(mask).save(root / "mask.png")
    return root


def test_maps_of_each_model_add_up_to_its_logits(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    options = ("--resnet", models / "plain", models / "mixed", "--out", tmp_path)
    images = models / "a.png", models / "b.png"
    assert explain(*images, *options, "--mask", models / "mask.png", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == json.loads((tmp_path / "explain.json").read_text())
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as stored:
        maps, pixels = stored["class_activation"], stored["images"]
        assert list(stored["models"]) == ["plain", "mixed"]
    assert maps.shape == (2, 2, 4, 4)
    for seed, label in enumerate(("plain", "mixed")):
        variables = random_variables(RESNET, seed)
        logits = np.asarray(jax.jit(RESNET.logits)(variables, pixels))
        bias = variables["params"]["head"]["bias"]
        for row, image in enumerate(facts["images"]):
            told = image["columns"][seed]
            best = int(logits[row].argmax())
            assert (told["label"], told["target"], told["predicted"]) == (label, *[NAMES[best]] * 2)
            assert told["logit"] == pytest.approx(float(logits[row, best]), abs=1e-5)
            assert maps[row, seed].mean() + bias[best] == pytest.approx(told["logit"], abs=1e-5)
            shares = np.exp(logits[row]) / np.exp(logits[row]).sum()
            assert told["probability"] == pytest.approx(float(shares[best]), abs=1e-5)
            assert 0 <= told["numbers"]["class_activation"]["auroc"] <= 1
    names = {file.name for file in (tmp_path / "overlays").iterdir()}
    assert names == {
        f"{image}.{model}.class_activation.png"
        for image in ("00-a", "01-b")
        for model in ("0-plain", "1-mixed")
    }
    with Image.open(tmp_path / "00-a.png") as sheet:
        assert min(sheet.size) > 300


def test_a_class_is_asked_of_every_model(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    options = ("--resnet", models / "plain", models / "mixed", "--class-name", "two")
    assert explain(models / "a.png", *options, "--out", tmp_path) == 0
    columns = json.loads((tmp_path / "explain.json").read_text())["images"][0]["columns"]
    assert [column["target"] for column in columns] == ["two", "two"]
    assert "logit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--resnet", "{models}/plain", "--text", "a"], "a ResNet knows no texts"),
        (["--resnet", "{models}/plain", "--methods", "chefer"], "class activation maps alone"),
        (["--resnet", "{models}/plain", "--run", "r"], "leave --run out"),
        (["--resnet", "{models}/plain", "{models}/plain"], "--resnet: one occurs twice"),
        (["--resnet", "{models}/plian"], "Did you mean 'plain'?"),
        (["--resnet", "{models}/plain", "--class-name", "tow"], "Did you mean 'two'?"),
        (["--resnet", "{models}/plain", "{models}/larger"], "explain them one by one"),
    ],
)
def test_a_mistake_is_named(
    options: list[str], said: str, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    from wiseft_jax.clip.resnet import make_resnet
    from wiseft_jax.core.preprocess import Preprocess

    if "larger" in options[-1]:
        larger = make_resnet(3, Preprocess(16, 16), RESNET.module.config.to_dict(), enlarged_to=32)
        save_resnet(models / "larger", larger, random_variables(RESNET), NAMES)
    given = [option.format(models=models) for option in options]
    try:
        code = explain(models / "a.png", *given, "--out", tmp_path / "out")
    except SystemExit as stop:  # of the parser
        code = stop.code
    assert code == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()
