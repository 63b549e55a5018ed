from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.data.builders import CLASSES
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.source import (
    ArraySource,
    Dataset,
    Source,
    array_dataset,
    check_matches,
    evenly,
)

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3)).astype(np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, -1])


def test_images_in_memory_are_a_source():
    source = ArraySource(IMAGES, LABELS, CLASSES)
    assert isinstance(source, Source)
    assert (len(source), source.class_names, source.ids[5]) == (6, CLASSES, "memory[5]")
    np.testing.assert_array_equal(source.read(2), IMAGES[2])
    assert source.labels.dtype == np.int32


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES.astype(np.float32), LABELS, r"uint8\[N, H, W, 3\], found float32"),
        (IMAGES[..., 0], LABELS, "repeat the channel"),
        (IMAGES, LABELS[:5], "expected 6 integer labels"),
        (IMAGES, LABELS.astype(float), "expected 6 integer labels"),
        (IMAGES, LABELS + 1, r"label 3 of image 2 is outside 0\.\.2"),
        (IMAGES, LABELS - 1, "label -2 of image 5"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images, labels, message):
    with pytest.raises(InputError, match=message):
        ArraySource(images, labels, CLASSES)


def test_as_many_ids_as_images():
    with pytest.raises(InputError, match="expected 6 ids, found 1"):
        ArraySource(IMAGES, LABELS, CLASSES, ids=["a"])
    source = ArraySource(IMAGES, LABELS, CLASSES, ids=list("abcdef"))
    assert source.ids[2] == "c"


def test_the_fingerprint_is_of_pixels_labels_and_classes():
    def fingerprint(images=IMAGES, labels=LABELS, names=CLASSES, name="memory"):
        return ArraySource(images, labels, names, name).fingerprint()

    changed = IMAGES.copy()
    changed[3, 1, 1, 1] ^= 1
    assert fingerprint() == fingerprint(name="other")
    others = [
        fingerprint(images=changed),
        fingerprint(images=IMAGES[::-1]),
        fingerprint(labels=np.roll(LABELS, 1)),
        fingerprint(names=("cat", "dog", "fox")),
    ]
    assert len({fingerprint(), *others}) == 5


def test_a_dataset_maps_positions_to_the_source():
    source = ArraySource(IMAGES, LABELS, CLASSES)
    dataset = Dataset("some", source, LABELS[[4, 2]], indices=np.array([4, 2]))
    assert len(dataset) == 2
    assert dataset.source_index(1) == 2
    assert dataset.id(0) == "memory[4]"
    inner = dataset.subset(np.array([1]), name="one", split="validation")
    assert (inner.name, inner.split, inner.id(0), inner.labels.tolist()) == (
        "one", "validation", "memory[2]", [2],
    )  # fmt: skip


def test_a_dataset_checks_its_labels():
    source = ArraySource(IMAGES, LABELS, CLASSES)
    with pytest.raises(InputError, match="5 labels for 6 images"):
        Dataset("some", source, LABELS[:5])
    with pytest.raises(InputError, match="6 labels for 2 images"):
        Dataset("some", source, LABELS, indices=np.array([4, 2]))


def test_a_datasets_fingerprint_is_of_what_is_in_it():
    dataset = array_dataset(IMAGES, LABELS, CLASSES, name="a")
    same = array_dataset(IMAGES, LABELS, CLASSES, name="b", split="train", role="shift")
    assert dataset.fingerprint() == same.fingerprint()
    parts = [dataset.subset(np.array(part)) for part in ([0, 1], [1, 0], [0, 3], [0, 4])]
    assert len({dataset.fingerprint(), *(part.fingerprint() for part in parts)}) == 5


def test_array_dataset_fills_the_fields():
    dataset = array_dataset(IMAGES, LABELS, CLASSES, name="a", split="train", role="shift")
    assert (dataset.name, dataset.split, dataset.role) == ("a", "train", "shift")
    assert dataset.class_names == CLASSES
    assert dataset.id(1) == "a[1]"


def test_a_subset_does_not_list_skipped_images_again():
    dataset = dataclasses.replace(
        array_dataset(IMAGES, LABELS, CLASSES), skipped=("x.png: truncated",)
    )
    assert dataset.subset(np.array([1])).skipped == ()
    assert dataset.subset(np.array([1]), skipped=dataset.skipped).skipped == dataset.skipped


def test_labels_must_count_the_classifiers_classes():
    dataset = array_dataset(IMAGES, LABELS, CLASSES, name="some")
    check_matches(dataset, CLASSES)
    with pytest.raises(
        InputError,
        match=r"some: .*\(cat, dog, owl\).*\(owl, dog, cat\).*classifier_class_names=",
    ):
        check_matches(dataset, CLASSES[::-1])
    with pytest.raises(InputError, match=r"\(a, b, c, \.\.\.; 4 in all\)"):
        check_matches(dataset, "abcd")


@pytest.mark.parametrize(("label", "lowest"), [(-1, 0), (-2, -1), (3, -1)])
def test_labels_outside_the_classes_are_named(label: int, lowest: int):
    labels = LABELS.astype(np.int32)
    labels[4:] = label, 0
    source = ArraySource(IMAGES, LABELS, CLASSES)
    dataset = Dataset("some", source, labels)  # without class names of its own
    if label == -1:
        check_matches(dataset, CLASSES)
    message = rf"some: memory\[4\] has the label {label}, expected {lowest} to 2 \(1 image is"
    with pytest.raises(InputError, match=message):
        check_matches(dataset, CLASSES, all_labelled=label == -1)


def test_a_limit_is_spread_evenly_over_all():
    assert evenly(5, None).tolist() == evenly(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert evenly(101, 3).tolist() == [0, 50, 100]
    assert len(set(evenly(10, 7).tolist())) == 7
