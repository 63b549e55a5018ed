"""A prepared copy is evaluated and scored as its source is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import pixels
from tests.data.published_miniatures import write_miniature
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.class_lists import class_names
from wiseft_jax.data.kept_facts import KeptFacts, joined
from wiseft_jax.data.load import load_dataset
from wiseft_jax.data.prepare import PrepareOptions, prepare
from wiseft_jax.data.prepare_input import prepare_input
from wiseft_jax.data.prepared_shards import MANIFEST_FILE
from wiseft_jax.data.source import ArraySource, Dataset
from wiseft_jax.data.specs import open_source

IMAGENET = class_names("imagenet")
COPIED = [
    ("imagenet", "val"),
    ("imagenet-r", "test"),
    ("imagenet-a-val-classes", "val"),
    ("imagenet-vid-robust-val-classes", "val"),
    ("objectnet", "test"),
    ("vid-robust", "val"),
    ("wilds-fmow", "test"),
    ("wilds-iwildcam", "test"),
]
FACTS = KeptFacts(
    "vid-robust", ("x", "y", "x", "z"), ((8, 9), (8,), (0,), (3, 1)), ((0, 1, 2), (3,)), 1
)


class Frames(ArraySource):
    """Four images, of which more is known."""

    def __init__(self) -> None:
        images = np.stack([pixels(index) for index in range(4)])
        super().__init__(images, np.array([8, 8, 0, 3]), class_names("vid-robust"))
        self.catalog_id, self.group_of = FACTS.catalog_id, FACTS.group_of
        self.accepted, self.frame_sets = FACTS.accepted, FACTS.frame_sets


def copy_of(tmp_path: Path, spec: str, name: str = "mine") -> str:
    """Prepare a copy under a name that says nothing; return its spec."""
    found = prepare_input(spec)
    report = prepare(found.open(()), tmp_path / "out", PrepareOptions(name, shard_mib=0.001))
    (split,) = report["splits"].values()
    return split["spec"]


def scored(dataset: Dataset) -> dict[str, list]:
    scoring = dataset.scoring
    return {} if scoring is None else {name: a.tolist() for name, a in scoring.arrays().items()}


@pytest.mark.parametrize(("name", "split"), COPIED)
def test_a_copy_of_a_catalogued_set_is_labelled_projected_and_scored_as_the_set(
    name: str, split: str, tmp_path: Path
):
    write_miniature(tmp_path, name, split)
    spec = f"published:{name}:{split}@{tmp_path}"
    source, copy = open_source(spec), open_source(copy_of(tmp_path, spec))
    assert KeptFacts.of(copy) == KeptFacts.of(source)
    assert KeptFacts.of(copy).catalog_id == name
    assert copy.class_names == source.class_names
    head = IMAGENET if DATASETS[name].scoring.projection != "none" else source.class_names
    one, other = (
        load_dataset(each, classifier_class_names=head, verify=False) for each in (source, copy)
    )
    np.testing.assert_array_equal(other.labels, one.labels)
    assert (other.class_names, other.accepted) == (one.class_names, one.accepted)
    assert (other.projection is None) == (one.projection is None)
    if one.projection is not None and other.projection is not None:
        np.testing.assert_array_equal(other.projection.rows, one.projection.rows)
        np.testing.assert_array_equal(other.projection.classes, one.projection.classes)
    assert scored(other) == scored(one)
    again = open_source(copy_of(tmp_path / "again", f"tfds:{tmp_path}/out/mine/1.0.0:{split}"))
    assert KeptFacts.of(again) == KeptFacts.of(source)


def test_a_name_of_the_catalog_does_not_make_a_folder_that_set(tmp_path: Path):
    source = ArraySource(np.stack([pixels(0)]), np.array([0]), ("a", "b"))
    options = PrepareOptions("imagenet_r")
    spec = prepare({"test": source}, tmp_path, options)["splits"]["test"]["spec"]
    assert KeptFacts.of(open_source(spec)).catalog_id == ""
    manifest = tmp_path / "imagenet_r" / "1.0.0" / MANIFEST_FILE
    value = json.loads(manifest.read_text())
    value["source_facts"]["test"] = {"catalog_id": "imagenet-r"}
    manifest.write_text(json.dumps(value))
    with pytest.raises(
        InputError, match=r"wiseft_manifest.json: source_facts: expected catalog_id"
    ):
        open_source(spec)
    del value["source_facts"]
    manifest.write_text(json.dumps(value))
    assert KeptFacts.of(open_source(spec)).catalog_id == "imagenet-r"


def test_parts_of_splits_have_what_is_known_of_their_images(tmp_path: Path):
    options = PrepareOptions("mine", shard_mib=0.001)
    prepare({"a": Frames(), "b": Frames()}, tmp_path, options)
    assert len(list((tmp_path / "mine" / "1.0.0").glob("*array_record*"))) > 4
    found = {
        part: KeptFacts.of(open_source(f"tfds:{tmp_path}/mine/1.0.0:{part}"))
        for part in ("a", "a[:3]", "a[2:]+b", "a[:2]+a[2:]")
    }
    assert found["a"] == found["a[:2]+a[2:]"] == KeptFacts.of(Frames())
    assert found["a[:3]"].frame_sets == ((0, 1, 2),)
    assert (found["a[:3]"].group_of, found["a[:3]"].cut_sets) == (("x", "y", "x"), 1)
    both = found["a[2:]+b"]
    assert both.group_of == ("x", "z", "x", "y", "x", "z")
    assert both.accepted == ((0,), (3, 1), *FACTS.accepted)
    assert both.frame_sets == ((1,), (2, 3, 4), (5,))
    assert both.cut_sets == 1
    dataset = load_dataset(f"tfds:{tmp_path}/mine/1.0.0:a[:3]", verify=False)
    assert dataset.scoring is not None
    assert dataset.scoring.cut == 1


def test_an_image_that_is_left_out_moves_what_is_known_of_the_others(tmp_path: Path):
    class Broken(Frames):
        def read(self, index: int):
            return b"no image" if index == 1 else super().read(index)

    options = PrepareOptions("mine", skip_unreadable=True)
    spec = prepare({"a": Broken()}, tmp_path, options)["splits"]["a"]["spec"]
    found = KeptFacts.of(open_source(spec))
    assert (found.group_of, found.accepted) == (("x", "x", "z"), ((8, 9), (0,), (3, 1)))
    assert (found.frame_sets, found.cut_sets) == (((2,),), 1)


def test_facts_come_back_from_json():
    for facts in (FACTS, KeptFacts(), KeptFacts("imagenet")):
        assert KeptFacts.of_json(json.loads(json.dumps(facts.to_json())), "x") == facts
    part = FACTS.take(np.array([3, 0]))
    assert part == KeptFacts("vid-robust", ("z", "x"), ((3, 1), (8, 9)), ((0,),), 2)
    other = joined([(FACTS, 4), (KeptFacts("imagenet"), 2)])
    assert other == KeptFacts("", (), (), FACTS.frame_sets, 1)
