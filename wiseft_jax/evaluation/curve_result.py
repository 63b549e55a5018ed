"""What the continuous curve says of a dataset: accuracy at every alpha, and how sure it is."""

from __future__ import annotations

import collections
import dataclasses
import logging
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from wiseft_jax.core.curve_rows import CurveRow
from wiseft_jax.core.metrics import clopper_pearson
from wiseft_jax.core.results import SCHEMA_VERSION, Row
from wiseft_jax.core.scoring import RISES_WITH_HITS, Predicted
from wiseft_jax.evaluation.crossings import Crossings
from wiseft_jax.evaluation.predictions import Predictions

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Audit:
    """How often a prediction that was called certain was wrong, by direct evaluation of a sample.

    The sample is ``evaluation.audit_draw``'s: every certain pair between the nodes has the same
    chance. Where not every alpha was drawn, the bound counts alphas, not pairs: an alpha at which
    one or more drawn pairs differ is a mistake, and each alpha one trial. The chance to find one is
    no less than the share of mistakes at an alpha, so the bound is one of the share over all pairs.

    Attributes:
      sampled: Certain (example, alpha) pairs drawn.
      mismatches: Those whose prediction differs. What an earlier reading found and this one calls
        certain, with another answer, counts among both.
      failed: ``(sampled, mismatches)`` of earlier readings, each of which found a mismatch and so
        led to another reading, audited by a draw of its own.
      alphas: At how many alphas they were drawn.
      wrong_alphas: At how many of these one or more differ.
      everywhere: Whether every alpha between the nodes was drawn.
      nodes: The most nodes of an example with a mismatch; 0 without one.
      readings: How many readings of the set may be accepted, each with more nodes. The bound holds
        whichever it is, for its risk of 5 % is divided among them (Bonferroni).
    """

    sampled: int = 0
    mismatches: int = 0
    failed: tuple[tuple[int, int], ...] = ()
    alphas: int = 0
    wrong_alphas: int = 0
    everywhere: bool = True
    nodes: int = 0
    readings: int = 1

    @property
    def upper(self) -> float:
        """The one-sided 95 % upper bound (Clopper-Pearson) of the share of mismatches."""
        wrong, trials = self.mismatches, self.sampled
        if not self.everywhere:
            wrong, trials = self.wrong_alphas, self.alphas
        return clopper_pearson(wrong, trials, confidence=1 - 0.1 / self.readings)[1]


