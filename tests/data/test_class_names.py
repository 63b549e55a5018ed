from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.class_names import ClassNames, read_class_names


def written(tmp_path: Path, value: object) -> ClassNames:
    if isinstance(value, str):
        path = tmp_path / "names.txt"
        path.write_text(value)
    else:
        path = tmp_path / "names.json"
        path.write_text(json.dumps(value))
    return read_class_names(path)


@pytest.mark.parametrize(
    "value",
    [
        "tench\ngoldfish\n",
        " tench\r\ngoldfish",
        "tench\ngoldfish\n\n",
        ["tench", "goldfish"],
    ],
)
def test_lists_are_read(tmp_path: Path, value: object):
    names = written(tmp_path, value)
    assert names.names == ("tench", "goldfish")
    assert names.is_list


def test_a_mapping_is_read_and_may_merge(tmp_path: Path):
    names = written(tmp_path, {"n1": "dog", "n2": "cat", "n3": "dog"})
    assert names.names == ("dog", "cat")
    assert names.rename(["n3", "n2", "cat", "DOG"]) == ("dog", "cat", "cat", "DOG")


def test_a_list_names_classes_by_position_when_it_has_to(tmp_path: Path, caplog):
    names = written(tmp_path, "tench\ngoldfish\n")
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        bound = names.bind(["n1", "n2"])
    assert bound.rename(["n1", "n2"]) == ("tench", "goldfish")
    assert "by position: n1 -> tench, n2 -> goldfish" in caplog.text
    # another set, with a subset of the folders, or with numbers
    assert bound.rename(["n2"]) == ("goldfish",)
    assert bound.rename(["1", "0"]) == ("goldfish", "tench")
    with pytest.raises(InputError, match="by position, others only by name or number"):
        names.rename(["n2"])


@pytest.mark.parametrize("source", [["goldfish", "tench"], ["1", "0"], ["Goldfish"]])
def test_a_list_is_not_bound_by_position_when_names_or_numbers_tell(tmp_path: Path, source):
    names = written(tmp_path, "tench\ngoldfish\n")
    assert names.bind(source) is names


def test_a_list_of_another_length_is_refused(tmp_path: Path):
    names = written(tmp_path, "tench\ngoldfish\n")
    with pytest.raises(InputError, match=r"2 names for 3 classes \(n1, n2, n3"):
        names.bind(["n1", "n2", "n3"])


def test_numbers_beyond_the_list_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="2 names for 1 class"):
        written(tmp_path, "tench\ngoldfish\n").bind(["2"])


def test_unknown_classes_are_listed_with_suggestions(tmp_path: Path):
    names = written(tmp_path, {"n1": "dog", "n2": "cat"})
    with pytest.raises(InputError, match=r"2 classes have no name.*\n  'n11' Did you mean 'n1'"):
        names.rename(["n1", "n11", "xyz"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a\n\nb\n", "line 2: expected a class name, found ''"),
        ("", "line 1: expected a class name"),
        ("a\nb\na\n", "class names occur more than once: a"),
        ([], "expected a JSON list of names"),
        ({}, "expected a JSON list of names"),
        (7, "expected a JSON list of names"),
        (["a", 1], "line 2: expected a class name, found 1"),
        ({"0": ["n01", "tench"]}, r"'0': expected a class name, found \['n01', 'tench'\]"),
    ],
)
def test_what_is_no_list_of_names_is_refused(tmp_path: Path, value: object, message: str):
    with pytest.raises(InputError, match=message):
        written(tmp_path, value)


def test_files_that_can_not_be_read_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such file of class names"):
        read_class_names(tmp_path / "names.txt")
    (tmp_path / "names.json").write_text("{oops")
    with pytest.raises(InputError, match=r"names\.json: not JSON"):
        read_class_names(tmp_path / "names.json")
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="expected UTF-8"):
        read_class_names(tmp_path / "names.txt")
