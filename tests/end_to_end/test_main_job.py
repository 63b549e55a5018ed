"""``wiseft run`` on a folder of images with another folder as the shift, and the verbs after it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.conftest import Workshop
from tests.helpers.photos import write_photos
from wiseft_jax.cli.main import main
from wiseft_jax.core.results import read_rows


def test_rows_cover_every_set_and_alpha(workshop: Workshop) -> None:
    rows = read_rows(workshop.run)
    assert {row["dataset"] for row in rows} == {
        "photos-validation",
        "photos-test",
        "inverted",
    }
    assert {row["alpha"] for row in rows} == {0.0, 0.5, 1.0}
    assert {(row["split"], row["role"]) for row in rows} == {
        ("validation", "reference"),
        ("test", "reference"),
        ("test", "shift"),
    }
    stored = json.loads((workshop.run / "config.json").read_text())
    assert {row["config_hash"] for row in rows} == {stored["config_hash"]}
    for row in rows:
        assert 0 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= 1
        assert row["n"] == (9 if row["dataset"] == "inverted" else row["n"])


def test_files_of_a_run(workshop: Workshop) -> None:
    for name in ("curve.png", "curve.svg", "report.md", "train.jsonl", "selection.json"):
        assert (workshop.run / name).stat().st_size > 0
    assert (workshop.run / "curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (workshop.run / "merged" / "model.safetensors").is_file()
    with Image.open(workshop.run / "curve.png") as picture:
        assert min(picture.size) > 300


def test_nothing_in_a_run_names_where_it_lies(workshop: Workshop) -> None:
    for name in ("report.md", "results.jsonl", "selection.json", "endpoints.json"):
        assert str(workshop.run) not in (workshop.run / name).read_text()


def test_an_existing_run_is_refused(workshop: Workshop, capsys: pytest.CaptureFixture) -> None:
    command = ["run", "custom/folder", *workshop.options(), "--out", str(workshop.run)]
    assert main(command) == 2
    assert "--resume" in capsys.readouterr().err


def test_resume_with_other_options_names_them(
    workshop: Workshop, capsys: pytest.CaptureFixture
) -> None:
    command = ["run", "custom/folder", *workshop.options(), "--out", str(workshop.run)]
    assert main([*command, "--resume", "--training.seed", "5"]) == 2
    assert "training.seed (0 -> 5)" in capsys.readouterr().err


def test_resume_of_a_finished_run_gives_the_same_rows(
    workshop: Workshop, capsys: pytest.CaptureFixture
) -> None:
    before = read_rows(workshop.run)
    command = ["run", "custom/folder", *workshop.options(), "--out", str(workshop.run)]
    assert main([*command, "--resume", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == before


def test_evaluating_the_export_gives_the_row_of_its_alpha(
    workshop: Workshop, capsys: pytest.CaptureFixture
) -> None:
    alpha = json.loads((workshop.run / "selection.json").read_text())["alpha"]
    command = ["evaluate", "--model", str(workshop.run / "merged"), "--json", "-q"]
    assert main([*command, "--data", f"inverted=folder:{workshop.shifted}"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    (expected,) = (
        r for r in read_rows(workshop.run) if (r["dataset"], r["alpha"]) == ("inverted", alpha)
    )
    assert (row["value"], row["n"]) == (expected["value"], expected["n"])
    assert row["alpha"] == alpha


def test_evaluating_on_the_training_images_is_warned_of(
    workshop: Workshop, capsys: pytest.CaptureFixture
) -> None:
    command = ["evaluate", "--model", str(workshop.run / "merged"), "--json", "-q"]
    assert main([*command, "--data", f"mine=folder:{workshop.photos}"]) == 0
    said = capsys.readouterr().err
    assert "images of mine are also in photos, which run was trained on" in said
    assert main([*command, "--data", f"inverted=folder:{workshop.shifted}"]) == 0
    assert "was trained on" not in capsys.readouterr().err


def test_zero_shot_evaluation_gives_the_row_of_alpha_zero(
    workshop: Workshop, capsys: pytest.CaptureFixture
) -> None:
    command = ["evaluate", "--model", str(workshop.model), "--json", "-q"]
    assert main([*command, "--data", f"inverted=folder:{workshop.shifted}"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    expected = next(r for r in read_rows(workshop.run) if r["dataset"] == "inverted")
    assert expected["alpha"] == 0.0
    assert row["value"] == expected["value"]


def test_export_at_an_alpha(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "exported"
    assert main(["export", str(workshop.run), "--alpha", "1", "--out", str(out), "-q"]) == 0
    facts = json.loads((out / "wiseft.json").read_text())
    assert facts["alpha"] == 1.0
    assert main(["export", str(workshop.run), "--alpha", "1", "--out", str(out), "-q"]) == 2
    assert "not empty" in capsys.readouterr().err
    again = ["export", str(workshop.run), "--alpha", "0", "--out", str(out), "--overwrite", "-q"]
    assert main(again) == 0
    assert json.loads((out / "wiseft.json").read_text())["alpha"] == 0.0
    openclip = [*again, "--format", "openclip"]
    assert main(openclip) == 0
    assert (out / "open_clip_config.json").is_file()
    assert not (out / "config.json").exists()
    assert "extrapolates" not in capsys.readouterr().err
    for alpha, end in ((1.5, "the fine-tuned model"), (-0.5, "the zero-shot model")):
        beyond = ["--alpha", str(alpha), "--out", str(tmp_path / str(alpha)), "-q"]
        assert main(["export", str(workshop.run), *beyond]) == 0
        assert f"alpha = {alpha} is outside of [0, 1]" in (said := capsys.readouterr().err)
        assert f"extrapolates beyond {end}" in said


def test_sweep_of_a_run_with_other_alphas(
    inputs: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = tmp_path / "run"
    assert main(["train", "custom/folder", *inputs.options(), "--out", str(run), "-q"]) == 0
    assert not (run / "results.jsonl").exists()
    command = ["sweep", str(run), "--sweep.rule", "validation_best", "-q", "--json"]
    assert main([*command, "--sweep.alphas", "0", "0.25", "1"]) == 0
    capsys.readouterr()
    assert {row["alpha"] for row in read_rows(run)} == {0.0, 0.25, 1.0}
    assert json.loads((run / "selection.json").read_text())["rule"] == "validation_best"
    assert main(["sweep", str(run), "--training.seed", "3", "-q"]) == 2
    assert "trained already" in capsys.readouterr().err


def test_sweep_refuses_another_split_of_the_same_images(
    workshop: Workshop, capsys: pytest.CaptureFixture
) -> None:
    before = read_rows(workshop.run)
    for change in (
        ["--data.test-fraction", "0.4"],
        ["--data.validation-fraction", "0.6"],
        ["--data.test", f"folder:{workshop.shifted}"],
    ):
        assert main(["sweep", str(workshop.run), *change, "-q"]) == 2
        assert "not those that the run was trained on" in capsys.readouterr().err
    assert read_rows(workshop.run) == before


def test_resume_may_change_what_does_not_decide_the_weights(
    inputs: Workshop, tmp_path: Path
) -> None:
    run = ["train", "custom/folder", *inputs.options(), "--out", str(tmp_path / "run"), "-q"]
    assert main(run) == 0
    assert main([*run, "--resume", "--checkpoints.save-every-steps", "2"]) == 0


def test_bad_images_are_faults_of_a_check_and_bad_input_of_a_run(
    inputs: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    photos = write_photos(tmp_path / "photos", per_class=6)
    (photos / "red" / "broken.png").write_bytes(b"nothing like a PNG")
    command = ["run", "custom/folder", *inputs.options(), "--out", str(tmp_path / "run"), "-q"]
    command[command.index("--data.train") + 1] = f"folder:{photos}"
    assert main([*command, "--dry-run"]) == 3
    assert "broken.png" in capsys.readouterr().err
    assert main(command) == 2
    assert "broken.png" in capsys.readouterr().err
    again = [*command, "--overwrite", "--on-bad-image", "skip", "--json"]
    assert main(again) == 0
    skipped = json.loads(capsys.readouterr().out)["skipped"]
    assert list(skipped) == ["photos"]
    assert "broken.png" in skipped["photos"][0]
    assert (tmp_path / "run" / "report.md").read_text().count("broken.png") == 1


def test_the_card_and_the_rows_lie_beside_the_model(workshop: Workshop, tmp_path: Path) -> None:
    merged = workshop.run / "merged"
    text = (merged / "README.md").read_text()
    assert f"\n# {workshop.run.name}\n" in text  # not what the preset is called
    assert "- experiment: folder" in text
    assert "- recipe: end_to_end" in text
    assert "- train: `folder:photos`" in text
    assert "- shifts: `inverted=folder" not in text
    assert f"- {json.loads((workshop.run / 'selection.json').read_text())['sentence']}" in text
    assert str(workshop.photos.parent) not in text
    assert read_rows(merged) == read_rows(workshop.run)
    by_hand = ["export", str(workshop.run), "--alpha", "0.25", "--out", str(tmp_path / "quarter")]
    assert main([*by_hand, "-q"]) == 0
    text = (tmp_path / "quarter" / "README.md").read_text()
    assert "\n# quarter\n" in text
    assert "- alpha was given by hand" in text
    assert "At alpha = 0.25 itself nothing was measured." in text


def test_an_image_tower_alone_predicts_with_its_base(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tower = tmp_path / "tower"
    command = ["export", str(workshop.run), "--format", "vision", "--out", str(tower), "-q"]
    assert main(command) == 0
    capsys.readouterr()
    data = ["--data", f"inverted=folder:{workshop.shifted}", "--json", "-q"]
    images = ["--images", str(workshop.shifted), "--json", "-q"]
    for verb, rest in (("evaluate", data), ("predict", images)):
        found = []
        for model in ([str(workshop.run / "merged")], [str(tower), "--base", str(workshop.model)]):
            assert main([verb, "--model", *model, *rest]) == 0
            rows = json.loads(capsys.readouterr().out)
            found.append([{**row, "model": "", "config_hash": ""} for row in rows])
        assert found[0] == found[1]
        assert main([verb, "--model", str(tower), *rest]) == 2
        assert "base" in capsys.readouterr().err


def test_predict_writes_a_row_for_each_image_and_lists_bad_ones(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    Image.fromarray(np.full((30, 24, 3), 200, np.uint8)).save(images / "good one.png")
    (images / "broken.png").write_bytes(b"no image at all")
    out = tmp_path / "predictions.csv"
    command = ["predict", "--model", str(workshop.run / "merged"), "--images", str(images)]
    skip = [*command, "--on-bad-image", "skip", "--out", str(out)]
    assert main(skip) == 0
    assert "broken.png" in capsys.readouterr().err
    with out.open() as file:
        (row,) = csv.DictReader(file)
    assert row["path"].endswith("good one.png")
    probabilities = [float(v) for k, v in row.items() if k.startswith("p(")]
    assert len(probabilities) == 3
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert float(row["probability"]) == max(probabilities)
    assert main([*command, "-q"]) == 2


def test_sweep_without_export_leaves_no_model_of_another_alpha(
    inputs: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = tmp_path / "run"
    assert main(["run", "custom/folder", *inputs.options(), "--out", str(run), "-q"]) == 0
    trained = (run / "config.json").read_text()
    assert main(["sweep", str(run), "--no-export", "--sweep.alphas", "0", "1", "-q"]) == 0
    assert not (run / "merged").exists()
    assert (run / "config.json").read_text() == trained
    swept = json.loads((run / "sweep_config.json").read_text())["config_hash"]
    assert {row["config_hash"] for row in read_rows(run)} == {swept}
    assert main(["sweep", str(run), "-q"]) == 0
    assert json.loads((run / "merged" / "wiseft.json").read_text())["alpha"] == 0.5
    (run / "merged" / "notes.txt").write_text("mine")
    again = ["export", str(run), "--out", str(run / "merged"), "--overwrite", "-q"]
    assert main(again) == 2
    assert "notes.txt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sweep.alphas", "0.5", "nan"], "finite"),
        (["--sweep.alphas", "0.5", "0.2"], "rising"),
        (["--sweep.batch-size", "0"], "--sweep.batch-size: expected at least 1, found 0"),
        (["--select-on", "nope"], "unknown dataset to select on 'nope'"),
    ],
)
def test_sweep_options_are_checked_before_training(
    inputs: Workshop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    options: list[str],
    said: str,
) -> None:
    own = inputs.options()
    own = own[: own.index("--sweep.alphas")]
    command = ["run", "custom/folder", *own, *options, "--out", str(tmp_path / "run"), "-q"]
    assert main(command) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_predict_by_text_ranks_and_compares(
    workshop: Workshop, capsys: pytest.CaptureFixture
) -> None:
    command = ["predict", "--model", str(workshop.model), "--images", str(workshop.shifted)]
    assert main([*command, "--text", "a red square", "--top", "2", "--json", "-q"]) == 0
    ranking = json.loads(capsys.readouterr().out)
    assert [record["rank"] for record in ranking] == [1, 2]
    assert ranking[0]["cosine"] >= ranking[1]["cosine"]
    assert main([*command, "--text", "a red square", "a photo", "--json", "-q"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert len(table) == 9
    assert table[0]["p(a photo)"] + table[0]["p(a red square)"] == pytest.approx(1, abs=1e-5)


def test_zero_shot_prediction_needs_class_names(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["predict", "--model", str(workshop.model), "--images", str(workshop.shifted)]
    assert main([*command, "-q"]) == 2
    assert "--class-names" in capsys.readouterr().err
    names = tmp_path / "names.txt"
    names.write_text("red\ngreen\n")
    assert main([*command, "--class-names", str(names), "--json", "-q"]) == 0
    assert {r["prediction"] for r in json.loads(capsys.readouterr().out)} <= {"red", "green"}


def test_dry_run_counts_without_training(
    inputs: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "run"
    command = ["run", "custom/folder", *inputs.options(), "--out", str(out), "--dry-run"]
    assert main([*command, "--json", "-q"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert not out.exists()
    images = {each["name"]: each["images"] for each in plan["datasets"]}
    assert images["inverted"] == 9
    assert images["photos"] + images["photos-test"] + images["photos-validation"] == 24
    evaluated = sum(images.values()) - images["photos"]
    assert plan["sweep_forward_passes"] == 3 * evaluated
    assert plan["parameters_trained"] == plan["parameters_interpolated"]


def test_dry_run_counts_what_is_trained_and_knows_when_nothing_is_counted(
    inputs: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["run", "custom/folder", *inputs.options(), "--out", str(tmp_path / "run")]
    trained, whole = {}, 0
    for part in ("encoder", "head"):
        frozen = ["--training.options.freeze", f"{part}/*"]
        assert main([*command, *frozen, "--dry-run", "--json", "-q"]) == 0
        plan = json.loads(capsys.readouterr().out)
        trained[part], whole = plan["parameters_trained"], plan["parameters_interpolated"]
    assert 0 < trained["encoder"] < trained["head"]  # each but the frozen part
    assert sum(trained.values()) == whole
    probe = ["--training.recipe", "linear_probe", "--training.options.solver", "lbfgs"]
    assert main([*command, *probe, "--dry-run", "-q"]) == 0
    assert "steps: none: L-BFGS goes on to convergence" in capsys.readouterr().out
