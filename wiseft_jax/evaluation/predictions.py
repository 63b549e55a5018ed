"""What a model predicted on a dataset at each alpha: enough to compute any metric again."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import numpy as np
from jaxtyping import Bool, Float32, Int32

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_bytes
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.older_roles import role_of_older
from wiseft_jax.core.results import Row, accuracy_row, score_row
from wiseft_jax.core.run_directory import PREDICTIONS_DIR
from wiseft_jax.core.scoring import Predicted, SetScoring
from wiseft_jax.core.typing import Role, Split
from wiseft_jax.core.writers import atomic_open
from wiseft_jax.evaluation.mapped import let_go, read_arrays, write_arrays

logger = logging.getLogger(__name__)

_FORMAT = 4
"""1: compressed, ``correct`` in bytes; 2: no ``logit_alphas``; 3: matched references are shifts."""
_LONGEST_NAME = 200
_ARRAYS = ("alphas", "top1", "correct", "margin", "labels", "ids", "skipped")
_FACTS = ("dataset", "split", "role")


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predictions of ``A`` alphas on the ``N`` readable examples of a dataset, in its order.

    Attributes:
      dataset: The dataset's name.
      split: Its split.
      role: Its role.
      alphas: The A mixing coefficients, rising.
      top1: int32[A, N], the class of the largest logit (of equals the first); the label where it is
        another class that counts as right too; ``core.projection.NO_CLASS`` where the largest logit
        stands for no class of a projected set.
      correct: bool[A, N], whether that is the label; False where a logit is not finite, or where
        there is no label.
      margin: float32[A, N], largest logit minus the second largest, >= 0 (inf with one class, NaN
        where a logit is not finite); one with a small margin is one that rounding can change.
      labels: int32[N], -1 for an example without a label; it doesn't count in accuracies.
      ids: The N ids (paths or records).
      logits: float32[L, N, K] at L of the alphas, if they were asked for; ``logits_at`` reads them.
      skipped: ``"id: reason"`` of the images that could not be read; they aren't among the N.
      entropy: float32[A, N], of the softmax, in nats (``evaluation.entropy``); None in files of
        versions that didn't store it.
      scoring: How they are scored beside top-1; None: not otherwise.
      logit_alphas: The L alphas of ``logits``; None: all of ``alphas``.
      class_names: The classes that labels count, where they aren't the classifier's; else (), as
        in files of versions that didn't store them.
    """

    dataset: str
    split: Split
    role: Role
    alphas: tuple[float, ...]
    top1: Int32[np.ndarray, "A N"]
    correct: Bool[np.ndarray, "A N"]
    margin: Float32[np.ndarray, "A N"]
    labels: Int32[np.ndarray, " N"]
    ids: tuple[str, ...]
    logits: Float32[np.ndarray, "L N K"] | None = None
    skipped: tuple[str, ...] = ()
    entropy: Float32[np.ndarray, "A N"] | None = None
    scoring: SetScoring | None = None
    logit_alphas: tuple[float, ...] | None = None
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """How many classes it has: those of its own list, else those that images are labelled."""
        known = self.labels[self.labels >= 0]
        return len(self.class_names) or len(np.unique(known))

    def accuracy(self, index: int) -> Accuracy:
        """Return the exact counts at ``alphas[index]``, over the labelled examples.

        Example:
          >>> evaluate(classifier, theta_1, test).accuracy(0).compute()
          0.958
        """
        return Accuracy.of(self.correct[index, self.labels >= 0])

    def logits_at(self, alpha: float) -> Float32[np.ndarray, "N K"]:
        """Return the stored logits at one alpha; of a projected set those of its classes.

        Args:
          alpha: One of ``alphas``; compared as float32, in which they are evaluated.

        Raises:
          InputError: If it isn't one of ``alphas``, or if none are stored there.
        """
        if _place(self.alphas, alpha) is None:
            raise InputError(
                f"{self.dataset}: expected an alpha of {_listed(self.alphas)}, found {alpha:g}"
            )
        stored = self.alphas if self.logit_alphas is None else self.logit_alphas
        place = _place(stored, alpha)
        if self.logits is None or place is None:
            found = "none" if self.logits is None else f"those at {_listed(stored)} alone"
            raise InputError(
                f"{self.dataset}: expected stored logits at alpha {alpha:g}, found {found}; store"
                " them with: wiseft sweep RUN --sweep.keep-logits all"
            )
        return self.logits[place]

    def let_logits_go(self) -> None:
        """Let the system take back the memory of logits that are mapped from a file."""
        if self.logits is not None:
            let_go(self.logits)

    def rows(self, config_hash: str = "") -> list[Row]:
        """Return the result rows: top-1 at each alpha, then what else the set is scored by."""
        return self.top1_rows(config_hash) + self.score_rows(config_hash)

    def top1_rows(self, config_hash: str = "") -> list[Row]:
        """Return one row of top-1 accuracy for each alpha."""
        return [
            accuracy_row(
                self.accuracy(index),
                dataset=self.dataset,
                split=self.split,
                role=self.role,
                alpha=alpha,
                config_hash=config_hash,
            )
            for index, alpha in enumerate(self.alphas)
        ]

    def score_rows(self, config_hash: str = "") -> list[Row]:
        """Return the rows of the set's own metrics, for each alpha."""
        scoring = self.scoring
        if scoring is None:
            return []
        rows = []
        for index, alpha in enumerate(self.alphas):
            for metric, score in scoring.scores(self.predicted(index)).items():
                group = None if score.group is None else scoring.group_names[score.group]
                rows.append(
                    score_row(
                        score,
                        metric=metric,
                        group=group,
                        dataset=self.dataset,
                        split=self.split,
                        role=self.role,
                        alpha=alpha,
                        config_hash=config_hash,
                    )
                )
        return rows

    def predicted(self, index: int) -> Predicted:
        """Return what scores at ``alphas[index]`` are made from."""
        return Predicted(self.top1[index], self.correct[index], self.labels)

    def save(self, directory: Path | str) -> Path:
        """Write ``directory/<dataset>.npz``, atomically and without pickle, and return its path.

        Arrays are stored as they are, so that ``load`` can map them; ``correct`` as bits, eight
        examples a byte.
        """
        path = Path(directory) / predictions_file(self.dataset)
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name)) for name in _FACTS}
        arrays |= {
            "format": np.asarray(_FORMAT),
            "alphas": np.asarray(self.alphas, np.float64),
            "ids": np.asarray(self.ids, np.str_),
            "skipped": np.asarray(self.skipped, np.str_),
        }
        arrays |= {name: getattr(self, name) for name in ("top1", "margin", "labels")}
        arrays["correct"] = np.packbits(self.correct, axis=1)
        optional = {"logits": self.logits, "entropy": self.entropy}
        if self.logits is not None and self.logit_alphas is not None:
            arrays["logit_alphas"] = np.asarray(self.logit_alphas, np.float64)
        arrays |= {name: array for name, array in optional.items() if array is not None}
        arrays |= {} if self.scoring is None else self.scoring.arrays()
        if self.class_names:
            arrays["class_names"] = np.asarray(self.class_names, np.str_)
        with atomic_open(path) as file:
            write_arrays(file, arrays)
        return path

    @classmethod
    def load(cls, path: Path | str, *, again: str = "") -> Predictions:
        """Read what ``save`` wrote; arrays of alphas and examples are mapped, read-only.

        A file that is mapped may be replaced by ``save``, which renames, but not written into. The
        older format, compressed, is read whole.

        Args:
          path: The file.
          again: The command that makes it again, for messages.

        Raises:
          InputError: If the file is missing, damaged, or of a newer format.
        """
        mend = f"; make it again: {again}" if again else ""
        try:
            arrays = read_arrays(path)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file{mend}") from None
        except Exception as error:  # zipfile, zlib and numpy raise many kinds on damaged bytes
            raise InputError(
                f"{path}: can't be read as predictions: expected an npz file as a sweep writes it,"
                f" found {_found(path)} ({error}){mend}"
            ) from error
        missing = [name for name in (*_FACTS, *_ARRAYS, "format") if name not in arrays]
        if missing:
            listed = ", ".join(missing)
            raise InputError(f"{path}: not a file of predictions: {listed} missing{mend}")
        if int(arrays["format"]) > _FORMAT:
            raise InputError(f"{path}: written by a newer version; upgrade wiseft-jax")
        correct = arrays["correct"]
        if correct.dtype != np.bool_:  # format 1 has a byte for each
            correct = np.unpackbits(correct, axis=1, count=len(arrays["labels"])).astype(bool)
        _check_shapes(path, arrays | {"correct": correct}, mend)
        logit_alphas = arrays.get("logit_alphas")
        dataset, role = str(arrays["dataset"]), cast(Role, str(arrays["role"]))
        return cls(
            dataset=dataset,
            split=cast(Split, str(arrays["split"])),
            role=role if int(arrays["format"]) > 3 else role_of_older(dataset, role),
            alphas=tuple(arrays["alphas"].tolist()),
            top1=arrays["top1"],
            correct=correct,
            margin=arrays["margin"],
            labels=arrays["labels"],
            ids=tuple(arrays["ids"].tolist()),
            logits=arrays.get("logits"),
            skipped=tuple(arrays["skipped"].tolist()),
            entropy=arrays.get("entropy"),
            scoring=SetScoring.of_arrays(arrays),
            logit_alphas=None if logit_alphas is None else tuple(logit_alphas.tolist()),
            class_names=tuple(arrays["class_names"].tolist()) if "class_names" in arrays else (),
        )


