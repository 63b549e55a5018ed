"""Ask a model about every foreground on every background: the matrix of the challenge.

Rows are worked through in blocks. A block's foregrounds and masks lie on the devices; backgrounds
stream past them, each read and moved once a block. A forward pass gathers some of the block's
foregrounds, puts them on a chunk of backgrounds and answers, in one compiled function of fixed
shapes. It is this way round, not foregrounds past backgrounds, because a foreground is what an
early exit leaves out and what a rate is taken over: a block's rows are complete when it is.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Int32, Integer, UInt8

from wiseft_jax.backgrounds.attack_config import BLOCK_ROWS, AttackConfig
from wiseft_jax.backgrounds.attack_files import AttackFiles, Block
from wiseft_jax.backgrounds.attack_images import AttackImages
from wiseft_jax.backgrounds.challenge import UNTRIED
from wiseft_jax.backgrounds.composition import compose
from wiseft_jax.backgrounds.predictor import Predictor
from wiseft_jax.core.errors import InputError, Interrupted
from wiseft_jax.core.interrupt import same_command
from wiseft_jax.core.mesh import batch_sharding, make_mesh, replicated, round_up_to_devices
from wiseft_jax.core.progress import progress_bar

logger = logging.getLogger(__name__)

_MOST_OF_A_BYTE = 127


@dataclasses.dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix, and how long it took.

    Attributes:
      predictions: int8[F, B], int16 with many classes; -1 outside of the classes, ``UNTRIED``.
      pairs: Forward passes of this call: pairs, without what fills chunks up.
      secs: Of them, reading included and compiling not.
      compile_secs: What compiling took.
    """

    predictions: Integer[np.ndarray, "F B"]
    pairs: int
    secs: float
    compile_secs: float


