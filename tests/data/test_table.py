from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.data.builders import encode, pixels, write_table
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.specs import SourceOptions, open_source


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for index in range(4):
        (tmp_path / "images" / f"{index}.png").write_bytes(encode(pixels(index)))
    return tmp_path


def open_table(path: Path, **options: Any):
    return open_source(f"table:{path}", SourceOptions(**options))


ROWS = [("images/2.png", "owl"), ("images/0.png", "cat"), ("images/1.png", "owl")]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "CSV"])
def test_rows_become_images_in_their_order(images: Path, suffix: str):
    source = open_table(write_table(images / f"list.{suffix}", ROWS))
    assert source.class_names == ("cat", "owl")
    assert source.labels.tolist() == [1, 0, 1]
    assert source.read(0) == encode(pixels(2))
    assert source.ids[0] == str(images / "images" / "2.png")


def test_columns_may_have_other_names_and_company(images: Path):
    path = images / "list.csv"
    path.write_text('id,file,note,class\n7,images/0.png,"a, b",cat\n8,images/1.png,"c\nd",dog\n')
    source = open_table(path, path_column="file", label_column="class")
    assert source.class_names == ("cat", "dog")


def test_absolute_paths_and_a_byte_order_mark_are_fine(images: Path):
    path = images / "list.csv"
    path.write_text(f"path,label\n{images}/images/0.png, cat \n", encoding="utf-8-sig")
    source = open_table(path)
    assert source.class_names == ("cat",)
    assert source.read(0) == encode(pixels(0))


def test_integer_labels_are_sorted_by_number(images: Path):
    rows = [(f"images/{index}.png", label) for index, label in enumerate(["10", "9", "2"])]
    assert open_table(write_table(images / "a.csv", rows)).class_names == ("2", "9", "10")
    path = images / "b.jsonl"
    path.write_text(
        '{"path": "images/0.png", "label": 10}\n\n{"path": "images/1.png", "label": 9}\n'
    )
    assert open_table(path).class_names == ("9", "10")
    rows.append(("images/3.png", "x"))
    assert open_table(write_table(images / "c.csv", rows)).class_names == ("10", "2", "9", "x")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "no rows"),
        ("a.csv", "path,label\n", "no rows"),
        ("a.xlsx", "x", r"expected a table \(.csv, .tsv, .jsonl\), found suffix '.xlsx'"),
        ("a.csv", "file,label\na,b\n", "a.csv:2: no column 'path'; the columns are file, label"),
        ("a.csv", "path,lable\na,b\n", "no column 'label'.*Did you mean 'lable'"),
        ("a.csv", "path,label\nx.png,\n", "a.csv:2: column 'label': expected text"),
        ("a.csv", "path,label\nx.png\n", "a.csv:2: column 'label': .* found None"),
        ("a.csv", "path,label\nx.png,a,b\n", "a.csv:2: more values than the 2 columns"),
        ("a.csv", 'path,label\n"x.png,a\n', "a.csv:1: unexpected end of data"),
        ("a.jsonl", "{}\n", "no column 'path'"),
        ("a.jsonl", "[1]\n", "expected a JSON object, found list"),
        ("a.jsonl", "{oops\n", "a.jsonl:1: not a JSON object"),
        ("a.jsonl", '{"path": "x", "label": 1.5}', "found 1.5"),
        ("a.jsonl", '{"path": "x", "label": true}', "found True"),
        ("a.jsonl", '{"path": "x", "label": null}', "found None"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, text: str, message: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        open_table(tmp_path / name)


def test_other_encodings_are_refused(tmp_path: Path):
    (tmp_path / "a.csv").write_bytes("path,label\nx,ü\n".encode("latin-1"))
    with pytest.raises(InputError, match="expected UTF-8"):
        open_table(tmp_path / "a.csv")


def test_a_missing_table_has_a_suggestion(tmp_path: Path):
    (tmp_path / "list.csv").touch()
    with pytest.raises(InputError, match=r"no such table.*Did you mean 'list\.csv'"):
        open_table(tmp_path / "lists.csv")


def test_missing_images_are_listed(images: Path):
    rows = [(f"images/{index}.png", "cat") for index in range(16)]
    with pytest.raises(InputError, match="12 of 16 images missing") as info:
        open_table(write_table(images / "a.csv", rows))
    lines = str(info.value).splitlines()
    assert lines[1].endswith("images/4.png")
    assert lines[-1].endswith("and 2 more")
    assert len(lines) == 12


def test_an_image_twice_is_a_warning_and_with_two_labels_an_error(images: Path, caplog):
    rows = [("images/0.png", "cat"), ("images/0.png", "cat"), ("images/1.png", "dog")]
    assert len(open_table(write_table(images / "a.csv", rows))) == 3
    assert "1 row repeats an image" in caplog.text
    with pytest.raises(InputError, match=r"0\.png has two labels, 'cat' and 'dog'"):
        open_table(write_table(images / "b.csv", [*rows, ("images/0.png", "dog")]))


def test_an_image_may_have_several_captions(images: Path):
    rows = [("images/0.png", "a cat"), ("images/0.png", "a red cat"), ("images/1.png", "a dog")]
    source = open_table(write_table(images / "a.csv", rows), captions=True)
    assert [source.class_names[label] for label in source.labels] == [text for _, text in rows]
