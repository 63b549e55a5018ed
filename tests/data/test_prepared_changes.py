"""What is said where a prepared set was begun otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from wiseft_jax.data.prepared_changes import describe_changes

WAS = {"shard_mib": 1.0, "images": {"train": 1200}, "source_fingerprints": {"train": "2f"}}


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        (
            {"images": {"train": 1201}, "source_fingerprints": {"train": "40"}},
            "the source has changed: train had 1,200 images, now 1,201; it was begun otherwise: "
            'images was {"train": 1200}, is {"train": 1201}; source_fingerprints was',
        ),
        (
            {"source_fingerprints": {"train": "40"}},
            "the source has changed: as many images as before, but not the same; it was begun",
        ),
        ({"images": {"train": 1200, "val": 3}}, "it had the splits train, now train, val; it was"),
        ({"shard_mib": 2.0}, "it was begun otherwise: shard_mib was 1.0, is 2.0"),
    ],
)
def test_a_change_is_told_in_words_first(changes: dict[str, Any], begins: str):
    assert describe_changes(WAS, WAS | changes).startswith(begins)


def test_what_is_the_same_or_may_differ_is_no_change():
    assert describe_changes(WAS, dict(WAS)) == ""
    assert describe_changes(WAS, WAS | {"shard_mib": 2.0}, ignored={"shard_mib"}) == ""
    assert describe_changes(WAS, WAS | {"class_names": ["x" * 80]}).endswith(" was null, is "
        + '["' + "x" * 55 + "...")  # fmt: skip
