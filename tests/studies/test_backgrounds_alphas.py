"""The whole study of a toy: stored part by part, resumed, the same as asking each model alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.backgrounds.square_cutouts import make_cutouts
from tests.helpers.compilations import counted_compilations
from tests.training.toy import ToyTokenizer, toy_classifier
from wiseft_jax.backgrounds.challenge import challenge_accuracy
from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.saliency import enlarge_map
from wiseft_jax.core.tensors import read_tensors
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.predictions import Predictions, predictions_file
from wiseft_jax.studies import backgrounds_alphas as study
from wiseft_jax.studies.backgrounds_alphas_config import AlphasConfig
from wiseft_jax.studies.backgrounds_alphas_data import alphas_data_of_masked
from wiseft_jax.studies.backgrounds_alphas_models import Ends, challenge_images, saliency_sample
from wiseft_jax.weights.interpolate import lerp

CONFIG = AlphasConfig(
    alphas=(0.0, 0.25, 0.5, 1.0),
    pairing_seeds=2,
    foregrounds=9,
    backgrounds=7,
    saliency_images=10,
    bootstrap_samples=50,
)
CLASS_NAMES = ("00_red", "01_green", "02_blue")


def coloured(count: int = 24, seed: int = 0) -> MaskedImages:
    """Cut-outs whose pixels lean to the colour of their class."""
    made = make_cutouts(count, seed)
    colour = 60 * np.eye(3, dtype=int)[made.labels][:, None, None]
    arrays = {
        field: (getattr(made, field) // 2 + colour).astype(np.uint8)
        for field in ("images", "tiled")
    }
    return dataclasses.replace(made, class_names=CLASS_NAMES, **arrays)


def toy_maps(classifier: Any, theta: Any, images: Any, classes: Any) -> Any:
    """Signed maps of 4 x 4, that depend on everything that a map may."""
    blocks = jnp.asarray(images, jnp.float32).reshape(len(images), 4, 2, 4, 2, 3).mean((2, 4))
    weights = jnp.asarray(theta["head"]["kernel"])[:3, jnp.asarray(classes)].T
    return jnp.einsum("nhwc,nc->nhw", blocks, weights) - 60


def toy_ends() -> Ends:
    classifier, theta_0 = toy_classifier(0)
    return Ends("toy", classifier, theta_0, toy_classifier(1)[1])


def run(directory: RunDirectory, images: MaskedImages | None = None, **changes: Any) -> Any:
    config = dataclasses.replace(CONFIG, **changes)
    study.prepare(directory, config, overwrite=False)
    test = alphas_data_of_masked(images or coloured(), config.pairing_seeds)
    validation = alphas_data_of_masked(coloured(12, 5), config.pairing_seeds)
    return study.alphas_study(config, toy_ends(), test, validation, directory, toy_maps)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, Any, list[str]]:
    directory = RunDirectory(tmp_path_factory.mktemp("study") / "out")
    with counted_compilations() as names:
        summary = run(directory)
    return directory, summary, names


LOGITS = jax.jit(toy_ends().classifier.logits)


def answers(alpha: float, images: np.ndarray) -> np.ndarray:
    ends = toy_ends()
    return np.asarray(LOGITS(lerp(ends.theta_0, ends.theta_1, alpha), images)).argmax(-1)


@pytest.mark.parametrize("place", range(len(CONFIG.alphas)))
def test_every_alpha_is_as_when_its_model_is_asked_alone(studied: Any, place: int):
    images, curves = coloured(), studied[1]["curves"]["test"]
    alpha = CONFIG.alphas[place]
    for kind in ("original", "only_bg_t", "no_fg"):
        right = (answers(alpha, images.variant(kind)) == images.labels).mean()
        assert curves[f"accuracy/{kind}"]["value"][place] == pytest.approx(right)
    gaps = [
        (answers(alpha, images.variant("mixed_same", seed)) == images.labels).mean()
        - (answers(alpha, images.variant("mixed_rand", seed)) == images.labels).mean()
        for seed in range(2)
    ]
    assert curves["gap"]["value"][place] == pytest.approx(np.mean(gaps))


def test_images_of_the_models_size_are_fed_as_they_are(tmp_path: Path):
    """Even where the model's own preprocessing would enlarge them before its crop."""
    facts = vars(toy_ends().classifier) | {"preprocess": Preprocess(8, 9)}
    classifier = Classifier(**facts, templates=(), tokenizer=ToyTokenizer(), frozen={})  # type: ignore[arg-type]
    ends = dataclasses.replace(toy_ends(), classifier=classifier)
    images, directory = coloured(12), RunDirectory(tmp_path / "out")
    config = dataclasses.replace(CONFIG, alphas=(0.0, 1.0), foregrounds=0, saliency_images=0)
    study.prepare(directory, config, overwrite=False)
    study.alphas_study(config, ends, alphas_data_of_masked(images, 1), None, directory)
    found = Predictions.load(directory.path / "predictions" / "test" / predictions_file("original"))
    for place, theta in enumerate((ends.theta_0, ends.theta_1)):
        logits = np.sort(np.asarray(LOGITS(theta, images.variant("original"))), axis=1)
        margins = logits[:, -1] - logits[:, -2]
        np.testing.assert_allclose(found.margin[place], margins, rtol=1e-3, atol=1e-4)


