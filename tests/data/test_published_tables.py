from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.published_miniatures import write_miniature
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.published_tables import FILE_NAMES, row_conditions
from wiseft_jax.data.specs import open_source

TABLES = {
    name: split
    for name, entry in DATASETS.items()
    for split in entry.layout.splits
    if split.labels == "table"
}


def test_every_table_says_what_its_images_are_called():
    assert set(FILE_NAMES) == set(TABLES)


def test_conditions_are_read_from_the_catalogs_words():
    assert row_conditions("") == []
    assert row_conditions("split is test, timestamp from 2016") == [
        ("split", "is", "test"), ("timestamp", "from", "2016"),
    ]  # fmt: skip
    assert row_conditions("split is val, timestamp from 2013 and before 2016")[1:] == [
        ("timestamp", "from", "2013"), ("timestamp", "before", "2016"),
    ]  # fmt: skip
    for entry in DATASETS.values():
        for split in entry.layout.splits:
            assert bool(row_conditions(split.where)) == bool(split.where)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("gtsrb", ";ClassId", ";Class", r"row 0: no column 'ClassId'.*Did you mean 'Class'"),
        ("gtsrb", ";49;42", ";49;43", r"row 0, column 'ClassId': expected .* 0 to 42; found '43'"),
        ("gtsrb", ";49;42", ";49;", r"found ''"),
        ("gtsrb", "00001.ppm", "00009.ppm", r"1 of the 2 images .* missing(.|\n)*00009\.ppm"),
        ("wilds-fmow", "airport_hangar,2016", "hangar,2016", r"row 6, .* found 'hangar'"),
        ("wilds-fmow", "timestamp", "time", r"no column 'timestamp'"),
        ("wilds-iwildcam", ",test,", ",tset,", "no row is of wilds-iwildcam:test"),
        ("wilds-iwildcam", "filename", "file", r"no column 'filename'"),
        ("wilds-iwildcam", "181,a4", "182,a4", r"0 to 181; found '182'"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    name: str, old: str, new: str, message: str, tmp_path: Path
):
    write_miniature(tmp_path, name, "test")
    index = tmp_path / DATASETS[name].layout.folder / str(TABLES[name].index)
    text = index.read_text()
    assert old in text
    index.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        open_source(f"published:{name}:test@{tmp_path}")


def test_a_devkit_that_is_none_is_refused(tmp_path: Path):
    write_miniature(tmp_path, "cars", "test")
    index = tmp_path / "stanford_cars" / "cars_test_annos_withlabels.mat"
    for content in (b"", b"<html>404</html>" * 20, index.read_bytes()[:300]):
        index.write_bytes(content)
        with pytest.raises(InputError, match="can't be read as a MATLAB file"):
            open_source(f"published:cars:test@{tmp_path}")
