"""What a source knows of its images beside labels, kept with a prepared copy of it.

Which data set of the catalog it is, the group of each image, the labels that count as right, and
which frames are a set: without them a copy would be evaluated and scored otherwise than its source.
Lists by image are texts, ``"0 1;3"``: they stay short in JSON.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.source import Source

_FACTS = ("catalog_id", "group_names", "groups", "accepted", "frame_sets")


@dataclasses.dataclass(frozen=True)
class KeptFacts:
    """What is known of N images.

    Attributes:
      catalog_id: The data set's id in the catalog; empty where that hasn't got it.
      group_of: The group of each image; empty without groups.
      accepted: The labels that count as right for each image; empty where that is its label alone.
      frame_sets: Indices of the frames of each set, the anchor first.
      cut_sets: How many further sets aren't whole, and so left out.
    """

    catalog_id: str = ""
    group_of: tuple[str, ...] = ()
    accepted: tuple[tuple[int, ...], ...] = ()
    frame_sets: tuple[tuple[int, ...], ...] = ()
    cut_sets: int = 0

    @classmethod
    def of(cls, source: Source) -> KeptFacts:
        """Return what a source knows."""
        return cls(
            getattr(source, "catalog_id", ""),
            tuple(getattr(source, "group_of", ())),
            tuple(tuple(map(int, each)) for each in getattr(source, "accepted", ())),
            tuple(tuple(map(int, each)) for each in getattr(source, "frame_sets", ())),
            getattr(source, "cut_sets", 0),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for JSON; ``of_json`` reads them."""
        names = sorted(set(self.group_of))
        number = {name: str(place) for place, name in enumerate(names)}
        return {
            "catalog_id": self.catalog_id,
            "group_names": names,
            "groups": " ".join(number[name] for name in self.group_of),
            "accepted": _text(self.accepted),
            "frame_sets": _text(self.frame_sets),
            "cut_sets": self.cut_sets,
        }

    @classmethod
    def of_json(cls, found: Mapping[str, Any], where: str) -> KeptFacts:
        """Return what ``to_json`` wrote.

        Args:
          found: Its value.
          where: The file, for messages.

        Raises:
          InputError: It isn't such a value.
        """
        try:
            names = found["group_names"]
            return cls(
                str(found["catalog_id"]),
                tuple(names[int(place)] for place in found["groups"].split()),
                _lists(found["accepted"]),
                _lists(found["frame_sets"]),
                int(found["cut_sets"]),
            )
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{where}: source_facts: expected {', '.join(_FACTS)} as wiseft data prepare writes"
                f" them, found something else ({type(error).__name__}: {error}); prepare it again"
            ) from None

    def take(self, positions: Int[np.ndarray, " M"]) -> KeptFacts:
        """Return what is known of some images; a set of frames that lacks one is left out.

        Args:
          positions: Which images, in their new order.
        """
        order = positions.tolist()
        place = {position: new for new, position in enumerate(order)}
        whole = [each for each in self.frame_sets if all(at in place for at in each)]
        return KeptFacts(
            self.catalog_id,
            tuple(self.group_of[at] for at in order) if self.group_of else (),
            tuple(self.accepted[at] for at in order) if self.accepted else (),
            tuple(tuple(place[at] for at in each) for each in whole),
            self.cut_sets + len(self.frame_sets) - len(whole),
        )


def joined(parts: Sequence[tuple[KeptFacts, int]]) -> KeptFacts:
    """Return what is known of the images of several parts, one part behind the other.

    What one of the parts doesn't have, or has otherwise, the whole hasn't got.

    Args:
      parts: What is known of a part, and how many images it has.
    """
    ids = {facts.catalog_id for facts, _ in parts}
    start, sets = 0, []
    for facts, count in parts:
        sets += [tuple(start + at for at in each) for each in facts.frame_sets]
        start += count
    grouped = all(len(facts.group_of) == count for facts, count in parts)
    accepting = all(len(facts.accepted) == count for facts, count in parts)
    return KeptFacts(
        ids.pop() if len(ids) == 1 else "",
        tuple(name for facts, _ in parts for name in facts.group_of) if grouped else (),
        tuple(each for facts, _ in parts for each in facts.accepted) if accepting else (),
        tuple(sets),
        sum(facts.cut_sets for facts, _ in parts),
    )


def facts_of_records(
    manifest: Mapping[str, Any], parts: Sequence[tuple[str, int, int]], where: str
) -> KeptFacts | None:
    """Return what is known of records of a prepared copy; None where it says nothing of that.

    Args:
      manifest: Of the copy.
      parts: The name of a shard's file, and which of its records: skipped ones, and how many; -1
        are all of the rest.
      where: The manifest's file, for messages.

    Raises:
      InputError: The manifest isn't what was written.
    """
    if "source_facts" not in manifest:
        return None
    taken: list[tuple[str, list[np.ndarray]]] = []
    bounds = _shard_bounds(manifest)
    for file, skip, take in parts:  # a set of frames may go over shards, never over splits
        if file not in bounds:
            raise InputError(f"{where}: no shard {file} is listed; prepare it again")
        split, first, last = bounds[file]
        stop = last - first if take < 0 else skip + take
        if not taken or taken[-1][0] != split:
            taken.append((split, []))
        taken[-1][1].append(np.arange(first + skip, first + stop))
    found = []
    for split, positions in taken:
        records = np.concatenate(positions)
        facts = KeptFacts.of_json(manifest["source_facts"].get(split), where)
        indices = _source_indices(manifest, split)
        if records.size and records.max() >= len(indices):
            raise InputError(f"{where}: {split} has fewer images than its shards; prepare it again")
        found.append((facts.take(indices[records]), len(records)))
    return joined(found)


def _shard_bounds(manifest: Mapping[str, Any]) -> dict[str, tuple[str, int, int]]:
    """Return the split of each shard, and which of its records it has."""
    bounds: dict[str, tuple[str, int, int]] = {}
    ends: dict[str, int] = {}
    for file, facts in sorted(manifest["shards"].items()):
        first = ends.get(facts["split"], 0)
        ends[facts["split"]] = first + facts["images"]
        bounds[file] = (facts["split"], first, ends[facts["split"]])
    return bounds


def _source_indices(manifest: Mapping[str, Any], split: str) -> np.ndarray:
    """Return which image of the source each record of a split is; some may be left out."""
    kept = np.ones(manifest["images"][split], bool)
    for facts in manifest["shards"].values():
        if facts["split"] == split:
            kept[facts["left_out"]] = False
    return np.flatnonzero(kept)


def _text(lists: Sequence[Sequence[int]]) -> str:
    return ";".join(" ".join(map(str, each)) for each in lists)


def _lists(text: str) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(int, each.split())) for each in text.split(";")) if text else ()
