"""CutMix, Cutout, Mixup, random choice and the schedule, by what their papers say."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.mixing import cutmix, cutout, mixup, random_choice, smoothmix
from wiseft_jax.mixing.mixer import partners
from wiseft_jax.mixing.schedule import mix_until

KEY = jax.random.key(0)


def numbered(count: int, height: int = 16, width: int = 24) -> tuple[jax.Array, jax.Array]:
    """Images whose pixels are all the image's number, and one-hot targets."""
    numbers = jnp.arange(count, dtype=jnp.float32)
    images = jnp.broadcast_to(numbers[:, None, None, None], (count, height, width, 3))
    return images, jnp.eye(count)


def test_cutmix_pastes_one_box_of_the_partner_and_counts_its_pixels():
    images, targets = numbered(64)
    mixed, soft = cutmix(KEY, images, targets)
    boxes = 0
    for index in range(64):
        partner = (index - 1) % 64
        pasted = np.asarray(mixed[index, ..., 0]) == partner
        assert set(np.unique(mixed[index])) <= {float(index), float(partner)}
        rows, columns = np.flatnonzero(pasted.any(1)), np.flatnonzero(pasted.any(0))
        if len(rows):
            boxes += 1
            assert pasted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert float(soft[index, partner]) == pytest.approx(pasted.mean(), abs=1e-6)
        assert float(soft[index, index]) == pytest.approx(1 - pasted.mean(), abs=1e-6)
    assert boxes > 50


def test_cutmix_boxes_take_one_minus_lam_before_they_are_clipped():
    """Of boxes that the borders don't clip, the area is that of a uniform draw on the average."""
    images, _ = numbered(2, 64, 64)
    batch = jnp.repeat(images[:1], 2048, 0), jax.nn.one_hot(jnp.arange(2048) % 2, 2)
    _, soft = jax.jit(cutmix)(KEY, *batch)
    pasted = 1 - np.asarray(jnp.sum(soft * batch[1], axis=1))
    # E[min(1, c + s/2) - max(0, c - s/2)] = s - s^2 / 4 an axis, with s^2 uniform in [0, 1].
    s = np.sqrt(np.linspace(0, 1, 10_001))
    assert pasted.mean() == pytest.approx(np.mean((s - s**2 / 4) ** 2), abs=0.02)


def test_cutout_fills_one_square_and_leaves_targets():
    images, targets = numbered(32)
    fill = jnp.asarray([-1.0, -2.0, -3.0])
    mixed, soft = cutout(KEY, images, targets, size=0.5, fill=fill)
    np.testing.assert_array_equal(soft, targets)
    for index in range(32):
        cut = np.asarray(mixed[index, ..., 0]) == -1.0
        np.testing.assert_array_equal(mixed[index][cut], np.broadcast_to(fill, (cut.sum(), 3)))
        np.testing.assert_array_equal(np.asarray(mixed[index])[~cut], index)
        rows, columns = np.flatnonzero(cut.any(1)), np.flatnonzero(cut.any(0))
        assert cut.sum() == len(rows) * len(columns)
        assert 4 <= len(rows) <= 8  # half of the shorter side, clipped at most to a half
        assert 4 <= len(columns) <= 8


def test_mixup_averages_with_the_targets_weights():
    images, targets = numbered(32)
    mixed, soft = mixup(KEY, images, targets, alpha=0.8)
    lam = np.asarray(jnp.sum(soft * targets, axis=1))
    partner = np.roll(np.arange(32), 1)
    expected = lam * np.arange(32) + (1 - lam) * partner
    np.testing.assert_allclose(mixed.std((1, 2, 3)), 0.0, atol=1e-5)
    np.testing.assert_allclose(mixed.mean((1, 2, 3)), expected, atol=1e-4)
    assert len(np.unique(lam)) > 20


