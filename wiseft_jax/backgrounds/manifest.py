"""What a build writes beside its images: rows as they come, and what made them.

- ``manifest.json``: parameters, fingerprints of what was read, versions (``versions_before``: other
  ones that a part of it was made with); once the build is complete the classes, the counts, and a
  SHA-256 of each variant (of the lines that ``sha256sum`` prints for its files, sorted by path);
- ``images.jsonl``: a row an accepted image: index, id, source, box, the SHA-256 of its files;
- ``rejected.jsonl``: a row a rejected one: index, id, source, reason, detail;
- ``pairs.jsonl``: a row a mixed image: fg, bg, bg_class, kind, seed, SHA-256.

Those are the names for the split ``val``; another split's files carry its name
(``manifest-train.json``), so that a directory holds a build for each split.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.backgrounds.build_config import SPLIT
from wiseft_jax.backgrounds.variants import MASKS_FOLDER, VARIANTS
from wiseft_jax.backgrounds.written_files import remove_leftovers
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.writers import write_json, write_text

logger = logging.getLogger(__name__)

SCHEMA = 1
KIND = "wiseft backgrounds build"
_MAY_DIFFER = ("small_classes",)
"""Parameters that change no file of an image: a build that stopped may go on with another."""

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class BuildDirectory:
    """The files of a build.

    Attributes:
      path: The release's root.
      split: The folder below each variant.
    """

    path: Path
    split: str = SPLIT

    @property
    def manifest_file(self) -> Path:
        """What made the build."""
        return self._named("manifest", ".json")

    @property
    def images_file(self) -> Path:
        """A row an accepted image."""
        return self._named("images", ".jsonl")

    @property
    def rejected_file(self) -> Path:
        """A row a rejected image."""
        return self._named("rejected", ".jsonl")

    @property
    def pairs_file(self) -> Path:
        """A row a mixed image."""
        return self._named("pairs", ".jsonl")

    def file(self, variant: str, image_id: str) -> Path:
        """Return where an image's variant, or its mask, lies."""
        suffix = ".npy" if variant == MASKS_FOLDER else ".png"
        return self.path / variant / self.split / f"{image_id}{suffix}"

    def begin(self, identity: Mapping[str, Any], *, overwrite: bool = False) -> dict[str, Any]:
        """Make the directory ready for a build, or for going on with the same one.

        What a killed build left unfinished is removed; whether its finished files are as it wrote
        them, is asked where their rows are read.

        Args:
          identity: ``parameters``, ``inputs`` and ``versions``.
          overwrite: Whether another build that is there is removed.

        Returns:
          ``identity``, with ``versions_before`` if it goes on with what other versions made.

        Raises:
          InputError: The directory holds something else, or a build of other parameters or inputs,
            or of another layout of these files; names what differs.
        """
        if overwrite and self.manifest_file.exists():
            self._remove()
        before = self._manifest()
        if before is None:
            if self.path.is_dir() and any(self.path.iterdir()) and not self._holds_others():
                raise InputError(
                    f"{self.path}: isn't empty, and holds no build (manifest.json isn't there);"
                    " give another --out"
                )
        else:
            self._check_same(before, identity)
            remove_leftovers(self.path)
        facts = {**identity, **self._versions_before(before or {}, identity)}
        write_json(self.manifest_file, {"kind": KIND, "schema": SCHEMA, "complete": False, **facts})
        return facts

    def finish(self, identity: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
        """Write and return the manifest of the complete build."""
        manifest = {"kind": KIND, "schema": SCHEMA, "complete": True, **identity, **facts}
        write_json(self.manifest_file, manifest)
        return manifest

    def remove_class(self, name: str) -> None:
        """Remove the files of a class."""
        for variant in (*VARIANTS, MASKS_FOLDER):
            shutil.rmtree(self.path / variant / self.split / name, ignore_errors=True)

    def _named(self, stem: str, suffix: str) -> Path:
        own = "" if self.split == SPLIT else f"-{self.split}"
        return self.path / f"{stem}{own}{suffix}"

    def _holds_others(self) -> bool:
        """Return whether builds of other splits are there, and nothing of this one's."""
        others = [
            *self.path.glob("manifest.json"),
            *self.path.glob("manifest-*.json"),
        ]
        for file in others:
            _read_manifest(file)
        return bool(others) and not any(
            (self.path / name / self.split).exists() for name in (*VARIANTS, MASKS_FOLDER)
        )

    def _remove(self) -> None:
        for name in (*VARIANTS, MASKS_FOLDER):
            shutil.rmtree(self.path / name / self.split, ignore_errors=True)
            with contextlib.suppress(OSError):  # isn't there, or has another split
                (self.path / name).rmdir()
        for file in (self.images_file, self.rejected_file, self.pairs_file, self.manifest_file):
            file.unlink(missing_ok=True)

    def _manifest(self) -> dict[str, Any] | None:
        if not self.manifest_file.exists():
            return None
        return _read_manifest(self.manifest_file)

    def _check_same(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        if before.get("schema") != SCHEMA:
            raise InputError(
                f"{self.manifest_file}: expected schema {SCHEMA}, found {before.get('schema')!r}:"
                " another version of this program wrote the build, and its rows can't be gone on"
                " with. Finish it with that version, give another --out, or --overwrite to remove"
                " it and build anew"
            )
        lines = []
        for part in ("parameters", "inputs"):
            old, new = before.get(part, {}), now[part]
            lines += [
                f"{part[:-1]} {name}: was {old.get(name)!r}, is {new.get(name)!r}"
                for name in sorted(old.keys() | new.keys())
                if old.get(name) != new.get(name) and name not in _MAY_DIFFER
            ]
        if lines:
            listed = "".join(f"\n  {line}" for line in lines)
            raise InputError(
                f"{self.path}: holds a build of something else:{listed}\nGive another --out, or"
                " --overwrite to remove it"
            )

    def _versions_before(
        self, before: Mapping[str, Any], now: Mapping[str, Any]
    ) -> dict[str, list[Any]]:
        """Return the other versions that made a part of what is there; warn of new ones."""
        made = [*before.get("versions_before", ()), before.get("versions", now["versions"])]
        if made[-1] != now["versions"]:
            logger.warning(
                "%s: was begun with other versions (%s; now %s): the bytes of files may differ",
                *(self.path, made[-1], now["versions"]),
            )
        others = [each for each in made if each != now["versions"]]
        return {"versions_before": others} if others else {}


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: can't be read ({error})") from None
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise InputError(f"{path}: isn't of {KIND}; give another --out")
    return found


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file of JSON lines; a last line that was broken off is left out.

    Raises:
      InputError: If another line is no row.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise InputError(f"{path}:{number}: not a row ({error}); remove the file") from None
    return rows


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON lines, atomically."""
    write_text(path, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))


def variant_digests(
    images: Sequence[Row], pairs: Sequence[Row], split: str = SPLIT
) -> dict[str, str]:
    """Return the SHA-256 of each variant: of what ``sha256sum`` prints for its files, by path."""
    lines: dict[str, list[tuple[str, str]]] = {}
    for row in images:
        for variant, digest in row["sha256"].items():
            suffix = ".npy" if variant == MASKS_FOLDER else ".png"
            path = f"{variant}/{split}/{row['id']}{suffix}"
            lines.setdefault(variant, []).append((path, digest))
    for row in pairs:
        path = f"{row['kind']}/{split}/{row['fg']}.png"
        lines.setdefault(row["kind"], []).append((path, row["sha256"]))
    return {
        variant: hashlib.sha256(
            "".join(f"{digest}  {path}\n" for path, digest in sorted(found)).encode()
        ).hexdigest()
        for variant, found in lines.items()
    }


def versions(*, opencv: bool) -> dict[str, str]:
    """Return the versions of what decides the bytes.

    Args:
      opencv: Whether it takes part.
    """
    from PIL import features

    names = ["wiseft-jax", "numpy", "pillow"]
    found = {name: _version(name) for name in names}
    for name in ("zlib", "libjpeg_turbo"):
        found[name] = str(features.version(name))
    if opencv:
        import cv2

        found["opencv"] = cv2.__version__
    return found


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        from wiseft_jax import __version__

        return __version__ if name == "wiseft-jax" else "unknown"
