"""What the doctor sees of images when it opens them: all, or a seeded sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Integer

from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.data.doctor_report import Finding
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.source import ArraySource
from wiseft_jax.data.verify import verify_images

_ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89PNG": b"IEND\xaeB`\x82"}
"""How a file begins -> how it ends: JPEG, PNG."""
_TAIL_BYTES = 64


def open_images(
    source: FileSource | ArraySource,
    unfit: Integer[np.ndarray, "M"],
    *,
    split: str,
    sample: int | None,
    seed: int,
) -> tuple[list[Finding], int]:
    """Decode images; return what is wrong with them, and how many were decoded.

    Good ones are remembered by path, size and time, and not decoded again.

    Args:
      source: The images.
      unfit: Indices of files that aren't worth opening.
      split: The split's name.
      sample: How many; None: all.
      seed: Of the sample.
    """
    if isinstance(source, ArraySource):
        return [], len(source)
    indices = np.setdiff1d(np.arange(len(source)), unfit)
    if sample is not None and sample < len(indices):
        order = numpy_stream(seed, f"check {split}").permutation(len(indices))
        indices = np.sort(indices[order[:sample]])
    if len(indices) == 0:
        return [], 0
    report = verify_images(source, indices, full_decode_limit=len(indices))
    bad = [(source.ids[index], report.bad[index]) for index in sorted(report.bad)]
    cut = [(path, line) for path, line in bad if _is_cut_off(Path(path))]
    others = [pair for pair in bad if pair not in cut]
    groups = (("truncated_file", "cut off", cut), ("unreadable_image", "unreadable", others))
    findings = [
        _finding(kind, how, pairs, len(indices), split) for kind, how, pairs in groups if pairs
    ]
    return findings, len(indices)


def _finding(
    kind: str, how: str, bad: Sequence[tuple[str, str]], opened: int, split: str
) -> Finding:
    path, line = bad[0]
    verb = "is" if len(bad) == 1 else "are"
    return Finding(
        kind,
        f"{len(bad):,} of {opened:,} images that were opened {verb} {how}",
        tuple(path for path, _ in bad),
        "unpack or download what is bad again, and open every image with --deep",
        "an image that decodes",
        line.removeprefix(f"{path}: "),
        split=split,
    )


def _is_cut_off(path: Path) -> bool:
    """Return whether a JPEG or PNG lacks its end."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            tail = file.read()
    except OSError:
        return False
    return any(head.startswith(begin) and end not in tail for begin, end in _ENDS.items())
