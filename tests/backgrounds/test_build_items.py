"""Names of images: one each, and what can be no name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wiseft_jax.backgrounds.build_items import check_class_names, name_items
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.source import ArraySource


def named(paths: list[str], labels: list[int], classes: tuple[str, ...]) -> list[str]:
    source = FileSource("files", [f"/data/{path}" for path in paths], np.asarray(labels), classes,
                        Path("/data"))  # fmt: skip
    return [item.image_id for item in name_items(source)]


def test_a_name_is_the_files_and_longer_only_where_a_class_has_it_twice():
    paths = ["cat/a.jpg", "dog/a.jpg", "dog/x/b.jpg", "dog/y/b.jpg", "dog/y/b.png", "dog/c.1.jpg"]
    assert named(paths, [0, 1, 1, 1, 1, -1], ("cat", "dog")) == [
        "cat/a",
        "dog/a",
        "dog/dog__x__b",
        "dog/dog__y__b.jpg",
        "dog/dog__y__b.png",
        "",
    ]


def test_records_are_called_by_their_index():
    source = ArraySource(np.zeros((2, 4, 4, 3), np.uint8), np.array([1, 0]), ("cat", "dog"))
    assert [item.image_id for item in name_items(source)] == ["dog/000000", "cat/000001"]


@pytest.mark.parametrize("name", ["a/b", "a\\b", ".hidden", "", " cat", "cat "])
def test_classes_that_can_be_no_folder_are_refused(name: str):
    with pytest.raises(InputError, match="can't be the name of a folder"):
        check_class_names(("dog", name), "here")


def test_a_space_inside_is_fine():
    check_class_names(("02_wheeled vehicle",), "here")
