"""Published sets as their authors ship them, by an ImageNet head: rows against NumPy."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from tests.data.published_miniatures import COUNTRIES, write_miniature
from tests.helpers.tiny import tiny_clip, tiny_clip_directory
from wiseft_jax.cli.main import main
from wiseft_jax.cli.presets import load_config
from wiseft_jax.clip.classifier import make_classifier
from wiseft_jax.clip.export import export_classifier
from wiseft_jax.clip.towers import VISION_KEYS
from wiseft_jax.core.results import read_rows
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.data.class_lists import class_names, class_rows
from wiseft_jax.data.prepare import PrepareOptions, prepare
from wiseft_jax.data.prepare_input import prepare_input
from wiseft_jax.data.transforms import EvalTransform
from wiseft_jax.evaluation.predictions import load_predictions
from wiseft_jax.experiment import load_endpoints
from wiseft_jax.weights.interpolate import lerp

Logits = Callable[[Sequence[Image.Image]], np.ndarray]


def photo(seed: int) -> np.ndarray:
    """Smooth colours, so that images of a tiny model differ."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (3, 3, 3)).astype(np.uint8))
    return np.asarray(small.resize((40, 32), Image.Resampling.BICUBIC))


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())


@dataclasses.dataclass(frozen=True)
class Shown:
    """An image as the model should see it, and the labels that are right."""

    path: str
    image: Image.Image
    right: tuple[int, ...]


def write_renditions(root: Path) -> list[Shown]:
    keys = [row.key for row in class_rows("imagenet-r")]
    shown = []
    for number, label in enumerate([3, 3, 50, 120, 199, 7]):
        path = root / "imagenet-r" / keys[label] / f"art_{number}.png"
        save(path, photo(number))
        shown.append(Shown(str(path), Image.fromarray(photo(number)), (label,)))
    return shown


def write_objects(root: Path) -> list[Shown]:
    """Write photographs in a red border of 2 pixels, which a model mustn't see."""
    keys = [row.key for row in class_rows("objectnet")]
    shown = []
    folders = ["chair", "alarm_clock", "chair", "banana", "basket", "air_freshener"]
    for number, key in enumerate(folders):
        inside = photo(100 + number)
        red = np.full((inside.shape[0] + 4, inside.shape[1] + 4, 3), (255, 0, 0), np.uint8)
        red[2:-2, 2:-2] = inside
        path = root / "objectnet-1.0" / "images" / key / f"{number:015x}.png"
        save(path, red)
        if key in keys:  # the other folder is none of the 113 classes
            shown.append(Shown(str(path), Image.fromarray(inside), (keys.index(key),)))
    return shown


SETS = [[0, 1, 2], [3], [4, 5]]
RIGHT = [(8,), (8, 9), (0, 8), (29,), (3,), (3, 4)]


def write_video(root: Path) -> list[Shown]:
    """Write six frames in three sets; some have two right labels."""
    folder = root / "imagenet_vid_ytbb_robust" / "imagenet-vid-robust"
    names = [f"val/ILSVRC2015_val_{number // 3:08d}/{number:06d}.JPEG" for number in range(6)]
    for number, name in enumerate(names):
        save(folder / name, photo(200 + number))
    sets = {names[own[0]]: [names[frame] for frame in own[1:]] for own in SETS}
    (folder / "metadata").mkdir()
    (folder / "metadata" / "pmsets.json").write_text(json.dumps(sets))
    labels = dict(zip(names, map(list, RIGHT), strict=True))
    (folder / "metadata" / "labels.json").write_text(json.dumps(labels))
    images = [Image.fromarray(photo(200 + number)) for number in range(6)]
    return [Shown(str(folder / names[k]), images[k], RIGHT[k]) for k in range(6)]


def greatest(logits: np.ndarray, classes: str) -> np.ndarray:
    """The greatest logit of each class's ImageNet classes, read from the list."""
    return np.stack([logits[:, list(row.imagenet)].max(1) for row in class_rows(classes)], axis=1)


def right_of(z: np.ndarray, shown: list[Shown]) -> np.ndarray:
    """Which images are right, none of them by a hair."""
    top2 = np.sort(z, axis=1)[:, -2:]
    assert (top2[:, 1] - top2[:, 0]).min() > 1e-3
    return np.array([top in each.right for top, each in zip(z.argmax(1), shown, strict=True)])


def logits_of(classifier: Any, theta: Any) -> Logits:
    transform, run = EvalTransform(classifier.preprocess), jax.jit(classifier.logits)
    return lambda images: np.asarray(run(theta, np.stack([transform(each) for each in images])))


