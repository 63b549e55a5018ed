"""YTBB-Robust: video frames that reviewers compared with an anchor and called similar, or not.

The rules and files are those of mlfoundations/wise-ft, commit 58b7a4b, ``src/datasets``
(``ytbb_robust.py``, ``ytbb-robust_metadata``). An anchor counts when reviewers called it good, not
bad nor unsure, and no comparison calls it a bad anchor. A frame up to 10 before or after counts
when it is called similar, without an objection. Right for all of a set is what reviewers saw on its
anchor, and the label that YouTube-BB gave.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.published_split import PublishedSplit

ANCHORS_FILE = "anchor_labels.json"
PAIRS_FILE = "pmk_labels.json"
FIRST_LABELS_FILE = "ytbb_robustness_test_anchors_full.csv"
REACH = 10
_OBJECTIONS = frozenset(
    {
        *("dissimilar", "problematic", "incorrect", "dont know", "deformation"),
        *("background-change", "occlusion-increased", "blur-increase", "bad-anchor"),
    }
)
_SWAPPED = {22: 23, 23: 22}  # the first labels have car and none the other way round
_FRAME = re.compile(r"(?P<video>.+)_(?P<time_ms>\d+)/frame-(?P<index>\d+)\.jpg")


@dataclasses.dataclass(frozen=True)
class ReviewedSets:
    """Sets of frames by name (``VIDEO_MILLISECONDS/frame-N.jpg``).

    Attributes:
      frames: Anchor -> the other frames of its set, in time order.
      accepted: Anchor -> the labels that count as right for its set, YouTube-BB's first.
    """

    frames: Mapping[str, tuple[str, ...]]
    accepted: Mapping[str, tuple[int, ...]]


def read_reviewed_sets(found: PublishedSplit, folder: str) -> ReviewedSets:
    """Read the reviewers' files.

    Args:
      found: The split; reviewers call the classes what prompts do.
      folder: Where the files lie, below the data set's folder.

    Raises:
      InputError: A file is missing or isn't what it should be; names the file and the entry.
    """
    anchors_file, pairs_file, first_file = (
        found.file(f"{folder}/{name}") for name in (ANCHORS_FILE, PAIRS_FILE, FIRST_LABELS_FILE)
    )
    anchors = {_frame_name(key): seen for key, seen in _annotations(anchors_file).items()}
    pairs = {
        (_frame_name(anchor), _frame_name(frame)): seen
        for key, seen in _annotations(pairs_file).items()
        for anchor, _, frame in [key.partition(",")]
    }
    bad = {anchor for (anchor, _), seen in pairs.items() if "bad-anchor" in seen}
    similar = {pair for pair, seen in pairs.items() if "similar" in seen and not seen & _OBJECTIONS}
    good = [
        anchor
        for anchor, seen in anchors.items()
        if "good" in seen and not seen & {"bad", "unsure"} and anchor not in bad
    ]
    first, label_of = (
        _first_labels(first_file),
        {name: i for i, name in enumerate(found.class_names)},
    )
    frames, accepted = {}, {}
    for anchor in good:
        start = first.get(anchor.partition("/")[0])
        if start not in range(len(found.keys)):
            raise InputError(
                f"{first_file}: no label, 0 to {len(found.keys) - 1}, for the anchor {anchor} of"
                f" {anchors_file.name}; found {start!r}"
            )
        seen = {label_of[name] for name in anchors[anchor] if name in label_of}
        accepted[anchor] = (start, *sorted(seen - {start}))
        around = _frames_around(anchor, anchors_file)
        frames[anchor] = tuple(frame for frame in around if (anchor, frame) in similar)
    return ReviewedSets(frames, accepted)


def _annotations(path: Path) -> dict[str, frozenset[str]]:
    """Return key -> what reviewers said; of several rows of a key the last."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names, rows = content["labels"], content["annotations"]
        return {str(row["key"]): frozenset(names[i] for i in row["labels"]) for row in rows}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{path}: expected a JSON object with labels, a list of names, and annotations, a list"
            f" of {{key, labels}} whose labels are places in it ({type(error).__name__}: {error})"
        ) from None


def _first_labels(path: Path) -> dict[str, int]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        try:
            labels = {f"{row['ytid']}_{row['time_ms']}": int(row["label"]) for row in reader}
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path}:{reader.line_num}: expected the columns ytid, time_ms and label, a number"
                f" ({type(error).__name__}: {error})"
            ) from None
    return {key: _SWAPPED.get(label, label) for key, label in labels.items()}


def _frame_name(path: str) -> str:
    """Return a frame's folder and file; reviewers' files may have directories before them."""
    return "/".join(path.split("/")[-2:])


def _frames_around(anchor: str, file: Path) -> list[str]:
    match = _FRAME.fullmatch(anchor)
    if match is None:
        raise InputError(
            f"{file}: {anchor}: expected VIDEO_MILLISECONDS/frame-NUMBER.jpg as an anchor's name"
        )
    offsets = (offset for offset in range(-REACH, REACH + 1) if offset)
    folder, index = anchor.partition("/")[0], int(match["index"])
    return [f"{folder}/frame-{index + offset}.jpg" for offset in offsets]
