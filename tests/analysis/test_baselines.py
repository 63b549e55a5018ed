"""Baselines from a CSV: what is read, and what is refused with its line and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wiseft_jax.analysis.baselines import read_baselines
from wiseft_jax.core.errors import InputError

GOOD = """# from the testbed
model, test, sketch
a, 0.5, 0.3

b, 0.6, 0.4
"c, large", 0.7,
d, 0.8, 0.6
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read(tmp_path: Path):
    found = read_baselines(written(tmp_path / "b.csv", "\ufeff" + GOOD))
    assert found.models == ("a", "b", "c, large", "d")
    assert found.accuracies["test"].tolist() == [0.5, 0.6, 0.7, 0.8]
    assert np.isnan(found.accuracies["sketch"][2])
    x, y = found.pair("test", "sketch")
    assert (x.tolist(), y.tolist()) == ([0.5, 0.6, 0.8], [0.3, 0.4, 0.6])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header and a line for each model, found nothing"),
        ("name,acc\n", "expected a column 'model' and one for each set, .* the columns name, acc"),
        ("model;test;sketch\n", "found the columns model;test;sketch. .*parted by commas"),
        ("Model,test,sketch\n", "Did you mean 'Model'"),
        ("model,test\n", "a shift or more, named as the run's; found the columns model, test"),
        ("model,test,test\n", "column test is there twice"),
        ("model,test,sketch\na,0.5\n", r"b.csv:2: expected 3 cells as in the header, found 2"),
        ("model,test,sketch\na,0.5,x\n", r"b.csv:2: sketch: expected an accuracy, found 'x'"),
        ("model,test,sketch\n# no\na,50,30\n", r"b.csv:3: test: .*found 50; divide percentages"),
        (
            "model,test,sketch\na,0,0.3\n",
            "found 0; 0 and 1 have no place on logit axes: leave the cell empty",
        ),
        ("model,test,sketch\na,nan,0.3\n", "a fraction between 0 and 1, found nan"),
        ("model,test,sketch\na,0.5,0.3\na,0.6,0.3\n", "model a is there twice"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str):
    with pytest.raises(InputError, match=message):
        read_baselines(written(tmp_path / "b.csv", text))


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path):
    with pytest.raises(InputError, match="no such file of baselines"):
        read_baselines(tmp_path / "b.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="expected UTF-8"):
        read_baselines(tmp_path / "b.csv")


def test_a_line_needs_columns_and_models(tmp_path: Path):
    found = read_baselines(written(tmp_path / "b.csv", GOOD))
    said = r"no column 'skech'. Did you mean 'sketch'\? Expected .*'test' and 'skech' among"
    with pytest.raises(InputError, match=said):
        found.pair("test", "skech")
    few = read_baselines(written(tmp_path / "few.csv", GOOD.replace("d, 0.8, 0.6\n", "")))
    with pytest.raises(InputError, match="expected 3 models or more with 'test' and 'sketch'"):
        few.pair("test", "sketch")
    flat = "model,test,sketch\na,.5,.3\nb,.5,.4\nc,.5,.2\n"
    with pytest.raises(InputError, match="all models have the same 'test'"):
        read_baselines(written(tmp_path / "flat.csv", flat)).pair("test", "sketch")
