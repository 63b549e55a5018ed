"""``wiseft data`` and ``wiseft data list`` through the program."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.helpers.light_help import HEAVY, light_help
from wiseft_jax.cli import data
from wiseft_jax.cli.main import main
from wiseft_jax.data.catalog import DATASETS


def test_help_names_every_part(capsys: pytest.CaptureFixture[str]):
    assert main(["data", "--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n  {part} " in printed for part in data.PARTS)


def test_no_part_and_a_mistyped_one_are_bad_input(capsys: pytest.CaptureFixture[str]):
    assert main(["data"]) == 2
    assert "no part is named" in capsys.readouterr().err
    assert main(["data", "lst"]) == 2
    assert "unknown part of data 'lst'. Did you mean 'list'?" in capsys.readouterr().err


@pytest.mark.parametrize("part", data.PARTS)
def test_help_of_a_part_loads_nothing_heavy(part: str):
    assert "--json" in light_help("data", part)


def test_the_list_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from wiseft_jax.cli.main import main\n"
        "code = main(['data', 'list'])\n"
        f"heavy = {{*{HEAVY!r}, 'tensorflow_datasets'}} & {{*sys.modules}}\n"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_table_has_a_line_for_every_data_set(capsys: pytest.CaptureFixture[str]):
    assert main(["data", "list"]) == 0
    printed = capsys.readouterr().out
    assert f"{len(DATASETS)} data sets" in printed
    assert max(map(len, printed.splitlines())) < 120
    assert all(
        f" {name} " in printed and entry.title in printed for name, entry in DATASETS.items()
    )


def test_json_has_the_fixed_ids_in_order_and_a_schema(capsys: pytest.CaptureFixture[str]):
    assert main(["data", "list", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["schema"] == 1
    assert [row["id"] for row in facts["datasets"]] == list(DATASETS)
    keys = {"id", "title", "classes", "split", "images", "metrics", "projection", "reference"}
    assert all(row.keys() == keys | {"derived", "tfds", "licence"} for row in facts["datasets"])
    (row,) = [row for row in facts["datasets"] if row["id"] == "objectnet"]
    assert (row["classes"], row["images"], row["projection"]) == (113, 18_574, "max")
    assert row["reference"] == "imagenet-objectnet-val-classes"
