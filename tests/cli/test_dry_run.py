"""A dry run of each preset on miniatures, with a tiny checkpoint: nothing is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.paper_workshop import workshop_options, write_workshop
from wiseft_jax.cli.main import main
from wiseft_jax.cli.presets import all_presets
from wiseft_jax.data.specs import parse_spec
from wiseft_jax.planning.here import DEVICE_KINDS

OF_PUBLISHED_DATA = sorted(
    name for name, preset in all_presets().items() if "published:" in preset.load().data.train
)
FAST = ("cifar10/vit_b16", "imagenet/vit_b16_flyp", "paint/dtd")
"""One of each kind; the others are ``slow``."""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_workshop(tmp_path_factory.mktemp("presets"))


def dry_run(name: str, workshop: Path, *more: str) -> list[str]:
    return ["run", name, "--dry-run", *workshop_options(name, workshop), *more]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow])
        for name in OF_PUBLISHED_DATA
    ],
)
def test_every_preset(
    name: str, workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("WISEFT_DATA_ROOT", str(workshop / "data"))
    config = all_presets()[name].load()
    assert main([*dry_run(name, workshop, "--json", "-q")]) == 0
    plan: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [s["name"] for s in plan["datasets"] if s["role"] == "shift"] == [
        parse_spec(shift).name for shift in config.data.shifts
    ]
    assert [s["name"] for s in plan["datasets"] if s["role"] == "matched_reference"] == [
        parse_spec(reference).name for reference in config.data.matched_references
    ]
    evaluated = sum(s["images"] for s in plan["datasets"] if s["split"] != "train")
    assert plan["sweep_forward_passes"] == 11 * evaluated
    assert all(dataset["images"] > 0 for dataset in plan["datasets"])
    assert plan["steps"] > 0
    assert plan["alphas"] == 11
    part = plan["parameters_trained"] < plan["parameters_interpolated"]
    assert part == (config.training.recipe in ("linear_probe", "paint"))
    predicted = plan["predicted"]
    assert (predicted["devices"], predicted["device"]) == (8, "cpu")
    said = " ".join(predicted["not_estimated"])
    assert "the rates of this device (cpu) aren't known" in said
    assert ("the linear probe that comes first" in said) == (config.training.recipe == "lp_ft")
    assert (predicted["heads"] is not None) == (config.training.recipe == "flyp")
    for step in ("train", "heads", "sweep"):
        if predicted[step] is not None:
            assert predicted[step]["memory_bytes"] > 0
            assert predicted[step]["hours"] is None


def test_the_printed_form(
    workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("WISEFT_DATA_ROOT", str(workshop / "data"))
    assert main([*dry_run("paint/dtd", workshop, "-q")]) == 0
    printed = capsys.readouterr().out
    for said in ("devices: 8 x cpu, memory of one: not known", "not estimated: time", "GiB"):
        assert said in printed


def test_on_a_known_device_there_are_hours(
    workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("WISEFT_DATA_ROOT", str(workshop / "data"))
    monkeypatch.setitem(DEVICE_KINDS, "cpu", "h100")  # as if these were
    assert main([*dry_run("paint/dtd", workshop, "--json", "-q")]) == 0
    predicted = json.loads(capsys.readouterr().out)["predicted"]
    assert predicted["device"] == "NVIDIA H100 SXM 80 GB"
    assert predicted["memory_limit_bytes"] == 60e9  # JAX takes three quarters
    assert predicted["not_estimated"] == []
    for step in ("train", "sweep"):
        hours = predicted[step]["hours"]
        assert 0 < hours["overlapped"] <= hours["exposed"]


def test_of_a_probe_that_converges_no_hours_are_said(
    workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("WISEFT_DATA_ROOT", str(workshop / "data"))
    monkeypatch.setitem(DEVICE_KINDS, "cpu", "h100")
    probe = ["--training.recipe", "linear_probe", "--training.options.solver", "lbfgs"]
    assert main([*dry_run("paint/dtd", workshop, *probe, "--json", "-q")]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["steps"] is plan["predicted"]["train"]["hours"] is None
    assert plan["predicted"]["sweep"]["hours"] is not None
    assert "time of training: L-BFGS goes on" in plan["predicted"]["not_estimated"][0]


@pytest.mark.parametrize("name", OF_PUBLISHED_DATA)
def test_without_data_the_error_says_where_it_looked_and_how_to_get_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    dataset = parse_spec(all_presets()[name].load().data.train).target
    monkeypatch.delenv("WISEFT_DATA_ROOT", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for root in (None, tmp_path / "nowhere", tmp_path):
        if root is not None:
            monkeypatch.setenv("WISEFT_DATA_ROOT", str(root))
        assert main(["run", name, "--dry-run", "-q"]) == 2
        said = capsys.readouterr().err
        assert said.count("wiseft: error") == 1
        assert f"wiseft data info {dataset}" in said
        assert "WISEFT_DATA_ROOT" in said if root is None else str(root) in said
