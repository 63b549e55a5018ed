"""Racing: find the best of many candidates with a fraction of the forward passes.

All candidates still in the race see the same examples, in random order, so that comparisons are
paired. Two things save work.

Elimination: a candidate is out when the bets of ``core.betting`` are won by one that beats it. The
best of the whole set is lost with probability at most ``1 - confidence``, whenever one looks.

Neighbours (alphas, not unrelated models): an example that is right at two alphas is nearly always
right between them, and likewise for wrong. So each example is evaluated at the ends of what is left
in the race and at the present leader, and further only between two neighbours that differ, by
halving. This is a rule of experience, not a theorem: a random share of what it filled in is
evaluated too, the share that was wrong is reported with its 95 % bound, and nobody is eliminated
for less than filled-in results may be wrong by. At the end, of the candidates left, everything is
evaluated on the examples that were wrong anywhere (nearly all wrong guesses are there), and the
winner's own count is completed, so it is exact.

What a race costs is what is run, padding of batches included: the evaluator's ``packing`` says how
many forward passes a question takes, and the budget is kept with these.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Iterator
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int, Int64

from wiseft_jax.core.betting import PairedBets
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import clopper_pearson
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.evaluation.packing import Packing
from wiseft_jax.evaluation.race_config import RaceConfig

logger = logging.getLogger(__name__)

Stopped: TypeAlias = Literal["one left", "tolerance", "budget", "all seen"]
"""Why a race ended."""


@runtime_checkable
class Evaluator(Protocol):
    """Which candidates get which examples right: stored results (``replay``) or ``LiveRace``."""

    @property
    def packing(self) -> Packing:
        """How pairs become batches, and so what they cost."""
        ...

    def __call__(
        self,
        candidates: Int[np.ndarray, " C"],
        examples: Int[np.ndarray, " B"],
        wanted: Bool[np.ndarray, "C B"],
    ) -> Bool[np.ndarray, "C B"]:
        """Return which are right; what isn't wanted is not run, and its result has no meaning.

        Never asked for the same pair twice, nor for more than ``RaceConfig.batch_size`` examples.
        """
        ...


@dataclasses.dataclass(frozen=True)
class RaceResult:
    """Who won, and what it cost.

    Attributes:
      winner: The candidate with the most hits of those left, of equals the first.
      complete: Whether the winner was evaluated on every example that the race saw.
      left: The candidates that were never eliminated.
      hits: int64[A], right ones of the examples that a candidate was in the race for.
      seen: int64[A], the number of these examples.
      evaluations: Pairs of a candidate and an example that were evaluated.
      forwards: Forward passes that this took: the same, and the padding of batches.
      filled: Results that were filled in between neighbours, and never evaluated.
      audited: Filled-in results that were drawn and evaluated as well.
      wrong: How many of these had been filled in wrongly (and were put right).
      total: Examples in the whole set.
      stopped: Why the race ended.
      as_good: Whether it ended at the tolerance with the winner as the one that was found to be so
        good; completing its count may have cost that one the lead.
    """

    winner: int
    complete: bool
    left: tuple[int, ...]
    hits: Int64[np.ndarray, " A"]
    seen: Int64[np.ndarray, " A"]
    evaluations: int
    forwards: int
    filled: int
    audited: int
    wrong: int
    total: int
    stopped: Stopped
    as_good: bool = False

    @property
    def decided(self) -> bool:
        """Whether one alone is left, or the winner is surely within the tolerance of the best."""
        return len(self.left) == 1 or self.as_good

    @property
    def tied(self) -> tuple[int, ...]:
        """The candidates left with as many hits as the winner, it included; none if it has more."""
        level = tuple(each for each in self.left if self.hits[each] == self.hits[self.winner])
        return level if len(level) > 1 else ()

    @property
    def share(self) -> float:
        """Forward passes, padding included, against one for each candidate and example."""
        return self.forwards / (self.total * len(self.hits))

    @property
    def wrong_bound(self) -> float:
        """The upper 95 % bound of the share of filled-in results that are wrong."""
        return clopper_pearson(self.wrong, self.audited, 0.90)[1] if self.filled else 0.0


def random_order(size: int, seed: int = 0) -> Int64[np.ndarray, " N"]:
    """Return the positions ``0..size-1`` in a random order, as ``race`` wants them."""
    return numpy_stream(seed, "racing order").permutation(size)


def labelled_order(labels: Int[np.ndarray, " N"], seed: int = 0) -> Int64[np.ndarray, " M"]:
    """Return the positions of the labelled examples in a random order, as ``race`` wants them.

    Args:
      labels: Of the whole set; -1 for none.
      seed: Of the order.
    """
    labelled = np.flatnonzero(labels >= 0)
    return labelled[random_order(len(labelled), seed)]


def race(
    evaluate: Evaluator,
    num_candidates: int,
    order: Int[np.ndarray, " N"],
    config: RaceConfig | None = None,
) -> RaceResult:
    """Find the most accurate candidate.

    Args:
      evaluate: Right or wrong: from stored predictions (``replay``) or by running models
        (``LiveRace``).
      num_candidates: How many there are; they are named by their positions.
      order: The labelled examples, each once, in a uniformly random order (``random_order``). In
        another order the promise about the best one does not hold.
      config: How to race.

    Raises:
      InputError: No candidates or examples; an example twice in ``order``.

    Example:
      >>> result = race(replay(predictions), 21, random_order(1000))
      >>> predictions.alphas[result.winner], result.share
      (0.75, 0.2)
    """
    if num_candidates < 1 or len(order) == 0:
        raise InputError(f"a race of {num_candidates} candidates on {len(order)} examples")
    if len(np.unique(order)) != len(order):
        raise InputError("order: expected each example once, found some twice")
    return _Race(evaluate, num_candidates, order, config or RaceConfig()).run()


class _Race:
    """The state of a race; examples are counted by their place in the order."""

    def __init__(
        self, evaluate: Evaluator, size: int, order: np.ndarray, config: RaceConfig
    ) -> None:
        self._evaluate = evaluate
        self._order = order
        self._config = config
        self._alive = np.arange(size)
        self._right = np.zeros((size, len(order)), bool)
        self._known = np.zeros((size, len(order)), bool)
        self._seen = np.zeros(size, np.int64)
        self._leader = size // 2
        self._audit_rng = numpy_stream(config.seed, "racing audit")
        self._audited = self._wrong = self._forwards = 0
        error = (1 - config.confidence) / (2 if config.tolerance else 1)
        self._enough = math.log(max(1, size - 1) / error)  # Bonferroni over the rivals of the best
        slack = config.fill_error if config.neighbours else 0.0
        self._better = PairedBets(size, len(order), -slack)
        self._as_good = PairedBets(size, len(order), config.tolerance - slack)

    def run(self) -> RaceResult:
        """Run until one is left, one is good enough, the budget is used, or no examples are."""
        total, start = len(self._order), 0
        dearest = 0.0  # forward passes an example, of the dearest round
        while start < total:
            if len(self._alive) == 1:
                return self._finish("one left")
            size = self._affordable_size(dearest)
            if start and size == 0:
                return self._finish("budget")
            batch = np.arange(start, min(start + self._paid_for(max(1, size)), total))
            start += len(batch)
            before = self._forwards
            self._see(batch)
            dearest = max(dearest, (self._forwards - before) / len(batch))
            if self._eliminate():
                return self._finish("tolerance")
        return self._finish("one left" if len(self._alive) == 1 else "all seen")

    def _affordable_size(self, dearest: float) -> int:
        """Return how many examples the next round may have: of the first one all may be asked."""
        config, size = self._config, self._config.batch_size
        if config.budget == 1:
            return size
        left = config.budget * self._known.size - self._forwards
        size = min(size, int(left / (dearest or len(self._alive))))
        nodes = len(self._nodes())
        while size > 0 and not self._affords(self._cost(np.ones((nodes, size), bool))):
            size -= 1
        return max(size, 0)

    def _paid_for(self, size: int) -> int:
        """Return how many examples fit into the batches that ``size`` of them take."""
        nodes = len(self._nodes())
        cost = self._cost(np.ones((nodes, size), bool))
        while size < self._config.batch_size:
            if self._cost(np.ones((nodes, size + 1), bool)) > cost:
                break
            size += 1
        return size

    def _nodes(self) -> np.ndarray:
        """Return the candidates that every example is evaluated at."""
        if not self._config.neighbours:
            return self._alive
        return np.unique([self._alive[0], self._leader, self._alive[-1]])

    def _see(self, batch: np.ndarray) -> None:
        nodes = self._nodes()
        self._ask(nodes, batch, np.ones((len(nodes), len(batch)), bool))
        self._settle(batch)
        if self._config.audit:
            self._check_some(batch)
        self._seen[self._alive] += len(batch)
        right = self._right[np.ix_(self._alive, batch)]
        self._better.add(self._alive, right)
        if self._config.tolerance:
            self._as_good.add(self._alive, right)
        self._leader = self._first_of_the_best()

    def _ask(self, candidates: np.ndarray, examples: np.ndarray, wanted: np.ndarray) -> None:
        """Evaluate the wanted pairs, of a bounded number of examples at once."""
        for columns in self._batches(wanted):
            rows = np.flatnonzero(wanted[:, columns].any(axis=1))
            part = wanted[np.ix_(rows, columns)]
            asked, batch = candidates[rows], examples[columns]
            found = self._evaluate(asked, self._order[batch], part)
            self._forwards += self._evaluate.packing.forwards(part)
            cells = np.ix_(asked, batch)
            self._right[cells] = np.where(part, found, self._right[cells])
            self._known[cells] |= part

    def _batches(self, wanted: np.ndarray) -> Iterator[np.ndarray]:
        columns, size = np.flatnonzero(wanted.any(axis=0)), self._config.batch_size
        for start in range(0, len(columns), size):
            yield columns[start : start + size]

    def _cost(self, wanted: np.ndarray) -> int:
        """Return the forward passes that ``_ask`` takes for this."""
        packing = self._evaluate.packing
        return sum(packing.forwards(wanted[:, columns]) for columns in self._batches(wanted))

    def _settle(self, batch: np.ndarray) -> None:
        """Halve between neighbours that differ; fill in between those that agree.

        Halving ends where it would cost more than the budget.
        """
        while True:
            known = self._known[np.ix_(self._alive, batch)]
            right = self._right[np.ix_(self._alive, batch)]
            place = np.arange(len(self._alive))[:, None]
            before = np.maximum.accumulate(np.where(known, place, 0), axis=0)
            after = np.where(known, place, len(place) - 1)
            after = np.minimum.accumulate(after[::-1], axis=0)[::-1]
            low, high = (np.take_along_axis(right, each, axis=0) for each in (before, after))
            wanted = ~known & (low != high) & (place == (before + after) // 2)
            self._right[np.ix_(self._alive, batch)] = np.where(known, right, low)
            if not wanted.any() or not self._affords(self._cost(wanted)):
                return
            self._ask(self._alive, batch, wanted)

    def _check_some(self, batch: np.ndarray) -> None:
        cells = np.ix_(self._alive, batch)
        filled = ~self._known[cells]
        drawn = filled & (self._audit_rng.random(filled.shape) < self._config.audit)
        if not self._affords(self._cost(drawn)):
            return
        guess = self._right[cells][drawn]
        self._ask(self._alive, batch, drawn)
        self._audited += len(guess)
        self._wrong += int(np.sum(guess != self._right[cells][drawn]))
        self._settle(batch)

    def _eliminate(self) -> bool:
        """Drop what is beaten; return whether the leader is good enough already."""
        pairs = np.ix_(self._alive, self._alive)
        beaten = np.any(self._better.log_wealth()[pairs] >= self._enough, axis=1)
        # With probability 1 - confidence or less each could be beaten by another: keep the leader.
        beaten[self._alive == self._leader] = False
        if beaten.any():
            logger.debug("out of the race: %s", self._alive[beaten].tolist())
        self._alive = self._alive[~beaten]
        if not self._config.tolerance:
            return False
        rivals = self._alive[self._alive != self._leader]
        return bool((self._as_good.log_wealth()[rivals, self._leader] >= self._enough).all())

    def _first_of_the_best(self) -> int:
        hits = self._right[self._alive].sum(axis=1)
        return int(self._alive[hits.argmax()])

    def _resolve_doubts(self, seen: np.ndarray) -> None:
        """Evaluate what is left, the best first, wherever a model is known to be wrong."""
        doubtful = (self._known & ~self._right)[:, seen].any(axis=0)
        wanted = doubtful & ~self._known[np.ix_(self._alive, seen)]
        affordable = np.zeros_like(wanted)
        hits = self._right[self._alive].sum(axis=1)
        for place in np.argsort(-hits, kind="stable"):
            affordable[place] = wanted[place]
            affordable[place] &= self._affords(self._cost(affordable))
        self._ask(self._alive, seen, affordable)
        self._settle(seen)

    def _affords(self, more: float) -> bool:
        budget = self._config.budget
        return budget == 1 or self._forwards + more <= budget * self._known.size

    def _finish(self, stopped: Stopped) -> RaceResult:
        """Complete the leader's count; if that costs it the lead, the next one's, and so on."""
        seen = np.arange(int(self._seen.max()))
        self._resolve_doubts(seen)
        while True:
            hits = self._right[self._alive].sum(axis=1)
            place = int(hits.argmax())
            missing = np.zeros((len(self._alive), len(seen)), bool)
            missing[place] = ~self._known[self._alive[place], seen]
            if not missing.any() or not self._affords(self._cost(missing)):
                break
            self._ask(self._alive, seen, missing)
            self._settle(seen)
        evaluations = int(self._known.sum())
        return RaceResult(
            winner=int(self._alive[place]),
            complete=not missing.any(),
            left=tuple(self._alive.tolist()),
            hits=self._right.sum(axis=1, dtype=np.int64),
            seen=self._seen,
            evaluations=evaluations,
            forwards=self._forwards,
            filled=int(self._seen.sum()) - evaluations,
            audited=self._audited,
            wrong=self._wrong,
            total=len(self._order),
            stopped=stopped,
            as_good=stopped == "tolerance" and int(self._alive[place]) == self._leader,
        )


@dataclasses.dataclass(frozen=True)
class _Replay:
    correct: Bool[np.ndarray, "A N"]
    packing: Packing

    def __call__(
        self, candidates: np.ndarray, examples: np.ndarray, wanted: np.ndarray
    ) -> np.ndarray:
        return self.correct[np.ix_(candidates, examples)] & wanted


def replay(correct: Bool[np.ndarray, "A N"], packing: Packing | None = None) -> Evaluator:
    """Return an evaluator that looks results up, for example in ``predictions.correct``.

    Args:
      correct: Which of N examples each of A candidates gets right.
      packing: Count what running models in such batches would cost; by default nothing is padded.
    """
    return _Replay(correct, packing or Packing())
