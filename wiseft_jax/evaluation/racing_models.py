"""Race different models on images: each image is decoded once for all that take the same pixels."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Int, Int64

from wiseft_jax.core.mesh import Layout, put_batch, round_up_to_devices
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.candidates import Candidate, Candidates, Run, pixels_of
from wiseft_jax.evaluation.decoded_images import DecodedImages
from wiseft_jax.evaluation.evaluator import check_dataset
from wiseft_jax.evaluation.packing import Packing
from wiseft_jax.evaluation.projections import with_slots
from wiseft_jax.evaluation.racing import labelled_order
from wiseft_jax.evaluation.racing_live import check_one_process

logger = logging.getLogger(__name__)


class LiveModels:
    """Whether ``models[c]`` gets examples right, for ``race`` without ``neighbours``.

    Batches have one size, so one program is compiled for each architecture. The weights of all
    models are in the host's memory all the time, and of one model at a time on the devices: they
    are moved there once for each question, so ``RaceConfig.batch_size`` images should take longer
    than that. The images of the last question stay in memory.

    Attributes:
      packing: The size of the batches that are run.
      forwards: Forward passes that were run, padding included.

    Args:
      models: The candidates, of any architectures; as ``Candidates`` they are compiled once for
        several races.
      dataset: The images; an image that can't be read counts as wrong for all candidates.
      batch_size: Images a batch, fewer where there are fewer; rounded up to the devices.
      mesh: The devices; all of them by default.
      num_threads: Decoding threads.

    Raises:
      InputError: No labels, classes that differ or aren't the dataset's, or several processes.

    Example:
      >>> models = [Candidate("a", classifier_a, theta_a), Candidate("b", classifier_b, theta_b)]
      >>> live = LiveModels(models, validation)
      >>> result = race(live, len(models), live.order(seed=0), RaceConfig(neighbours=False))
      >>> models[result.winner].name
      'b'
    """

    def __init__(
        self,
        models: Sequence[Candidate] | Candidates,
        dataset: Dataset,
        *,
        batch_size: int = 64,
        mesh: Layout | Mesh | MeshConfig | None = None,
        num_threads: int = 16,
    ) -> None:
        check_can_race()
        layout = Layout.of(mesh)
        labelled = int(np.sum(dataset.labels >= 0))
        size = round_up_to_devices(max(1, min(batch_size, labelled)), layout.mesh)
        self._candidates = Candidates.of(
            models, batch_size=size, mesh=layout, num_threads=num_threads
        )
        check_dataset(self._candidates.models[0].classifier, dataset)
        self._dataset = dataset
        self._mesh = layout.mesh
        self._images: dict[Hashable, DecodedImages] = {
            pixels_of(model.classifier.preprocess): DecodedImages(
                dataset, model.classifier.preprocess, batch_size=size, num_threads=num_threads
            )
            for model in self._candidates.models
        }
        self._not_finite: set[int] = set()
        self._unreadable: set[str] = set()
        self.packing = Packing((size,))
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
        """Run each of the models ``candidates`` on the images ``examples`` that are wanted of it.

        Args:
          candidates: Places in ``models``.
          examples: Positions in the dataset.
          wanted: Which images each model is run on.
        """
        right = np.zeros(wanted.shape, bool)
        for row, candidate in enumerate(candidates.tolist()):
            if wanted[row].any():
                right[row] = self._right(candidate, examples, wanted[row])
        return right

    def _right(self, candidate: int, examples: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Return which of the wanted examples one model gets right."""
        preprocess = self._candidates.models[candidate].classifier.preprocess
        images = self._images[pixels_of(preprocess)]
        self._tell_unreadable(images.hold(examples))
        run = self._candidates.on_devices(candidate)
        right = np.zeros(len(examples), bool)
        for call in self.packing.calls(wanted[None]):
            part = examples[call.columns]
            batch = images.batch(part, call.size)
            outputs = self._outputs(run, batch)
            self.forwards += self.packing.forwards_of(call)
            used = slice(len(part))
            finite, readable = ~np.isnan(outputs["margin"][used]), batch["mask"][used]
            if (readable & ~finite).any():
                self._tell_not_finite(candidate)
            classes = self._dataset.as_labelled(outputs["top1"][used], part)
            hit = classes == self._dataset.labels[part]
            right[call.columns] = hit & finite & readable
        return right

    def _outputs(self, run: Run, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        found = run(with_slots(put_batch(batch, self._mesh), self._dataset.projection))
        return {name: np.asarray(found[name])[0] for name in ("top1", "margin")}

    def _tell_not_finite(self, candidate: int) -> None:
        if candidate not in self._not_finite:
            self._not_finite.add(candidate)
            logger.warning(
                "%s: logits of %s are not finite; such predictions count as wrong",
                self._dataset.name,
                self._candidates.models[candidate].name,
            )

    def _tell_unreadable(self, lines: list[str]) -> None:
        for line in lines:
            if line not in self._unreadable:
                self._unreadable.add(line)
                logger.warning("%s: %s; it counts as wrong", self._dataset.name, line)


def check_can_race() -> None:
    """Refuse a race in several processes.

    Raises:
      InputError: Says how many there are, and what to do.
    """
    check_one_process("wiseft evaluate --race", "leave --race out, and compare in all of them")