def model_of(
    directory: Path, names: tuple[str, ...], images: list[Image.Image]
) -> tuple[Path, Logits]:
    """Export a tiny model of these classes whose predictions differ, and return its logits."""
    clip = tiny_clip(directory / "clip", vision_layers=1)
    classifier = make_classifier(clip, names, ("{}",))
    encoder = {key: clip.params[key] for key in VISION_KEYS}
    transform = EvalTransform(classifier.preprocess)
    pixels = np.stack([transform(each) for each in images])
    features = np.array(jax.jit(classifier.features)({"encoder": encoder}, pixels))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    # Features of random weights are much alike: without their mean, images differ.
    apart = features - features.mean(axis=0)
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((16, len(names))).astype(np.float32)
    kernel /= np.linalg.norm(kernel, axis=0)
    kernel *= np.float32(4 / np.linalg.norm(apart, axis=1).mean())
    bias = -(features.mean(axis=0) @ kernel).astype(np.float32)
    theta = {"encoder": encoder, "head": {"kernel": kernel, "bias": bias}}
    path = export_classifier(directory / "model", classifier, theta, alpha=None)
    return path, logits_of(classifier, theta)


def evaluated(model: Path, specs: list[str], capsys: pytest.CaptureFixture) -> list[dict]:
    capsys.readouterr()
    command = ["evaluate", "--model", str(model), "--batch-size", "8", "--json", "-q", "--data"]
    assert main([*command, *specs]) == 0
    return json.loads(capsys.readouterr().out)


def value(rows: list[Any], dataset: str, metric: str, alpha: float | None = None) -> Any:
    (row,) = [
        row
        for row in rows
        if (row["dataset"], row["metric"]) == (dataset, metric) and alpha in (None, row["alpha"])
    ]
    return row


def check_shifts(rows: list[Any], logits: Logits, written: dict[str, list[Shown]]) -> None:
    for (spec, classes), shown in zip(SHIFTS.items(), written.values(), strict=True):
        z = greatest(logits([each.image for each in shown]), classes)
        right = right_of(z, shown)
        row = value(rows, spec, "top1")
        assert (row["value"], row["n"]) == (right.mean(), len(shown))
        if classes == "vid-robust":
            anchors, whole = (value(rows, spec, metric) for metric in ("pm0", "pm10"))
            assert anchors["value"] == np.mean([right[own[0]] for own in SETS])
            assert whole["value"] == np.mean([right[own].all() for own in SETS])
            assert anchors["n"] == whole["n"] == len(SETS)


SHIFTS = {
    "imagenet-r-test": "imagenet-r",
    "objectnet-test": "objectnet",
    "vid-robust-val": "vid-robust",
}
"""Name in tables -> its class list."""


def write_shifts(root: Path) -> dict[str, list[Shown]]:
    return {
        "imagenet-r": write_renditions(root),
        "objectnet": write_objects(root),
        "vid-robust": write_video(root),
    }


def specs_at(root: Path) -> list[str]:
    parts = [name.rpartition("-") for name in SHIFTS]
    return [f"published:{name}:{split}@{root}" for name, _, split in parts]


def copies_of(specs: list[str], root: Path) -> list[str]:
    """Prepare a copy of each set, and return specs with the sets' names."""
    copies = []
    for number, spec in enumerate(specs):
        splits = prepare_input(spec).open(())
        report = prepare(splits, root / "copies", PrepareOptions(f"copy_{number}"))
        copies += [
            f"{source.name}={report['splits'][split]['spec']}" for split, source in splits.items()
        ]
    return copies


