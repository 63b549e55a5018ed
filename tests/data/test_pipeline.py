from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.builders import pixels, write_folder
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.augmentation import AugmentationConfig
from wiseft_jax.data.decode import BadImageError
from wiseft_jax.data.pipeline import Batch, eval_batches, train_batches
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.data.specs import open_source
from wiseft_jax.data.transforms import eval_transform

PREPROCESS = Preprocess(8, 8)
N = 37


def memory(count: int = N, side: int = 10) -> Dataset:
    images = np.stack([pixels(i, side, side + 2) for i in range(count)])
    return array_dataset(images, np.arange(count) % 3, ("a", "b", "c"))


def take(dataset: Dataset, steps: int, **options) -> list[Batch]:
    options = {"batch_size": 8, "seed": 0, "num_threads": 2, **options}
    with train_batches(dataset, PREPROCESS, **options) as batches:
        return [next(batches) for _ in range(steps)]


def evaluate(dataset: Dataset, **options) -> list[Batch]:
    options = {"batch_size": 8, "num_threads": 2, **options}
    return list(eval_batches(dataset, PREPROCESS, **options))


def assert_same(first: Sequence[Batch], second: Sequence[Batch]) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def interleave(parts: Sequence[Sequence[Batch]]) -> list[Batch]:
    """Put the batches of the processes together: row r is row r // n of process r % n."""
    return [
        {
            name: np.stack([batch[name] for batch in batches], 1).reshape(
                -1, *batches[0][name].shape[1:]
            )
            for name in batches[0]
        }
        for batches in zip(*parts, strict=True)
    ]


def test_a_batch_has_the_promised_arrays():
    (batch,) = take(memory(), 1)
    assert {name: (array.shape, str(array.dtype)) for name, array in batch.items()} == {
        "image": ((8, 8, 8, 3), "uint8"),
        "label": ((8,), "int32"),
        "mask": ((8,), "bool"),
        "index": ((8,), "int64"),
    }
    assert batch["mask"].all()
    np.testing.assert_array_equal(batch["label"], batch["index"] % 3)


@pytest.mark.parametrize("batch_size", [8, 40])
def test_a_batch_is_a_copy_of_its_own(batch_size: int):
    dataset = memory(side=8)
    before = [batch["image"].copy() for batch in evaluate(dataset, batch_size=batch_size)]
    for batch in evaluate(dataset, batch_size=batch_size):
        assert batch["image"].flags.c_contiguous
        batch["image"][:] = 7
    after = [batch["image"] for batch in evaluate(dataset, batch_size=batch_size)]
    np.testing.assert_array_equal(np.concatenate(after), np.concatenate(before))


@pytest.mark.parametrize("threads", [0, 1, 3, 16])
def test_threads_do_not_matter(threads: int):
    assert_same(take(memory(), 7, num_threads=threads), take(memory(), 7, num_threads=2))
    assert_same(evaluate(memory(), num_threads=threads), evaluate(memory(), num_threads=2))


@pytest.mark.parametrize("batch_size", [8, 40])
@pytest.mark.parametrize("start", [1, 4, 11])
def test_a_resume_needs_the_step_alone(start: int, batch_size: int):
    options = {"batch_size": batch_size, "seed": 3}
    expected = take(memory(), start + 3, **options)[start:]
    assert_same(take(memory(), 3, start_step=start, **options), expected)


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("batch_size", [8, 72])
def test_processes_make_the_same_global_batches(processes: int, batch_size: int):
    options = {"batch_size": batch_size, "process_count": processes}
    parts = [take(memory(), 6, process_index=p, **options) for p in range(processes)]
    assert_same(interleave(parts), take(memory(), 6, batch_size=batch_size))
    parts = [evaluate(memory(), process_index=p, **options) for p in range(processes)]
    assert_same(interleave(parts), evaluate(memory(), batch_size=batch_size))


