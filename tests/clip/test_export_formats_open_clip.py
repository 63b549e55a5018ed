"""Exports in OpenCLIP's format, loaded by open_clip itself: by its factory, as the card says."""

from __future__ import annotations

import dataclasses
import textwrap
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from tests.helpers.run_open_clip import VERSION, open_clip_outputs
from tests.helpers.tiny import tiny_images
from tests.helpers.tiny_openclip import TEXTS, tiny_openclip_directory
from wiseft_jax.clip.classifier import Classifier, zero_shot_classifier
from wiseft_jax.clip.export import export_classifier
from wiseft_jax.clip.load import Clip, load_clip
from wiseft_jax.clip.model_card import CARD_FILE
from wiseft_jax.clip.reading import Reading
from wiseft_jax.data.transforms import eval_transform

pytestmark = pytest.mark.torch

SIZE = 32
IMAGES = tiny_images(4, SIZE, seed=5)
PICTURES = [
    np.random.default_rng(1).integers(0, 256, (*sides, 3), np.uint8)
    for sides in ((SIZE, SIZE), (48, 64), (90, 40))
]
TOLERANCE = {"rtol": 0, "atol": 2e-6}
"""Of features of length 1, in float32; they differ by 2e-7."""


@dataclasses.dataclass(frozen=True)
class Exported:
    """A model that was exported, and what open_clip computes of the export."""

    clip: Clip
    classifier: Classifier
    theta: Any
    theirs: dict[str, np.ndarray]


@pytest.fixture(scope="module", params=["gelu", "quick_gelu"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Of 32 pixels, with a head that has a bias."""
    pytest.importorskip("torch")
    root = tmp_path_factory.mktemp(request.param)
    directory = tiny_openclip_directory(root / "a", seed=3, quick_gelu=request.param != "gelu")
    clip = load_clip(directory, reading=Reading(image_size=SIZE))
    assert clip.config.vision_config.hidden_act == request.param
    classifier, theta = zero_shot_classifier(clip, ("blue", "red", "green"), ["a {}"])
    bias = np.array([0.5, -1.0, 2.0], np.float32)
    theta = {**theta, "head": {**theta["head"], "bias": bias}}
    path = export_classifier(root / "out", classifier, theta, alpha=0.5, format="openclip")
    ids, mask = clip.tokenizer(TEXTS)
    pictures = {f"picture_{index}": picture for index, picture in enumerate(PICTURES)}
    arrays = {"images": IMAGES, "ids": (ids * mask).astype(np.int64), **pictures}
    np.savez(root / "inputs.npz", **arrays)  # type: ignore[arg-type]
    (root / "card.py").write_text(shown_code((path / CARD_FILE).read_text("utf-8")))
    theirs = open_clip_outputs(path, root / "inputs.npz", root / "card.py")
    if isinstance(theirs, str):
        pytest.skip(theirs)
    return Exported(clip, classifier, theta, theirs)


def shown_code(card: str) -> str:
    """Return the lines of Python that a model card shows."""
    use = card.partition("## Use")[2].partition("## ")[0]
    lines = [line for line in use.splitlines() if line.startswith("    ") or not line]
    return textwrap.dedent("\n".join(lines)).strip()


def test_the_version_is_the_one_that_is_documented(exported: Exported):
    assert exported.theirs["version"] == VERSION
    docs = (Path(__file__).parents[2] / "docs" / "checkpoints.md").read_text("utf-8")
    assert f"open_clip {VERSION} itself" in docs


def test_its_factory_builds_the_same_encoders(exported: Exported):
    clip, theirs = exported.clip, exported.theirs
    ours = np.asarray(clip.image_encoder(clip.params, IMAGES))
    np.testing.assert_allclose(theirs["image_features"], ours, **TOLERANCE)
    ours = np.asarray(clip.text_encoder(clip.params, *clip.tokenizer(TEXTS)))
    np.testing.assert_allclose(theirs["text_features"], ours, **TOLERANCE)
    assert theirs["logit_scale"] == clip.params["logit_scale"]


def test_the_other_activation_is_told_apart(exported: Exported):
    theirs = exported.theirs
    assert np.abs(theirs["image_features"] - theirs["other_activation"]).max() > 0.001


def test_what_the_card_shows_runs_and_gives_our_logits(exported: Exported):
    prepare = eval_transform(exported.clip.preprocess)
    images = np.stack([prepare(Image.fromarray(picture)) for picture in PICTURES])
    ours = np.asarray(jax.jit(exported.classifier.logits)(exported.theta, images))
    assert exported.theirs["logits"].shape == ours.shape == (3, 3)
    np.testing.assert_allclose(exported.theirs["logits"], ours, rtol=0, atol=1e-4)
