"""``--class-names FILE``: better names for a source's classes than its folders have."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.core.errors import InputError, counted
from wiseft_jax.data.matching import describe_unmatched, normalise_name
from wiseft_jax.data.specs import require_path

logger = logging.getLogger(__name__)

_LISTED = 10


@dataclasses.dataclass(frozen=True)
class ClassNames:
    """New names for classes: a list (class i is ``names[i]``), or a mapping from the old ones.

    Attributes:
      path: The file.
      names: All the names, each once, in order.
      mapping: Folder or label -> name.
      is_list: Whether the file is a list, so that integer labels count in it.
    """

    path: str
    names: tuple[str, ...]
    mapping: Mapping[str, str]
    is_list: bool

    @functools.cached_property
    def _known(self) -> frozenset[str]:
        return frozenset([*self.names, *map(normalise_name, self.names)])

    def bind(self, source_names: Sequence[str]) -> ClassNames:
        """Return the names with a list tied to a source's classes by position, where it has to be.

        That is so when the source's classes are neither names of the list nor integers: folders
        ``n01440764, n01443537, ...`` and a list ``tench, goldfish, ...`` of the same length.

        Raises:
          InputError: If the lengths differ.
        """
        if not self.is_list or not self._unknown(source_names):
            return self
        if len(source_names) != len(self.names):
            raise InputError(
                f"{self.path}: {counted(len(self.names), 'name')} for"
                f" {counted(len(source_names), 'class', 'classes')} "
                f"({', '.join(source_names[:_LISTED])}, ...); give one name for each class, in "
                "their order, or a JSON object from their names to yours"
            )
        mapping = dict(zip(source_names, self.names, strict=True))
        logger.info(
            "%s: names given to classes by position: %s",
            self.path,
            ", ".join(f"{old} -> {new}" for old, new in list(mapping.items())[:_LISTED])
            + (", ..." if len(mapping) > _LISTED else ""),
        )
        return dataclasses.replace(self, mapping=mapping)

    def rename(self, source_names: Sequence[str]) -> tuple[str, ...]:
        """Return the new name of each of a source's classes.

        Raises:
          InputError: Lists the classes that the file doesn't know.
        """
        unknown = self._unknown(source_names)
        if unknown:
            hint = "\nA list names the training set's classes by position, others only by name or "
            hint += "number; a JSON object from their names to yours works for any set"
            raise InputError(
                f"{self.path}: {counted(len(unknown), 'class has', 'classes have')} no name in this"
                " file:"
                + describe_unmatched(unknown, [*self.mapping, *self.names])
                + (hint if self.is_list else "")
            )
        return tuple(self._rename(name) or name for name in source_names)

    def _rename(self, name: str) -> str | None:
        if name in self.mapping:
            return self.mapping[name]
        if name in self._known or normalise_name(name) in self._known:
            return name
        if self.is_list and name.isdecimal() and int(name) < len(self.names):
            return self.names[int(name)]
        return None

    def _unknown(self, source_names: Sequence[str]) -> list[str]:
        return [name for name in source_names if self._rename(name) is None]


def read_class_names(path: Path | str, *, repeats: bool = False) -> ClassNames:
    """Read a file of class names: text, one a line; a JSON list; or a JSON object old -> new.

    Args:
      path: The file.
      repeats: Whether a list may have a name more than once, as published lists of ImageNet's do.

    Raises:
      InputError: If it is missing or of another form, or a name is empty or (in a list) repeated.
    """
    path = Path(path).expanduser()
    require_path(path, "file of class names")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text ({error})") from None
    if path.suffix.lower() == ".json":
        value = _parse_json(path, text)
    else:
        value = [line.strip() for line in text.rstrip().split("\n")]
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, name in entries:
        if not isinstance(name, str) or not name.strip():
            place = f"line {key + 1}" if isinstance(key, int) else f"{key!r}"
            raise InputError(f"{path}: {place}: expected a class name, found {name!r}")
    if isinstance(value, dict):
        return ClassNames(str(path), tuple(dict.fromkeys(value.values())), value, is_list=False)
    repeated = sorted({name for name in value if value.count(name) > 1})
    if repeated and not repeats:
        raise InputError(f"{path}: class names occur more than once: {', '.join(repeated)}")
    return ClassNames(str(path), tuple(value), {}, is_list=True)


def _parse_json(path: Path, text: str) -> Any:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    if not isinstance(value, (list, dict)) or not value:
        raise InputError(
            f"{path}: expected a JSON list of names, or an object from folder or label to name"
        )
    return value
