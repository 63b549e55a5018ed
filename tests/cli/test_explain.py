"""``wiseft explain`` as a person runs it: pictures, raw maps, numbers, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.photos import write_photos
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.cli.main import main
from wiseft_jax.core.saliency import auroc, energy_in_mask, enlarge_map


@dataclasses.dataclass(frozen=True)
class Workshop:
    """A tiny CLIP, images, and a run that was fine-tuned on them."""

    model: Path
    photos: Path
    run: Path


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    root = tmp_path_factory.mktemp("explain")
    model = tiny_clip_directory(root / "clip", vision_layers=1)
    photos, run = write_photos(root / "photos", per_class=4), root / "run"
    options = ["--model.name", str(model), "--data.train", f"folder:{photos}"]
    options += ["--data.test-fraction", "0.25", "--data.validation-fraction", "0.25"]
    options += ["--training.epochs", "2", "--training.batch-size", "4"]
    options += ["--training.learning-rate", "3e-3"]
    assert main(["train", "custom/folder", *options, "--out", str(run), "-q"]) == 0
    return Workshop(model, photos, run)


def explain(*options: object) -> int:
    return main(["explain", *map(str, options), "-q"])


def arrays_of(out: Path) -> dict[str, np.ndarray]:
    with np.load(out / "maps.npz", allow_pickle=False) as stored:
        return dict(stored)


def test_the_embedded_model_and_a_text(tmp_path: Path, capsys: pytest.CaptureFixture):
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for name, corner in (("a", 3), ("b", 12)):
        pixels = np.zeros((28, 28), np.uint8)
        pixels[corner : corner + 10, 8:12] = 255
        Image.fromarray(pixels).save(images / f"{name}.png")
    methods = ("--methods", "grad_cam", "attention_rollout")
    assert explain(images / "*.png", "--text", "the digit one", *methods, "--out", out) == 0
    printed = capsys.readouterr().out
    assert "the digit one" in printed
    assert "attention rollout is the same for every class and text" in printed
    arrays = arrays_of(out)
    assert arrays["grad_cam"].shape == arrays["attention_rollout"].shape == (2, 1, 4, 4)
    assert arrays["images"].shape == (2, 32, 32, 3)
    assert list(arrays["models"]) == ["glyphclip"]
    for name in ("00-a", "01-b"):
        with Image.open(out / f"{name}.png") as sheet:
            assert min(sheet.size) > 400
        with Image.open(out / "overlays" / f"{name}.model.grad_cam.png") as overlay:
            assert overlay.size == (224, 224)
    facts = json.loads((out / "explain.json").read_text())
    assert facts["methods"]["attention_rollout"]["class_agnostic"]
    assert not facts["methods"]["grad_cam"]["class_agnostic"]
    (first,) = facts["images"][0]["columns"]
    assert first["predicted"] is None
    assert -1 <= first["cosine"] <= 1


def test_a_run_has_a_column_for_each_alpha_and_its_ends_are_the_ends(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
):
    from wiseft_jax.cli.presets import load_config
    from wiseft_jax.clip.saliency import class_directions, saliency_maps
    from wiseft_jax.core.run_directory import RunDirectory
    from wiseft_jax.experiment import load_endpoints

    image = workshop.photos / "red" / "0.png"
    options = ("--run", workshop.run, "--class-name", "red", "--methods", "grad_cam")
    assert explain(image, *options, "--out", tmp_path, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == json.loads((tmp_path / "explain.json").read_text())
    (told,) = facts["images"]
    assert [column["alpha"] for column in told["columns"]] == [0, 0.5, 1]
    assert {column["target"] for column in told["columns"]} == {"red"}
    assert told["columns"][0]["label"] == "α = 0 (zero-shot)"
    arrays = arrays_of(tmp_path)
    assert arrays["grad_cam"].shape == (1, 3, 2, 2)
    config = load_config(str(workshop.run))
    classifier, *ends = load_endpoints(config, RunDirectory(workshop.run))
    label = classifier.class_names.index("red")
    for theta, column in zip(ends, (0, 2), strict=True):
        expected = saliency_maps(
            "grad_cam",
            classifier.tower,
            classifier.preprocess,
            theta["encoder"],
            arrays["images"].astype(np.float32),
            class_directions(theta["head"], [label]),
        )
        np.testing.assert_allclose(arrays["grad_cam"][:, column], expected, atol=1e-6)
    names = {file.name for file in (tmp_path / "overlays").iterdir()}
    assert names == {f"00-0.alpha-{alpha}.grad_cam.png" for alpha in ("0", "0.5", "1")}


def test_predictions_and_the_numbers_of_a_mask(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
):
    pixels = np.zeros((20, 20), np.uint8)
    pixels[:, :10] = 255
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    options = ("--run", workshop.run, "--alphas", "1", "--mask", tmp_path / "mask.png")
    methods = ("--methods", "integrated_gradients", "--points", "64")
    out = tmp_path / "out"
    files = (workshop.photos / "red" / "1.png", workshop.photos / "blue" / "1.png")
    assert explain(*files, *options, *methods, "--out", out) == 0
    printed = capsys.readouterr().out
    assert "energy in mask" in printed
    facts, arrays = json.loads((out / "explain.json").read_text()), arrays_of(out)
    assert facts["mask"]["share"] == 0.5
    expected_mask = np.zeros((16, 16), bool)
    expected_mask[:, :8] = True
    np.testing.assert_array_equal(arrays["mask"], expected_mask)
    for index, told in enumerate(facts["images"]):
        (column,) = told["columns"]
        assert column["target"] == column["predicted"]
        raw = arrays["integrated_gradients"][index, 0]
        change = column["cosine"] - column["cosine_of_mean_colour"]
        assert column["integrated_gradients_error"] == pytest.approx(raw.sum() - change, abs=1e-6)
        assert abs(column["integrated_gradients_error"]) < 1e-3
        numbers = column["numbers"]["integrated_gradients"]
        at_pixels = enlarge_map(raw, 16, 16)
        inside = energy_in_mask(np.maximum(at_pixels, 0), expected_mask)
        assert numbers["energy"] == pytest.approx(inside, abs=1e-12)
        assert numbers["auroc"] == pytest.approx(auroc(raw, expected_mask), abs=1e-12)
        assert f"{numbers['auroc']:.3f}" in printed


def test_a_plain_clip_with_class_names_and_a_set_of_images(workshop: Workshop, tmp_path: Path):
    (tmp_path / "names.txt").write_text("red\ngreen\nblue\n")
    options = ("--model", workshop.model, "--class-names", tmp_path / "names.txt")
    more = ("--methods", "attention_rollout", "--max-images", "3", "--out", tmp_path / "out")
    assert explain(f"folder:{workshop.photos}", *options, *more) == 0
    facts = json.loads((tmp_path / "out" / "explain.json").read_text())
    folders = [Path(told["path"]).parent.name for told in facts["images"]]
    assert sorted(folders) == ["blue", "green", "red"]  # evenly spaced over all
    for told in facts["images"]:
        assert told["columns"][0]["predicted"] in ("red", "green", "blue")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "no image is named"),
        (["x.png", "--text", " "], "--text: the text is empty"),
        (["x.png", "--text", "a", "--class-name", "b"], "expected one of them, found both"),
        (["x.png", "--run", "r", "--model", "m"], "--run and --model: expected one of them"),
        (["x.png", "--alphas", "0.3"], "--alphas: has no meaning without --run"),
        (["x.png", "--run", "r", "--alphas", "1", "1"], "--alphas: a number occurs twice"),
        (["x.png", "--methods", "chefer", "chefer"], "--methods: one occurs twice"),
        (["x.png", "--samples", "0"], "--samples: expected at least 1"),
        (["x.png", "--mixing-options.name", "cutmix"], "no meaning without --mixing"),
        (["--mixing", "x.png", "--text", "a"], "--text: has no meaning with --mixing"),
        (["--mixing", "x.png", "--model", "m"], "error: --model: has no meaning with --mixing"),
        (
            ["--mixing", "x.png", "--image-size", "64"],
            "error: --image-size: has no meaning with --mixing",
        ),
        (
            ["--mixing", "x.png", "--run", "r", "--alphas", "1"],
            "error: --run, --alphas: have no meaning with --mixing",
        ),
        (
            ["x.png", "--resnet", "r", "--model", "m", "--base", "b"],
            "a ResNet has its classes; leave --model, --base out",
        ),
        (["x.png", "--run", "r"], "r: no such run directory"),
    ],
)
def test_a_mistake_is_named(
    options: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["explain", *options])
    except SystemExit as stop:  # of the parser, which breaks the message into lines
        code = stop.code
    assert code == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["{photos}", "--model", "{model}"], "a CLIP without classes; say what to explain"),
        (["{photos}", "--run", "{run}", "--class-name", "rde"], "Did you mean 'red'?"),
        (["{photos}/pink.png", "--run", "{run}"], "pink.png"),
        (["{photos}/*.gif", "--run", "{run}"], "*.gif"),
        (
            ["{photos}/red/0.png", "--run", "{run}", "--mask", "{mask}"],
            "7 x 5 pixels; expected the size of all the images (20 x 20), or of the model's input",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    options: list[str],
    said: str,
    workshop: Workshop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
):
    Image.new("L", (7, 5), 255).save(tmp_path / "mask.png")
    places = {**dataclasses.asdict(workshop), "mask": tmp_path / "mask.png"}
    given = [option.format(**places) for option in options]
    assert explain(*given, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