def test_one_program_serves_the_challenge_at_all_alphas(studied: Any):
    names = studied[2]
    assert names.count("pair_answers") == 1
    assert names.count("step") <= 2  # of the test images, and of the fewer validation images


def test_the_challenge_is_that_of_pairs_one_by_one(studied: Any):
    directory, summary, _ = studied
    data = alphas_data_of_masked(coloured(), 2).fitted(("red", "green", "blue"))
    images = challenge_images(data, CONFIG, toy_ends().classifier.preprocess)
    places = images.foregrounds.places, images.backgrounds.places
    whole = coloured()
    for place, alpha in enumerate(CONFIG.alphas):
        stored = read_tensors(directory.path / "challenge" / f"alpha-{alpha!r}.safetensors")
        expected = np.stack(
            [
                answers(
                    alpha,
                    np.where(whole.masks[f][..., None], whole.images[f], whole.tiled[places[1]]),
                )
                for f in places[0]
            ]
        )
        assert np.array_equal(stored["predictions"], expected)
        value = summary["curves"]["test"]["challenge_accuracy"]["value"][place]
        assert value == pytest.approx(challenge_accuracy(expected, whole.labels[places[0]]))
    assert summary["challenge"]["upper_bound"]
    assert summary["challenge"]["backgrounds"] == {"n": 7, "of": 24}


def test_energies_are_of_positive_parts_at_the_pixels(studied: Any):
    _, summary, _ = studied
    data = alphas_data_of_masked(coloured(), 2).fitted(("red", "green", "blue"))
    ends = toy_ends()
    sample = saliency_sample(data, CONFIG, ends.classifier.preprocess)
    assert len(sample.rows) == 10
    curves = summary["curves"]["test"]
    for place, alpha in enumerate(CONFIG.alphas):
        theta = lerp(ends.theta_0, ends.theta_1, alpha)
        classes = {"true": sample.labels, "predicted": answers(alpha, sample.images)}
        for name, of in classes.items():
            maps = np.asarray(toy_maps(ends.classifier, theta, sample.images, of))
            shares = []
            for values, mask in zip(maps, sample.masks, strict=True):
                large = enlarge_map(values, 8, 8)
                total = sum(max(each, 0.0) for each in large.ravel().tolist())
                inside = sum(max(each, 0.0) for each in large[mask].tolist())
                if total > 0:
                    shares.append(inside / total)
            assert curves[f"no_map/{name}"]["value"][place] == pytest.approx(1 - len(shares) / 10)
            found = curves[f"energy/{name}"]["value"][place]
            assert found == (pytest.approx(np.mean(shares), rel=1e-4) if shares else None)
    assert curves["mask_area"]["value"][0] == pytest.approx(sample.masks.mean())


