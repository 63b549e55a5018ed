"""The sweep against evaluating by hand, against its own ends, across backends and devices."""

from __future__ import annotations

import dataclasses
import json
import logging

import jax
import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, dataset
from tests.helpers.compilations import counted_compilations
from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.paired import mcnemar
from wiseft_jax.core.paired_intervals import newcombe
from wiseft_jax.core.results import read_rows, write_rows
from wiseft_jax.evaluation import evaluator
from wiseft_jax.evaluation.evaluator import evaluate
from wiseft_jax.evaluation.sweep import SweepResult, sweep
from wiseft_jax.weights import lerp

ALPHAS = (0.0, 0.25, 0.5, 0.9, 1.0)
OPTIONS = {"batch_size": 8}


@pytest.fixture(scope="module")
def result(tiny) -> SweepResult:
    return sweep(
        tiny.classifier,
        tiny.theta_0,
        tiny.theta_1,
        tiny.datasets,
        ALPHAS,
        config_hash="abc",
        keep_logits=True,
        **OPTIONS,
    )


def test_agrees_with_evaluating_each_merged_model_by_hand(tiny, result):
    images = np.concatenate([data.source.images for data in tiny.datasets])
    ends = np.cumsum([len(data) for data in tiny.datasets])[:-1]
    by_hand = jax.jit(tiny.classifier.logits)
    for index, alpha in enumerate(ALPHAS):
        theta = lerp(tiny.theta_0, tiny.theta_1, alpha)
        parts = np.split(np.asarray(by_hand(theta, images)), ends)
        for data, logits in zip(tiny.datasets, parts, strict=True):
            found = result.predictions[data.name]
            np.testing.assert_allclose(found.logits[index], logits, rtol=0, atol=1e-4)
            clear = np.diff(np.sort(logits, axis=1), axis=1)[:, -1] > 2e-4
            np.testing.assert_array_equal(found.top1[index][clear], logits.argmax(1)[clear])
            assert clear.mean() > 0.5


def test_every_example_counts_once_in_order(tiny, result):
    for data in tiny.datasets:  # 11, 23 and 16 images in batches of 8
        found = result.predictions[data.name]
        assert found.ids == data.source.ids
        np.testing.assert_array_equal(found.labels, data.labels)
        np.testing.assert_array_equal(found.correct, found.top1 == data.labels[None])
    assert [row["n"] for row in result.rows] == [11] * 5 + [23] * 5 + [16] * 5


def test_rows_are_exact_counts_with_their_facts(tiny, result):
    for row in result.rows:
        found = result.predictions[row["dataset"]]
        hits = int(found.correct[ALPHAS.index(row["alpha"])].sum())
        assert row["value"] == hits / row["n"]
        assert row["ci_low"] <= row["value"] <= row["ci_high"]
        assert (row["config_hash"], row["method"], row["metric"]) == ("abc", "direct", "top1")
    assert [row["alpha"] for row in result.rows[:5]] == list(ALPHAS)
    facts = {(row["dataset"], row["split"], row["role"]) for row in result.rows}
    assert facts == {(data.name, data.split, data.role) for data in tiny.datasets}


def test_ends_are_bit_for_bit_those_of_each_model_alone(tiny, result):
    for index, theta in ((0, tiny.theta_0), (-1, tiny.theta_1)):
        for data in tiny.datasets:
            alone = evaluate(tiny.classifier, theta, data, keep_logits=True, **OPTIONS)
            swept = result.predictions[data.name]
            assert alone.accuracy(0) == swept.accuracy(index)
            assert alone.logits[0].tobytes() == swept.logits[index].tobytes()
            assert alone.margin[0].tobytes() == swept.margin[index].tobytes()


