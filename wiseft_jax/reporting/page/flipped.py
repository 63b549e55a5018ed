"""Which images flip between right and wrong along alpha, counted, and some of each kind to show."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

MOST_SHOWN = 60

KINDS: dict[str, str] = {
    "learnt": "wrong zero-shot, right at the chosen alpha and fine-tuned",
    "kept": "right zero-shot and at the chosen alpha, wrong fine-tuned",
    "between": "wrong at both ends, right at the chosen alpha",
    "forgotten": "right zero-shot, wrong at the chosen alpha and fine-tuned",
    "unlearnt": "wrong zero-shot and at the chosen alpha, right fine-tuned",
    "lost": "right at both ends, wrong at the chosen alpha",
}
"""Kind -> what it means: right or wrong at zero-shot, at the chosen alpha, and fine-tuned."""

_OF_BITS = {
    (False, True, True): "learnt",
    (True, True, False): "kept",
    (False, True, False): "between",
    (True, False, False): "forgotten",
    (False, False, True): "unlearnt",
    (True, False, True): "lost",
}


@dataclasses.dataclass(frozen=True)
class Flip:
    """An image that flips.

    Attributes:
      name: Its set.
      id: Its path below the set's root, or its record.
      position: Its place among the set's predictions.
      kind: A key of ``KINDS``.
      label: Its class.
      answers: ``[alpha, class, right]`` wherever the answer changes along alpha; the class K is
        none of the set's.
      image: A thumbnail as a data URI; empty without.
      size: (width, height) of the thumbnail, in pixels.
    """

    name: str
    id: str
    position: int
    kind: str
    label: int
    answers: list[list[Any]]
    image: str = ""
    size: tuple[int, int] = (0, 0)


def count_flips(stored: Any, alpha: float) -> dict[str, int]:
    """Return kind -> images of one set; empty where an alpha that it takes wasn't evaluated."""
    return {kind: len(places) for kind, places in _by_kind(stored, alpha).items()}


def pick_flips(
    sets: Iterable[Any], alpha: float, classes: Mapping[str, int], most: int = MOST_SHOWN
) -> list[Flip]:
    """Return some images of every kind and set, in turn; of each those with the largest margin.

    Args:
      sets: ``Predictions``.
      alpha: The chosen one.
      classes: By set, the number of classes that its labels count.
      most: How many at most.

    Returns:
      By set and kind, in the order of both.
    """
    queues = []
    for stored in sets:
        if alpha not in stored.alphas:
            continue
        sure = np.nan_to_num(
            np.asarray(stored.margin)[stored.alphas.index(alpha)], nan=-1.0, posinf=np.inf
        )
        for kind, places in _by_kind(stored, alpha).items():
            order = sorted(places, key=lambda place: (-sure[place], place))
            queues.append([(stored, kind, place) for place in order[:most]])
    in_turn = (each for row in itertools.zip_longest(*queues) for each in row if each is not None)
    taken = list(itertools.islice(in_turn, most))
    by_queue = {(queue[0][0].dataset, queue[0][1]): at for at, queue in enumerate(queues) if queue}
    taken.sort(key=lambda each: by_queue[each[0].dataset, each[1]])
    return [_flip(stored, kind, at, classes[stored.dataset]) for stored, kind, at in taken]


def _by_kind(stored: Any, alpha: float) -> dict[str, list[int]]:
    if not {0.0, alpha, 1.0} <= {*stored.alphas}:
        return {}
    labelled = np.asarray(stored.labels) >= 0
    places = [stored.alphas.index(at) for at in (0.0, alpha, 1.0)]
    bits = np.asarray(stored.correct)[places]
    found = {}
    for pattern, kind in _OF_BITS.items():
        match = (bits == np.array(pattern)[:, None]).all(axis=0) & labelled
        found[kind] = np.flatnonzero(match).tolist()
    return {kind: found[kind] for kind in KINDS}


def _flip(stored: Any, kind: str, place: int, classes: int) -> Flip:
    answers: list[list[Any]] = []
    top1, correct = np.asarray(stored.top1)[:, place], np.asarray(stored.correct)[:, place]
    for alpha, answer, right in zip(stored.alphas, top1.tolist(), correct.tolist(), strict=True):
        shown = answer if 0 <= answer < classes else classes
        if not answers or answers[-1][1:] != [shown, int(right)]:
            answers.append([alpha, shown, int(right)])
    label = int(np.asarray(stored.labels)[place])
    return Flip(stored.dataset, stored.ids[place], place, kind, label, answers)


def relative_id(identity: str, roots: Sequence[str]) -> str:
    """Return an id below the root that it lies in; of other absolute paths two names.

    Args:
      identity: A path, or a record.
      roots: Directories, as the ids begin; the first that fits counts.
    """
    text = identity.replace("\\", "/")
    for root in roots:
        base = root.replace("\\", "/").rstrip("/") + "/"
        if base != "/" and text.startswith(base):
            return text[len(base) :]
    absolute = text.startswith("/") or text[1:3] == ":/"
    return "/".join(text.split("/")[-2:]).lstrip("/") if absolute else text
