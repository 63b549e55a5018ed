"""Lab notebooks say their command, and hours that are what `wiseft plan` predicts."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from wiseft_jax.cli.main import main
from wiseft_jax.cli.notebook import PredictedHours, read_notebook
from wiseft_jax.cli.presets import all_presets
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.specs import parse_spec
from wiseft_jax.planning.plan import hours_text

LINEAR = """\
A title.

  wiseft study grid a/b --out DIR
  ROOT=/data wiseft run a/b --seed 1
Hardware: predicted, not measured, a lower bound (decoding isn't counted), on 8 H100: 0.003
to 0.004 hours for the features, 0.1 for the head, if the hosts decode 110,000
images/s. By
  wiseft plan a/b \\
    --images 3
Later: more.
"""


def test_a_notebook_is_read() -> None:
    found = read_notebook("a/b", LINEAR)
    assert found.command == "ROOT=/data wiseft run a/b --seed 1"
    assert found.hardware.endswith("110,000 images/s. By wiseft plan a/b --images 3")
    parts = {"features": (0.003, 0.004), "head": (0.1, 0.1)}
    expected = PredictedHours("8 H100", parts, 110_000)
    assert found.hours == expected
    assert expected.total == pytest.approx((0.103, 0.104))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("wiseft run a/b", "wiseft run a/bc", "no line with its command"),
        ("Hardware:", "Where:", "no part `Hardware:`"),
        (", if the hosts decode 110,000\nimages/s", "", "if the hosts decode Z images/s"),
        (" (decoding isn't counted)", "", "a lower bound"),
    ],
)
def test_a_notebook_in_another_form_is_refused(old: str, new: str, message: str) -> None:
    assert old in LINEAR
    with pytest.raises(InputError, match=f"^a/b: .*{message}"):
        read_notebook("a/b", LINEAR.replace(old, new))


@pytest.mark.parametrize("name", sorted(all_presets()))
def test_contract(name: str) -> None:
    preset = all_presets()[name]
    found = read_notebook(name, preset.notes)
    assert f"wiseft run {name}" in found.command
    assert found.hardware
    assert (found.hours is not None) == ("wiseft plan" in found.hardware and "By" in found.hardware)
    if found.hours is None:
        return
    # the rate is the one at which these hours pass: all images of all epochs, or once for features
    options = shlex.split(found.hardware.partition(" By ")[2].partition(" The ")[0])
    images = int(options[options.index("--images") + 1])
    part, (low, _) = next(iter(found.hours.parts.items()))
    assert part in ("fine-tuning", "features")
    passes = 1 if part == "features" else preset.load().training.epochs
    assert found.hours.images_per_sec == pytest.approx(images * passes / low / 3600, rel=0.05)


@pytest.mark.parametrize("name", [each for each in all_presets() if each.startswith("imagenet/")])
def test_the_images_of_a_sweep_are_those_that_the_catalog_counts(name: str) -> None:
    data = all_presets()[name].load().data

    def count(text: str | None) -> int:
        spec = parse_spec(str(text))
        splits = {split.name: split.images for split in DATASETS[spec.target].layout.splits}
        return splits[spec.split] or 0

    held_out = round(data.validation_fraction * count(data.train))
    wanted = held_out + sum(map(count, (data.test, *data.shifts, *data.matched_references)))
    assert f"--test-images {wanted}" in all_presets()[name].notes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["imagenet/vit_b32", "imagenet/vit_b16_flyp", "transfer/dtd"])
def test_hours_are_those_of_the_plan(name: str, capsys: pytest.CaptureFixture) -> None:
    notes = all_presets()[name].notes
    hours = read_notebook(name, notes).hours
    assert hours is not None
    (command,) = re.findall(r"^ +wiseft (plan .+\\\n.+)$", notes, re.MULTILINE)
    assert main([*shlex.split(command.replace("\\\n", " ")), "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    words = " ".join(notes.split())
    assert f": {hours_text(steps['train']['hours'])} hours of fine-tuning" in words
    assert f", {hours_text(steps['sweep']['hours'])} of sweep" in words
    rate = steps["train"]["images_per_sec"]["overlapped"]
    assert hours.images_per_sec == pytest.approx(rate, rel=0.05)
