"""Which configurations a study has: laws of the grid and of the draws, and what is refused."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wiseft_jax.core.config_io import to_dict
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.studies.grid_axes import Axis, declared_fields, default_axes, parse_axes
from wiseft_jax.studies.grid_config import (
    decides,
    flat,
    full_grid,
    key_of,
    random_configurations,
    replaced,
    varied_name,
)
from wiseft_jax.training.config import TrainConfig
from wiseft_jax.training.options import TrainOptions

BASE = ExperimentConfig()


@dataclasses.dataclass(frozen=True)
class Inner:
    gain: float = 1.0
    parts: tuple[int, ...] = (1,)


@dataclasses.dataclass(frozen=True)
class Middle:
    inner: Inner = Inner()
    count: int | None = None


@dataclasses.dataclass(frozen=True)
class Outer:
    middle: Middle = Middle()
    on: bool = False


def test_fields_of_any_depth_are_found_and_replaced() -> None:
    declared = declared_fields(Outer())
    assert [*declared] == ["middle.inner.gain", "middle.inner.parts", "middle.count", "on"]
    changed = replaced(Outer(), {"middle.inner.gain": 2.0, "middle.count": 3, "on": True})
    assert changed == Outer(Middle(Inner(2.0), 3), True)
    assert replaced(Outer(), {}) == Outer()


def test_the_grid_is_every_combination_once_the_last_field_fastest() -> None:
    texts = ["training.learning_rate=1e-5,1e-4", "training.epochs=1,5", "mixing.name=none,cutmix"]
    found = full_grid(BASE, parse_axes(BASE, texts))
    values = itertools.product((1e-5, 1e-4), (1.0, 5.0), ("none", "cutmix"))
    assert [tuple(each.varied.values()) for each in found] == [*values]
    assert len({each.key for each in found}) == 8
    for each in found:
        assert each.config.training.learning_rate == each.varied["training.learning_rate"]
        assert each.config.mixing.name == each.varied["mixing.name"]
        rest = dataclasses.replace(each.config.training, learning_rate=3e-5, epochs=10.0)
        assert rest == TrainConfig()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("training.batch_size=8,16", (8, 16)),
        ("training.clip_norm=none,0.5", (None, 0.5)),
        ("training.warmup_fraction=None,0", (None, 0.0)),
        ("training.recipe=linear_probe", ("linear_probe",)),
        ("training.seed=0, 1", (0, 1)),
        ("mixing.alpha=1", (1.0,)),
    ],
)
def test_values_have_the_type_of_their_field(text: str, values: tuple) -> None:
    (axis,) = parse_axes(BASE, [text])
    assert axis.values == values
    assert [*map(type, axis.values)] == [*map(type, values)]


def test_switches_and_texts_are_values_too() -> None:
    (axis,) = parse_axes(Outer(), ["on=true,false"])  # type: ignore[arg-type]
    assert axis.values == (True, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training.lerning_rate=1", r"Did you mean 'training.learning_rate'"),
        ("learning_rate=1", r"Did you mean 'training.learning_rate'"),
        ("training=1", r"a group of fields; name one: training.recipe, "),
        ("training.augmentation.crop_scale=1,2", "holds no single value"),
        ("training.epochs=1,x", "training.epochs: expected a number, found 'x'"),
        ("training.epochs=1,", "expected a number, found ''"),
        ("training.batch_size=1.5", "expected an integer, found '1.5'"),
        ("training.clip_norm=x", "expected a number, or none, found 'x'"),
        ("mixing.name=cutmx", "Did you mean 'cutmix'"),
        ("training.epochs=1,2,1.0", "1 is given twice"),
        ("training.epochs", "expected FIELD=VALUE,VALUE"),
        ("training.epochs=", "expected FIELD=VALUE,VALUE"),
        ("training.epochs=2..1", "expected a range with 0 < LOW < HIGH"),
        ("training.epochs=0..1", "expected a range with 0 < LOW < HIGH"),
        ("training.epochs=1:1", "expected a range with LOW < HIGH"),
        ("training.epochs=1:inf", "expected a range with LOW < HIGH"),
        ("training.epochs=1:x", "expected a number, found 'x'"),
        ("data.train=folder:x", "can't be varied in a study: all models must be compared on the"),
        ("data.trian=x", "can't be varied in a study: all models must be compared on the same im"),
        ("model.name=x", "must start from the same zero-shot model"),
        ("sweep.rule=constant", "compared at the same alphas"),
        ("mesh.data=2", "it decides no weight"),
        ("checkpoints.keep_latest=2", "it decides no weight"),
        ("export=true", "it decides no weight"),
        ("name=x", "it decides no weight"),
        ("training.num_workers=1", "it decides no weight"),
    ],
)
def test_what_cannot_vary_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_axes(BASE, [text])


def test_a_field_is_given_once() -> None:
    with pytest.raises(InputError, match=r"training\.epochs: given twice"):
        parse_axes(BASE, ["training.epochs=1", "training.epochs=2"])


def test_invalid_configurations_are_named_before_anything_runs() -> None:
    axes = parse_axes(BASE, ["training.learning_rate=-1,1e-5", "training.epochs=1,2"])
    message = r"2 of 4 configurations .*: learning_rate -1, epochs 1: .*found -1.0; learning_rate -"
    with pytest.raises(InputError, match=message):
        full_grid(BASE, axes)
    together = ["training.recipe=linear_probe,end_to_end", "mixing.name=none,cutmix"]
    message = "1 of 4 .*recipe linear_probe, mixing.name cutmix: mixing.name: expected none"
    with pytest.raises(InputError, match=message):
        full_grid(BASE, parse_axes(BASE, together))
    many = parse_axes(BASE, ["training.epochs=0,-1,-2,-3,-4"])
    with pytest.raises(InputError, match=r"5 of 5 .*; and 2 more$"):
        full_grid(BASE, many)


def test_the_default_grid_is_the_papers_around_the_preset() -> None:
    axes = {axis.field: axis.values for axis in default_axes(BASE)}
    assert axes == {
        "training.learning_rate": (3e-6, 1e-5, 3e-5),
        "training.epochs": (5.0, 10.0),
        "training.batch_size": (256, 512),
        "training.weight_decay": (0.0, 0.1),
        "training.label_smoothing": (0.0, 0.1),
    }
    assert len(full_grid(BASE, default_axes(BASE))) == 48
    small = replaced(BASE, {"training.batch_size": 1, "training.weight_decay": 0.0})
    assert [axis.values for axis in default_axes(small)][2:4] == [(1,), (0.0, 0.1)]


def test_the_key_is_of_what_decides_the_result() -> None:
    same = [
        replaced(BASE, {"name": "other", "export": False, "data.num_threads": 3}),
        replaced(BASE, {"training.num_workers": 2, "checkpoints.keep_latest": 5}),
        replaced(BASE, {"sweep.keep_logits": "all"}),
        dataclasses.replace(BASE, mesh=MeshConfig(fsdp=2)),
    ]
    assert {key_of(each) for each in same} == {key_of(BASE)}
    others = [
        replaced(BASE, {field: value})
        for field, value in (
            ("training.seed", 1),
            ("training.epochs", 1.0),
            ("sweep.alphas", (0.0, 1.0)),
            ("mixing.name", "mixup"),
        )
    ]
    assert len({key_of(each) for each in (BASE, *others)}) == 5


def test_keys_of_studies_that_hashed_whether_logits_are_kept_stay() -> None:
    older = {name: value for name, value in flat(to_dict(BASE)).items() if decides(name)}
    assert key_of(BASE) == hash_json(older | {"sweep.keep_logits": False})


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(0, 6))
def test_draws_are_distinct_and_more_of_them_begin_with_the_same(
    seed: int, count: int, more: int
) -> None:
    axes = parse_axes(BASE, ["training.learning_rate=1e-5..1e-3", "training.epochs=1,2"])
    few = random_configurations(BASE, axes, count, seed)
    many = random_configurations(BASE, axes, count + more, seed)
    assert many[:count] == few
    assert len({each.key for each in many}) == count + more
    for each in many:
        rate = each.varied["training.learning_rate"]
        assert 1e-5 <= rate <= 1e-3
        assert rate == float(f"{rate:.3g}")


def test_other_seeds_draw_others_and_all_of_a_list_can_be_drawn() -> None:
    axes = parse_axes(BASE, ["training.batch_size=1,2,4,8", "training.epochs=1,2,3"])
    drawn = [random_configurations(BASE, axes, 12, seed) for seed in (0, 1)]
    whole = {each.key for each in full_grid(BASE, axes)}
    assert {each.key for each in drawn[0]} == {each.key for each in drawn[1]} == whole
    assert drawn[0] != drawn[1]
    with pytest.raises(InputError, match="--random: expected at most 12"):
        random_configurations(BASE, axes, 13, 0)
    with pytest.raises(InputError, match="--random: expected at least 1"):
        random_configurations(BASE, axes, 0, 0)


def test_a_narrow_range_of_integers_runs_out() -> None:
    axes = parse_axes(BASE, ["training.batch_size=8:10"])
    drawn = random_configurations(BASE, axes, 3, 0)
    assert sorted(each.varied["training.batch_size"] for each in drawn) == [8, 9, 10]
    with pytest.raises(InputError, match="no more than 3 distinct ones"):
        random_configurations(BASE, axes, 4, 0)
    with pytest.raises(InputError, match="a range needs --random N"):
        full_grid(BASE, axes)


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_ranges_are_uniform_in_their_scale(scale: str) -> None:
    mark = {"log": "..", "linear": ":"}[scale]
    (axis,) = parse_axes(BASE, [f"training.learning_rate=1e-5{mark}1e-2"])
    rng = np.random.default_rng(0)
    drawn = np.array([axis.draw(rng) for _ in range(2_000)])
    if scale == "log":
        shares = np.log(drawn / 1e-5) / math.log(1e3)
    else:
        shares = (drawn - 1e-5) / (1e-2 - 1e-5)
    assert stats.kstest(shares, "uniform").pvalue > 0.01


def test_listed_values_are_equally_likely() -> None:
    rng = np.random.default_rng(0)
    axis = Axis("training.epochs", (1.0, 2.0, 5.0))
    counts = np.unique([axis.draw(rng) for _ in range(3_000)], return_counts=True)[1]
    assert stats.chisquare(counts).pvalue > 0.01


def test_configurations_are_named_as_they_are_typed() -> None:
    varied = {"training.learning_rate": 1e-5, "mixing.name": "none", "training.clip_norm": None}
    assert varied_name(varied) == "learning_rate 1e-05, mixing.name none, clip_norm none"
    assert varied_name({"training.options.nesterov": True}) == "options.nesterov true"


LBFGS = dataclasses.replace(
    BASE,
    training=TrainConfig(recipe="linear_probe", options=TrainOptions(solver="lbfgs")),
)


@pytest.mark.parametrize(
    "text", ["training.learning_rate=1e-3,1e-2", "training.epochs=1,2", "training.seed=0,1"]
)
def test_what_l_bfgs_does_not_read_cannot_vary(text: str) -> None:
    axes = parse_axes(LBFGS, ["training.label_smoothing=0,0.1", text])
    field = text.partition("=")[0]
    with pytest.raises(InputError, match=rf"--vary {field}: not read .*label_smoothing.*probe_c"):
        full_grid(LBFGS, axes)
    with pytest.raises(InputError, match=rf"--vary {field}: not read"):
        random_configurations(LBFGS, axes, 2, seed=0)
    assert len(full_grid(LBFGS, axes[:1])) == 2


def test_a_grid_over_solvers_may_vary_what_both_read_alone() -> None:
    base = replaced(LBFGS, {"training.options.solver": "adamw"})
    solvers = "training.options.solver=adamw,lbfgs"
    assert len(full_grid(base, parse_axes(base, [solvers, "training.label_smoothing=0,0.1"]))) == 4
    with pytest.raises(InputError, match=r"--vary training\.epochs: not read"):
        full_grid(base, parse_axes(base, [solvers, "training.epochs=1,2"]))


def test_a_seed_that_balances_classes_is_read() -> None:
    base = replaced(LBFGS, {"training.options.class_balance": True})
    assert len(full_grid(base, parse_axes(base, ["training.seed=0,1"]))) == 2
    assert len(full_grid(LBFGS, default_axes(LBFGS))) == 2
