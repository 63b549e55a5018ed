"""Recipes that train the text tower, through the command line, from training to export."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.conftest import Workshop
from wiseft_jax.cli.main import main
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.clip.export import load_classifier
from wiseft_jax.clip.load import load_clip

pytestmark = pytest.mark.slow

FLYP = ("--training.recipe", "flyp", "--model.templates", "simple")


@pytest.fixture(scope="module")
def run(inputs: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("flyp") / "run"
    options = [*inputs.options(), *FLYP, "--sweep.method", "curve"]
    assert main(["run", "custom/folder", *options, "--out", str(directory), "-q"]) == 0
    return directory


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]


def test_every_alpha_is_evaluated_directly_and_the_export_predicts_as_it_did(run: Path):
    found = rows(run)
    assert {row["method"] for row in found} == {"direct"}
    assert {row["alpha"] for row in found} == {0.0, 0.5, 1.0}
    classifier, theta = load_classifier(run / "merged")
    own, again = zero_shot_classifier(
        load_clip(run / "merged"), classifier.class_names, classifier.templates
    )
    assert own.class_names == classifier.class_names
    np.testing.assert_allclose(theta["head"]["kernel"], again["head"]["kernel"], atol=1e-3)


def test_rules_leave_out_dawin_and_learning_is_refused(
    run: Path, capsys: pytest.CaptureFixture[str]
):
    capsys.readouterr()
    assert main(["sweep", str(run), "--rules", "--no-export"]) == 0
    assert "DaWin is left out" in capsys.readouterr().err
    costs = json.loads((run / "rules.json").read_text())["costs"]
    assert {cost["rule"] for cost in costs} >= {"constant", "oracle"}
    capsys.readouterr()
    assert main(["sweep", str(run), "--learn", "--no-export", "-q"]) == 2
    assert "trains the text tower" in capsys.readouterr().err


def test_maps_of_a_text_are_of_each_models_own_text_tower(
    run: Path, inputs: Workshop, tmp_path: Path
):
    image = next(inputs.photos.rglob("*.png"))
    options = ["--run", str(run), "--alphas", "0", "1", "--methods", "grad_cam"]
    for name, target in (("class", []), ("text", ["--text", "a photo of the red circle"])):
        out = tmp_path / name
        assert main(["explain", str(image), *options, *target, "--out", str(out), "-q"]) == 0
        assert (out / "explain.json").is_file()


def test_images_and_captions_from_a_table(
    inputs: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    table = tmp_path / "captions.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "caption"))
        for image in sorted(inputs.photos.rglob("*.png")):
            for words in ("a photo of the {}", "the {} again"):
                writer.writerow((str(image), words.format(image.parent.name)))
    options = [
        *("--model.name", str(inputs.model), "--training.recipe", "contrastive"),
        *("--data.train", f"table:{table}", "--data.caption-column", "caption"),
        *("--data.validation", f"held=folder:{inputs.photos}"),
        *("--data.test", f"folder:{inputs.shifted}"),
        *("--training.epochs", "1", "--training.batch-size", "8", "--sweep.alphas", "0", "1"),
    ]
    run = tmp_path / "run"
    assert main(["run", "custom/folder", *options, "--out", str(run), "-q"]) == 0
    assert {row["alpha"] for row in rows(run)} == {0.0, 1.0}
    capsys.readouterr()
    folder = [*options, "--data.train", f"folder:{inputs.photos}"]
    assert main(["run", "custom/folder", *folder, "--out", str(tmp_path / "no"), "-q"]) == 2
    assert "expected --data.train table:FILE" in capsys.readouterr().err
