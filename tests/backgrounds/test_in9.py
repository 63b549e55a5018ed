import hashlib
import json

import numpy as np
import pytest

from wiseft_jax.backgrounds.in9 import IMAGENET_TO_IN9, IN9_CLASSES, IN9_NAMES, to_in9
from wiseft_jax.core.errors import InputError

PUBLISHED = "151d90b11eb6a53fec987f20c1664f11f94b268540037a1d097dff9c45cde7fe"
"""SHA-256 of the map's canonical form, of the content of the published ``in_to_in9.json``.

MadryLab/backgrounds_challenge, commit 46d224bb02a2, whose file maps index to label, in an order of
its own; the form is ``canonical``'s.
"""


def canonical(labels: list[int]) -> bytes:
    """Return the labels of indices 0 to 999 in order, as a JSON list without spaces."""
    return json.dumps(labels, separators=(",", ":")).encode()


def test_the_map_has_the_published_checksum():
    assert IMAGENET_TO_IN9.shape == (1000,)
    assert hashlib.sha256(canonical(IMAGENET_TO_IN9.tolist())).hexdigest() == PUBLISHED
    other = IMAGENET_TO_IN9.copy()
    other[[171, 170]] = other[[170, 171]]  # of the same sum and counts
    assert hashlib.sha256(canonical(other.tolist())).hexdigest() != PUBLISHED
    assert IMAGENET_TO_IN9.sum() == 313
    assert (IMAGENET_TO_IN9 == -1).sum() == 630


def test_each_class_has_the_published_count():
    counts = np.bincount(IMAGENET_TO_IN9[IMAGENET_TO_IN9 >= 0])
    assert counts.tolist() == [116, 52, 42, 36, 35, 27, 26, 20, 16]


@pytest.mark.parametrize(
    ("index", "label"),
    [
        (0, 8),  # tench
        (6, 8),
        (7, 1),  # cock
        (32, -1),  # tailed frog
        (33, 3),
        (151, 0),  # Chihuahua
        (170, 0),
        (171, -1),  # Italian greyhound
        (172, -1),  # whippet
        (173, 0),
        (268, 0),
        (269, 4),
        (309, 5),
        (365, 7),
        (397, 8),
        (398, -1),
        (407, 2),
        (880, 2),
        (889, 6),
        (999, -1),
    ],
)
def test_single_classes_of_imagenet(index: int, label: int):
    assert IMAGENET_TO_IN9[index] == label


def test_the_map_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        IMAGENET_TO_IN9[0] = 3


def test_folders_sort_to_labels_and_keep_their_spaces():
    assert sorted(IN9_CLASSES) == list(IN9_CLASSES)
    assert len(IN9_CLASSES) == 9
    assert IN9_CLASSES[2] == "02_wheeled vehicle"
    assert IN9_NAMES[6] == "musical instrument"


def test_predictions_are_mapped_after_the_arg_max():
    logits = np.full((2, 1000), -1.0)
    logits[0, 398] = 5.0  # in none of the nine
    logits[0, 151] = 4.0  # the best among them isn't asked
    logits[1, 389] = 1.0
    assert to_in9(logits.argmax(1)).tolist() == [-1, 8]


@pytest.mark.parametrize("wrong", [-1, 1000])
def test_an_index_out_of_range_is_refused(wrong: int):
    with pytest.raises(InputError, match=f"0 to 999, found {wrong}"):
        to_in9(np.asarray([3, wrong]))