def test_alphas_are_chosen_on_validation_and_reported_on_test(studied: Any):
    _, summary, _ = studied
    curves = summary["curves"]
    rules = {row["rule"]: row for row in summary["choices"]}
    size = np.abs(curves["validation"]["gap"]["value"])
    nearest = CONFIG.alphas.index(rules["smallest_gap"]["alpha"])
    assert size[nearest] == pytest.approx(size.min())
    best = int(np.argmax(curves["validation"]["accuracy/original"]["value"]))
    assert rules["best_original"]["alpha"] == CONFIG.alphas[best]
    row = rules["smallest_gap"]
    assert row["gap"]["value"] == curves["test"]["gap"]["value"][nearest]
    assert row["original"]["value"] == curves["test"]["accuracy/original"]["value"][nearest]
    original = curves["test"]["accuracy/original"]["value"]
    change = row["against"]["fine_tuned"]["original"]["difference"]
    assert change == pytest.approx(original[nearest] - original[-1])


def test_rows_have_everything_that_makes_a_number_a_result(studied: Any):
    directory, summary, _ = studied
    rows = [json.loads(line) for line in (directory.path / "rows.jsonl").read_text().splitlines()]
    measures = {(split, each) for split, every in summary["curves"].items() for each in every}
    assert len(rows) == len(measures) * len(CONFIG.alphas)
    for row in rows:
        assert row.keys() >= {"schema", "alpha", "measure", "value", "low", "high", "n", "interval"}
        if row["value"] is not None:
            assert row["low"] - 1e-9 <= row["value"] <= row["high"] + 1e-9
    assert {row["config_hash"] for row in rows} == {summary["config_hash"]}


def test_a_second_call_asks_for_what_is_missing_alone(studied: Any):
    directory, summary, _ = studied
    stored = [each for each in directory.path.rglob("*.*") if "alpha-" in each.name]
    stored += list((directory.path / "predictions").rglob("*.npz"))
    gone = directory.path / "challenge" / "alpha-0.25.safetensors"
    times = {path: path.stat().st_mtime_ns for path in stored}
    gone.unlink()
    assert run(directory) == summary
    changed = [path for path in stored if path.stat().st_mtime_ns != times[path]]
    assert changed == [gone]


def test_other_options_and_other_images_are_refused(studied: Any):
    directory, _, _ = studied
    with pytest.raises(InputError, match=r"these differ: backgrounds \(7 -> 5\)"):
        run(directory, backgrounds=5)
    with pytest.raises(InputError, match="is of other images than today's"):
        run(directory, coloured(seed=1))
    path = directory.path / study.IDENTITY_FILE
    made_from = read_json(path)
    write_json(path, made_from | {"feeding": made_from["feeding"] | {"resize": 9}})
    with pytest.raises(InputError, match="is of other preprocessing than today's"):
        run(directory)
    write_json(path, made_from)


def test_parts_can_be_left_out_and_without_validation_nothing_is_chosen(tmp_path: Path):
    config = dataclasses.replace(CONFIG, foregrounds=0, saliency_images=0, alphas=(0.0, 1.0))
    directory = RunDirectory(tmp_path / "out")
    study.prepare(directory, config, overwrite=False)
    test = alphas_data_of_masked(coloured(), 1)
    summary = study.alphas_study(config, toy_ends(), test, None, directory)
    assert summary["choices"] == []
    assert summary["chosen_on"] is None
    names = set(summary["curves"]["test"])
    assert "gap" in names
    assert not names & {"challenge_accuracy", "mask_area"}


def test_what_is_no_study_is_not_written_into(tmp_path: Path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(InputError, match="isn't empty, and no study is there"):
        study.prepare(RunDirectory(tmp_path), CONFIG, overwrite=False)
