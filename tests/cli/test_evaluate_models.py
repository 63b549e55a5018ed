"""``wiseft evaluate`` of several models, whole: compared, raced, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.tiny_models import (
    NAMES,
    TinyModels,
    mostly_right,
    renamed,
    tiny_models,
)
from wiseft_jax.cli.evaluate_options import EvaluateArgs, settings
from wiseft_jax.cli.main import main
from wiseft_jax.clip.export import export_classifier
from wiseft_jax.data.load import load_dataset
from wiseft_jax.data.pipeline import load_image
from wiseft_jax.evaluation.packing import Packing
from wiseft_jax.evaluation.race_config import ModelRaceConfig
from wiseft_jax.evaluation.racing import race, random_order, replay

ROUND, SQUARE = NAMES[:2]


class Files:
    """Exports ``x/a``, ``x/b``, ``x/c`` of tiny models, CLIPs, and images on which ``a`` is good.

    Args:
      root: Where.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models: TinyModels = tiny_models(root)
        for alpha, each in enumerate(self.models.candidates):
            export_classifier(root / "x" / each.name, each.classifier, each.theta, alpha=alpha / 4)
        data = mostly_right(self.models, 70)
        for index, (image, label) in enumerate(zip(data.source.images, data.labels, strict=True)):
            folder = root / "set" / NAMES[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{index:03d}.png")
        rows = [{"path": str(path)} for path in sorted((root / "set").rglob("*.png"))]
        (root / "bare.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def correct(self) -> np.ndarray:
        """Return which images of the set each model gets right, in the set's order."""
        data = load_dataset(f"folder:{self.root / 'set'}", classifier_class_names=NAMES)
        images = np.stack([np.asarray(load_image(data, k)) for k in range(len(data))])
        return self.models.correct(data, images)

    def paths(self, *names: str) -> list[str]:
        return [str(self.root / name) for name in names]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("files"))


def run(files: Files, *models: str, more: tuple[object, ...] = (), data: str = "set") -> int:
    sets = ("--data", f"set=folder:{files.root / data}")
    return main(["evaluate", "--model", *files.paths(*models), *sets, *map(str, more), "-q"])


def printed(capsys: pytest.CaptureFixture) -> Any:
    return json.loads(capsys.readouterr().out)


def test_several_models_are_compared(files: Files, capsys: pytest.CaptureFixture):
    """Exports of two architectures and a CLIP; every number by an independent way."""
    assert run(files, "x/a", "x/c", "b", more=("--json",)) == 0
    rows = printed(capsys)
    models = files.paths("x/a", "x/c", "b")
    assert [row["model"] for row in rows] == models
    assert [row["alpha"] for row in rows] == [0.0, 0.5, 0.0]
    assert {row["reference"] for row in rows} == {models[0]}
    right = files.correct()
    assert [row["value"] for row in rows[:2]] == right[[0, 2]].mean(1).tolist()
    assert rows[1]["difference"] == pytest.approx(right[2].mean() - right[0].mean())
    assert rows[1]["difference_low"] < rows[1]["difference"] < rows[1]["difference_high"] < 0
    assert [row["may_be_best"] for row in rows] == [True, False, False]
    assert {row["n"] for row in rows} == {70}


def test_a_race_is_that_over_the_stored_answers(files: Files, capsys: pytest.CaptureFixture):
    options = ("--race", "--racing.batch-size", 16, "--racing.seed", 3, "--json")
    assert run(files, "x/a", "x/b", "x/c", more=options) == 0
    (facts,) = printed(capsys)
    racing = ModelRaceConfig(batch_size=16, seed=3).build()
    evaluate = replay(files.correct(), Packing((16,)))
    expected = race(evaluate, 3, random_order(70, 3), racing)
    paths = files.paths("x/a", "x/b", "x/c")
    assert facts["winner"] == paths[expected.winner] == paths[0]
    assert facts["left"] == [paths[place] for place in expected.left] == paths[:1]
    assert [each["hits"] for each in facts["models"]] == expected.hits.tolist()
    assert [each["seen"] for each in facts["models"]] == expected.seen.tolist()
    assert [each["alpha"] for each in facts["models"]] == [0, 0.25, 0.5]
    assert facts["forwards"] == expected.forwards < facts["all_forwards"] == 210
    assert facts["share"] == expected.share < 1
    assert (facts["n"], facts["dataset"]) == (70, "set")
    assert "filled in" not in str(facts)


def test_tables_of_a_race_and_of_a_comparison(files: Files, capsys: pytest.CaptureFixture):
    assert run(files, "x/a", "x/b", more=("--race", "--racing.batch-size", 16)) == 0
    said = capsys.readouterr().out
    assert "a is the best of 2 on set (test, n=70)" in said
    assert "with a probability of at least 95 % the most accurate model on these 70 images" in said
    assert "out after" in said
    assert run(files, "x/a", "x/b") == 0
    said = capsys.readouterr().out
    assert "points to a" in said
    assert "a *" in said
    assert "differences from a, the first model, by the paired bootstrap" in said


def test_other_classes_are_refused_before_any_weights_are_read(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture
):
    other = renamed(files.models.candidates[1], (ROUND, SQUARE, "green letter"))
    path = export_classifier(tmp_path / "other", other.classifier, other.theta, alpha=0)
    (path / "model.safetensors").unlink()
    for option in ((), ("--race",)):
        models = ["--model", *files.paths("x/a"), str(path)]
        assert main(["evaluate", *models, "--data", "folder:nowhere", *option, "-q"]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert f"{path}: expected the classes of {files.root}/x/a (3), found 3" in said
        assert "class 2 is 'green letter' and not 'green digit'" in said


@pytest.mark.parametrize(
    ("models", "options", "said"),
    [
        (["x/a"], ["--race"], "--race: expected two models or more to race, found "),
        (["x/a", "x/b", "x/a/"], [], "/x/a is given twice"),
        (["x/a", "x/a"], ["--race"], "/x/a is given twice"),
        (["x/a", "x/b"], ["--racing.budget", "0.5"], "--racing.*: has no meaning without --race"),
        (["x/a", "x/b"], ["--race", "--racing.budget", "2"], "racing.budget: expected a share in"),
        (["x/a", "x/b"], ["--race", "--batch-size", "32"], "give --racing.batch-size 32, the"),
        (["x/a", "x/b"], ["--race", "--racing.neighbours"], "--racing.neighbours"),
        (["x/a", "nowhere"], ["--race"], "no such directory"),
        ([], [], "--model"),
    ],
)
def test_what_makes_no_sense_is_refused(
    models: list[str],
    options: list[str],
    said: str,
    files: Files,
    capsys: pytest.CaptureFixture,
):
    given = files.paths(*models)
    code = main(["evaluate", "--model", *given, "--data", "folder:nowhere", *options, "-q"])
    assert code == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("option", [(), ("--race",)])
def test_images_without_labels_are_refused(
    option: tuple[str, ...], files: Files, capsys: pytest.CaptureFixture
):
    models = ["--model", *files.paths("x/a", "x/b")]
    data = ["--data", f"table:{files.root / 'bare.jsonl'}"]
    assert main(["evaluate", *models, *data, *option, "-q"]) == 2
    assert "label" in capsys.readouterr().err


def test_the_settings_of_one_model_are_what_they_were_before_there_could_be_several():
    """So hashes of configurations stay."""
    one = settings(EvaluateArgs(("merged",), ("folder:x",)))
    assert one == {
        "model": "merged",
        "data": ["folder:x"],
        "class_names": None,
        "templates": "simple",
        "batch_size": 64,
        "compute_dtype": "float32",
        "on_bad_image": "stop",
    }
    several = EvaluateArgs(("a", "b"), ("folder:x",), race=True)
    assert settings(several)["model"] == ["a", "b"]
    assert settings(several)["racing"]["confidence"] == 0.95
