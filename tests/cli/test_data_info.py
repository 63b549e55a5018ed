"""``wiseft data info`` through the program."""

from __future__ import annotations

import json

import pytest

from wiseft_jax.cli.main import main
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.catalog_facts import published_specs
from wiseft_jax.data.class_lists import CLASS_LISTS


@pytest.mark.parametrize("name", DATASETS)
def test_it_says_what_the_entry_has(name: str, capsys: pytest.CaptureFixture[str]):
    assert main(["data", "info", name]) == 0
    printed = capsys.readouterr().out
    entry = DATASETS[name]
    for text in (entry.title, entry.licence, entry.obtain, entry.citation.title, entry.prompts):
        assert text in printed
    for text in (*entry.notes, *entry.missing):
        assert text in printed
    for split in entry.layout.splits:
        assert f" {split.name} " in printed
    if entry.tfds is not None:
        assert f"tfds:{entry.tfds.name}:" in printed
    for spec in published_specs(name).values():
        assert f" {spec}@ROOT\n" in printed


@pytest.mark.parametrize("name", DATASETS)
def test_json_has_every_field(name: str, capsys: pytest.CaptureFixture[str]):
    assert main(["data", "info", name, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    entry = DATASETS[name]
    assert (facts["schema"], facts["id"], facts["title"]) == (1, name, entry.title)
    assert facts["classes"]["list"] == entry.classes
    assert facts["classes"]["sha256"] == CLASS_LISTS[entry.classes].sha256
    assert "rows" not in facts["classes"]
    assert [split["name"] for split in facts["layout"]["splits"]] == [
        split.name for split in entry.layout.splits
    ]


def test_classes_are_listed_in_label_order(capsys: pytest.CaptureFixture[str]):
    assert main(["data", "info", "eurosat", "--classes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["classes"]["rows"]
    assert [row["label"] for row in rows] == list(range(10))
    assert rows[2] == {
        "label": 2,
        "key": "HerbaceousVegetation",
        "name": "brushland or shrubland",
        "imagenet": [],
    }
    assert main(["data", "info", "objectnet", "--classes"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "alarm_clock" in line]
    assert "alarm clock" in line
    assert "409 530" in line


def test_what_is_special_is_said(capsys: pytest.CaptureFixture[str]):
    assert main(["data", "info", "objectnet"]) == 0
    printed = capsys.readouterr().out
    assert "max: 125 of ImageNet's classes are mapped" in printed
    assert "2 pixels, cropped off first" in printed
    assert "imagenet-objectnet-val-classes" in printed
    assert main(["data", "info", "wilds-fmow"]) == 0
    assert "region: Africa, Americas, Asia, Europe, Oceania" in capsys.readouterr().out
    assert main(["data", "info", "cifar10-c"]) == 0
    assert "severities 1, 2, 3, 4, 5" in capsys.readouterr().out


def test_an_unknown_data_set_is_bad_input(capsys: pytest.CaptureFixture[str]):
    assert main(["data", "info", "objctnet"]) == 2
    assert "unknown data set 'objctnet'. Did you mean 'objectnet'?" in capsys.readouterr().err
    assert main(["data", "info"]) == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("eurosat", "called by the keys of the class list: wiseft data info eurosat --classes"),
        ("imagenet-v2", "called by the labels, as numbers: wiseft data info imagenet-v2 --classes"),
        ("imagenet-r-val-classes", "WordNet ids of ImageNet's classes: wiseft data info imagenet"),
        ("cifar10", "none for a class; the classes in the order of their labels: wiseft data info"),
    ],
)
def test_it_says_what_the_folders_of_classes_are_called(
    name: str, said: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["data", "info", name]) == 0
    (line,) = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("  folders")
    ]
    assert said in line


def test_a_metric_that_is_no_row_is_said_to_be_none(capsys: pytest.CaptureFixture[str]):
    assert main(["data", "info", "cifar10-c"]) == 0
    assert "top1_mean_over_variants: no row, but the mean of the rows" in capsys.readouterr().out
    assert main(["data", "info", "cifar10"]) == 0
    assert "no row" not in capsys.readouterr().out