def _found(path: Path | str) -> str:
    """Return what a file is that can't be read as predictions."""
    size = Path(path).stat().st_size
    return f"{size:,} bytes, damaged or cut off" if size else "an empty file"


def _check_shapes(path: Path | str, arrays: Mapping[str, np.ndarray], mend: str) -> None:
    """Refuse arrays of other numbers of alphas or examples than the file has."""
    examples, alphas = len(arrays["labels"]), len(arrays["alphas"])
    stored = len(arrays.get("logit_alphas", arrays["alphas"]))
    sizes = {"top1": alphas, "correct": alphas, "margin": alphas, "entropy": alphas}
    for name, size in (sizes | {"logits": stored}).items():
        array, expected = arrays.get(name), (size, examples)
        if name == "logits" and array is not None:
            expected = (*expected, *array.shape[2:3])  # any number of classes
        if array is not None and array.shape != expected:
            raise InputError(
                f"{path}: {name} has the shape {array.shape}, expected {expected}{mend}"
            )


def _place(alphas: tuple[float, ...], alpha: float) -> int | None:
    """Return the place of an alpha among others that are distinct in float32."""
    found = np.flatnonzero(np.asarray(alphas, np.float32) == np.float32(alpha))
    return int(found[0]) if len(found) else None


def _listed(alphas: Iterable[float]) -> str:
    return " ".join(f"{alpha:g}" for alpha in alphas)


