"""Catalogued sets by a classifier of ImageNet's classes: projections, labels, groups, frames."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np
import pytest

from tests.data.published_miniatures import MINIATURES, write_miniature
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.projection import NO_CLASS
from wiseft_jax.data import class_lists
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.catalog_facts import tfds_id
from wiseft_jax.data.class_lists import class_keys, class_names, is_published
from wiseft_jax.data.class_names import ClassNames
from wiseft_jax.data.load import load_dataset
from wiseft_jax.data.projecting import is_imagenet, projection_of
from wiseft_jax.data.source import ArraySource, Dataset, check_matches

IMAGENET = class_names("imagenet")
PROJECTED = [name for name, entry in DATASETS.items() if entry.scoring.projection != "none"]


def lines_of(name: str) -> list[list[str]]:
    """The lines of a class list, read by another reader."""
    path = Path(class_lists.__file__).parent / f"{name}.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t"))


def indices(text: str) -> list[int]:
    parts = [part.split("-") for part in text.split()]
    return [index for part in parts for index in range(int(part[0]), int(part[-1]) + 1)]


@pytest.mark.parametrize("name", PROJECTED)
def test_projections_take_the_greatest_logit_of_the_listed_classes(name: str):
    entry = DATASETS[name]
    projection = projection_of(entry, IMAGENET)
    z = np.random.default_rng(0).standard_normal((50, 1000)) - 1
    expected = np.zeros((50, len(projection.class_names)))
    for label, line in enumerate(lines_of(entry.classes)):
        own = indices(line[2]) if len(line) > 2 else []
        expected[:, label] = z[:, own].max(axis=1) if own else 0
        if line[1] in entry.scoring.never:
            expected[:, label] = -1e10
    best = expected.argmax(axis=1)
    if entry.scoring.projection == "argmax":
        mapped = {i for line in lines_of(entry.classes) for i in indices(line[2])}
        best = np.where(np.isin(z.argmax(axis=1), list(mapped)), best, NO_CLASS)
    found = projection.classes[projection.chosen(z).argmax(axis=1)]
    np.testing.assert_array_equal(found, best)
    assert projection.head_names == IMAGENET


def test_published_projections_are_those_of_the_papers():
    assert sorted({DATASETS[name].scoring.projection for name in PROJECTED}) == [
        "argmax", "max", "subset",
    ]  # fmt: skip
    objects = projection_of(DATASETS["objectnet"], IMAGENET)
    chair = class_names("objectnet").index("chair")
    own = [IMAGENET[row] for row in objects.rows[objects.classes == chair]]
    assert own == ["barber chair", "folding chair", "rocking chair"]


@pytest.mark.parametrize(
    "name",
    ["imagenet-r", "imagenet-a", "objectnet", "imagenet-9", "imagenet-vid-robust-val-classes"],
)
def test_a_set_is_labelled_in_its_own_classes(name: str, tmp_path: Path):
    split = DATASETS[name].layout.splits[-1].name
    miniature = write_miniature(tmp_path, name, split)
    for head in (IMAGENET, class_keys("imagenet")):
        found = load_dataset(f"published:{name}:{split}@{tmp_path}", classifier_class_names=head)
        assert found.projection is not None
        assert found.head_names == head
        assert found.class_names == class_names(DATASETS[name].classes)
        shown = [found.class_names[label] for label in found.labels]
        assert sorted(shown) == sorted(miniature.images.values())
        check_matches(found, head, projected=True)
        with pytest.raises(InputError, match="is evaluated on, and nothing is trained"):
            check_matches(found, head)


def test_other_classes_than_imagenets_are_matched_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    write_miniature(tmp_path, "imagenet-r", "test")
    spec = f"published:imagenet-r@{tmp_path}"
    with caplog.at_level(logging.WARNING):
        found = load_dataset(spec, classifier_class_names=("goldfish", "leopard", "tench"))
    assert found.projection is None
    assert sorted(found.labels) == [0, 1]
    assert "the classifier's 3 classes aren't ImageNet's 1000" in caplog.text
    own = load_dataset(spec, classifier_class_names=class_names("imagenet-r"))
    assert own.projection is None


def in_memory(labels: list[int], catalog_id: str, names: tuple[str, ...]) -> ArraySource:
    images = np.zeros((len(labels), 4, 4, 3), np.uint8)
    source = ArraySource(images, np.array(labels), names, catalog_id)
    source.catalog_id = catalog_id
    return source


def test_labels_that_count_imagenets_classes_become_the_sets():
    """As TensorFlow Datasets labels ImageNet-R and -A (``TfdsNames.labels``)."""
    wordnet = class_keys("imagenet")
    for name in ("imagenet-r", "imagenet-a"):
        entry = DATASETS[name]
        assert entry.tfds is not None
        assert entry.tfds.labels == "imagenet"
        assert tfds_id(f"{entry.tfds.name}/{entry.tfds.version}") == name
        keys = class_keys(entry.classes)
        labels = [wordnet.index(keys[label]) for label in (5, 199, 0)]
        found = load_dataset(
            in_memory(labels, name, wordnet), classifier_class_names=wordnet, verify=False
        )
        assert found.labels.tolist() == [5, 199, 0]
        assert found.projection is not None
    outside = wordnet.index("n01440764")  # tench is none of ImageNet-A's classes
    with pytest.raises(InputError, match="1 image is of classes that it hasn't got"):
        load_dataset(
            in_memory([outside], "imagenet-a", wordnet),
            classifier_class_names=wordnet,
            verify=False,
        )


def test_wordnet_ids_and_names_of_imagenet_are_the_same_classes(tmp_path: Path):
    write_miniature(tmp_path, "imagenet-v2", "test")
    spec = f"published:imagenet-v2@{tmp_path}"
    for head in (IMAGENET, class_keys("imagenet")):
        found = load_dataset(spec, classifier_class_names=head)
        assert sorted(found.labels) == [0, 2, 10, 999]
        assert found.class_names == head
    assert not is_imagenet(class_names("imagenet-r"))
    assert not is_imagenet((*IMAGENET[1:], IMAGENET[0]))


def test_imagenet_keeps_its_thousand_classes_though_it_repeats_a_name(tmp_path: Path):
    write_miniature(tmp_path, "imagenet", "val")
    found = load_dataset(f"published:imagenet:val@{tmp_path}")
    assert found.class_names == IMAGENET
    missiles = [place for place, name in enumerate(IMAGENET) if name == "missile"]
    assert len(missiles) == 2
    assert sorted(found.labels) == [0, 0, 10, class_keys("imagenet").index("n04008634"), 999]
    assert is_published(IMAGENET)
    assert not is_published(IMAGENET[:-1])


def test_a_name_of_several_classes_is_not_matched_from_another_list():
    source = in_memory([0], "", ("missile",))
    with pytest.raises(InputError, match="1 of 1 class is none of the"):
        load_dataset(source, classifier_class_names=IMAGENET, verify=False)


def test_fmow_images_are_in_the_regions_of_their_countries(tmp_path: Path):
    for split, regions in (("train", ["Europe"]), ("id_val", ["Africa"]), ("test", ["Americas"])):
        write_miniature(tmp_path, "wilds-fmow", split)
        found = load_dataset(f"published:wilds-fmow:{split}@{tmp_path}")
        scoring = found.scoring
        assert scoring is not None
        assert scoring.metrics == ("worst_region",)
        assert scoring.groups is not None
        assert [scoring.group_names[group] for group in scoring.groups] == regions


def test_frames_have_their_sets_and_all_labels_that_are_right(tmp_path: Path):
    miniature = write_miniature(tmp_path, "vid-robust", "val")
    assert miniature is MINIATURES["vid-robust", "val"]
    found = load_dataset(f"published:vid-robust@{tmp_path}", classifier_class_names=IMAGENET)
    assert found.scoring is not None
    assert found.scoring.metrics == ("pm0", "pm10")
    assert [each.tolist() for each in found.scoring.frame_sets] == [[0, 1, 2], [3]]
    assert found.accepted == ((8, 9), (8,), (0, 8), (29,))
    top1 = np.array([[9, 8, 8, 8], [0, 9, 0, 29]])
    positions = np.arange(4)
    np.testing.assert_array_equal(found.as_labelled(top1, positions), [[8, 8, 0, 8], [0, 9, 0, 29]])
    part = found.subset(np.array([3, 2]))
    assert part.accepted == ((29,), (0, 8))
    assert part.scoring is not None
    assert [each.tolist() for each in part.scoring.frame_sets] == [[0]]
    own = load_dataset(f"published:vid-robust@{tmp_path}")
    assert own.projection is None
    assert own.accepted == found.accepted


def test_a_copy_without_frame_sets_says_what_is_not_scored(caplog: pytest.LogCaptureFixture):
    source = in_memory([0, 1], "vid-robust", class_names("vid-robust"))
    with caplog.at_level(logging.WARNING):
        found = load_dataset(source, classifier_class_names=IMAGENET, verify=False)
    assert "vid-robust: no pm0 and pm10" in caplog.text
    assert found.scoring is not None
    assert found.scoring.frame_sets == ()


def test_a_set_that_does_not_say_which_it_is_is_not_evaluated_unawares(
    caplog: pytest.LogCaptureFixture,
):
    keys = class_keys("imagenet-a")
    plain = in_memory([0, 1], "", tuple(sorted(keys, reverse=True)))
    with caplog.at_level(logging.WARNING):
        found = load_dataset(plain, classifier_class_names=class_keys("imagenet"), verify=False)
    assert found.projection is None
    assert "are those of imagenet-a and imagenet-a-val-classes, but" in caplog.text
    assert "open it as published:imagenet-a" in caplog.text
    objects = in_memory([0, 1], "", class_names("objectnet"))
    with pytest.raises(InputError, match=r"are those of .*objectnet.*open it as published:"):
        load_dataset(objects, classifier_class_names=IMAGENET, verify=False)
    caplog.clear()
    own = class_names("objectnet")
    renamed = ClassNames("names.json", ("tench",), dict.fromkeys(own, "tench"), is_list=False)
    for head, names in ((own, None), (IMAGENET, renamed)):
        found = load_dataset(
            objects, classifier_class_names=head, class_names_file=names, verify=False
        )
        assert found.projection is None
    assert "isn't said to be that" not in caplog.text


def test_a_set_that_is_not_catalogued_is_scored_by_top1_alone():
    names = ("a", "b")
    found = load_dataset(in_memory([0, 1], "", names), classifier_class_names=names, verify=False)
    assert isinstance(found, Dataset)
    assert found.scoring is None
    assert found.accepted is None
