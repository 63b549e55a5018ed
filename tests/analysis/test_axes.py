"""Which set a shift is set against."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.runs import made_predictions, write_run
from wiseft_jax.analysis.axes import catalog_id, is_axis, matched_axis
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.errors import InputError


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("imagenet-r-test", "imagenet-r"),
        ("imagenet-r-val-classes-val", "imagenet-r-val-classes"),
        ("imagenet-val", "imagenet"),
        ("objectnet", "objectnet"),
        ("imagenetish", None),
        ("sketches", None),
    ],
)
def test_published_sets_are_known_by_their_names(name: str, found: str | None):
    assert catalog_id(name) == found
    assert is_axis(name) == (found == "imagenet-r-val-classes")


def test_a_shift_with_fewer_classes_has_its_own_axis(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    sets = [
        made_predictions("imagenet-val"),
        made_predictions("imagenet-r-test", role="shift"),
        made_predictions("imagenet-r-val-classes-val", role="shift"),
        made_predictions("imagenet-a-test", role="shift"),
        made_predictions("imagenet-v2-test", role="shift"),
        made_predictions("mine", role="shift"),
    ]
    run = StoredRun.load(write_run(tmp_path, sets))
    axes = {name: matched_axis(run, run.set_named(name)).dataset for name in run.predictions}
    assert axes["imagenet-r-test"] == "imagenet-r-val-classes-val"
    assert not caplog.text.count("imagenet-r-test: set against")
    assert axes["imagenet-v2-test"] == axes["mine"] == "imagenet-val"
    assert axes["imagenet-a-test"] == "imagenet-val"
    assert "add the matched axis: --data.shifts published:imagenet-a-val-classes:val" in caplog.text


def test_without_a_reference_there_is_no_axis(tmp_path: Path):
    run = StoredRun.load(write_run(tmp_path, [made_predictions("mine", role="shift")]))
    with pytest.raises(InputError, match="no set of the reference to set mine against"):
        matched_axis(run, run.predictions["mine"])
