"""Published data sets whose labels are in a table: CSV, or a devkit's .mat.

Files are those that torchvision 0.29 (Cars, GTSRB) and p-lambda/wilds, commit 4726775, read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.core.errors import InputError, did_you_mean
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.matlab import read_matlab
from wiseft_jax.data.published_split import PublishedSplit
from wiseft_jax.data.source import BadLabelError

FILE_NAMES: dict[str, str] = {
    "cars": "{fname}",
    "gtsrb": "{Filename}",
    "wilds-fmow": "rgb_img_{row}.png",
    "wilds-iwildcam": "{filename}",
}
"""Data set id -> what a row's image is called, by its columns and its number from 0."""

_COUNTRIES = "country_code_mapping.csv"
_COUNTRY_COLUMN = "country_code"
_OTHER = "Other"
_CONDITION = re.compile(r"(?:(\w+) )?(is|before|from) ([\w-]+)")


def open_table(found: PublishedSplit) -> FileSource:
    """Open a split whose images' labels are in a table.

    Raises:
      InputError: The table, a column, an image or a label isn't as it should be.
    """
    (base,) = found.paths()
    index = found.file(str(found.split.index))
    conditions = row_conditions(found.split.where)
    labels_of = {key: label for label, key in enumerate(found.keys)}
    paths: list[str] = []
    labels: list[int] = []
    codes: list[str] = []
    grouped = found.entry.scoring.groups is not None
    rows = _devkit_rows(index) if index.suffix == ".mat" else _csv_rows(index)
    for number, row in enumerate(rows):
        if all(_holds(_value(index, number, row, column), *rest) for column, *rest in conditions):
            value = _value(index, number, row, str(found.split.column))
            if value in labels_of and not value.isdecimal():
                labels.append(labels_of[value])
            else:
                labels.append(_number(index, number, value, found))
            names = _Columns(index, number, row)
            paths.append(str(base / FILE_NAMES[found.id].format_map(names)))
            if grouped:
                codes.append(_value(index, number, row, _COUNTRY_COLUMN))
    found.require_images(index, paths)
    arguments = (np.asarray(labels, np.int32), found.class_names, found.folder)
    if not grouped:
        return FileSource(found.name, paths, *arguments)
    regions = _regions(found)
    return GroupedSource(
        found.name, paths, *arguments, group_of=[regions.get(code, _OTHER) for code in codes]
    )


class GroupedSource(FileSource):
    """Files whose images are in groups that are scored one by one.

    Args:
      name: A short name.
      paths: One file an image.
      labels: int[N], index into ``class_names``.
      class_names: The classes.
      root: What the fingerprint's paths are relative to.
      group_of: The group of each image.
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[str],
        labels: np.ndarray,
        class_names: Sequence[str],
        root: Path,
        *,
        group_of: Sequence[str],
    ) -> None:
        super().__init__(name, paths, labels, class_names, root)
        self.group_of = tuple(group_of)

    def fingerprint(self) -> str:
        """Return the hash of the files, their labels and groups."""
        return hash_json([super().fingerprint(), self.group_of])


def _regions(found: PublishedSplit) -> dict[str, str]:
    """Return country -> region; WILDS calls what isn't there, or has no region, Other."""
    path = found.file(_COUNTRIES)
    return {
        _value(path, number, row, "alpha-3"): _value(path, number, row, "region") or _OTHER
        for number, row in enumerate(_csv_rows(path))
    }


def row_conditions(where: str) -> list[tuple[str, str, str]]:
    """Return ``(column, "is" | "before" | "from", value)`` of ``Split.where``; all must hold.

    Text is compared as text, which for ISO dates is their order.

    Example:
      >>> row_conditions("split is val, timestamp from 2013 and before 2016")
      [('split', 'is', 'val'), ('timestamp', 'from', '2013'), ('timestamp', 'before', '2016')]
    """
    conditions: list[tuple[str, str, str]] = []
    for part in re.split(r", | and ", where) if where else []:
        match = _CONDITION.fullmatch(part)
        assert match is not None, where  # a fact of the catalog, not of a user
        conditions.append((match[1] or conditions[-1][0], match[2], match[3]))
    return conditions


def _holds(value: str, how: str, than: str) -> bool:
    return {"is": value == than, "before": value < than, "from": value >= than}[how]


class _Columns(dict[str, Any]):
    """A row by column, and its number as ``row``; a missing column is an ``InputError``."""

    def __init__(self, index: Path, number: int, row: Mapping[str, str]) -> None:
        super().__init__(row=number)
        self._of = (index, number, row)

    def __missing__(self, column: str) -> str:
        return _value(*self._of, column)


def _value(index: Path, number: int, row: Mapping[str, str], column: str) -> str:
    value = row.get(column)
    if value is None:
        raise InputError(
            f"{index}, row {number}: no column {column!r}; the columns are {', '.join(row)}."
            f"{did_you_mean(column, row)}"
        )
    return value


def _number(index: Path, number: int, value: str, found: PublishedSplit) -> int:
    first, count = found.split.first_label, len(found.keys)
    if not value.isdecimal() or not first <= int(value) < first + count:
        raise BadLabelError(
            f"{index}, row {number}, column {found.split.column!r}: expected a class of"
            f" {found.id}'s, or its number, {first} to {first + count - 1}; found {value!r}",
            value,
        )
    return int(value) - first


def _csv_rows(index: Path) -> Iterator[dict[str, str]]:
    try:
        text = index.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{index}: expected UTF-8 text ({error})") from None
    head = text.partition("\n")[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise InputError(f"{index}:{reader.line_num}: {error}") from None


def _devkit_rows(index: Path) -> Iterator[dict[str, str]]:
    (found,) = read_matlab(index, "annotations", squeeze=True)
    table = np.atleast_1d(found)
    columns = table.dtype.names
    if columns is None:
        raise InputError(f"{index}: expected 'annotations' to be a structure, found {table.dtype}")
    yield from ({name: str(row[name]) for name in columns} for row in table)
