"""Every preset loads, documents itself, and can be written and read back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from wiseft_jax.cli.main import main
from wiseft_jax.cli.notebook import read_notebook
from wiseft_jax.cli.presets import all_presets, load_config
from wiseft_jax.core.config_io import config_hash, from_dict, to_dict
from wiseft_jax.core.errors import InputError
from wiseft_jax.experiment import ExperimentConfig


@pytest.mark.parametrize("name", sorted(all_presets()))
def test_contract(name: str) -> None:
    preset = all_presets()[name]
    config = preset.load()
    assert isinstance(config, ExperimentConfig)
    assert from_dict(ExperimentConfig, to_dict(config), name) == config
    assert 10 < len(preset.summary) < 70
    for word in ("Expected:", "Hardware:", f"wiseft run {name}"):
        assert word in preset.notes
    if "Hardware: predicted" in preset.notes:
        notes = " ".join(preset.notes.split())
        assert "a lower bound (decoding isn't counted)" in notes
        assert re.search(r"if the hosts decode [\d,]+ images/s", notes)


def test_list_names_every_preset(capsys: pytest.CaptureFixture) -> None:
    assert main(["run", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    commands = [line for line in lines if "wiseft run " in line]
    lines = [line for line in lines if line not in commands]
    for name, preset in all_presets().items():
        (line,) = [line for line in lines if f" {name} " in line]
        assert preset.summary in line
    assert max(map(len, lines + commands)) <= 120
    (line,) = [line for line in lines if " imagenet/vit_b16 " in line]
    assert "81.7, 63.0" in line
    (line,) = [line for line in lines if " imagenet/vit_b32 " in line]
    assert "not recorded" in line


def test_list_has_commands_and_predicted_hours_or_why_none(capsys: pytest.CaptureFixture) -> None:
    assert main(["run", "--list"]) == 0
    printed = capsys.readouterr().out
    table, _, below = printed.partition("their commands")[2].partition("predicted hours: ")
    words = " ".join(below.split())
    assert "not measured, and a lower bound" in words
    for name, preset in all_presets().items():
        notebook = read_notebook(name, preset.notes)
        (line,) = [each for each in table.splitlines() if re.search(rf"run {name} ", each)]
        if notebook.hours is None:
            assert " none " in line
            assert f"{name}: {notebook.hardware}" in words
        else:
            assert notebook.hours.devices in line
            assert f" {notebook.hours.images_per_sec:,} " in line
            assert f"{name}: " not in below
    (line,) = [each for each in table.splitlines() if "run imagenet/vit_l14_336 " in each]
    cells = [each.strip() for each in line.strip("│").split("│")]
    command = "WISEFT_DATA_ROOT=/data wiseft run imagenet/vit_l14_336"
    assert cells == [command, "8 H100", "1.33 to 1.36", "2,800"]


def test_list_as_json(capsys: pytest.CaptureFixture) -> None:
    assert main(["run", "--list", "--json"]) == 0
    rows = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert rows.keys() == all_presets().keys()
    assert rows["imagenet/vit_b32"]["model"] == "openai/clip-vit-base-patch32"
    assert rows["imagenet/vit_b32"]["recipe"] == "end_to_end"
    assert rows["imagenet/vit_b32"]["expected"] is None
    row = rows["imagenet/vit_b16"]
    assert row["command"] == "WISEFT_DATA_ROOT=/data wiseft run imagenet/vit_b16"
    assert row["predicted"]["parts"] == {"fine-tuning": [0.094, 0.10], "sweep": [0.0056, 0.0056]}
    assert row["predicted"]["lower_bound"] is row["predicted"]["prediction"] is True
    assert rows["wilds/fmow"]["predicted"] is None
    assert rows["wilds/fmow"]["hardware"].startswith("not predicted, for how many images")
    found = {
        (each["dataset"], each["alpha"]): each["value"]
        for each in rows["imagenet/vit_l14_336"]["expected"]
    }
    assert found["imagenet-val", 0.5] == 0.868
    assert found["mean of shifts", 1.0] == 0.686


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name == "paint/dtd" else [pytest.mark.slow])
        for name in sorted(all_presets())
    ],
)
def test_help_shows_the_options_with_the_presets_own_defaults(
    name: str, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["run", name, "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert f"default: {all_presets()[name].load().training.recipe})" in printed


def test_a_typo_gets_a_suggestion(capsys: pytest.CaptureFixture) -> None:
    assert main(["run", "custom/foldr"]) == 2
    assert "Did you mean 'custom/folder'?" in capsys.readouterr().err


def test_files_of_the_user(tmp_path: Path) -> None:
    python = tmp_path / "mine.py"
    python.write_text(
        "from wiseft_jax.experiment import ExperimentConfig\n"
        "def config():\n    return ExperimentConfig(name='mine')\n"
    )
    assert load_config(str(python)).name == "mine"
    stored = tmp_path / "config.json"
    stored.write_text(json.dumps(to_dict(load_config(str(python)))))
    assert config_hash(load_config(str(stored))) == config_hash(load_config(str(python)))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '{"model": {"nam": "x"}}', "nam"),
        ("b.json", "{", "not valid JSON"),
        ("c.json", '{"training": {"epochs": "many"}}', "epochs"),
        ("d.py", "def config():\n    return 1\n", "returned int"),
        ("e.py", "x = 1\n", "config()"),
        ("f.py", "import nothing_like_it\n", "nothing_like_it"),
        ("g.json", '{"training": {"epochs": -1}}', "epochs"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message) as raised:
        load_config(str(tmp_path / name))
    assert name in str(raised.value)