@dataclasses.dataclass(frozen=True)
class Curve:
    """The accuracy of every alpha on a dataset, from few forward passes.

    Attributes:
      predictions: On the grid that was asked for.
      certain: bool[A, N]: whether the margin is beyond doubt by the error estimate. False for an
        example whose features weren't smooth in alpha.
      direct: bool[A, N]: whether the model itself was run for the pair, and its answer taken.
      points: float64[P], where the curve is tabulated, rising.
      hits: int64[P], right answers among ``n``.
      low: int64[P], the same with every uncertain one counted as wrong.
      high: int64[P], with every uncertain one counted as right.
      n: Labelled examples.
      crossings: Where predictions change.
      nodes: int32[N], nodes of each example.
      estimate: float32[N], the error estimate of each example, in logits.
      trusted: bool[N], False for an example whose batch wasn't smooth and was evaluated directly.
      audit: The check of the certain ones.
      passes: Forward passes over the dataset that it took, padding included on both sides.
      note: Why nodes or trust are what they are, in words; empty when all went well.
    """

    predictions: Predictions
    certain: Bool[np.ndarray, "A N"]
    direct: Bool[np.ndarray, "A N"]
    points: Float64[np.ndarray, " P"]
    hits: Int64[np.ndarray, " P"]
    low: Int64[np.ndarray, " P"]
    high: Int64[np.ndarray, " P"]
    n: int
    crossings: Crossings
    nodes: Int32[np.ndarray, " N"]
    estimate: Float32[np.ndarray, " N"]
    trusted: Bool[np.ndarray, " N"]
    audit: Audit
    passes: float
    note: str = ""

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.predictions.dataset

    @property
    def uncertain_share(self) -> float:
        """Share of the grid's pairs whose prediction is uncertain, before any was evaluated."""
        return 1 - float(np.mean(self.certain))

    @property
    def evaluated_share(self) -> float:
        """Share of the grid's pairs that were evaluated directly."""
        return float(np.mean(self.direct))

    @property
    def exact(self) -> bool:
        """Whether each uncertain prediction of the grid was evaluated directly."""
        return bool((self.certain | self.direct).all())

    def rows(self, config_hash: str = "") -> list[Row]:
        """Return one result row for each alpha asked for; ``"direct"`` where every pair was run.

        The others have the band: what is uncertain counted as wrong, and as right.
        """
        rows = self.predictions.top1_rows(config_hash)
        places = np.searchsorted(self.points, np.asarray(self.predictions.alphas))
        for row, direct, place in zip(rows, self.direct, places, strict=True):
            row["method"] = "direct" if direct.all() else "curve"
            if row["method"] == "curve":
                row["band_low"] = float(self.low[place] / self.n)
                row["band_high"] = float(self.high[place] / self.n)
        return rows + self._score_rows(config_hash)

    def _score_rows(self, config_hash: str) -> list[Row]:
        """Return the rows of the set's own metrics, with their bands where not all is sure.

        What an uncertain prediction does to a metric that may fall when one turns right isn't
        known: there is no row of it then.
        """
        scoring, labels = self.predictions.scoring, self.predictions.labels
        if scoring is None:
            return []
        places = {alpha: place for place, alpha in enumerate(self.predictions.alphas)}
        rows, left_out = [], collections.Counter[str]()
        for row in self.predictions.score_rows(config_hash):
            place = places[row["alpha"]]
            row["method"] = "direct" if self.direct[place].all() else "curve"
            settled = self.certain[place] | self.direct[place] | (labels < 0)
            if row["method"] == "curve" and not settled.all():
                if row["metric"] not in RISES_WITH_HITS:
                    left_out[row["metric"]] += 1
                    continue
                correct = self.predictions.correct[place]
                low, high = (
                    scoring.scores(Predicted(self.predictions.top1[place], each, labels))
                    for each in (correct & settled, correct | (~settled & (labels >= 0)))
                )
                row["band_low"] = low[row["metric"]].value
                row["band_high"] = high[row["metric"]].value
            elif row["method"] == "curve":
                row["band_low"] = row["band_high"] = row["value"]
            rows.append(row)
        for metric, count in left_out.items():
            logger.warning(
                "%s: no %s at %d of %d alphas, where predictions are uncertain: it needs each of"
                " them; evaluate them directly (sweep.curve.exact)",
                self.dataset, metric, count, len(places),
            )  # fmt: skip
        return rows

    def summary(self) -> dict[str, Any]:
        """Return what it took and how sure it is, as plain JSON values."""
        most, intervals = self.best()
        return {
            "dataset": self.dataset,
            "n": self.n,
            "nodes": {
                str(count): int(np.sum(self.nodes == count)) for count in np.unique(self.nodes)
            },
            "estimate_median": _finite(np.median(self.estimate)),
            "estimate_max": _finite(np.max(self.estimate)),
            "uncertain_share": self.uncertain_share,
            "evaluated_share": self.evaluated_share,
            "passes": self.passes,
            "passes_saved": len(self.predictions.alphas) - self.passes,
            "audited": self.audit.sampled,
            "audited_alphas": self.audit.alphas,
            "mismatches": self.audit.mismatches,
            "mismatch_upper_95": self.audit.upper,
            "failed_audits": [list(each) for each in self.audit.failed],
            "trusted_share": float(np.mean(self.trusted)),
            "flips": len(self.crossings),
            "best_hits": most,
            "best_alphas": [[round(low, 6), round(high, 6)] for low, high in intervals],
            "note": self.note,
        }

    def row(self, config_hash: str = "") -> CurveRow:
        """Return the tabulated curve, its band and its flips, for ``curves.jsonl``."""
        lost, won = self.crossings.flips(self.predictions.labels)
        return CurveRow(
            schema=SCHEMA_VERSION,
            dataset=self.dataset,
            split=self.predictions.split,
            role=self.predictions.role,
            n=self.n,
            alphas=self.points.tolist(),
            hits=self.hits.tolist(),
            low=self.low.tolist(),
            high=self.high.tolist(),
            lost=np.round(lost, 9).tolist(),
            won=np.round(won, 9).tolist(),
            summary=self.summary(),
            config_hash=config_hash,
        )

    def best(self) -> tuple[int, list[tuple[float, float]]]:
        """Return the most hits over the continuum, and the intervals of alpha that reach them."""
        places, hits = self.crossings.steps(int(self.hits[0]), self.predictions.labels)
        edges = np.concatenate([self.points[:1], places, self.points[-1:]])
        levels = np.concatenate([self.hits[:1], hits])
        most = int(levels.max())
        intervals: list[tuple[float, float]] = []
        for place in np.flatnonzero(levels == most):
            low, high = float(edges[place]), float(edges[place + 1])
            if intervals and intervals[-1][1] == low:
                low = intervals.pop()[0]
            intervals.append((low, high))
        return most, intervals


def _finite(value: Any) -> float | None:
    """JSON has no NaN."""
    return float(value) if np.isfinite(value) else None
