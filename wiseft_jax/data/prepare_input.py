"""From what a user writes to the splits that are prepared, and to what they are called."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.data.archive import is_archive, open_archive
from wiseft_jax.data.catalog import dataset_entry
from wiseft_jax.data.files import is_hidden
from wiseft_jax.data.folder import SPLIT_NAMES, SplitFolders, split_folders
from wiseft_jax.data.published_split import find_split
from wiseft_jax.data.source import Source
from wiseft_jax.data.specs import ARCHIVE_SUFFIXES, SourceOptions, Spec, open_source, parse_spec

USAGE = f"archive:FILE ({' '.join(ARCHIVE_SUFFIXES)})"

Opener = Callable[[], Source]

logger = logging.getLogger(__name__)

_ONLY = "train"  # what the only split of a source is called that gives it no name, as in TFDS
_WHOLE = "all"  # TFDS keeps the word for the sum of the splits


@dataclasses.dataclass(frozen=True)
class PrepareInput:
    """What a spec names, before it is opened.

    Attributes:
      name: What TFDS may call it: letters, digits and underscores.
      config: Its variant; empty: there is none.
      splits: Name -> what opens it.
      doubt: Why these may be no splits, and what to do; empty: they are.
      absent: Those that the data set is whole without, and that aren't there.
    """

    name: str
    config: str
    splits: Mapping[str, Opener]
    doubt: str = ""
    absent: tuple[str, ...] = ()

    def open(self, wanted: Sequence[str]) -> dict[str, Source]:
        """Open splits.

        Args:
          wanted: Which ones; empty: all, but for a split that is called so, the sum of the others.
            Where the source has a single one: what to call it.

        Raises:
          InputError: There is none of that name; none is named, and what there is may be no splits;
            or what opening it raises.
        """
        if len(self.splits) == 1:
            ((own, opener),) = self.splits.items()
            if not wanted and own == _WHOLE:
                logger.info(
                    "%s: its only split is called all, which TFDS keeps for the sum of splits; here"
                    " it is called %s, as TFDS does; --split NAME calls it otherwise",
                    self.name, _ONLY,
                )  # fmt: skip
                return {_ONLY: opener()}
            if len(wanted) == 1:
                return {wanted[0]: opener()}
        for name in wanted:
            if name not in self.splits:
                raise unknown_name(f"split of {self.name}", name, self.splits)
        if self.doubt and not wanted:
            raise InputError(self.doubt)
        if not wanted and self.absent:
            logger.warning(
                "%s: %s isn't there, and is left out: the data set is whole without it",
                self.name, ", ".join(self.absent),
            )  # fmt: skip
        every = [name for name in self.splits if name != _WHOLE and name not in self.absent]
        if not wanted and _WHOLE in self.splits:
            logger.info(
                "%s: all is the sum of the others, and isn't prepared beside them", self.name
            )
        opened = {}
        for name in wanted or every:
            try:
                opened[name] = self.splits[name]()
            except InputError as error:
                others = " ".join(each for each in every if each != name)
                if wanted or not others:
                    raise
                raise InputError(f"{error}\nTo do without {name}: --split {others}") from None
        return opened


def prepare_input(text: str, options: SourceOptions | None = None) -> PrepareInput:
    """Return what a spec, or an archive, names.

    ``folder:PATH`` and archives may have splits (``train``, ``val``, ``test``, and beside them any
    others with the same folders) with the class folders in them; ``published:ID`` without a split
    means all of them.

    Args:
      text: ``[NAME=]SCHEME:TARGET``, ``[NAME=]archive:FILE``, or the path of an archive.
      options: Columns of a table, directory of TFDS, root of published sets.

    Raises:
      InputError: It is neither; or an archive that can't be read.
    """
    name, _, rest = text.rpartition("=") if re.match(r"[^:=/]+=", text) else ("", "", text)
    scheme, colon, target = rest.partition(":")
    if scheme == "archive" and colon:
        return _archive(target, name)
    if is_archive(rest) and (not colon or Path(rest).is_file()):
        return _archive(rest, name)
    spec = parse_spec(text)
    opened = options or SourceOptions()
    if spec.scheme == "published":
        return _published(spec, opened, name)
    if spec.scheme == "folder":
        splits = _split_folders(spec.path)
        if splits.names:
            openers = {
                split: _opener(dataclasses.replace(spec, target=str(spec.path / split)), opened)
                for split in splits.names
            }
            doubt = splits.doubt and f"{spec.path}: {splits.doubt}"
            return PrepareInput(tfds_word(spec.name), "", openers, doubt)
        if spec.path.name.lower() in SPLIT_NAMES:
            name = name or spec.path.absolute().parent.name
            return _single(name or spec.name, spec.path.name, _opener(spec, opened))
    split = spec.split if re.fullmatch(r"\w+", spec.split) else ""
    return _single(spec.name, split, _opener(spec, opened))


def _archive(target: str, name: str) -> PrepareInput:
    path = Path(target).expanduser()
    if not target:
        raise InputError(f"'archive:': nothing after it; write {USAGE}")
    stem = next(
        (path.name[: -len(each)] for each in ARCHIVE_SUFFIXES if path.name.lower().endswith(each)),
        path.name,
    )
    name = name or stem
    archive = open_archive(path, name)
    if list(archive.splits) == [""]:
        return _single(name, "", archive.splits[""])
    return PrepareInput(tfds_word(name), "", archive.splits, archive.doubt)


def _published(spec: Spec, options: SourceOptions, name: str) -> PrepareInput:
    entry_id, *variant = spec.target.split("/")
    splits = {split.name: split for split in dataset_entry(entry_id).layout.splits}
    several = [each for each in re.split(r"[,+\s]+", spec.split) if each]
    if len(several) > 1:
        whole = f"published:{spec.target}" + (f"@{spec.root}" if spec.root else "")
        raise InputError(
            f"{spec}: a spec names one split; for several: {whole} --split {' '.join(several)}"
        )
    names = [spec.split] if spec.split else list(splits)
    openers = {split: _opener(dataclasses.replace(spec, split=split), options) for split in names}
    absent = tuple(
        each
        for each in names
        if len(names) > 1
        and splits[each].optional
        and not _is_there(dataclasses.replace(spec, split=each), options)
    )
    config = tfds_word("_".join(variant)) if variant else ""
    return PrepareInput(tfds_word(name or entry_id), config, openers, absent=absent)


def _is_there(spec: Spec, options: SourceOptions) -> bool:
    try:
        find_split(spec, options).paths()
    except InputError:
        return False
    return True


def _single(name: str, split: str, opener: Opener) -> PrepareInput:
    return PrepareInput(tfds_word(name), "", {split or _ONLY: opener})


def _split_folders(root: Path) -> SplitFolders:
    """Return the splits that a folder has in place of classes; none if it has classes."""
    names = _folders(root)
    if not any(name.lower() in SPLIT_NAMES for name in names):
        return SplitFolders()
    return split_folders({name: _folders(root / name) for name in names})


def _folders(root: Path) -> set[str]:
    if not root.is_dir():
        return set()
    return {path.name for path in root.iterdir() if path.is_dir() and not is_hidden(path.name)}


def _opener(spec: Spec, options: SourceOptions) -> Opener:
    return lambda: open_source(spec, options)


def tfds_word(text: str) -> str:
    """Return a name that TFDS takes, close to ``text``."""
    word = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
    return word if re.match(r"[a-z]", word) else f"images_{word}".rstrip("_")
