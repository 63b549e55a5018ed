"""Published sets of video frames: an anchor, and the frames around it that look alike.

Files as modestyachts/imagenet-vid-robust and mlfoundations/wise-ft, commit 58b7a4b, read them:
``metadata/pmsets.json`` has anchor -> other frames of its set, ``metadata/labels.json`` frame ->
the labels that count as right.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.data.files import FileSource, find_images, report_skipped
from wiseft_jax.data.published_reviews import read_reviewed_sets
from wiseft_jax.data.published_split import PublishedSplit
from wiseft_jax.data.source import BadLabelError

logger = logging.getLogger(__name__)

_LABELS = "labels.json"


class FrameSource(FileSource):
    """Frames of videos, in sets around an anchor.

    Args:
      name: A short name.
      paths: One file a frame.
      accepted: Each frame's right labels, one or more; the first is its label.
      frame_sets: Indices of the frames of each set, the anchor first.
      class_names: The classes.
      root: What the fingerprint's paths are relative to.
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[str],
        accepted: Sequence[Sequence[int]],
        frame_sets: Sequence[Sequence[int]],
        class_names: Sequence[str],
        root: Path,
    ) -> None:
        labels = np.asarray([right[0] for right in accepted], np.int32)
        super().__init__(name, paths, labels, class_names, root)
        self.accepted = tuple(map(tuple, accepted))
        self.frame_sets = tuple(map(tuple, frame_sets))

    def fingerprint(self) -> str:
        """Return the hash of the files, their right labels and the sets."""
        return hash_json([super().fingerprint(), self.accepted, self.frame_sets])


def open_video(found: PublishedSplit) -> FrameSource:
    """Open the frames that are in a set; the others are passed over, and counted.

    Raises:
      InputError: The labels, or frames, aren't there, or aren't what they should be.
    """
    index = found.file(str(found.split.index))
    sets = _json_object(index)
    labels_file = found.file(str(Path(str(found.split.index)).parent / _LABELS))
    labels = _json_object(labels_file)
    frames = list(dict.fromkeys(str(each) for anchor in sets for each in (anchor, *sets[anchor])))
    classes = len(found.keys)
    accepted = {frame: _accepted(labels_file, labels, frame, classes) for frame in frames}
    frame_sets = [(anchor, *map(str, others)) for anchor, others in sets.items()]
    return _frame_source(found, index, found.folder, frame_sets, accepted)


def open_reviewed_video(found: PublishedSplit) -> FrameSource:
    """Open the frames that reviewers called similar to a good anchor, and the anchors.

    Raises:
      InputError: The reviewers' files, or frames, aren't there, or aren't what they should be.
    """
    index = Path(str(found.split.index))
    sets = read_reviewed_sets(found, str(index.parent))
    (base,) = found.paths()
    frame_sets = [(anchor, *others) for anchor, others in sets.frames.items()]
    accepted = {frame: sets.accepted[each[0]] for each in frame_sets for frame in each}
    return _frame_source(found, found.file(str(index)), base, frame_sets, accepted)


def _frame_source(
    found: PublishedSplit,
    index: Path,
    base: Path,
    frame_sets: Sequence[Sequence[str]],
    accepted: Mapping[str, Sequence[int]],
) -> FrameSource:
    """Return the source of frames named below ``base``; tells what is passed over."""
    place = {frame: number for number, frame in enumerate(accepted)}
    paths = [str(base / frame) for frame in accepted]
    found.require_images(index, paths)
    several = sum(len(right) > 1 for right in accepted.values())
    if several:
        logger.info(
            "%s: %d of %d frames have several right labels: any counts, as if it were the first",
            found.name, several, len(place),
        )  # fmt: skip
    skipped: list[str] = []
    (images,) = found.paths()
    others = set(find_images(images, skipped)) - set(paths)
    report_skipped(str(images), skipped)
    if others:
        logger.warning("%s: %d frames that are in no set are passed over", found.name, len(others))
    numbered = [[place[frame] for frame in each] for each in frame_sets]
    right = list(accepted.values())
    return FrameSource(found.name, paths, right, numbered, found.class_names, found.folder)


def _json_object(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    if not isinstance(found, dict) or not all(isinstance(each, list) for each in found.values()):
        raise InputError(f"{path}: expected a JSON object whose values are lists")
    return found


def _accepted(file: Path, labels: Mapping[str, Any], frame: str, classes: int) -> list[int]:
    right = labels.get(frame)
    if not right or not all(isinstance(each, int) and 0 <= each < classes for each in right):
        raise BadLabelError(
            f"{file}: {frame}: expected a list of labels, 0 to {classes - 1}, found {right!r}",
            repr(right),
        )
    return right
