from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import numpy_clip
from tests.helpers.tiny import tiny_clip
from wiseft_jax.clip import zero_shot
from wiseft_jax.clip.convert import to_hf
from wiseft_jax.clip.load import Clip
from wiseft_jax.clip.zero_shot import check_class_names, zero_shot_head
from wiseft_jax.core.errors import InputError

NAMES = ["red circle", "blue square", "x"]
TEMPLATES = ["a photo of a {}.", "the {}", "{} digit {}"]


def head_by_hand(
    clip: Clip, *, normalise_each: bool = True, names: list[str] = NAMES
) -> np.ndarray:
    tensors, config = to_hf(clip.params), clip.config.to_dict()
    columns = []
    for name in names:
        ids, _ = clip.tokenizer([template.replace("{}", name) for template in TEMPLATES])
        features = numpy_clip.text_features(tensors, config, ids)
        if normalise_each:
            features = features / np.linalg.norm(features, axis=1, keepdims=True)
        mean = features.mean(0)
        columns.append(np.exp(tensors["logit_scale"]) * mean / np.linalg.norm(mean))
    return np.stack(columns, axis=1)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the runs of the text tower."""
    runs: list[int] = []
    iterate = zero_shot.iterate_text_features

    def count(clip: Clip, texts: list[str], **options: Any) -> Any:
        runs.append(len(texts))
        return iterate(clip, texts, **options)

    monkeypatch.setattr(zero_shot, "iterate_text_features", count)
    return runs


@pytest.mark.parametrize("fixture", ["clip", "legacy_clip"])
def test_the_head_equals_the_one_made_by_hand(fixture: str, request: pytest.FixtureRequest):
    clip = request.getfixturevalue(fixture)
    head = zero_shot_head(clip, NAMES, TEMPLATES, cache=False)
    np.testing.assert_allclose(head["kernel"], head_by_hand(clip), atol=5e-5)
    np.testing.assert_array_equal(head["bias"], np.zeros(3))
    for leaf in head.values():
        assert type(leaf) is np.ndarray
        assert leaf.dtype == np.float32


def test_skipping_the_first_normalisation_would_be_seen(clip: Clip):
    head = zero_shot_head(clip, NAMES, TEMPLATES, cache=False)
    wrong = head_by_hand(clip, normalise_each=False)
    assert np.abs(head["kernel"] - wrong).max() > 0.1


def test_columns_have_the_length_of_the_temperature(clip: Clip):
    head = zero_shot_head(clip, NAMES, "imagenet", cache=False)
    np.testing.assert_allclose(np.linalg.norm(head["kernel"], axis=0), 100, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [2, 7])
def test_the_batch_size_changes_nothing(clip: Clip, batch_size: int):
    expected = zero_shot_head(clip, NAMES, TEMPLATES, cache=False)["kernel"]
    found = zero_shot_head(clip, NAMES, TEMPLATES, batch_size=batch_size, cache=False)["kernel"]
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_one_class_works(clip: Clip):
    head = zero_shot_head(clip, ["digit"], cache=False)
    assert head["kernel"].shape == (16, 1)
    assert head["bias"].shape == (1,)


def test_classes_are_independent_and_keep_their_order(clip: Clip):
    forward = zero_shot_head(clip, NAMES, TEMPLATES, cache=False)["kernel"]
    backward = zero_shot_head(clip, NAMES[::-1], TEMPLATES, cache=False)["kernel"]
    np.testing.assert_allclose(forward[:, ::-1], backward, atol=2e-5)


def test_the_compute_dtype_does_not_matter(clip: Clip, clip_directory: Path):
    from wiseft_jax.clip.load import load_clip

    half = load_clip(clip_directory, "bfloat16")
    np.testing.assert_array_equal(
        zero_shot_head(half, NAMES, cache=False)["kernel"],
        zero_shot_head(clip, NAMES, cache=False)["kernel"],
    )


def test_the_second_time_comes_from_the_cache(clip: Clip, counted: list[int]):
    names = ["cached", "twice"]
    first = zero_shot_head(clip, names, TEMPLATES)
    second = zero_shot_head(clip, names, TEMPLATES)
    assert counted == [6]
    np.testing.assert_array_equal(first["kernel"], second["kernel"])
    np.testing.assert_array_equal(first["bias"], second["bias"])
    zero_shot_head(clip, names, TEMPLATES, cache=False)
    assert counted == [6, 6]


def test_the_cache_follows_every_input(clip: Clip, tmp_path: Path, counted: list[int]):
    weights = {**clip.params, "logit_scale": np.array(1, np.float32)}
    zero_shot_head(clip, ["one", "two"], ["a {}"])
    zero_shot_head(clip, ["two", "one"], ["a {}"])
    zero_shot_head(clip, ["one", "two"], ["the {}"])
    zero_shot_head(dataclasses.replace(clip, params=weights), ["one", "two"], ["a {}"])
    gelu = tiny_clip(tmp_path / "gelu", hidden_act="gelu", vision_layers=1)
    zero_shot_head(gelu, ["one", "two"], ["a {}"])
    shorter = dataclasses.replace(clip.tokenizer, context_length=30)
    zero_shot_head(dataclasses.replace(clip, tokenizer=shorter), ["one", "two"], ["a {}"])
    assert len(counted) == 6


def test_an_equal_text_tower_shares_the_entry(clip: Clip, counted: list[int]):
    zero_shot_head(clip, ["shared"], ["a {}"])
    scaled = {**clip.params, "visual_projection": {"kernel": np.zeros((32, 16), np.float32)}}
    zero_shot_head(dataclasses.replace(clip, params=scaled), ["shared"], ["a {}"])
    assert counted == [1]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "the list is empty"),
        (["cat", ""], "number 1 is empty"),
        (["cat", " \t"], "number 1 is empty"),
        (["cat", 3], "number 1 is empty or not text: 3"),
        (["cat", "dog", "cat"], "'cat' occurs twice, as numbers 0 and 2"),
        (["cat", " cat"], "occurs twice, as numbers 0 and 1"),
        ("cat", "expected a list of names, found one text 'cat'"),
    ],
)
def test_bad_class_names_are_refused(names: Any, message: str):
    with pytest.raises(InputError, match=message):
        check_class_names(names)


def test_bad_inputs_are_refused_before_any_work(clip: Clip, counted: list[int]):
    with pytest.raises(InputError, match="occurs twice"):
        zero_shot_head(clip, ["a", "a"])
    with pytest.raises(InputError, match="unknown prompt set"):
        zero_shot_head(clip, ["a"], "nope")
    assert counted == []
