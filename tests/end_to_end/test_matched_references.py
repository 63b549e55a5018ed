"""ImageNet in miniature: a renamed shift, its matched reference, and a set of fewer classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.builders import write_folder
from tests.data.published_miniatures import write_miniature
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.cli.main import main
from wiseft_jax.core.analysis_rows import read_analysis_rows
from wiseft_jax.core.results import mean_over_shifts, read_rows
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.class_lists import class_rows

SETS = ("imagenet-val", "mine", "its-classes", "imagenet-v2-test", "imagenet-a-test")


def write_more(folder: Path, classes: str, seed: int) -> None:
    """Write three photographs of each of four classes below a folder of WordNet ids."""
    rng = np.random.default_rng(seed)
    for row in class_rows(classes)[:40:10]:
        (folder / row.key).mkdir(parents=True, exist_ok=True)
        for number in range(3):
            small = Image.fromarray(rng.integers(0, 256, (3, 3, 3)).astype(np.uint8))
            small.resize((40, 32)).save(folder / row.key / f"more_{number}.JPEG")


def write_sets(root: Path) -> None:
    imagenet = root / DATASETS["imagenet"].layout.folder
    for name, split in (("imagenet", "train"), ("imagenet", "val"), ("imagenet-v2", "test"),
                        ("imagenet-r", "test"), ("imagenet-a", "test")):  # fmt: skip
        write_miniature(root, name, split)
    for seed, part in enumerate(("train", "val")):
        write_more(imagenet / part, "imagenet-r", seed)
    write_more(root / DATASETS["imagenet-r"].layout.folder, "imagenet-r", 2)


def trained(root: Path) -> Path:
    """Train a tiny model on it, sweep over the sets, and return the run directory."""

    def at(spec: str) -> str:
        return f"{spec}@{root / 'data'}"

    imagenet = "published:imagenet"
    shifts = ("mine=published:imagenet-r:test", "its-classes=published:imagenet-r-val-classes:val",
              "published:imagenet-v2:test", "published:imagenet-a:test")  # fmt: skip
    command = [
        *("run", "custom/folder", "--out", str(root / "run"), "-q"),
        *("--model.name", str(tiny_clip_directory(root / "clip", vision_layers=1))),
        *("--data.train", at(f"{imagenet}:train"), "--data.test", at(f"{imagenet}:val")),
        *("--data.validation", at(f"held-out={imagenet}:val")),
        *("--data.shifts", *map(at, shifts)),
        *("--training.epochs", "1", "--training.batch-size", "4", "--no-export"),
        *("--training.learning-rate", "1e-3"),
        *("--sweep.alphas", "0", "0.5", "1", "--sweep.batch-size", "8"),
    ]
    assert main(command) == 0
    return root / "run"


def write_baselines(path: Path) -> Path:
    lines = [",".join(["model", *SETS])]
    lines += [f"m{k}," + ",".join(f"{0.2 + k / 12 - s / 50:.3f}" for s in range(5))
              for k in range(8)]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
def test_a_renamed_shift_is_set_against_its_classes_from_run_to_page(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    write_sets(tmp_path / "data")
    run = trained(tmp_path)
    rows = read_rows(run)
    of = {row["dataset"]: row for row in rows if row["alpha"] == 0.5}
    assert of["mine"].get("matched_reference") == "its-classes"
    assert {name: row["role"] for name, row in of.items() if row["split"] == "test"} == {
        "imagenet-val": "reference", "mine": "shift", "imagenet-v2-test": "shift",
        "imagenet-a-test": "shift", "its-classes": "matched_reference",
    }  # fmt: skip
    shifts = [of[name]["value"] for name in ("mine", "imagenet-v2-test", "imagenet-a-test")]
    assert mean_over_shifts(rows)[0.5] == pytest.approx(np.mean(shifts))
    markdown = RunDirectory(run).report_file.read_text()
    assert "mean of 3 shifts" in markdown
    assert "| its-classes | test matched reference |" in markdown

    baselines = str(write_baselines(tmp_path / "baselines.csv"))
    asked = ["--analyses", "effective_robustness", "--baselines", baselines]
    assert main(["report", str(run), *asked]) == 0
    found = read_analysis_rows(run, "effective_robustness")
    against = {row["dataset"]: row["other"] for row in found
               if row["metric"] == "effective_robustness"}  # fmt: skip
    assert against == {
        "mine": "its-classes",
        "imagenet-v2-test": "imagenet-val",
        "imagenet-a-test": "imagenet-val",
    }
    shares = {row["dataset"]: (row["value"], row["n"]) for row in found
              if row["metric"] == "share_of_classes"}  # fmt: skip
    assert (shares["mine"], shares["imagenet-a-test"]) == ((1.0, 200), (0.2, 1000))
    fix = f"published:imagenet-a-val-classes:val@{tmp_path / 'data'}"
    said = capsys.readouterr().err
    assert f"wiseft sweep {run} --data.matched_references {fix}" in said
    page = tmp_path / "page.html"
    assert main(["report", str(run), "--out", str(page), "--no-images"]) == 0
    lines = {line["name"]: line for line in lines_of(page)}
    assert lines["mine"]["matched_reference"] == "its-classes"
    assert (lines["mine"]["kind"], lines["its-classes"]["kind"]) == ("shift", "matched")


def lines_of(page: Path) -> list[dict[str, Any]]:
    """Return the lines of the only run that a page shows, from the facts that it embeds."""
    text = page.read_text()
    start = text.index('{"schema": 1') if '{"schema": 1' in text else text.index('{"schema":1')
    facts, _ = json.JSONDecoder().raw_decode(text, start)
    return facts["runs"][0]["lines"]


@pytest.mark.slow
def test_a_matched_reference_of_ones_own_is_added_by_a_sweep(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    write_folder(tmp_path / "photos", {"cat": 12, "dog": 12, "owl": 12})
    write_folder(tmp_path / "sketches", {"cat": 4, "dog": 4}, seed=100)
    write_folder(tmp_path / "cats-dogs", {"cat": 5, "dog": 5}, seed=200)
    run = tmp_path / "run"
    command = [
        *("run", "custom/folder", "--out", str(run), "-q"),
        *("--model.name", str(tiny_clip_directory(tmp_path / "clip", vision_layers=1))),
        *("--data.train", f"folder:{tmp_path / 'photos'}"),
        *("--data.shifts", f"folder:{tmp_path / 'sketches'}"),
        *("--training.epochs", "1", "--training.batch-size", "4", "--no-export"),
        *("--sweep.alphas", "0", "0.5", "1", "--sweep.batch-size", "8"),
    ]
    assert main(command) == 0
    baselines = tmp_path / "baselines.csv"
    lines = [f"m{k},{0.2 + k / 12:.3f},{0.3 + k / 12:.3f},{0.1 + k / 12:.3f}" for k in range(8)]
    baselines.write_text("\n".join(["model,photos-test,cats-dogs,sketches", *lines]))
    asked = ["--analyses", "effective_robustness", "--baselines", str(baselines)]
    assert main(["report", str(run), *asked]) == 0
    assert "sketches: it has 2 classes and is set against photos-test, which has 3" in (
        capsys.readouterr().err
    )
    before = read_rows(run)
    own = f"folder:{tmp_path / 'cats-dogs'}"
    assert main(["sweep", str(run), "-q", "--data.matched_references", own]) == 0
    assert mean_over_shifts(read_rows(run)) == mean_over_shifts(before)
    capsys.readouterr()
    assert main(["report", str(run), *asked]) == 0
    assert "which has 3" not in capsys.readouterr().err
    found = read_analysis_rows(run, "effective_robustness")
    assert {row["other"] for row in found if row["metric"] == "effective_robustness"} == {
        "cats-dogs"
    }
