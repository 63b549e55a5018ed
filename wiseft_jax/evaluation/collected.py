"""Outputs of batches, put back into the dataset's order, and made into predictions."""

from __future__ import annotations

import logging

import numpy as np
from jaxtyping import Bool, Int

from wiseft_jax.core.distributed import gather_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.scoring import SetScoring
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.predictions import Predictions

logger = logging.getLogger(__name__)


class Collected:
    """Arrays ``[A, N, ...]`` over a dataset's examples, filled batch by batch.

    Attributes:
      arrays: By name; zero where nothing was put. Those of ``logits`` may have fewer alphas.
    """

    def __init__(self, dataset: Dataset, num_alphas: int) -> None:
        """Make it empty."""
        self._dataset = dataset
        self._num_alphas = num_alphas
        self.arrays: dict[str, np.ndarray] = {}
        self._read = np.zeros(len(dataset), bool)

    def put(
        self,
        arrays: dict[str, np.ndarray],
        index: Int[np.ndarray, " B"],
        mask: Bool[np.ndarray, " B"],
    ) -> int:
        """Store the outputs of a batch.

        Args:
          arrays: ``[A, B, ...]`` by name. Of the ``logits`` of a projected set only the first C,
            those of its classes, are stored.
          index: The rows' positions in the dataset; -1 past its end.
          mask: Which rows hold an image that could be read.

        Returns:
          How many examples the batch had, readable or not.
        """
        positions = index[mask]
        assert not self._read[positions].any(), "an example was counted twice"
        self._read[positions] = True
        for name, values in arrays.items():
            if name == "logits" and self._dataset.projection is not None:
                values = values[..., : len(self._dataset.class_names)]
            if name not in self.arrays:
                assert name == "logits" or len(values) == self._num_alphas, name
                shape = (len(values), len(self._dataset), *values.shape[2:])
                self.arrays[name] = np.zeros(shape, values.dtype)
            self.arrays[name][:, positions] = values[:, mask]
        return int(np.sum(index >= 0))

    @property
    def read(self) -> Int[np.ndarray, " M"]:
        """The positions of the examples that could be read, rising.

        Raises:
          InputError: If there is none, or none with a label.
        """
        dataset, read = self._dataset, np.flatnonzero(self._read)
        if len(read) == 0:
            raise InputError(f"{dataset.name}: none of its {len(dataset)} images can be read")
        if not (dataset.labels[read] >= 0).any():
            raise InputError(f"{dataset.name}: none of its labelled images can be read")
        return read

    def predictions(
        self,
        alphas: tuple[float, ...],
        skipped: list[str],
        model: str = "",
        logit_alphas: tuple[float, ...] | None = None,
    ) -> Predictions:
        """Return what was read, in the dataset's order; once, as the arrays aren't copied.

        Args:
          alphas: What the first axis stands for.
          skipped: ``"id: reason"`` of the bad images that this process met.
          model: One of several models, to name in warnings; what holds for all of them isn't told.
          logit_alphas: What the first axis of ``logits`` stands for; the same when None.

        Raises:
          InputError: As ``read``.
        """
        dataset, read = self._dataset, self.read
        arrays = {name: compacted(array, read) for name, array in self.arrays.items()}
        labels = np.asarray(dataset.labels[read], np.int32)
        top1 = dataset.as_labelled(arrays["top1"], read)
        usable = ~np.isnan(arrays["margin"]) & (labels >= 0)[None]
        if not model:
            _tell_what_has_no_label(dataset.name, labels)
        names = [f"with {model}"] if model else [f"at alpha = {alpha:g}" for alpha in alphas]
        _tell_what_is_not_finite(dataset.name, arrays["margin"], names)
        return Predictions(
            dataset=dataset.name,
            split=dataset.split,
            role=dataset.role,
            alphas=alphas,
            top1=top1,
            correct=(top1 == labels[None]) & usable,
            margin=arrays["margin"],
            labels=labels,
            ids=tuple(dataset.id(int(position)) for position in read),
            logits=arrays.get("logits"),
            logit_alphas=logit_alphas if "logits" in arrays else None,
            entropy=arrays.get("entropy"),
            skipped=(*dataset.skipped, *self._skipped_anywhere(skipped)),
            scoring=self._scoring(read),
            class_names=() if dataset.projection is None else tuple(dataset.class_names),
        )

    def _scoring(self, read: np.ndarray) -> SetScoring | None:
        scoring = self._dataset.scoring
        if scoring is None:
            return None
        if len(read) < len(self._dataset):
            scoring = scoring.subset(read)
        if scoring.cut:
            logger.warning(
                "%s: %d of %d sets of frames aren't whole, and count in neither pm0 nor pm10",
                self._dataset.name, scoring.cut, scoring.cut + len(scoring.frame_sets),
            )  # fmt: skip
        return scoring

    def _skipped_anywhere(self, skipped: list[str]) -> list[str]:
        """Return ``"id: reason"`` of the bad images that any process met; a collective."""
        missing = [self._dataset.id(int(position)) for position in np.flatnonzero(~self._read)]
        if not missing:  # the same in every process: all of them read all outputs
            return []
        lines = [line for each in gather_json(skipped) for line in each]
        return [next(line for line in lines if line.startswith(f"{name}: ")) for name in missing]


def compacted(array: np.ndarray, read: Int[np.ndarray, " M"]) -> np.ndarray:
    """Return ``array[:, read]`` in the memory of ``array``, which is spent then.

    Args:
      array: ``[A, N, ...]``, in C order.
      read: Positions among the N, rising.
    """
    rows, count = array.shape[0], len(read)
    if count == array.shape[1]:
        return array
    assert array.flags.c_contiguous
    flat = array.reshape(-1, *array.shape[2:])
    for row in range(rows):  # where it is written to nothing is left to read
        flat[row * count : (row + 1) * count] = array[row, read]
    return flat[: rows * count].reshape(rows, count, *array.shape[2:])


def _tell_what_has_no_label(dataset: str, labels: np.ndarray) -> None:
    unlabelled = int(np.sum(labels < 0))
    if unlabelled:
        logger.warning("%s: %d images have no label and don't count", dataset, unlabelled)


def _tell_what_is_not_finite(dataset: str, margin: np.ndarray, names: list[str]) -> None:
    for name, invalid in zip(names, np.isnan(margin).sum(axis=1), strict=True):
        if invalid:
            logger.warning(
                "%s: the logits of %d images are not finite %s; they count as wrong",
                dataset,
                invalid,
                name,
            )