def test_ends_of_two_alphas_at_once_are_those_of_each_model(tiny):
    """Up to the rounding of sums: one model alone is another program, not batched over alphas."""
    options = {"chunk_size": 2, "keep_logits": True, **OPTIONS}
    result = sweep(tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets, ALPHAS, **options)
    for index, theta in ((0, tiny.theta_0), (-1, tiny.theta_1)):
        for data in tiny.datasets:
            alone = evaluate(tiny.classifier, theta, data, **options)
            swept = result.predictions[data.name].logits[index]
            scale = np.abs(swept).max()
            np.testing.assert_allclose(alone.logits[0], swept, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("options", [{"backend": "vmap"}, {"chunk_size": 2}, {"backend": "map"}])
def test_backends_and_chunks_agree(tiny, result, options):
    other = sweep(
        tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets, ALPHAS, **options, **OPTIONS
    )
    assert_same(other, result)


@pytest.mark.parametrize(
    "mesh",
    [
        MeshConfig(data=2, fsdp=4, min_shard_elements=64),
        MeshConfig(data=2, alpha=4),
        MeshConfig(data=2, fsdp=2, alpha=2, min_shard_elements=64),
    ],
    ids=["fsdp", "alpha", "all"],
)
def test_split_weights_and_alphas_on_eight_devices_agree(tiny, result, mesh):
    other = sweep(
        tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets, ALPHAS, mesh=mesh, **OPTIONS
    )
    assert_same(other, result)


def test_each_device_evaluates_its_own_alphas(tiny, monkeypatch):
    seen = []
    logits = Classifier.logits

    def spy(self, theta, images):
        jax.debug.inspect_array_sharding(theta["head"]["kernel"], callback=seen.append)
        return logits(self, theta, images)

    monkeypatch.setattr(Classifier, "logits", spy)
    mesh = MeshConfig(data=2, alpha=4)
    ends = (tiny.theta_0, tiny.theta_1)
    sweep(tiny.fresh(), *ends, tiny.datasets[:1], (0.0, 0.5, 1.0), mesh=mesh, **OPTIONS)
    width, classes = tiny.theta_0["head"]["kernel"].shape
    shapes = {sharding.shard_shape((4, width, classes)) for sharding in seen}
    assert shapes == {(1, width, classes)}


def test_one_device_and_eight_devices_agree(tiny, result):
    mesh = make_mesh(1)
    other = sweep(
        tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets, ALPHAS, mesh=mesh, **OPTIONS
    )
    assert_same(other, result)


def assert_same(found: SweepResult, wanted: SweepResult) -> None:
    for name, predictions in wanted.predictions.items():
        other = found.predictions[name]
        np.testing.assert_allclose(other.margin, predictions.margin, rtol=0, atol=2e-4)
        clear = predictions.margin > 2e-4
        np.testing.assert_array_equal(other.top1[clear], predictions.top1[clear])
        assert clear.mean() > 0.9


def test_batches_are_split_over_the_devices_and_weights_are_on_all(tiny, monkeypatch):
    seen = []
    logits = Classifier.logits

    def spy(self, theta, images):
        jax.debug.inspect_array_sharding(images, callback=seen.append)
        return logits(self, theta, images)

    monkeypatch.setattr(Classifier, "logits", spy)
    sweep(tiny.fresh(), tiny.theta_0, tiny.theta_1, tiny.datasets[:1], (0.0, 1.0), **OPTIONS)
    assert seen
    assert all(not sharding.is_fully_replicated for sharding in seen)
    assert {sharding.num_devices for sharding in seen} == {8}


def test_compiles_once_for_all_datasets_alphas_and_evaluate(tiny, monkeypatch):
    traced = []
    logits = Classifier.logits

    def counting(self, theta, images):
        traced.append(images.shape)
        return logits(self, theta, images)

    monkeypatch.setattr(Classifier, "logits", counting)
    classifier = tiny.fresh()
    # Every leaf moves: for ends that share some, the sweep's program merges fewer than evaluate's.
    ends = tiny.theta_0, jax.tree_util.tree_map(lambda leaf: leaf + np.float32(0.1), tiny.theta_0)
    sweep(classifier, *ends, tiny.datasets[:1], (0.5,), **OPTIONS)
    once = len(traced)
    assert once > 0
    sweep(classifier, *ends, tiny.datasets, ALPHAS, **OPTIONS)
    evaluate(classifier, tiny.theta_1, tiny.datasets[2], **OPTIONS)
    assert len(traced) == once


def test_one_compilation_for_each_head_and_shape(tiny):
    """Counted by JAX itself, over datasets of several sizes: the step is compiled once a head."""
    classifier = tiny.fresh()
    sizes = (3, 8, 11, 23)
    datasets = [dataset(count, f"of {count}") for count in sizes]
    with counted_compilations() as first:
        sweep(classifier, tiny.theta_0, tiny.theta_1, datasets, ALPHAS, **OPTIONS)
    assert first.count("step") == 1
    with counted_compilations() as again:
        sweep(classifier, tiny.theta_0, tiny.theta_1, datasets[::-1], (0.0, 0.1), **OPTIONS)
    assert again.count("step") == 0
    wider = [{**end, "head": widened(end["head"])} for end in (tiny.theta_0, tiny.theta_1)]
    other = dataclasses.replace(classifier, class_names=(*NAMES, "other"))
    renamed = [dataclasses.replace(data, class_names=other.class_names) for data in datasets]
    with counted_compilations() as wide:
        sweep(other, *wider, renamed, ALPHAS, **OPTIONS)
    assert wide.count("step") == 1


def widened(head):
    return {
        "kernel": np.pad(head["kernel"], ((0, 0), (0, 1))),
        "bias": np.pad(head["bias"], (0, 1)),
    }


def test_the_next_batch_is_on_its_way_before_results_are_read(tiny, monkeypatch):
    events: list[str] = []
    put, compiled = evaluator.put_batch, evaluator.compiled_step

    class Output:
        """An array that says when it is read."""

        def __init__(self, array):
            self.array = array

        def __array__(self, dtype=None, copy=None):
            if events[-1] != "read":
                events.append("read")
            return np.array(self.array, dtype)

    def putting(batch, mesh):
        events.append("put")
        return put(batch, mesh)

    def compiling(classifier, config):
        step = compiled(classifier, config)
        return lambda *args: {name: Output(array) for name, array in step(*args).items()}

    monkeypatch.setattr(evaluator, "put_batch", putting)
    monkeypatch.setattr(evaluator, "compiled_step", compiling)
    sweep(tiny.classifier, tiny.theta_0, tiny.theta_1, [tiny.datasets[1]], ALPHAS, **OPTIONS)
    assert events == ["put", "put", "read", "put", "read"]


def test_more_alphas_than_one_call_takes(tiny, result):
    alphas = np.linspace(0, 1, 41)
    many = sweep(tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets[:1], alphas, **OPTIONS)
    found, wanted = many.predictions["validation"], result.predictions["validation"]
    assert found.top1.shape == (41, 11)
    for index in (0, 20, 40):
        at = ALPHAS.index(float(alphas[index]))
        assert found.margin[index].tobytes() == wanted.margin[at].tobytes()


def test_each_batch_is_read_once(tiny, monkeypatch):
    data = tiny.datasets[1]
    read = []
    original = type(data.source).read

    def counting(self, index):
        read.append(index)
        return original(self, index)

    monkeypatch.setattr(type(data.source), "read", counting)
    sweep(tiny.classifier, tiny.theta_0, tiny.theta_1, [data], ALPHAS, **OPTIONS)
    assert sorted(read) == list(range(len(data)))


def test_selects_by_its_rows(result):
    selection = result.select("validation_best")
    assert selection.dataset == "validation"
    values = {row["alpha"]: row["value"] for row in result.rows if row["split"] == "validation"}
    assert values[selection.alpha] == max(values.values()) == selection.best
    assert result.select().alpha == 0.5


def test_saves_and_loads(tmp_path, result):
    result.save(tmp_path)
    assert read_rows(tmp_path) == result.rows
    found = SweepResult.load(tmp_path)
    assert found.rows == result.rows
    assert found.alphas == ALPHAS
    assert list(found.predictions) == list(result.predictions)
    for name, wanted in result.predictions.items():
        np.testing.assert_array_equal(found.predictions[name].logits, wanted.logits)
        assert found.predictions[name].rows("abc") == wanted.rows("abc")
    json.loads((tmp_path / "results.jsonl").read_text().splitlines()[0])


@pytest.mark.parametrize(
    ("alphas", "message"),
    [
        ((), "at least one, found none"),
        ((0.0, float("nan")), "finite numbers, found nan"),
        ((0.0, float("inf")), "finite numbers, found inf"),
        ((0.0, 0.5, 0.5), "0.5 and 0.5 are twice"),
        ((0.5, 0.0), "0.5 and 0 are not in rising order"),
        ((0.5, 0.5 + 1e-12), "too close"),
    ],
)
def test_refuses_alphas(tiny, alphas, message):
    with pytest.raises(InputError, match=message):
        sweep(tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets, alphas)


def test_refuses_datasets(tiny):
    def run(*datasets):
        sweep(tiny.classifier, tiny.theta_0, tiny.theta_1, datasets, (0.0,), **OPTIONS)

    test = tiny.datasets[1]
    with pytest.raises(InputError, match="at least one, found none"):
        run()
    with pytest.raises(InputError, match="'test' is given twice"):
        run(test, test)
    with pytest.raises(InputError, match="empty name"):
        run(dataset(4, ""))
    with pytest.raises(InputError, match="test: there are no images"):
        run(test.subset(np.arange(0)))
    unlabelled = dataset(4, "new")
    unlabelled.labels[:] = -1
    with pytest.raises(InputError, match="new: no image has a label"):
        run(unlabelled)


def test_refuses_an_unknown_backend_and_other_trees(tiny):
    with pytest.raises(InputError, match="unknown backend"):
        sweep(tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets, ALPHAS, backend="gpu")
    other = {**tiny.theta_1, "head": {"kernel": np.zeros((16, 4)), "bias": np.zeros(3)}}
    with pytest.raises(InputError, match=r"head/kernel.*\(16, 4\).*\(16, 3\)"):
        sweep(tiny.classifier, tiny.theta_0, other, tiny.datasets, ALPHAS)


def test_extrapolates_when_asked(tiny):
    found = sweep(
        tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets[:1], (-0.5, 1.5), **OPTIONS
    )
    assert [row["alpha"] for row in found.rows] == [-0.5, 1.5]


def test_nothing_skipped_is_empty(result):
    assert result.skipped == {}


def test_silent_below_warnings(tiny, caplog):
    with caplog.at_level(logging.WARNING):
        sweep(tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets, ALPHAS, **OPTIONS)
    assert not caplog.text


@pytest.mark.parametrize("run", ["sweep", "evaluate"])
def test_refuses_labels_that_count_other_classes(tiny, run):
    def measure(data):
        if run == "evaluate":
            return evaluate(tiny.classifier, tiny.theta_0, data, **OPTIONS)
        datasets = [tiny.datasets[0], data]
        return sweep(tiny.classifier, tiny.theta_0, tiny.theta_1, datasets, ALPHAS, **OPTIONS)

    other = dataclasses.replace(tiny.datasets[1], class_names=NAMES[::-1])
    names = r"test: .*\(green digit, .*\(red circle, .*classifier_class_names="
    with pytest.raises(InputError, match=names):
        measure(other)
    beyond = dataset(4, "new")
    beyond.labels[2] = 3
    with pytest.raises(InputError, match=r"new\[2\] has the label 3, expected -1 to 2"):
        measure(beyond)


def test_only_datasets_with_rows_are_loaded(tmp_path, result, caplog):
    result.save(tmp_path)
    write_rows(tmp_path / "results.jsonl", [r for r in result.rows if r["dataset"] != "shift"])
    assert list(SweepResult.load(tmp_path).predictions) == ["validation", "test"]
    assert "predictions without results: shift" in caplog.text
    write_rows(tmp_path / "results.jsonl", [])
    with pytest.raises(InputError, match="of other datasets than its results"):
        SweepResult.load(tmp_path)


def test_gains_are_those_of_the_paired_statistics(result):
    gains = result.gains(0.5)
    assert [(gain["dataset"], gain["end"]) for gain in gains] == [
        (name, end) for name in result.predictions for end in (0.0, 1.0)
    ]
    for gain in gains:
        each = result.predictions[gain["dataset"]]
        right = each.correct[:, each.labels >= 0]
        end, chosen = right[each.alphas.index(gain["end"])], right[each.alphas.index(0.5)]
        assert gain["difference"] == pytest.approx(chosen.mean() - end.mean())
        assert (gain["low"], gain["high"]) == newcombe(end, chosen)
        assert gain["p_value"] == mcnemar(chosen, end).p_value
    assert {gain["end"] for gain in result.gains(0.0)} == {1.0}
    assert result.gains(0.77) == []