def test_an_exported_imagenet_model_is_evaluated_by_the_published_projections(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    written = write_shifts(tmp_path)
    images = [each.image for own in written.values() for each in own]
    model, logits = model_of(tmp_path, class_names("imagenet"), images)
    rows = evaluated(model, specs_at(tmp_path), capsys)
    assert len(rows) == 5
    check_shifts(rows, logits, written)
    check_shifts(evaluated(model, copies_of(specs_at(tmp_path), tmp_path), capsys), logits, written)
    command = ["evaluate", "--model", str(model), "--batch-size", "8", "-q", "--data"]
    assert main([*command, specs_at(tmp_path)[-1]]) == 0
    assert "pm-10 (whole sets of frames)" in capsys.readouterr().out


def test_wilds_sets_have_the_worst_region_and_macro_f1(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    names = class_names("fmow")
    countries = ["FRA", "KEN", "PER", "KEN", "FRA", "ATA", "XXX", "KEN", "PER", "FRA"]
    head = "split,img_filename,country_code,category,timestamp\n"
    folder, lines = tmp_path / "fmow_v1.1", [head]
    for row, code in enumerate(countries):
        lines.append(f"test,x.jpg,{code},{names[row % 4]},2016-05-05T00:00:00Z\n")
        save(folder / "images" / f"rgb_img_{row}.png", photo(300 + row))
    (folder / "rgb_metadata.csv").write_text("".join(lines))
    (folder / "country_code_mapping.csv").write_text(COUNTRIES)
    shown = [Shown("", Image.fromarray(photo(300 + row)), (row % 4,)) for row in range(10)]
    model, logits = model_of(tmp_path / "fmow", names, [each.image for each in shown])
    rows = evaluated(model, [f"published:wilds-fmow:test@{tmp_path}"], capsys)
    right = right_of(logits([each.image for each in shown]), shown)
    shares = {
        region: right[[code == own for own in countries]].mean()
        for region, code in (("Europe", "FRA"), ("Africa", "KEN"), ("Americas", "PER"))
    }
    row = value(rows, "wilds-fmow-test", "worst_region")
    assert row["value"] == min(shares.values())
    assert shares[row["group"]] == row["value"]
    assert value(rows, "wilds-fmow-test", "top1")["value"] == right.mean()


def test_classes_with_one_name_stay_apart_in_macro_f1(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    names = class_names("iwildcam")
    first, second = (place for place, name in enumerate(names) if name == "jaguarundi")
    labels = [0, first, second, second, 3, 0]
    folder = tmp_path / "iwildcam_v2.0"
    table = "split,y,filename\n" + "".join(
        f"test,{label},{row}.png\n" for row, label in enumerate(labels)
    )
    for row in range(len(labels)):
        save(folder / "train" / f"{row}.png", photo(400 + row))
    (folder / "metadata.csv").write_text(table)
    images = [Image.fromarray(photo(400 + row)) for row in range(len(labels))]
    model, logits = model_of(tmp_path / "cameras", names, images)
    rows = evaluated(model, [f"published:wilds-iwildcam:test@{tmp_path}"], capsys)
    top1 = logits(images).argmax(axis=1)
    scores = []
    for one in sorted(set(labels)):
        hits = sum(a == b == one for a, b in zip(top1, labels, strict=True))
        scores.append(2 * hits / (sum(top1 == one) + labels.count(one)))
    assert value(rows, "wilds-iwildcam-test", "macro_f1")["value"] == pytest.approx(np.mean(scores))
    assert value(rows, "wilds-iwildcam-test", "top1")["value"] == np.mean(top1 == labels)


@pytest.mark.slow
def test_a_run_on_imagenet_is_swept_on_the_published_shifts(tmp_path: Path):
    for split in ("train", "val"):
        write_miniature(tmp_path, "imagenet", split)
    written = write_shifts(tmp_path)
    imagenet = f"published:imagenet:{{}}@{tmp_path}"
    command = [
        *("run", "custom/folder", "--out", str(tmp_path / "run"), "-q"),
        *("--model.name", str(tiny_clip_directory(tmp_path / "clip", vision_layers=1))),
        *("--data.train", imagenet.format("train"), "--data.test", imagenet.format("val")),
        *("--data.validation", f"held-out={imagenet.format('val')}"),
        *("--data.shifts", *specs_at(tmp_path)),
        *("--training.epochs", "1", "--training.batch-size", "4", "--no-export"),
        *("--training.learning-rate", "1e-3"),
        *("--sweep.alphas", "0", "0.5", "1", "--sweep.batch-size", "8"),
    ]
    assert main(command) == 0
    directory = RunDirectory(tmp_path / "run")
    classifier, theta_0, theta_1 = load_endpoints(
        load_config(str(directory.config_file)), directory
    )
    assert classifier.class_names == class_names("imagenet")
    models = {
        alpha: logits_of(classifier, lerp(theta_0, theta_1, alpha)) for alpha in (0.0, 0.5, 1.0)
    }
    for method in ("direct", "curve"):
        if method == "curve":
            again = ["sweep", str(directory.path), "--sweep.method", "curve", "-q"]
            assert main([*again, "--sweep.curve.exact"]) == 0
        assert "pm-10 (whole sets of frames)" in directory.report_file.read_text()
        rows, stored = read_rows(directory.path), load_predictions(directory.path)
        for alpha, logits in models.items():
            check_stored(rows, stored, logits, written, alpha)


def check_stored(
    rows: list[Any], stored: Any, logits: Logits, written: dict[str, list[Shown]], alpha: float
) -> None:
    for (name, classes), shown in zip(SHIFTS.items(), written.values(), strict=True):
        each = stored[name]
        place = each.alphas.index(alpha)
        by_path = {one.path: one for one in shown}
        images = [by_path[path] for path in each.ids]
        assert len(images) == len(shown)
        z = greatest(logits([one.image for one in images]), classes)
        clear = np.diff(np.sort(z, axis=1)[:, -2:])[:, 0] > 1e-3  # zero-shot logits are close
        assert clear.mean() > 0.5
        right = np.array([top in one.right for top, one in zip(z.argmax(1), images, strict=True)])
        first = np.array([one.right[0] for one in images])
        np.testing.assert_array_equal(each.labels, first)
        expected = np.where(right, first, z.argmax(axis=1))
        np.testing.assert_array_equal(each.top1[place][clear], expected[clear])
        np.testing.assert_array_equal(each.correct[place][clear], right[clear])
        assert value(rows, name, "top1", alpha)["value"] == each.correct[place].mean()
        if name == "vid-robust-val":
            whole = np.mean([each.correct[place][own].all() for own in SETS])
            assert value(rows, name, "pm10", alpha)["value"] == whole
