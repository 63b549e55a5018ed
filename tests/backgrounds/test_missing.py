"""One policy for originals that lack a mask or a background, which every reader heeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.small_release import small_images, write_small_release
from wiseft_jax.backgrounds.attack_config import AttackConfig
from wiseft_jax.backgrounds.attack_images import images_of_release
from wiseft_jax.backgrounds.composed_source import ComposedSource
from wiseft_jax.backgrounds.loading import open_masked
from wiseft_jax.backgrounds.missing import have_masks, heed_missing
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess

IMAGES = small_images()


def test_what_measures_leaves_out_and_what_is_trained_on_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    root = write_small_release(tmp_path, IMAGES)
    (root / "fg_mask" / "val" / f"{IMAGES.ids[2]}.npy").unlink()
    release = open_release(root)
    told = f"{root}: 1 of 18 originals have no mask ({IMAGES.ids[2]})"
    assert not open_masked(release).whole[2]
    assert f"{told} and are left out of what is composed" in caplog.text
    tried = images_of_release(release).sampled(AttackConfig(), Preprocess(8, 8))
    assert IMAGES.ids[2] not in tried.foregrounds.ids
    (rejected,) = tried.rejected
    assert rejected.startswith(IMAGES.ids[2])
    with pytest.raises(InputError) as error:
        ComposedSource(release, "only_fg")
    assert str(error.value).startswith(f"{told}, so the set can't be composed whole")


def test_nothing_missing_is_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    release = open_release(write_small_release(tmp_path, IMAGES))
    there = have_masks(release, list(IMAGES.ids))
    assert there.all()
    for policy in ("leave_out", "refuse"):
        heed_missing(release, list(IMAGES.ids), there, "mask", policy)
    assert not caplog.text
    several = there & (np.arange(len(there)) > 3)
    heed_missing(release, list(IMAGES.ids), several, "mask", "leave_out")
    assert f"4 of 18 originals have no mask ({', '.join(IMAGES.ids[:3])}, ...)" in caplog.text
