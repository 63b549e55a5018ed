"""Stored predictions: counts, rows, and a round trip through npz without pickle."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import PREDICTIONS_DIR
from wiseft_jax.evaluation.predictions import (
    Predictions,
    disagreements,
    load_predictions,
    predictions_file,
    save_predictions,
)


def predictions(name="test", logits=False, entropy=True, **changes):
    rng = np.random.default_rng(0)
    top1 = np.array([[0, 1, 2, 0], [0, 1, 1, 2]], np.int32)
    labels = np.array([0, 1, 1, -1], np.int32)
    fields = {
        "dataset": name,
        "split": "test",
        "role": "shift",
        "alphas": (0.0, 0.1),
        "top1": top1,
        "correct": top1 == labels[None],
        "margin": rng.random((2, 4), np.float32),
        "labels": labels,
        "ids": ("a/é.png", "b.png", "日本.png", "c"),
        "logits": rng.random((2, 4, 3), np.float32) if logits else None,
        "skipped": ("bad.png: truncated",),
        "entropy": rng.random((2, 4), np.float32) if entropy else None,
    }
    return Predictions(**(fields | changes))


def test_counts_leave_out_examples_without_a_label():
    found = predictions()
    assert len(found) == 4
    assert [(found.accuracy(i).hits, found.accuracy(i).n) for i in (0, 1)] == [(2, 3), (3, 3)]


def test_logits_at_an_alpha_are_given_or_what_is_missing_is_said():
    found = predictions(logits=True)
    assert found.logits is not None
    np.testing.assert_array_equal(found.logits_at(found.alphas[1]), found.logits[1])
    with pytest.raises(InputError, match=r"expected an alpha of .*, found 0\.3"):
        found.logits_at(0.3)
    with pytest.raises(InputError, match=r"found none; store them with: wiseft sweep RUN --sweep"):
        predictions().logits_at(found.alphas[0])
    assert found.logits_at(0.1 + 1e-12) is not None  # the same alpha, to the models


def test_logits_of_some_alphas_come_back_and_the_others_are_refused(tmp_path):
    logits = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
    wanted = dataclasses.replace(predictions(), logits=logits, logit_alphas=(0.1,))
    for found in (wanted, Predictions.load(wanted.save(tmp_path))):
        assert found.logit_alphas == (0.1,)
        np.testing.assert_array_equal(found.logits_at(0.1), logits[0])
        with pytest.raises(InputError, match=r"at alpha 0, found those at 0\.1 alone; .* all$"):
            found.logits_at(0.0)
        with pytest.raises(InputError, match=r"expected an alpha of 0 0\.1, found 0\.3"):
            found.logits_at(0.3)


def test_logits_of_older_files_are_those_of_all_alphas(tmp_path):
    path = predictions(logits=True).save(tmp_path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    assert "logit_alphas" not in arrays
    np.savez(path, **(arrays | {"format": np.asarray(2)}))
    found = Predictions.load(path)
    assert found.logit_alphas is None
    np.testing.assert_array_equal(found.logits_at(0.1), arrays["logits"][1])
    np.savez(path, **(arrays | {"logit_alphas": np.asarray([0.1])}))
    with pytest.raises(InputError, match=r"logits has the shape \(2, 4, 3\), expected \(1, 4, 3\)"):
        Predictions.load(path)


def test_rows_carry_n_interval_and_hash():
    first, second = predictions().rows("abc")
    assert first["value"] == 2 / 3
    assert (first["alpha"], second["alpha"]) == (0.0, 0.1)
    assert first["ci_low"] < 2 / 3 < first["ci_high"]
    assert (second["ci_high"], second["n"]) == (1.0, 3)
    assert {(r["dataset"], r["split"], r["role"], r["config_hash"]) for r in (first, second)} == {
        ("test", "test", "shift", "abc")
    }


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("name", ["test", "imagenet-v2/matched", "été 日本 %41 ..", "A:B*?"])
def test_round_trip(tmp_path, name, logits):
    wanted = predictions(name, logits, entropy=not logits)
    save_predictions(tmp_path, [wanted])
    (found,) = load_predictions(tmp_path).values()
    for field in ("top1", "correct", "margin", "labels", "logits", "entropy"):
        a, b = getattr(found, field), getattr(wanted, field)
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    for field in ("dataset", "split", "role", "alphas", "ids", "skipped"):
        assert getattr(found, field) == getattr(wanted, field)


def test_file_names_stay_in_the_folder_and_differ():
    names = ["a/b", "a%2Fb", "..", "a b", "../../x"]
    files = [predictions_file(name) for name in names]
    assert len(set(files)) == len(names)
    assert not any("/" in file for file in files)


def test_nothing_is_pickled(tmp_path):
    path = predictions().save(tmp_path)
    with np.load(path, allow_pickle=False) as file:
        assert {file[name].dtype.kind for name in file.files} <= set("biufU")


def test_empty_ids_and_nothing_skipped(tmp_path):
    wanted = predictions(skipped=())
    assert Predictions.load(wanted.save(tmp_path)).skipped == ()


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        Predictions.load(tmp_path / "gone.npz")
    with pytest.raises(InputError, match=f"{PREDICTIONS_DIR}: no predictions"):
        load_predictions(tmp_path)
    path = predictions().save(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"test\.npz: can't be read"):
        Predictions.load(path)


def test_other_npz_files_and_newer_formats_are_refused(tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, top1=np.zeros(3))
    with pytest.raises(InputError, match="not a file of predictions: dataset"):
        Predictions.load(other)
    path = predictions().save(tmp_path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **(arrays | {"format": np.asarray(99)}))
    with pytest.raises(InputError, match="newer"):
        Predictions.load(path)


def test_files_without_entropies_are_read(tmp_path):
    """As versions wrote them that stored none, in the same format."""
    path = predictions().save(tmp_path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != "entropy"}
    np.savez(path, **arrays)
    assert Predictions.load(path).entropy is None
    np.savez(path, **arrays, entropy=np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match=r"entropy has the shape \(2, 3\), expected \(2, 4\)"):
        Predictions.load(path)


def test_a_projected_sets_classes_are_stored(tmp_path):
    names = ("chair", "日本")
    assert Predictions.load(predictions(class_names=names).save(tmp_path)).class_names == names
    path = predictions().save(tmp_path)
    assert Predictions.load(path).class_names == ()
    with np.load(path) as file:
        assert "class_names" not in file.files


def test_pickled_arrays_are_not_read(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, dataset=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="can't be read"):
        Predictions.load(path)


def test_files_of_an_earlier_sweep_are_removed(tmp_path):
    save_predictions(tmp_path, [predictions("old"), predictions("test")])
    (tmp_path / PREDICTIONS_DIR / "notes.txt").write_text("mine")
    save_predictions(tmp_path, [predictions("test"), predictions("new/set")])
    assert set(load_predictions(tmp_path)) == {"test", "new/set"}
    assert (tmp_path / PREDICTIONS_DIR / "notes.txt").exists()


@pytest.mark.parametrize("letter", ["x", "日"])
def test_long_names_are_kept_apart(tmp_path, letter):
    names = [letter * 300, letter * 300 + "a", letter * 299]
    save_predictions(tmp_path, [predictions(name) for name in names])
    assert set(load_predictions(tmp_path)) == set(names)
    assert all(len(path.name) <= 204 for path in (tmp_path / PREDICTIONS_DIR).iterdir())


def test_disagreements_are_listed_with_the_margin():
    wanted = predictions()
    top1 = wanted.top1.copy()
    top1[1, 2] = 2
    found = predictions(top1=top1)
    assert disagreements(found, wanted) == [(0.1, "日本.png", float(wanted.margin[1, 2]))]
    assert disagreements(wanted, wanted) == []
    with pytest.raises(InputError, match="same alphas and examples"):
        disagreements(predictions(alphas=(0.0, 0.2)), wanted)


def test_arrays_are_mapped_and_correct_is_packed(tmp_path):
    path = predictions(logits=True).save(tmp_path)
    found = Predictions.load(path)
    for name in ("top1", "margin", "logits"):
        assert isinstance(getattr(found, name), np.memmap)
    with np.load(path, allow_pickle=False) as file:
        assert (file["correct"].dtype, file["correct"].shape) == (np.uint8, (2, 1))


def test_files_of_the_older_format_are_read(tmp_path):
    wanted = predictions()
    path = wanted.save(tmp_path)
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    old = {"correct": wanted.correct, "format": np.asarray(1)}
    np.savez_compressed(path, **(arrays | old))
    found = Predictions.load(path)
    np.testing.assert_array_equal(found.correct, wanted.correct)
    np.testing.assert_array_equal(found.margin, wanted.margin)
    assert found.rows() == wanted.rows()


def test_matched_references_of_older_files_were_shifts(tmp_path):
    name = "imagenet-a-val-classes-val"
    wanted = dataclasses.replace(predictions(), dataset=name, role="shift")
    path = wanted.save(tmp_path)
    assert Predictions.load(path).role == "shift"
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **(arrays | {"format": np.asarray(3)}))
    assert Predictions.load(path).role == "matched_reference"


def test_classes_are_those_of_the_list_or_those_with_a_label():
    found = dataclasses.replace(predictions(), labels=np.array([4, -1, 4, 2], np.int32))
    assert found.num_classes == 2
    assert dataclasses.replace(found, class_names=tuple("abcdefg")).num_classes == 7


def test_arrays_of_other_shapes_are_refused(tmp_path):
    path = predictions().save(tmp_path)
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **(arrays | {"top1": np.zeros((3, 4), np.int32)}))
    with pytest.raises(InputError, match=r"top1 has the shape \(3, 4\), expected \(2, 4\)"):
        Predictions.load(path)
