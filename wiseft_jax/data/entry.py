"""What is known of a published data set: where its images lie, what they show, how it is scored."""

from __future__ import annotations

import dataclasses
from typing import Literal

LabelRule = Literal[
    "folder",
    "imagenet_folder",
    "integer_folder",
    "table",
    "arrays",
    "video",
    "reviewed_video",
]
"""How an image gets its label.

``folder``: the folder that it lies in, below the split's path, is a key of the class list (SUN397's
are paths of several, with / before them); images of other folders are passed over.
``imagenet_folder``: that folder is a WordNet id of ImageNet's, and the label is the class that
ImageNet's class counts as; the rest is passed over. ``integer_folder``: that folder's name is the
label, as a number. ``table``: a table has a label for each file. ``arrays``: arrays hold images and
labels. ``video``: JSON files have the sets of frames and their labels. ``reviewed_video``: the sets
are made from what reviewers said of frames.
"""

Projection = Literal["none", "subset", "max", "argmax"]
"""How the logits of ImageNet's 1000 classes become those of the data set's.

``none``: they are its classes, or it has a head of its own. ``subset``: the logit of each class's
one ImageNet class. ``max``: the greatest of the logits of all ImageNet classes that count as it.
``argmax``: the prediction is made among the 1000, and mapped; outside of the map it is wrong.
"""

Metric = Literal["top1", "top1_mean_over_variants", "worst_region", "macro_f1", "pm0", "pm10"]
"""How a data set is scored.

``worst_region``: the lowest accuracy of a group. ``macro_f1``: the mean F1 of the classes that
occur in the labels. ``pm0``: the accuracy on anchor frames; ``pm10``: an anchor counts when it and
every frame of its set, up to 10 before and after, are right.
"""


@dataclasses.dataclass(frozen=True)
class Split:
    """A part of a data set, as its authors ship it.

    Attributes:
      name: Its name.
      paths: Where its images lie, below the data set's folder; the first that exists. ``*`` stands
        for several files, in sorted order; ``{corruption}`` and ``{severity}`` for a variant's.
      images: How many it has; None: not recorded.
      labels: How an image gets its label.
      index: The file that lists its images, or has their labels, below the data set's folder.
      column: The column, or key, of ``index`` that has the label.
      first_label: The label of the first class there.
      where: Which rows or entries of ``index`` are this split's.
      derived: Whether ``images`` follows from other published numbers and was never counted; a copy
        with another number of images has no fault then.
      optional: Whether the data set is whole without it: another cut of the same images, say.
    """

    name: str
    paths: tuple[str, ...]
    images: int | None
    labels: LabelRule = "folder"
    index: str | None = None
    column: str | None = None
    first_label: int = 0
    where: str = ""
    derived: bool = False
    optional: bool = False


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the splits lie.

    Attributes:
      folder: The data set's folder, below the root that a user gives; the root itself when it isn't
        there.
      splits: Its parts; the one that shifts are reported on comes last.
    """

    folder: str
    splits: tuple[Split, ...]


@dataclasses.dataclass(frozen=True)
class TfdsNames:
    """What TensorFlow Datasets calls a data set.

    Attributes:
      name: Data set and configuration, as in ``imagenet_v2/matched-frequency``.
      version: The version that the facts are of.
      splits: Pairs of a split's name there and the name here.
      labels: Its labels: the class list's, in its order; ImageNet's 1000; ``by_name``, the same
        keys in another order; ``numbers``, the same order, but called 0, 1, 2 and so on.
    """

    name: str
    version: str
    splits: tuple[tuple[str, str], ...]
    labels: Literal["same", "imagenet", "by_name", "numbers"] = "same"


@dataclasses.dataclass(frozen=True)
class Groups:
    """Groups of images that are scored one by one.

    Attributes:
      column: What tells an image's group.
      values: The groups.
      ignored: Groups that don't count.
      source: How ``column`` is found.
    """

    column: str
    values: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    source: str = ""


@dataclasses.dataclass(frozen=True)
class Scoring:
    """How predictions become numbers.

    Attributes:
      projection: From ImageNet's logits to the data set's.
      metrics: The numbers, the main one first.
      never: Classes that are never predicted: their logit is -1e10.
      groups: Groups that are scored one by one.
    """

    projection: Projection = "none"
    metrics: tuple[Metric, ...] = ("top1",)
    never: tuple[str, ...] = ()
    groups: Groups | None = None


@dataclasses.dataclass(frozen=True)
class Variants:
    """A data set that exists many times: each corruption at each severity.

    Attributes:
      corruptions: Those of the benchmark, as files and folders call them.
      extra: Those beside the benchmark.
      severities: The severities.
      renamed: Pairs of a corruption and what TensorFlow Datasets calls it, where that differs.
    """

    corruptions: tuple[str, ...]
    extra: tuple[str, ...]
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    renamed: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Citation:
    """Who published it.

    Attributes:
      authors: The authors.
      title: The paper.
      venue: Where and when.
      url: Where to read it.
    """

    authors: str
    title: str
    venue: str
    url: str


@dataclasses.dataclass(frozen=True)
class DatasetEntry:
    """A published data set.

    Attributes:
      title: What people call it.
      classes: Its class list.
      prompts: The prompt set that its zero-shot head is made with.
      layout: Where its parts lie, as its authors ship them.
      citation: Who published it.
      licence: Under which licence, or whose terms.
      obtain: How to get it.
      tfds: What TensorFlow Datasets calls it; None: it hasn't got it.
      scoring: How predictions become numbers.
      reference: The data set that its accuracy is set against, with the same classes.
      variants: The corruptions and severities that it comes in.
      border_px: The width of a border to crop off before anything else.
      notes: What goes wrong with it.
      missing: What couldn't be sourced.
    """

    title: str
    classes: str
    prompts: str
    layout: Layout
    citation: Citation
    licence: str
    obtain: str
    tfds: TfdsNames | None = None
    scoring: Scoring = Scoring()
    reference: str | None = None
    variants: Variants | None = None
    border_px: int = 0
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
