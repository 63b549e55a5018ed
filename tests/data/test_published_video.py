from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from tests.data.published_miniatures import write_miniature
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.published_video import FrameSource
from wiseft_jax.data.specs import open_source

FOLDER = "imagenet_vid_ytbb_robust/imagenet-vid-robust"


def open_frames(root: Path) -> FrameSource:
    source = open_source(f"published:vid-robust@{root}")
    assert isinstance(source, FrameSource)
    return source


def test_sets_have_their_anchor_first_and_frames_all_their_right_labels(tmp_path: Path, caplog):
    caplog.set_level(logging.INFO)
    write_miniature(tmp_path, "vid-robust", "val")
    source = open_frames(tmp_path)
    named = [[Path(source.ids[index]).stem for index in each] for each in source.frame_sets]
    assert named == [["000045", "000044", "000046"], ["000000"]]
    assert source.accepted == ((8, 9), (8,), (0, 8), (29,))
    assert source.labels.tolist() == [8, 8, 0, 29]
    assert "2 of 4 frames have several right labels" in caplog.text
    assert "1 frames that are in no set are passed over" in caplog.text


def test_a_frame_of_two_sets_is_one_image(tmp_path: Path):
    write_miniature(tmp_path, "vid-robust", "val")
    index = tmp_path / FOLDER / "metadata" / "pmsets.json"
    sets = json.loads(index.read_text())
    first, second = sets
    before = open_frames(tmp_path).fingerprint()
    sets[second] = [first]
    index.write_text(json.dumps(sets))
    source = open_frames(tmp_path)
    assert source.frame_sets == ((0, 1, 2), (3, 0))
    assert len(source) == 4
    assert source.fingerprint() != before  # the same files, other sets


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("labels.json", "[29]", "[30]", r"expected a list of labels, 0 to 29, found \[30\]"),
        ("labels.json", "[29]", "[]", r"found \[\]"),
        ("labels.json", "[29]", "29", "whose values are lists"),
        ("labels.json", "000044", "000043", r"000044\.JPEG: expected .* found None"),
        ("pmsets.json", "000044.JPEG", "000100.PNG", "found None"),
        ("pmsets.json", "{", "", "not JSON"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    file: str, old: str, new: str, message: str, tmp_path: Path
):
    write_miniature(tmp_path, "vid-robust", "val")
    path = tmp_path / FOLDER / "metadata" / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        open_frames(tmp_path)


def test_frames_that_are_gone_are_listed(tmp_path: Path):
    write_miniature(tmp_path, "vid-robust", "val")
    (tmp_path / FOLDER / "val" / "ILSVRC2015_val_00000001" / "000000.JPEG").unlink()
    with pytest.raises(InputError, match="1 of the 4 images that it lists is missing"):
        open_frames(tmp_path)
