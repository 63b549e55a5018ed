"""``wiseft backgrounds evaluate`` and ``show``, whole, on a miniature release and on the demo."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from tests.helpers.small_release import small_images, write_release, write_small_release
from tests.helpers.small_resnet import random_variables, small_resnet
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.backgrounds.in9 import IMAGENET_TO_IN9, IN9_CLASSES
from wiseft_jax.cli.main import main
from wiseft_jax.clip.resnet_files import save_resnet
from wiseft_jax.core.hashing import hash_json

IMAGES = small_images()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release, ResNets of nine (in another order) and of a thousand classes, a tiny CLIP."""
    root = tmp_path_factory.mktemp("backgrounds")
    write_small_release(root / "set", IMAGES)
    thousand = small_resnet(1000)
    names = [f"class {index}" for index in range(1000)]
    save_resnet(root / "thousand", thousand, random_variables(thousand, 1), names)
    nine = small_resnet(9)
    turned = [name.split("_")[1] for name in IN9_CLASSES[::-1]]
    save_resnet(root / "nine", nine, random_variables(nine, 2), turned)
    tiny_clip_directory(root / "clip", image_size=8, patch_size=4)
    (root / "names.txt").write_text("\n".join(["missile", *names[1:999], "missile"]))
    return root


def backgrounds(*options: object) -> int:
    return main(["backgrounds", *map(str, options), "-q"])


