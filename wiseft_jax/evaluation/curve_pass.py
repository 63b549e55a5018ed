"""One reading of a dataset for the continuous curve: nodes, doubt, and direct evaluation."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int

from wiseft_jax.core.lobatto import LEVELS
from wiseft_jax.core.mesh import to_host
from wiseft_jax.core.mesh_config import ALPHA_AXIS
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.projection import NO_CLASS, Projection
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.answers import Answers
from wiseft_jax.evaluation.audit_draw import AuditDraw
from wiseft_jax.evaluation.batch_curve import (
    AUDIT_FAILED,
    CHEAPER,
    NOISE,
    BatchCurve,
    CurveJob,
    evaluate_batch,
)
from wiseft_jax.evaluation.collected import Collected
from wiseft_jax.evaluation.crossings import Crossings, find_crossings, reconcile
from wiseft_jax.evaluation.curve_config import LEAST_NODES, CurveConfig
from wiseft_jax.evaluation.curve_result import Audit, Curve
from wiseft_jax.evaluation.engine import EngineConfig, compiled_step
from wiseft_jax.evaluation.evaluator import own_batches, with_images
from wiseft_jax.evaluation.logit_polynomial import LogitPolynomial
from wiseft_jax.evaluation.pairs import PairQueue, small_rows

_T = TypeVar("_T")


class CurvePass:
    """Read a dataset once; see ``evaluation.curve``."""

    def __init__(
        self,
        classifier: Any,
        ends: tuple[Any, Any],
        dataset: Dataset,
        alphas: tuple[float, ...],
        config: CurveConfig,
        engine: EngineConfig,
        least: int,
        answers: Answers,
        attempt: int = 0,
    ) -> None:
        """Make what all batches share.

        Args:
          classifier: The model.
          ends: Both ends' parameters, on the devices.
          dataset: The images.
          alphas: The grid asked for.
          config: How.
          engine: How batches are run.
          least: The fewest nodes; more than ``config.max_nodes`` evaluates every pair directly.
          answers: What earlier readings evaluated directly; what this one does is added. A pair
            that is called certain nevertheless, with another answer, is a mismatch of the audit.
            The logits that are stored are put there too.
          attempt: How many readings failed before; each is audited by a draw of its own.
        """
        self._dataset, self._alphas, self._config, self._engine = dataset, alphas, config, engine
        self._classifier, self._ends = classifier, ends
        self._all_direct = least > config.max_nodes
        grid, asked = working_grid(alphas, config.points)
        self._heads, scale = _wide_heads(ends, dataset.projection)
        self._job = CurveJob(
            classifier=classifier,
            engine=engine,
            ends=ends,
            grid=grid,
            asked=asked,
            config=config,
            least=min(least, config.max_nodes),
            scale=scale,
            projection=dataset.projection,
            kept=tuple(alphas[place] for place in answers.kept),
        )
        self._answers, self._before = answers, answers.known.copy()
        self._collected = Collected(dataset, len(grid))
        self._nodes = np.zeros(len(dataset), np.int32)
        self._estimate = np.zeros(len(dataset), np.float32)
        self._trusted = np.ones(len(dataset), bool)
        self._crossings: list[Crossings] = []
        self._notes: list[str] = []
        self._audit = self._drawing(attempt)
        self._drawn = np.zeros_like(self._before)

    def _drawing(self, attempt: int) -> AuditDraw:
        """Return what the audit draws: one chance for all pairs, whatever a batch's nodes."""
        least, dataset = self._job.least, self._dataset
        # There the polynomial is the model itself in every batch: nothing to audit.
        known = {*self._job.plan.nodes[:least].astype(np.float32).tolist(), 0.0, 1.0}
        between = [at for at, alpha in enumerate(self._alphas) if np.float32(alpha) not in known]
        return AuditDraw.of(
            np.asarray(between, int),
            images=len(dataset),
            passes=self._config.audit * least,
            small=small_rows(self._engine),
            seed=self._config.seed,
            name=dataset.name,
            attempt=attempt,
        )

    def run(self) -> Curve:
        """Read the dataset, and return its curve."""
        # Pairs are run one alpha at once, or as many as the mesh splits over devices.
        single = dataclasses.replace(
            self._engine, chunk_size=self._engine.layout.mesh.shape[ALPHA_AXIS]
        )
        queue = PairQueue(
            compiled_step(self._classifier, single),
            self._ends,
            self._alphas,
            single,
            self._classifier.preprocess.size,
            self._answers.put,
            self._dataset.projection,
            self._answers.kept,
        )
        mesh, forwards = self._engine.layout.mesh, 0
        batches = own_batches(self._classifier, self._dataset, self._engine)
        with batches, progress_bar(self._dataset.name, len(self._dataset)) as advance:
            for number, (images, batch) in enumerate(one_ahead(with_images(batches, mesh))):
                index, mask = to_host((batch["index"], batch["mask"]))
                found = evaluate_batch(self._job, batch["image"], mask)
                forwards += found.forwards * len(index)
                wanted = self._wanted(found, mask) | self._draw(index, mask, number)
                queue.add(images, index, wanted & ~self._before[:, index])
                advance(self._keep(found, index, mask))
            queue.drain()
        return self._curve(batches.skipped, forwards + queue.rows)

    @property
    def read(self) -> Int[np.ndarray, " M"]:
        """The positions of the examples that could be read, rising."""
        return self._collected.read

    def _wanted(self, found: BatchCurve, mask: np.ndarray) -> np.ndarray:
        """Return which pairs of a batch are evaluated for their own sake, bool[A, B]."""
        certain = found.certain[self._job.asked]
        wanted = np.zeros(certain.shape, bool)
        if self._all_direct or not found.trusted:
            wanted[:] = True
        elif self._config.exact or found.note in (NOISE, CHEAPER):
            wanted = ~certain
        return wanted & mask[None]

    def _draw(self, index: np.ndarray, mask: np.ndarray, number: int) -> np.ndarray:
        """Return which pairs of a batch are drawn by the audit, bool[A, B], and note them."""
        drawn = self._audit.pairs(number, len(mask), len(self._alphas)) & mask[None]
        self._drawn[:, index[mask]] = drawn[:, mask]
        return drawn

    def _keep(self, found: BatchCurve, index: np.ndarray, mask: np.ndarray) -> int:
        positions = index[mask]
        if found.logits is not None:
            self._answers.interpolated(positions, found.logits[:, mask])
        self._nodes[positions] = found.nodes
        self._estimate[positions] = found.estimate[mask]
        if self._all_direct or not found.trusted:
            self._trusted[positions] = False
        if found.note and found.note not in self._notes:
            self._notes.append(found.note)
        projection = self._dataset.projection
        values = np.asarray(to_host(found.values), np.float64)[:, mask]
        if self._heads is None and projection is not None:
            values = projection.chosen(values)
        polynomial = LogitPolynomial(self._job.plan.nodes[: found.nodes], values, self._heads)
        crossings = find_crossings(polynomial, self._job.grid, found.top1[:, mask])
        if projection is not None:
            crossings = crossings.projected(projection.classes)
        examples = positions[crossings.example].astype(np.int32)
        self._crossings.append(dataclasses.replace(crossings, example=examples))
        kept = ("top1", "margin", "entropy", "certain")
        return self._collected.put({name: getattr(found, name) for name in kept}, index, mask)

    def _curve(self, skipped: list[str], forward_rows: int) -> Curve:
        collected, asked, size = self._collected, self._job.asked, self._engine.batch_size
        read = collected.read
        self._as_labelled(read)
        certain = collected.arrays["certain"] & self._trusted[None]
        top1, margin = collected.arrays["top1"], collected.arrays["margin"]
        direct, answers = self._answers.known, self._answers.columns()
        audit = self._audited(
            certain[asked], certain[asked] & direct & (answers["top1"] != top1[asked])
        )
        settled = certain.copy()
        settled[asked] |= direct
        for name, values in answers.items():
            array = collected.arrays[name]
            array[asked] = np.where(direct, values, array[asked])
        rough = np.flatnonzero(~self._trusted)
        nearest = np.argmin(np.abs(self._job.grid[:, None] - self._job.grid[asked][None]), axis=1)
        top1[:, rough] = top1[asked][nearest][:, rough]
        margin[:, rough] = margin[asked][nearest][:, rough]
        labels = self._dataset.labels
        right = ((top1 == labels[None]) & ~np.isnan(margin))[:, read]
        counted, settled = (labels[read] >= 0)[None], settled[:, read]
        collected.arrays = {name: collected.arrays[name][asked] for name in answers}
        # What isn't finite is no class, which a flip may come from and lead to.
        classes = np.where(np.isnan(margin), np.int32(NO_CLASS), top1)
        crossings = reconcile(Crossings.join(self._crossings), self._job.grid, classes)
        return Curve(
            predictions=collected.predictions(self._alphas, skipped),
            certain=certain[asked][:, read],
            direct=direct[:, read],
            points=self._job.grid,
            hits=np.sum(right & counted, axis=1),
            low=np.sum(right & settled & counted, axis=1),
            high=np.sum((right | ~settled) & counted, axis=1),
            n=int(np.sum(counted)),
            crossings=dataclasses.replace(
                crossings, example=np.searchsorted(read, crossings.example).astype(np.int32)
            ),
            nodes=self._nodes[read],
            estimate=self._estimate[read],
            trusted=self._trusted[read],
            audit=audit,
            passes=forward_rows / (-(-len(self._dataset) // size) * size),
            note=AUDIT_FAILED if self._all_direct else "; ".join(self._notes),
        )

    def _as_labelled(self, read: np.ndarray) -> None:
        """Put labels in the place of other classes that count as right, wherever classes are."""
        if self._dataset.accepted is None:
            return
        for top1 in (self._collected.arrays["top1"], self._answers.top1):
            top1[:, read] = self._dataset.as_labelled(top1[:, read], read)
        relabel = self._dataset.as_labelled
        self._crossings = [crossings.relabelled(relabel) for crossings in self._crossings]

    def _audited(self, certain: np.ndarray, wrong: np.ndarray) -> Audit:
        """Return what the draw found, and what earlier readings knew better."""
        sample = certain & self._answers.known & self._drawn | wrong & self._before
        wrong = wrong & sample
        return Audit(
            int(np.sum(sample)),
            int(np.sum(wrong)),
            alphas=int(np.sum(sample.any(axis=1))),
            wrong_alphas=int(np.sum(wrong.any(axis=1))),
            everywhere=self._audit.everywhere,
            nodes=int(self._nodes[wrong.any(axis=0)].max(initial=0)),
            readings=sum(LEAST_NODES <= count <= self._config.max_nodes for count in LEVELS),
        )


def _wide_heads(ends: tuple[Any, Any], projection: Projection | None) -> tuple[Any, float]:
    """Return ``LogitPolynomial.heads`` and the logits' scale; ``(None, 1)`` without heads.

    Of a projected set the heads' columns are the projection's rows.
    """
    if "head" not in ends[0]:
        return None, 1.0
    kernels, biases = (
        [np.asarray(to_host(end["head"][name]), np.float64) for end in ends]
        for name in ("kernel", "bias")
    )
    scale = max(float(np.linalg.norm(kernel, axis=0).max()) for kernel in kernels)
    if projection is not None:
        kernels, biases = ([projection.chosen(each) for each in both] for both in (kernels, biases))
    return (kernels[0], biases[0], kernels[1], biases[1]), scale


def one_ahead(items: Iterator[_T]) -> Iterator[_T]:
    """Yield the items; the next one is made before one is handed out."""
    for item, _ in itertools.pairwise(itertools.chain(items, [None])):
        yield item  # type: ignore[misc]


def working_grid(alphas: tuple[float, ...], points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the alphas asked for and the tabulated ones, rising, and the places of the former.

    Args:
      alphas: What was asked for.
      points: How many evenly spaced ones, over [0, 1] or the wider interval that ``alphas`` span.
    """
    low, high = min(0.0, alphas[0]), max(1.0, alphas[-1])
    known = {np.float32(alpha) for alpha in alphas}
    # 0 and 1 are among them whatever the interval: the ends are evaluated themselves.
    even = [0.0, 1.0, *np.linspace(low, high, points).tolist()]
    more: dict[np.float32, float] = {}
    for alpha in even:
        if np.float32(alpha) not in known:
            more.setdefault(np.float32(alpha), alpha)
    grid = np.sort(np.asarray([*alphas, *more.values()], np.float64))
    return grid, np.searchsorted(grid, np.asarray(alphas))
