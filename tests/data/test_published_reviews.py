from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.published_miniatures import write_miniature
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.class_lists import class_names
from wiseft_jax.data.published_video import FrameSource
from wiseft_jax.data.specs import open_source

FOLDER = "imagenet_vid_ytbb_robust/ytbb-robust"


def open_frames(root: Path) -> FrameSource:
    source = open_source(f"published:ytbb-robust@{root}")
    assert isinstance(source, FrameSource)
    return source


def test_sets_are_good_anchors_with_the_frames_called_similar(tmp_path: Path):
    """Out: an objection, 11 frames away, an unsure anchor, a bad one; the last review counts."""
    write_miniature(tmp_path, "ytbb-robust", "test")
    source = open_frames(tmp_path)
    named = [[Path(source.ids[index]).stem for index in each] for each in source.frame_sets]
    assert named == [["frame-1998", "frame-1996", "frame-2001", "frame-2008"], ["frame-3413"]]


def test_right_is_what_reviewers_saw_on_the_anchor_and_the_first_label(tmp_path: Path):
    """The first label 22 of the table is a car, 23, and reviewers saw a dog, 19, as well."""
    write_miniature(tmp_path, "ytbb-robust", "test")
    assert open_frames(tmp_path).accepted == (*[(23, 19)] * 4, (1,))


def test_reviewers_call_the_classes_what_prompts_do():
    """The names that anchor_labels.json lists, but for good, unsure and bad."""
    names = (
        "person bird bicycle boat bus bear cow cat giraffe potted_plant horse motorcycle knife"
        " airplane skateboard train truck zebra toilet dog elephant umbrella none car"
    )
    listed = tuple(name.replace("_", " ") for name in names.split())
    assert class_names("ytbb-robust") == listed


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("anchor_labels.json", '"annotations"', '"rows"', "KeyError: 'annotations'"),
        ("anchor_labels.json", "[0, 4]", "[0, 9]", "IndexError"),
        ("anchor_labels.json", "frame-1998", "still-1998", "expected VIDEO_MILLISECONDS/frame"),
        ("pmk_labels.json", "{", "", r"pmk_labels\.json: expected a JSON object"),
        ("ytbb_robustness_test_anchors_full.csv", "label", "class", "columns ytid, time_ms and"),
        ("ytbb_robustness_test_anchors_full.csv", "66600,22", "66600,two", r"csv:2: expected"),
        ("ytbb_robustness_test_anchors_full.csv", "66600,22", "66600,99", "0 to 23, .* found 99"),
        ("ytbb_robustness_test_anchors_full.csv", "66600", "66601", "04rVDII50JU_66600.*None"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    file: str, old: str, new: str, message: str, tmp_path: Path
):
    write_miniature(tmp_path, "ytbb-robust", "test")
    path = tmp_path / FOLDER / "metadata" / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        open_frames(tmp_path)


def test_without_the_reviews_it_says_where_to_get_them(tmp_path: Path):
    write_miniature(tmp_path, "ytbb-robust", "test")
    (tmp_path / FOLDER / "metadata" / "pmk_labels.json").unlink()
    with pytest.raises(InputError, match="ytbb-robust_metadata of mlfoundations/wise-ft"):
        open_frames(tmp_path)