@pytest.mark.slow
def test_resnets_of_both_kinds_side_by_side(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    models = ("--resnet", root / "thousand", root / "nine")
    options = ("--data", root / "set", *models, "--seeds", 2, "--out", tmp_path)
    assert backgrounds("evaluate", *options, "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary == json.loads((tmp_path / "summary.json").read_text())
    protocols = [model["protocol"] for model in summary["models"]]
    assert protocols == ["1000 classes and the map", "9 classes"]
    assert all("hash" in model["weights"] for model in summary["models"])
    with np.load(tmp_path / "answers.npz", allow_pickle=False) as stored:
        found = stored["mixed_rand"]
    pictures = IMAGES.variant("mixed_rand", 0)
    for place, (count, seed) in enumerate(((1000, 1), (9, 2))):
        resnet = small_resnet(count)
        logits = np.asarray(jax.jit(resnet.logits)(random_variables(resnet, seed), pictures))
        best = logits.argmax(1)
        expected = IMAGENET_TO_IN9[best] if count == 1000 else 8 - best
        assert np.array_equal(found[place], expected)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == 16
    assert "BG-Gap in points" in (tmp_path / "table.md").read_text()
    for name in ("variants.png", "progress.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 300


def test_a_clip_by_both_protocols(root: Path, capsys: pytest.CaptureFixture):
    """A list of ImageNet's names may have one twice; the first of the two is predicted."""
    options = ("evaluate", "--data", root / "set", "--model", root / "clip", "--seeds", 0)
    assert backgrounds(*options, "--json") == 0
    coarse = json.loads(capsys.readouterr().out)["models"][0]
    assert coarse["protocol"] == "9 coarse prompts"
    thousand = ("--protocol", "thousand", "--class-names", root / "names.txt")
    assert backgrounds(*options, *thousand, "--json") == 0
    told = json.loads(capsys.readouterr().out)["models"][0]
    assert told["protocol"] == "1000 prompts and the map"


def test_the_demo_by_glyphclip(tmp_path: Path, capsys: pytest.CaptureFixture):
    options = ("--demo", "--strength", 0.6, "--limit", 30, "--seeds", 1, "--out", tmp_path)
    assert backgrounds("evaluate", *options) == 0
    said = "".join(capsys.readouterr())
    assert "10 coarse prompts" in said
    assert "photographs" not in said
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["n"] == 30
    assert [found["n"] for found in summary["models"][0]["classes"]["original"]] == [3] * 10
    asked = summary["options"]
    assert (asked["demo_options"]["strength"], asked["demo_seed"], asked["limit"]) == (0.6, 0, 30)
    assert summary["config_hash"] == hash_json(asked)
    assert len(summary["fingerprint"]) > 8
    assert backgrounds("evaluate", *options) == 2
    assert "holds an evaluation (summary.json)" in capsys.readouterr().err
    assert json.loads((tmp_path / "summary.json").read_text()) == summary


def test_an_image_of_a_release_is_shown(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    image = root / "set" / "original" / "val" / f"{IMAGES.ids[5]}.png"
    options = ("--data", root / "set", "--resnet", root / "nine", "--out", tmp_path / "v.png")
    assert backgrounds("show", image, *options, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["label"] == IN9_CLASSES[2]
    assert len(row["cells"]) == 8
    assert row["cells"]["mixed_same"]["partner"].startswith(f"{IN9_CLASSES[2]}/")
    assert row["cells"]["mixed_same"]["partner"] != IMAGES.ids[5]
    assert row["cells"]["mixed_next"]["partner"].startswith(f"{IN9_CLASSES[3]}/")
    resnet = small_resnet(9)
    logits = np.asarray(jax.jit(resnet.logits)(random_variables(resnet, 2), IMAGES.images[5:6]))[0]
    told = row["cells"]["original"]
    assert told["predicted"] == IN9_CLASSES[8 - logits.argmax()]
    assert told["right"] == (logits.argmax() == 6)
    assert told["score"] == pytest.approx(np.exp(logits.max()) / np.exp(logits).sum(), abs=1e-5)
    assert (tmp_path / "v.png").is_file()


def test_a_mask_of_many_values_is_shown_by_those_that_are_said(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    """A picture with smooth edges: no threshold is guessed."""
    values = np.where(IMAGES.masks[5], 200, 0).astype(np.uint8)
    values[0, 0] = 90
    Image.fromarray(values).save(tmp_path / "mask.png")
    image = root / "set" / "original" / "val" / f"{IMAGES.ids[5]}.png"
    given = (image, "--mask", tmp_path / "mask.png", "--resnet", root / "nine")
    assert backgrounds("show", *given, "--out", tmp_path / "v.png") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "values 0, 90, 200; expected two" in said
    assert "--mask-foreground" in said
    again = (*given, "--mask-foreground", "128-255", "--out", tmp_path / "v.png", "--json")
    assert backgrounds("show", *again) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["cells"]["only_fg"]["predicted"] in IN9_CLASSES
    assert backgrounds("show", "--demo", "--mask-foreground", "1") == 2
    assert "have no meaning with --demo" in capsys.readouterr().err


def test_the_embedded_model_is_not_for_photographs(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    image = root / "set" / "original" / "val" / f"{IMAGES.ids[5]}.png"
    given = (image, "--data", root / "set", "--model", "glyphclip", "--out", tmp_path / "v.png")
    assert backgrounds("show", *given) == 0
    printed, told = capsys.readouterr()
    assert "--model: the embedded glyphclip knows rendered digits and letters only" in told
    assert "; 8 x 8 resized to 32 (bicubic)" in printed
    of_boxes = ("original", "only_bg_b", "only_bg_t")
    shutil.rmtree(write_release(tmp_path / "boxes", IMAGES, kinds=of_boxes) / "fg_mask")
    assert backgrounds("evaluate", "--data", tmp_path / "boxes", "--model", "glyphclip") == 0
    assert "--model: the embedded glyphclip knows" in capsys.readouterr().err


def test_an_evaluation_says_what_is_written_of_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "ev-own"
    given = ("--data", root / "set", "--model", root / "clip", "--seeds", 0, "--out", out)
    with monkeypatch.context() as at:
        at.setattr("wiseft_jax.reporting.backgrounds_evaluation.draw_evaluation", stop)
        assert backgrounds("evaluate", *given) == 42
    assert f"the files in {out} are incomplete, and the comm" in capsys.readouterr().err
    with monkeypatch.context() as at:
        at.setattr("wiseft_jax.cli.backgrounds_evaluate.print_table", stop)
        assert backgrounds("evaluate", *given) == 42
    assert capsys.readouterr().err.endswith(f"interrupted: the evaluation is complete in {out}\n")
    assert backgrounds("evaluate", *given) == 2
    said = f"{out}: holds an evaluation (summary.json); give another --out, or --overwrite to"
    assert capsys.readouterr().err == f"wiseft: error: {said} replace it\n"


@pytest.mark.parametrize(
    ("mask", "options", "said"),
    [
        (np.zeros((8, 8), bool), (), "the mask is empty"),
        (np.ones((8, 8), bool), (), "the mask is full"),
        (np.eye(9, dtype=bool), (), "expected a mask of 8 x 8"),
        (np.eye(8, dtype=bool), (), "covers the whole image"),
        (np.eye(8, k=4, dtype=bool), ("--box", 0, 0, 2, 2), "sticks out"),
        (np.eye(8, k=4, dtype=bool), ("--label", "00_dgo"), "Did you mean '00_dog'?"),
    ],
)
def test_a_mistake_is_named(
    mask: np.ndarray,
    options: tuple,
    said: str,
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
):
    np.save(tmp_path / "mask.npy", mask)
    image = root / "set" / "original" / "val" / f"{IMAGES.ids[5]}.png"
    given = ("--mask", tmp_path / "mask.npy", "--resnet", root / "nine", *options)
    assert backgrounds("show", image, *given, "--out", tmp_path / "v.png") == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "v.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--resnet", "{root}/nine"], "no images are named"),
        (["--data", "{root}/set"], "no model is named"),
        (["--data", "{root}/set", "--demo"], "found both"),
        (["--demo", "--resnet", "{root}/nine"], "the model has 9 classes"),
        (["--demo", "--resnet", "{root}/thousand"], "answers for ImageNet-9 alone"),
        (["--data", "{root}/set", "--model", "{root}/clip", "--protocol", "thousand"], "tench"),
        (
            ["--data", "{root}/set", "--resnet", "{root}/nine", "--class-names", "f"],
            "is for a zero-shot CLIP",
        ),
        (["--data", "{root}/ste", "--resnet", "{root}/nine"], "Did you mean 'set'?"),
    ],
)
def test_what_does_not_fit_is_refused(
    options: list[str], said: str, root: Path, capsys: pytest.CaptureFixture
):
    try:
        code = backgrounds("evaluate", *(option.format(root=root) for option in options))
    except SystemExit as stop:  # of the parser
        code = stop.code
    assert code == 2
    assert said in " ".join(capsys.readouterr().err.split())
