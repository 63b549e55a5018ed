"""Differences from the paper, against intervals that are computed by hand; what is missing."""

from __future__ import annotations

import math

import pytest
from scipy.stats import beta

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.results import Row, accuracy_row
from wiseft_jax.core.typing import Role, Split
from wiseft_jax.reporting.against_paper import Compared, against_paper
from wiseft_jax.reporting.paper_numbers import IMAGENET_SHIFTS, PaperNumber
from wiseft_jax.reporting.series import MEAN_OF_SHIFTS

PRESET = "imagenet/vit_b16"
HITS = {"imagenet-val": 817, **dict(zip(IMAGENET_SHIFTS, (728, 700, 600, 573, 522), strict=True))}


def row(
    dataset: str, hits: int, alpha: float = 0.5, *, role: Role = "shift", split: Split = "test"
) -> Row:
    accuracy = Accuracy(hits, 1000)
    return accuracy_row(
        accuracy, dataset=dataset, split=split, role=role, alpha=alpha, config_hash="x"
    )


def rows_at_half(*left_out: str) -> list[Row]:
    return [
        row(name, hits, role="reference" if name == "imagenet-val" else "shift")
        for name, hits in HITS.items()
        if name not in left_out
    ]


def clopper_pearson(hits: int) -> tuple[float, float]:
    return (
        float(beta.ppf(0.025, hits, 1001 - hits)),
        float(beta.ppf(0.975, hits + 1, 1000 - hits)),
    )


def test_differences_have_the_runs_interval_minus_the_papers_number():
    found = {each.paper.dataset: each for each in against_paper(rows_at_half(), PRESET).compared}
    assert found.keys() == {*HITS, MEAN_OF_SHIFTS}
    for name, paper in (("imagenet-val", 0.817), ("imagenet-r-test", 0.787)):
        low, high = clopper_pearson(HITS[name])
        assert found[name].difference == pytest.approx(HITS[name] / 1000 - paper)
        assert found[name].interval == pytest.approx((low - paper, high - paper))
        assert found[name].n == 1000
    verdicts = {name: each.verdict for name, each in found.items()}
    assert verdicts["imagenet-val"] == verdicts["imagenet-v2-test"] == "within the interval"
    assert verdicts["imagenet-r-test"] == "below"
    assert verdicts["imagenet-sketch-test"] == "above"


def test_the_mean_has_the_interval_of_five_independent_shares():
    (mean,) = [
        each
        for each in against_paper(rows_at_half(), PRESET).compared
        if each.paper.dataset == MEAN_OF_SHIFTS
    ]
    shares = [HITS[name] / 1000 for name in IMAGENET_SHIFTS]
    bounds = [clopper_pearson(HITS[name]) for name in IMAGENET_SHIFTS]
    value = sum(shares) / 5
    down = math.sqrt(sum((p - low) ** 2 for p, (low, _) in zip(shares, bounds, strict=True))) / 5
    up = math.sqrt(sum((high - p) ** 2 for p, (_, high) in zip(shares, bounds, strict=True))) / 5
    assert (mean.value, mean.n) == (pytest.approx(value), 5000)
    assert mean.interval == pytest.approx((value - down - 0.630, value + up - 0.630))


def test_what_the_run_lacks_is_named():
    found = against_paper(rows_at_half("objectnet-test"), PRESET)
    assert MEAN_OF_SHIFTS not in [each.paper.dataset for each in found.compared]
    said = [str(each) for each in found.missing]
    assert said == [
        "imagenet-val at alpha 0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 1: not evaluated",
        "mean of shifts at alpha 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1:"
        " the run lacks objectnet-test",
        "objectnet-test at alpha 0.5: not among the run's test sets",
    ]
    assert len(found.compared) + sum(len(each.alphas) for each in found.missing) == 27


