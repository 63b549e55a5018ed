"""Boxes in tables and in COCO's annotations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wiseft_jax.backgrounds.box_files import find_boxes, whole_pixels
from wiseft_jax.backgrounds.build_items import Item
from wiseft_jax.core.errors import InputError

ITEMS = [
    Item(0, "cat/a", "cat/a.jpg"),
    Item(1, "dog/b.1", "dog/deep/b.1.jpg"),
    Item(2, "dog/c", "dog/c.jpg"),
]
BOXES = {0: [(1.0, 2.0, 3.0, 4.0)], 1: [(0.0, 0.5, 2.0, 2.0), (5.0, 5.0, 6.0, 6.0)]}
ROWS = [("cat/a.jpg", 1, 2, 3, 4), ("dog/b.1", 0, 0.5, 2, 2), ("dog/deep/b.1.jpg", 5, 5, 6, 6)]


def write_table(path: Path, rows: list[tuple], column: str = "path") -> Path:
    columns = (column, "x0", "y0", "x1", "y1")
    if path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
    else:
        mark = "\t" if path.suffix == ".tsv" else ","
        lines = [mark.join(map(str, row)) for row in [columns, *rows]]
    path.write_text("\n".join(lines) + "\n")
    return path


def coco(path: Path) -> Path:
    images = [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "deep/x.jpg"}]
    annotations = [
        {"image_id": 7, "bbox": [1, 2, 2, 2]},
        {"image_id": 8, "bbox": [0, 0, 1, 1]},
    ]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


@pytest.mark.parametrize("name", ["boxes.csv", "boxes.tsv", "boxes.jsonl"])
def test_tables_name_images_by_id_or_path(tmp_path: Path, name: str):
    rows = [row for row in ROWS if row[0] != "dog/deep/b.1.jpg"]
    rows.append(("dog/b.1", 5, 5, 6, 6))
    assert find_boxes(write_table(tmp_path / name, rows), ITEMS) == BOXES


def test_other_columns_and_strangers(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    rows = [("a", 1, 2, 3, 4), ("who.png", 1, 2, 3, 4)]
    for column in ("file", "id"):
        found = find_boxes(write_table(tmp_path / "boxes.csv", rows, column), ITEMS, "file")
        assert found == {0: BOXES[0]}
    assert "boxes of 1 images that aren't there: who" in caplog.text


def test_cocos_boxes_are_corner_and_extent(tmp_path: Path):
    assert find_boxes(coco(tmp_path / "coco.json"), ITEMS) == {0: [(1.0, 2.0, 3.0, 4.0)]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "expected .csv, .tsv, .jsonl, .json"),
        ("a.csv", "path,x0,y0,x1,y1\n", "there are no boxes"),
        ("a.csv", "path,x0,y0,x1\na,1,2,3\n", r"a\.csv:2: no column 'y1'; "),
        ("a.csv", "path,x0,b\na,1,2\n", r"a\.csv:2: no columns 'y0', 'x1', 'y1'; expected x0"),
        ("a.csv", "path,x0,y0,x1,y1\na,1,2,three,4\n", "x1: expected a number, found 'three'"),
        ("a.csv", "path,x0,y0,x1,y1\na,1,2,nan,4\n", "x1: expected a number, found 'nan'"),
        ("a.csv", "path,x0,y0,x1,y1\na,1,2,3,4,5\n", "more values than columns"),
        ("a.csv", "name,x0,y0,x1,y1\na,1,2,3,4\n", "no image is named"),
        ("a.jsonl", "{\n", r"a\.jsonl:1: not a JSON object"),
        ("a.jsonl", "[1]\n", "expected a JSON object, found list"),
        ("a.json", '{"images": []}', "expected COCO's annotations"),
        ("a.json", '{"images": [{"id": 1, "file_name": "a"}], "annotations":'
            ' [{"image_id": 1, "bbox": [1, 2]}]}', "expected COCO's annotations"),
    ],
)  # fmt: skip
def test_wrong_files_are_refused(tmp_path: Path, name: str, text: str, message: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        find_boxes(tmp_path / name, ITEMS)


def test_a_name_that_two_images_have_is_refused(tmp_path: Path):
    file = write_table(tmp_path / "boxes.csv", [("a", 1, 2, 3, 4)])
    twin = Item(3, "dog/a", "dog/a.jpg")
    with pytest.raises(InputError, match=r"belongs to two images, cat/a\.jpg and dog/a\.jpg"):
        find_boxes(file, [*ITEMS, twin])
    with pytest.raises(InputError, match="no such file of boxes"):
        find_boxes(tmp_path / "none.csv", ITEMS)


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ((1.2, 2.9, 7.1, 8.0), (1, 2, 8, 8)),
        ((-0.4, -0.9, 10.6, 20.5), (0, 0, 10, 20)),  # less than a pixel is rounding
        ((-1.0, 0.0, 11.0, 5.0), (-1, 0, 11, 5)),  # a pixel is not
    ],
)
def test_boxes_become_whole_pixels_outwards(corners: tuple, expected: tuple):
    assert whole_pixels(corners, 10, 20) == expected
