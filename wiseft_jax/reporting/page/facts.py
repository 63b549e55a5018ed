"""What a page is made of: the stored facts of a run, as plain values and arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.core.curve_rows import CurveRow
from wiseft_jax.core.results import Row


@dataclasses.dataclass(frozen=True)
class RunFacts:
    """What is stored of a run.

    Attributes:
      name: What the run is called.
      rows: Its result rows.
      selection: ``Selection.facts()``.
      curve_rows: Its continuous curves.
      predictions: By data set, in the rows' order: what ``evaluation.Predictions`` has.
      images: By data set, a name of its images: sets of one name show the same ones.
      class_names: By data set, the classes that its labels count.
      analyses: Rows of its analyses, by the analysis's name.
      possible_best: The alphas that may be the best on the validation set.
      config: The resolved configuration, nested; of paths the last name alone.
      versions: Package -> version.
      hashes: What -> hash, of the configuration, the data and both ends.
      commands: What to type to do it again.
      omitted: Sentences on what the page lacks, and why.
    """

    name: str
    rows: Sequence[Row]
    selection: Mapping[str, Any]
    curve_rows: Sequence[CurveRow] = ()
    predictions: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    images: Mapping[str, str] = dataclasses.field(default_factory=dict)
    class_names: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    analyses: Mapping[str, Sequence[Mapping[str, Any]]] = dataclasses.field(default_factory=dict)
    possible_best: Sequence[float] = ()
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hashes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    commands: Sequence[str] = ()
    omitted: Sequence[str] = ()

    @property
    def alpha(self) -> float:
        """The chosen alpha."""
        return float(self.selection["alpha"])