def test_a_set_of_another_size_is_not_the_papers():
    found = against_paper(rows_at_half(), PRESET).other_sizes
    assert found[0] == "imagenet-val has 1,000 images, the published set 50,000"
    assert len(found) == 6
    whole = accuracy_row(
        Accuracy(40_000, 50_000), dataset="imagenet-val", split="test", role="reference",
        alpha=0.5, config_hash="x",
    )  # fmt: skip
    assert against_paper([whole], PRESET).other_sizes == ()


def test_other_shifts_are_not_in_the_mean_and_validation_rows_do_not_count():
    more = [row("mine", 100), row("imagenet-val", 100, split="validation", role="reference")]
    plain, with_more = (
        against_paper(rows, PRESET) for rows in ([*rows_at_half()], [*more, *rows_at_half()])
    )
    assert plain == with_more


def test_an_alpha_that_differs_by_rounding_is_the_same():
    found = against_paper([row("imagenet-val", 789, 0.1 + 0.2, role="reference")], PRESET)
    (compared,) = found.compared
    assert compared.difference == 0


@pytest.mark.parametrize(("low", "verdict"), [(0.5004, "within the interval"), (0.5006, "above")])
def test_the_papers_rounding_is_allowed_for(low: float, verdict: str):
    paper = PaperNumber("p", "m", "r", 0.5, "d", 0.5, "s")
    assert Compared(paper, 0.6, 100, low, 0.7).verdict == verdict
    assert Compared(paper, 0.4, 100, 0.3, 1 - low).verdict == verdict.replace("above", "below")


@pytest.mark.parametrize(
    ("hits", "verdict"),
    [
        (34_150 + 75, "within the tolerance"),  # 0.15 points: well within the interval of 0.4
        (34_150 + 80, "above"),
        (34_150 - 80, "below"),
    ],
)
def test_zero_shot_is_held_to_rounding_and_numerics(hits: int, verdict: str):
    rows = [
        accuracy_row(
            Accuracy(hits, 50_000), dataset="imagenet-val", split="test", role="reference",
            alpha=alpha, config_hash="x",
        )
        for alpha in (0.0, 0.5)
    ]  # fmt: skip
    (zero_shot, half) = against_paper(rows, PRESET).compared
    assert zero_shot.interval[0] < 0 < zero_shot.interval[1]
    assert zero_shot.tolerance == pytest.approx(0.0015)
    assert zero_shot.verdict == verdict
    assert half.tolerance is None


def test_other_images_are_held_to_the_interval_at_alpha_0_too():
    (compared,) = against_paper([row("imagenet-val", 680, 0.0, role="reference")], PRESET).compared
    assert compared.tolerance is None
    assert compared.verdict == "within the interval"


def test_objectnets_border_is_a_caveat_of_its_row_and_of_the_mean():
    (said,) = against_paper(rows_at_half(), PRESET).caveats
    assert "the reference implementation never crops it" in said
    assert against_paper([row("objectnet-test", 573)], PRESET).caveats == (said,)
    assert against_paper(rows_at_half("objectnet-test"), PRESET).caveats == ()


@pytest.mark.parametrize(
    ("rows", "preset", "message"),
    [
        ([], "imagenet/vit_b32", "no numbers of the paper are recorded; they are of imagenet/vit"),
        ([], PRESET, "The run has the test sets none at alpha none"),
        ([row("mine", 1)], PRESET, "The run has the test sets mine at alpha 0.5"),
        ([row("objectnet-test", 1, 0.25)], PRESET, "objectnet-test at alpha 0.25"),
    ],
)
def test_nothing_to_compare_is_refused(rows: list[Row], preset: str, message: str):
    with pytest.raises(InputError, match=message):
        against_paper(rows, preset)


def test_of_many_alphas_the_first_are_named():
    rows = [row("mine", 1, step / 20) for step in range(21)]
    with pytest.raises(InputError) as raised:
        against_paper(rows, PRESET)
    said = str(raised.value)
    assert "at alpha 0, 0.1, 0.2, 0.3, 0.4, ...; 11 in all. The run" in said
    assert "mine at alpha 0, 0.05, 0.1, 0.15, 0.2, ...; 21 in all. A set counts" in said