@pytest.mark.parametrize("mixer", [smoothmix, cutmix, cutout, mixup])
def test_of_a_batch_all_images_share_one_draw(mixer):
    count = 16
    images = jax.random.normal(KEY, (1, 12, 12, 3)).repeat(count, 0)
    targets = jax.nn.one_hot(jnp.arange(count) % 2, 2)
    images = images + 10.0 * (jnp.arange(count) % 2)[:, None, None, None]
    mixed, soft = mixer(KEY, images, targets, mode="batch")
    for index in range(2, count):
        np.testing.assert_allclose(mixed[index], mixed[index % 2], atol=1e-5)
        np.testing.assert_allclose(soft[index], soft[index % 2], atol=1e-6)


@pytest.mark.parametrize("mixer", [smoothmix, cutmix, cutout, mixup])
def test_the_probability_is_kept(mixer):
    count = 2000
    images, _ = numbered(count, 8, 8)
    targets = jax.nn.one_hot(jnp.arange(count) % 2, 2)
    options = {"fill": -5.0} if mixer is cutout else {}
    run = jax.jit(functools.partial(mixer, **options))
    mixed, _ = run(KEY, images, targets, prob=0.3)
    changed = np.asarray(jnp.any(mixed != images, axis=(1, 2, 3)))
    always, _ = run(KEY, images, targets, prob=1.0)
    visible = np.asarray(jnp.any(always != images, axis=(1, 2, 3))).mean()
    assert changed.mean() == pytest.approx(0.3 * visible, abs=0.04)


def test_partners():
    np.testing.assert_array_equal(partners(KEY, 4, "roll"), [3, 0, 1, 2])
    np.testing.assert_array_equal(partners(KEY, 4, "flip"), [3, 2, 1, 0])
    drawn = np.asarray(partners(KEY, 50, "permutation"))
    assert sorted(drawn.tolist()) == list(range(50))
    assert (drawn != np.arange(50)).mean() > 0.8


def test_a_choice_is_one_of_its_mixers_as_often_as_asked():
    images, targets = numbered(4, 6, 6)
    mixers = [cutmix, functools.partial(mixup, alpha=0.8)]
    choose = jax.jit(functools.partial(random_choice(mixers, [0.25, 0.75]), mode="batch"))
    found = []
    for seed in range(60):
        mixed, _ = choose(jax.random.key(seed), images, targets)
        found.append(np.isin(mixed, np.arange(4)).all())
    assert 0.1 < np.mean(found) < 0.45
    each, _ = random_choice(mixers)(KEY, *numbered(400, 6, 6), mode="elem")
    whole = np.isin(each, np.arange(400)).all(axis=(1, 2, 3))
    assert whole.mean() == pytest.approx(0.5, abs=0.1)


def test_defaults_are_those_of_one_signature():
    for mixer in (smoothmix, cutmix, cutout, mixup, random_choice([mixup])):
        own = inspect.signature(mixer).parameters
        assert (own["prob"].default, own["mode"].default) == (1.0, "elem")


def test_a_choice_needs_mixers_and_probabilities():
    with pytest.raises(ValueError, match="at least one"):
        random_choice([])
    with pytest.raises(ValueError, match="expected 2 numbers"):
        random_choice([cutmix, mixup], [1.0])
    with pytest.raises(ValueError, match="not all 0"):
        random_choice([cutmix, mixup], [0.0, 0.0])


def test_after_the_last_step_nothing_is_mixed():
    images, targets = numbered(4)
    run = jax.jit(lambda step: mix_until(smoothmix, 3, step, KEY, images, targets))
    for step in range(5):
        mixed, soft = run(jnp.int32(step))
        assert bool(jnp.any(mixed != images)) is (step < 3)
        assert bool(jnp.any(soft != targets)) is (step < 3)


def test_without_a_last_step_there_is_no_branch_and_the_same_draws():
    images, targets = numbered(4)

    def traced(last_step: int | None) -> Any:
        run = jax.jit(lambda step: mix_until(smoothmix, last_step, step, KEY, images, targets))
        return run.trace(jnp.int32(7)), run(jnp.int32(7))

    (always, found), (until, same) = traced(None), traced(8)
    assert "cond[" in str(until.jaxpr)
    assert "cond[" not in str(always.jaxpr)
    for one, other in zip(found, same, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