def disagreements(found: Predictions, wanted: Predictions) -> list[tuple[float, str, float]]:
    """Return where two runs predict other classes: ``(alpha, id, margin in wanted)``.

    Args:
      found: Predictions.
      wanted: Of the same alphas and examples.

    Raises:
      InputError: If they are of other alphas or examples.
    """
    if (found.alphas, found.ids) != (wanted.alphas, wanted.ids):
        raise InputError(
            f"{found.dataset}: expected predictions of the same alphas and examples, found"
            f" {len(found.alphas)} and {len(wanted.alphas)} alphas, {len(found)} and"
            f" {len(wanted)} examples"
        )
    return [
        (wanted.alphas[row], wanted.ids[column], float(wanted.margin[row, column]))
        for row, column in np.argwhere(found.top1 != wanted.top1)
    ]


def predictions_file(dataset: str) -> str:
    """Return the file name of a dataset's predictions; other names give other files.

    Unsafe characters are escaped; of a long name the end is replaced by a hash.
    """
    safe = quote(dataset, safe=" ,=@+()")
    if len(safe) > _LONGEST_NAME:  # "#" is escaped elsewhere, so no short name ends like this
        safe = f"{safe[: _LONGEST_NAME - 17]}#{hash_bytes(dataset.encode())}"
    return f"{safe}.npz"


def load_predictions(run_dir: Path | str, *, again: str = "") -> dict[str, Predictions]:
    """Return the predictions in a run directory by dataset name, sorted by name.

    Args:
      run_dir: The directory.
      again: The command that makes them again, for messages.

    Raises:
      InputError: If there are none, or a file can't be read.
    """
    directory = Path(run_dir) / PREDICTIONS_DIR
    files = sorted(directory.glob("*.npz"))
    if not files:
        raise InputError(f"{directory}: no predictions; `wiseft sweep` writes them")
    loaded = [Predictions.load(path, again=again) for path in files]
    return {predictions.dataset: predictions for predictions in loaded}


def save_predictions(run_dir: Path | str, predictions: Iterable[Predictions]) -> None:
    """Write each dataset's predictions under ``run_dir/predictions``; remove those of others."""
    directory = Path(run_dir) / PREDICTIONS_DIR
    written = {each.save(directory) for each in predictions}
    for path in sorted(directory.glob("*.npz")):
        if path not in written:
            path.unlink()
            logger.info("%s: removed, of an earlier sweep", path)