class PairForward:
    """The compiled ``foregrounds x backgrounds -> answers``, for one shape.

    Models that share ``logits`` can share it: parameters are an argument.

    Args:
      predictor: Whose ``answers`` it computes.
      config: Sizes of the chunks; that of foregrounds is rounded up to the devices.
      mesh: Foregrounds of a chunk are split over its batch axes; all devices by default.

    Raises:
      InputError: If there are several processes.
    """

    def __init__(
        self, predictor: Predictor, config: AttackConfig = AttackConfig(), mesh: Mesh | None = None
    ) -> None:
        if jax.process_count() > 1:
            found = jax.process_count()
            raise InputError(f"an attack runs in one process, and there are {found}")
        self.mesh = make_mesh() if mesh is None else mesh
        self.rows = round_up_to_devices(config.chunk_foregrounds, self.mesh)
        self.columns = config.chunk_backgrounds
        self.block_rows = -(-BLOCK_ROWS // self.rows) * self.rows
        self.size = predictor.preprocess.size
        self.compile_secs = 0.0
        self._jitted = jax.jit(functools.partial(pair_answers, predictor.answers, self.mesh))
        self._compiled: Callable[..., Any] | None = None

    def place(self, tree: Any) -> Any:
        """Return host arrays on every device."""
        return jax.device_put(tree, replicated(self.mesh))

    def __call__(
        self, params: Any, front: Sequence[Any], rows: Sequence[int], backgrounds: Any, of: int
    ) -> Any:
        """Return int32[rows, columns] on the devices, ``UNTRIED`` where the chunk is filled up.

        Args:
          params: What ``place`` returned.
          front: Foregrounds uint8[block_rows, S, S, 3] and their masks, placed.
          rows: Which of them, at most ``self.rows``.
          backgrounds: uint8[columns, S, S, 3], placed.
          of: How many of the backgrounds count.
        """
        padded = np.full(self.rows, -1, np.int32)
        padded[: len(rows)] = rows
        placed = jax.device_put(padded, batch_sharding(self.mesh))
        arguments = (params, *front, placed, backgrounds, self.place(np.int32(of)))
        if self._compiled is None:
            started = time.monotonic()
            self._compiled = self._jitted.lower(*arguments).compile()
            self.compile_secs = time.monotonic() - started
        return self._compiled(*arguments)


def pair_answers(
    answers: Callable[[Any, Any], Any],
    mesh: Mesh,
    params: Any,
    images: UInt8[Array, "R S S 3"],
    masks: Bool[Array, "R S S"],
    rows: Int32[Array, " F"],
    backgrounds: UInt8[Array, "B S S 3"],
    of: Int32[Array, ""],
) -> Int32[Array, "F B"]:
    """Return the answers for some foregrounds on some backgrounds; traceable.

    Args:
      answers: ``(params, uint8[N, S, S, 3]) -> int32[N]``.
      mesh: Its batch axes split the foregrounds.
      params: Of ``answers``.
      images: The foregrounds of a block.
      masks: True where their objects are.
      rows: Which of them; -1 fills up.
      backgrounds: Only-BG-T images.
      of: How many of the backgrounds count.
    """
    mixed = compose(images[rows][:, None], masks[rows][:, None], backgrounds[None], "mixed_rand")
    flat = mixed.reshape(-1, *mixed.shape[2:])
    flat = jax.lax.with_sharding_constraint(flat, batch_sharding(mesh))
    found = answers(params, flat).reshape(len(rows), len(backgrounds))
    counts = (rows >= 0)[:, None] & (jnp.arange(len(backgrounds)) < of)[None]
    return jnp.where(counts, found, UNTRIED)


def attack_identity(
    predictor: Predictor, images: AttackImages, config: AttackConfig
) -> dict[str, Any]:
    """Return what decides a matrix, for ``AttackFiles.prepare``.

    Args:
      predictor: The model.
      images: What ``sampled`` returned.
      config: The options; sizes of chunks decide nothing.
    """
    preprocess = dataclasses.asdict(predictor.preprocess)
    return {
        "model": {
            "name": predictor.name,
            "protocol": predictor.protocol,
            "weights": predictor.weights,
            "alpha": predictor.alpha,
            "preprocess": {name: _plain(value) for name, value in preprocess.items()},
        },
        "images": images.identity(),
        "options": {
            name: getattr(config, name)
            for name in ("foregrounds", "backgrounds", "seed", "early_exit")
        },
    }


def attack_matrix(
    predictor: Predictor,
    images: AttackImages,
    config: AttackConfig = AttackConfig(),
    *,
    files: AttackFiles | None = None,
    forward: PairForward | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Matrix:
    """Return the answers for every foreground on every background, as far as they aren't stored.

    With ``config.early_exit`` a foreground's row ends with its first wrong answer, whatever the
    sizes of the chunks; the rest stays ``UNTRIED``.

    Args:
      predictor: The model.
      images: What ``sampled`` returned.
      config: How.
      files: Where blocks are read and written, after ``prepare``; None keeps them in memory.
      forward: Of this model, or of one with the same ``logits``.
      stop: Asked before every forward pass; true saves and leaves.

    Raises:
      InputError: If the model has another number of classes, or an image can't be read.
      Interrupted: If ``stop`` said so.
    """
    found, expected = len(predictor.class_names), len(images.class_names)
    if found != expected:
        raise InputError(
            f"{predictor.name}: has {found} classes, and {images.name} has {expected}"
            f" ({', '.join(images.class_names[:3])}, ...); give a model of the same classes"
        )
    images.warn_of_size(predictor.preprocess)
    work = _Work(predictor, images, config, files, forward or PairForward(predictor, config), stop)
    blocks = list(work.blocks())
    left = work.total - sum(work.settled(block) for block in blocks)
    with progress_bar("pairs", left, "pairs") as advance:
        for block in blocks:
            work.fill(block, advance)
    predictions = np.concatenate([block.predictions for block in blocks])
    return Matrix(predictions, work.pairs, work.secs, work.forward.compile_secs)


class _Work:
    """One call's: where it is, and what it took."""

    def __init__(
        self,
        predictor: Predictor,
        images: AttackImages,
        config: AttackConfig,
        files: AttackFiles | None,
        forward: PairForward,
        stop: Callable[[], bool],
    ) -> None:
        self.predictor, self.images, self.config = predictor, images, config
        self.files, self.forward, self.stop = files, forward, stop
        self.width = len(images.backgrounds)
        self.total = len(images.foregrounds) * self.width
        self.pairs, self.secs, self.done = 0, 0.0, 0
        self.params: Any = None

    def blocks(self) -> Iterator[Block]:
        """Yield every block, as far as it is stored."""
        dtype = np.int8 if len(self.images.class_names) <= _MOST_OF_A_BYTE else np.int16
        count = len(self.images.foregrounds)
        for start in range(0, count, BLOCK_ROWS):
            rows = min(BLOCK_ROWS, count - start)
            fresh = Block(start, np.full((rows, self.width), UNTRIED, dtype))
            stored = None if self.files is None else self.files.read_block(start, rows, self.width)
            yield fresh if stored is None else stored

    def settled(self, block: Block) -> int:
        """Return how many pairs of a block are settled."""
        return block.settled(self.classes(block), self.config.early_exit)

    def classes(self, block: Block) -> np.ndarray:
        """Return the labels of a block's foregrounds."""
        return self.images.foregrounds.labels[block.start :][: len(block.predictions)]

    def fill(self, block: Block, advance: Callable[[int], None]) -> None:
        """Try what isn't settled, and save it."""
        before = self.settled(block)
        if before == block.predictions.size:
            return
        started = saved = time.monotonic()
        compiled = self.forward.compile_secs
        if self.params is None:
            self.params = self.forward.place(self.predictor.params)
        placed = self._place_foregrounds(block)
        with concurrent.futures.ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self._read, block.columns)
            while (alive := self._alive(block)) and block.columns < self.width:
                columns = self._chunk(block.columns)
                backgrounds = self.forward.place(coming.result())
                if columns.stop < self.width:
                    coming = reader.submit(self._read, columns.stop)
                if not self._try(block, alive, columns, placed, backgrounds):
                    self._leave(block)
                block.columns = columns.stop
                now = self.settled(block)
                advance(now - before)
                before = now
                if time.monotonic() - saved >= self.config.save_every_secs:
                    self._save(block)
                    saved = time.monotonic()
        block.columns = self.width
        self._save(block)
        compiled = self.forward.compile_secs - compiled
        self.secs += time.monotonic() - started - compiled

    def _place_foregrounds(self, block: Block) -> tuple[Any, Any]:
        rows = block.start + np.arange(len(block.predictions))
        images, masks = self.images.read_foregrounds(rows.tolist(), self.predictor.preprocess)
        images, masks = (_filled(each, self.forward.block_rows) for each in (images, masks))
        return self.forward.place(images), self.forward.place(masks)

    def _chunk(self, start: int) -> range:
        return range(start, min(start + self.forward.columns, self.width))

    def _read(self, start: int) -> np.ndarray:
        read = self.images.read_backgrounds(self._chunk(start), self.predictor.preprocess)
        return _filled(read, self.forward.columns)

    def _alive(self, block: Block) -> list[int]:
        """Return the rows that need the columns to come."""
        if not self.config.early_exit:
            return list(range(len(block.predictions)))
        return np.flatnonzero(~block.broken(self.classes(block))).tolist()

    def _try(
        self, block: Block, alive: list[int], columns: range, placed: Any, backgrounds: Any
    ) -> bool:
        """Answer a chunk of backgrounds for the given rows; False if it was stopped amid them.

        The next pass is under way while an answer is fetched.
        """
        found = np.full((len(block.predictions), len(columns)), UNTRIED, block.predictions.dtype)
        waiting: list[tuple[list[int], Any]] = []
        for start in range(0, len(alive), self.forward.rows):
            if self.stop():
                return False
            rows = alive[start : start + self.forward.rows]
            answered = self.forward(self.params, placed, rows, backgrounds, len(columns))
            waiting.append((rows, answered))
            if len(waiting) > 1:
                _fetch(waiting.pop(0), found)
        _fetch(waiting.pop(), found)
        self.pairs += len(alive) * len(columns)
        if self.config.early_exit:
            _forget_after_wrong(found, self.classes(block))
        block.predictions[alive, columns.start : columns.stop] = found[alive]
        return True

    def _save(self, block: Block) -> None:
        if self.files is not None:
            self.files.write_block(block)

    def _leave(self, block: Block) -> None:
        """Save, and say how to go on."""
        self._save(block)
        if self.files is None:
            raise Interrupted("stopped by a signal; nothing is stored")
        raise Interrupted(
            f"stopped by a signal; what was tried is in {self.files.path}; to continue:"
            f" {same_command(sys.argv)}"
        )


def _fetch(waiting: tuple[list[int], Any], found: np.ndarray) -> None:
    rows, answered = waiting
    found[rows] = np.asarray(answered)[: len(rows), : found.shape[1]]


def _forget_after_wrong(found: np.ndarray, fg_class: np.ndarray) -> None:
    """Leave each row untried after its first wrong answer, as if it had been asked one by one."""
    wrong = (found != UNTRIED) & (found != fg_class[:, None])
    before = np.cumsum(wrong, axis=1) - wrong
    found[before > 0] = UNTRIED


def _filled(array: np.ndarray, count: int) -> np.ndarray:
    """Return an array of ``count`` rows, the last one repeated."""
    missing = count - len(array)
    return np.concatenate([array, array[-1:].repeat(missing, 0)]) if missing else array


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
