"""Race merged models on images, through the compiled step of the sweep."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Bool, Int, Int64

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import put_batch
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.backend import choose, shared_of
from wiseft_jax.evaluation.decoded_images import DecodedImages
from wiseft_jax.evaluation.engine import EngineConfig, compiled_step, padded_alphas
from wiseft_jax.evaluation.evaluator import check_dataset
from wiseft_jax.evaluation.heads import with_heads
from wiseft_jax.evaluation.packing import Packing
from wiseft_jax.evaluation.projections import with_slots
from wiseft_jax.evaluation.racing import labelled_order
from wiseft_jax.evaluation.sweep import placed

logger = logging.getLogger(__name__)


class LiveRace:
    """Whether ``lerp(theta_0, theta_1, alphas[c])`` gets examples right, for ``race``.

    The images of the examples last decoded stay in memory, so a batch of the race is decoded once,
    however often it comes back to some of it; the race asks for no more than a batch at once.

    Attributes:
      packing: The sizes of the batches that are run.
      forwards: Images times alphas that were run, padding included.

    Args:
      classifier: The model as a function of its parameters.
      theta_0: The parameters at alpha = 0, host or device arrays.
      theta_1: Those at alpha = 1.
      dataset: The images; an image that can't be read counts as wrong for all candidates.
      alphas: The candidates, rising.
      config: How the step runs; ``EngineConfig.resolve`` by default, one alpha at once: most
        batches are of one alpha, and others would be padding.

    Raises:
      InputError: No labels, other classes than the classifier's, or several processes.

    Example:
      >>> live = LiveRace(classifier, theta_0, theta_1, validation, alphas)
      >>> alphas[race(live, len(alphas), live.order(seed=0)).winner]
      0.7
    """

    def __init__(
        self,
        classifier: Classifier,
        theta_0: Params,
        theta_1: Params,
        dataset: Dataset,
        alphas: Sequence[float],
        config: EngineConfig | None = None,
    ) -> None:
        check_one_process()
        check_dataset(classifier, dataset)
        theta_0, theta_1 = with_heads(classifier, theta_0, theta_1, alphas)
        shared = shared_of("auto", classifier, theta_0, theta_1)
        config = config or EngineConfig.resolve(theta_0, num_alphas=len(alphas), chunk_size=1)
        if choose("auto", theta_0, shared, config.layout)[0] == "linear":
            logger.warning(
                "only the head differs, so a sweep of all alphas takes one pass over the images: a"
                " race saves nothing"
            )
        self._config = dataclasses.replace(config, shared=shared)
        self._step = compiled_step(classifier, self._config)
        layout = self._config.layout
        self._ends = placed(self._config, theta_0, theta_1)
        self._not_finite = False
        self._dataset = dataset
        self._alphas = tuple(alphas)
        self._images = DecodedImages(
            dataset,
            classifier.preprocess,
            batch_size=config.batch_size,
            num_threads=config.num_threads,
        )
        self.packing = Packing.of(self._config.batch_size, layout.mesh, self._config.chunk_size)
        self.forwards = 0

    def order(self, seed: int = 0) -> Int64[np.ndarray, " N"]:
        """Return the positions of the labelled images, in a random order."""
        return labelled_order(self._dataset.labels, seed)

    def __call__(
        self,
        candidates: Int[np.ndarray, " C"],
        examples: Int[np.ndarray, " B"],
        wanted: Bool[np.ndarray, "C B"],
    ) -> Bool[np.ndarray, "C B"]:
        """Run the models at ``alphas[candidates]`` on the wanted ones of the images ``examples``.

        Args:
          candidates: Places in ``alphas``.
          examples: Positions in the dataset.
          wanted: Which images each model is run on.
        """
        for line in self._images.hold(examples):
            logger.warning("%s: %s; it counts as wrong", self._dataset.name, line)
        right = np.zeros(wanted.shape, bool)
        for call in self.packing.calls(wanted):
            part = examples[call.columns]
            batch = self._images.batch(part, call.size)
            top1, margin, mask = self._run(candidates[call.rows], batch)
            self.forwards += self.packing.forwards_of(call)
            finite = ~np.isnan(margin)
            self._warn(call.rows, ~finite & mask, candidates)
            usable = finite & mask
            classes = self._dataset.as_labelled(top1, part)
            found = (classes == self._dataset.labels[part]) & usable
            right[np.ix_(call.rows, call.columns)] = found
        return right

    def _warn(self, rows: np.ndarray, bad: np.ndarray, candidates: np.ndarray) -> None:
        """Say once that logits are not finite."""
        if bad.any() and not self._not_finite:
            self._not_finite = True
            first = self._alphas[int(candidates[rows[np.flatnonzero(bad.any(1))[0]]])]
            logger.warning(
                "%s: logits that are not finite at alpha %g, and perhaps at others; such"
                " predictions count as wrong",
                self._dataset.name,
                first,
            )

    def _run(
        self, candidates: np.ndarray, batch: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return class and margin of each candidate and row, and which rows are images."""
        alphas = tuple(self._alphas[candidate] for candidate in candidates)
        groups = padded_alphas(alphas, self._config.chunk_size)
        on_devices = put_batch(batch, self._config.layout.mesh)
        on_devices = with_slots(on_devices, self._dataset.projection)
        outputs = [
            (self._step(*self._ends, padded, count, on_devices), count) for padded, count in groups
        ]
        used = batch["index"] >= 0
        top1, margin = (
            np.concatenate([np.asarray(each[name])[:count, used] for each, count in outputs])
            for name in ("top1", "margin")
        )
        return top1, margin, batch["mask"][used]


def check_one_process(
    command: str = "wiseft sweep RUN --race", instead: str = "sweep in all of them"
) -> None:
    """Refuse a race in several processes.

    Args:
      command: What runs the race.
      instead: What several processes can do.

    Raises:
      InputError: Says how many there are, and what to do.
    """
    count = jax.process_count()
    if count > 1:
        raise InputError(
            f"a race runs in one process, and there are {count}: race in one ({command}"
            f" --distributed.mode off, on one host), or {instead}"
        )