def test_worker_processes_make_the_same_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two spawned workers, files that are read there, a bad one among them, flags not parsed."""
    write_folder(tmp_path, {"a": 12, "b": 11})
    (tmp_path / "a" / "003.png").write_bytes(b"bad")
    source = open_source(f"folder:{tmp_path}")
    dataset = Dataset("files", source, source.labels, on_bad_image="skip")
    flags.FLAGS.unparse_flags()
    options = {"batch_size": 36, "num_threads": 1}
    with train_batches(dataset, PREPROCESS, seed=1, num_workers=2, **options) as batches:
        trained = [next(batches) for _ in range(5)]
    assert len(batches.skipped) == 1
    assert flags.FLAGS.is_parsed()
    assert_same(trained, take(dataset, 5, seed=1, **options))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 17), st.integers(0, 2**40))
def test_every_example_comes_once_an_epoch(count: int, batch_size: int, seed: int):
    dataset = memory(count, 4)
    steps = -(-3 * count // batch_size)
    batches = take(dataset, steps, batch_size=batch_size, seed=seed, num_threads=0)
    order = np.concatenate([batch["index"] for batch in batches])[: 3 * count].reshape(3, count)
    np.testing.assert_array_equal(np.sort(order, 1), np.tile(np.arange(count), (3, 1)))


def test_epochs_and_seeds_differ():
    def order(seed: int) -> np.ndarray:
        return np.concatenate([batch["index"] for batch in take(memory(), 10, seed=seed)])

    first = order(0)
    assert (first[:N] != first[N : 2 * N]).any()
    assert (first != order(1)).any()
    assert (first[:N] != np.arange(N)).any()


def test_crops_differ_between_epochs():
    dataset = memory(1, 20)
    images = np.concatenate(
        [
            batch["image"]
            for batch in take(dataset, 2, augmentation=AugmentationConfig(crop_scale=(0.2, 0.8)))
        ]
    )
    assert len(np.unique(images.reshape(16, -1), axis=0)) > 10


@pytest.mark.parametrize("seed", range(25))
def test_evaluation_counts_every_example_exactly_once(seed: int):
    """Drawn here, not by Hypothesis: it objects to threads of a pipeline that use ``random``."""
    rng = np.random.default_rng(seed)
    count, local = int(rng.integers(1, 41)), int(rng.integers(1, 18))
    processes = int(rng.choice([1, 2, 4]))
    dataset = memory(count, 4)
    seen = []
    steps = set()
    for process in range(processes):
        batches = evaluate(
            dataset,
            batch_size=local * processes,
            process_index=process,
            process_count=processes,
            num_threads=0,
        )
        steps.add(len(batches))
        for batch in batches:
            assert len(batch["label"]) == local
            np.testing.assert_array_equal(batch["mask"], batch["index"] >= 0)
            np.testing.assert_array_equal(batch["label"] == -1, ~batch["mask"])
            assert not batch["image"][~batch["mask"]].any()
            seen += batch["index"][batch["mask"]].tolist()
    assert sorted(seen) == list(range(count))
    assert steps == {-(-count // (local * processes))}


def test_evaluation_is_in_order_with_evaluation_pixels():
    dataset = memory()
    batches = evaluate(dataset, batch_size=5)
    index = np.concatenate([batch["index"] for batch in batches])
    np.testing.assert_array_equal(index[:N], np.arange(N))
    transform = eval_transform(PREPROCESS)
    for position in (0, 17, N - 1):
        batch, row = divmod(position, 5)
        expected = transform(Image.fromarray(dataset.source.read(position)))
        np.testing.assert_array_equal(batches[batch]["image"][row], expected)


def test_subsets_are_read_through_their_indices():
    dataset = memory().subset(np.array([30, 2, 5]))
    (batch,) = evaluate(dataset, batch_size=4)
    assert batch["label"].tolist() == [30 % 3, 2 % 3, 5 % 3, -1]
    assert batch["index"].tolist() == [0, 1, 2, -1]


def test_images_without_labels_count():
    dataset = dataclasses.replace(memory(5), labels=np.full(5, -1))
    (batch,) = evaluate(dataset)
    assert batch["mask"].tolist() == [True] * 5 + [False] * 3


@pytest.fixture
def with_bad(tmp_path: Path) -> Dataset:
    write_folder(tmp_path, {"a": 6, "b": 6})
    (tmp_path / "a" / "002.png").write_bytes(b"")
    (tmp_path / "b" / "004.png").write_bytes(b"nonsense")
    source = open_source(f"folder:{tmp_path}")
    (tmp_path / "b" / "001.png").unlink()
    return Dataset("files", source, source.labels, on_bad_image="skip")


BAD_POSITIONS = [2, 7, 10]


def test_evaluation_masks_bad_images_and_lists_them(
    with_bad: Dataset, caplog: pytest.LogCaptureFixture
):
    with eval_batches(with_bad, PREPROCESS, batch_size=16, num_threads=2) as batches:
        (batch,) = list(batches)
    bad = (batch["index"] >= 0) & ~batch["mask"]
    assert np.flatnonzero(bad).tolist() == BAD_POSITIONS
    assert (batch["label"][bad] == -1).all()
    assert [line.split(": ", 1)[1] for line in batches.skipped] == [
        "the file is empty",
        "can't be read (No such file or directory)",
        "not an image that Pillow can read",
    ]
    assert caplog.text.count("bad image skipped") == 3


def test_training_draws_another_image_deterministically(with_bad: Dataset):
    first = take(with_bad, 6, seed=5)
    assert_same(first, take(with_bad, 6, seed=5, num_threads=0))
    assert_same(first[3:], take(with_bad, 3, seed=5, start_step=3))
    index = np.concatenate([batch["index"] for batch in first])
    assert not np.isin(index, BAD_POSITIONS).any()
    np.testing.assert_array_equal(
        np.concatenate([batch["label"] for batch in first]), with_bad.labels[index]
    )
    assert all(batch["mask"].all() for batch in first)


def test_training_lists_each_skipped_image_once(with_bad: Dataset):
    with train_batches(with_bad, PREPROCESS, batch_size=12, seed=0, num_threads=2) as batches:
        for _ in range(4):
            next(batches)
    assert len(batches.skipped) == 3


@pytest.mark.parametrize("kind", ["train", "eval"])
def test_stop_names_the_path(with_bad: Dataset, kind: str):
    dataset = dataclasses.replace(with_bad, on_bad_image="stop")
    with pytest.raises(BadImageError) as info:
        take(dataset, 4) if kind == "train" else evaluate(dataset)
    assert info.value.where in [dataset.id(position) for position in BAD_POSITIONS]


def test_a_dataset_of_bad_images_alone_gives_up(with_bad: Dataset):
    dataset = with_bad.subset(np.array(BAD_POSITIONS))
    with pytest.raises(InputError, match="bad images drawn in a row"):
        take(dataset, 1)


def test_an_image_that_recovers_is_still_reported(
    with_bad: Dataset, monkeypatch: pytest.MonkeyPatch
):
    failures = iter([True])
    read = type(with_bad.source).read

    def flaky(self, index: int) -> bytes:
        if index == 0 and next(failures, False):
            raise OSError(5, "Input/output error")
        return read(self, index)

    monkeypatch.setattr(type(with_bad.source), "read", flaky)
    dataset = dataclasses.replace(with_bad.subset(np.array([0, 1])), on_bad_image="stop")
    with pytest.raises(BadImageError, match=r"000\.png: could not be read a moment ago"):
        evaluate(dataset)


def test_a_closed_iterator_is_at_its_end():
    batches = train_batches(memory(), PREPROCESS, batch_size=4, seed=0)
    next(batches)
    batches.close()
    batches.close()
    assert next(batches, None) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch size 0"),
        ({"batch_size": 6, "process_count": 4}, "multiple of the 4 processes"),
        ({"process_index": 2, "process_count": 2}, "process 2 is not one of 2"),
        ({"seed": -1}, "seed"),
        ({"start_step": -1}, "start_step"),
        ({"num_threads": -1}, "threads"),
        ({"num_workers": -1}, "workers"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options: dict[str, int], message: str):
    with pytest.raises(InputError, match=message):
        take(memory(), 1, **options)


def test_an_empty_dataset_is_refused():
    empty = memory().subset(np.array([], np.int64), name="nothing")
    with pytest.raises(InputError, match="nothing: there are no images"):
        evaluate(empty)
