"""ImageNet-9L: ImageNet's images of the 370 mapped classes, balanced; no boxes are needed."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.backgrounds.in9 import IMAGENET_CLASSES, IMAGENET_TO_IN9, IN9_CLASSES
from wiseft_jax.core.errors import InputError, missing_path
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.core.writers import write_json, write_text
from wiseft_jax.data.files import find_images, is_hidden, report_skipped

logger = logging.getLogger(__name__)

TABLE_FILE = "in9l.csv"
MANIFEST_FILE = "manifest.json"
KIND = "wiseft backgrounds build --in9l"
LINKS = "original/train"
_WNID = re.compile(r"n\d{8}$")


def build_in9l(root: Path | str, out: Path | str, *, seed: int = 0, links: bool = False) -> Any:
    """Write IN-9L as a table, ``OUT/in9l.csv``, and return its manifest.

    A table costs no disk and is read as ``table:OUT/in9l.csv``. Of each of the nine classes as many
    images are drawn as the smallest has.

    Args:
      root: ImageNet's training folder: 1000 folders named by WordNet ids, whose sorted order is
        ImageNet's index.
      out: Where the table goes.
      seed: Of the draws.
      links: Whether links ``OUT/original/train/CLASS/FILE`` are made as well.

    Raises:
      InputError: Other folders than ImageNet's, a class without images, or ``out`` holds IN-9L of
        another seed or another ROOT.

    Source: Xiao et al. 2020 (arXiv 2006.09994), appendix A.
    """
    if seed < 0:
        raise InputError(f"--seed: expected 0 or more, found {seed}")
    root, out = Path(root).expanduser(), Path(out).expanduser()
    found = find_in9(root)
    counts = [len(paths) for paths in found]
    if min(counts) == 0:
        empty = [name for name, paths in zip(IN9_CLASSES, found, strict=True) if not paths]
        raise InputError(f"{root}: no images of {', '.join(empty)}")
    rows = []
    for name, paths in zip(IN9_CLASSES, found, strict=True):
        rng = numpy_stream(seed, f"backgrounds/in9l/{name}")
        chosen = np.sort(rng.permutation(len(paths))[: min(counts)])
        rows += [(paths[index], name) for index in chosen]
    text = _table(root, rows)
    manifest = {
        "kind": KIND,
        "complete": False,
        "root": str(root.absolute()),
        "seed": seed,
        "per_class": min(counts),
        "available": dict(zip(IN9_CLASSES, counts, strict=True)),
        "images": len(rows),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    _check_out(out, manifest)
    write_json(out / MANIFEST_FILE, manifest)  # first: what is interrupted can be gone on with
    write_text(out / TABLE_FILE, text)
    if links:
        _write_links(root, out, rows)
    manifest["complete"] = True
    write_json(out / MANIFEST_FILE, manifest)
    return manifest


def find_in9(root: Path) -> list[list[str]]:
    """Return the images of each of the nine classes, relative to ``root``, sorted.

    Raises:
      InputError: If there aren't exactly ImageNet's thousand folders.
    """
    if not root.is_dir():
        raise missing_path(root, "folder", "Expected ImageNet's training folder.")
    folders = sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and not is_hidden(entry.name)
    )
    strangers = [name for name in folders if not _WNID.match(name)]
    if strangers or len(folders) != IMAGENET_CLASSES:
        other = f", of which {len(strangers)} aren't WordNet ids ({', '.join(strangers[:1])})"
        raise InputError(
            f"{root}: expected ImageNet's {IMAGENET_CLASSES} folders, named as n01440764 (their"
            f" sorted order is ImageNet's index), found {len(folders)}{other if strangers else ''}"
        )
    found: list[list[str]] = [[] for _ in IN9_CLASSES]
    skipped: list[str] = []
    mapped = [index for index in range(IMAGENET_CLASSES) if IMAGENET_TO_IN9[index] >= 0]
    with progress_bar("listing ImageNet", len(mapped), "classes") as advance:
        for index in mapped:
            paths = find_images(root / folders[index], skipped)
            found[IMAGENET_TO_IN9[index]] += [os.path.relpath(path, root) for path in paths]
            advance(1)
    report_skipped(str(root), skipped)
    return found


def _table(root: Path, rows: Sequence[tuple[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "label"))
    writer.writerows((str(root.absolute() / path), name) for path, name in rows)
    return text.getvalue()


def _check_out(out: Path, manifest: dict[str, Any]) -> None:
    file = out / MANIFEST_FILE
    if not file.exists():
        if out.is_dir() and any(out.iterdir()):
            raise InputError(f"{out}: isn't empty, and holds no IN-9L; give another --out")
        return
    before = json.loads(file.read_text(encoding="utf-8"))
    different = [
        name for name, value in manifest.items() if name != "complete" and before.get(name) != value
    ]
    if different:
        name = different[0]
        raise InputError(
            f"{out}: holds another build: {name} was {before.get(name)!r}, is {manifest[name]!r};"
            " give another --out"
        )


def _write_links(root: Path, out: Path, rows: Sequence[tuple[str, str]]) -> None:
    """Link each image as ``CLASS/FILE``; a name without its WordNet id gets it in front."""
    with progress_bar("linking", len(rows)) as advance:
        for path, name in rows:
            wnid, file = Path(path).parts[0], "__".join(Path(path).parts[1:])
            file = file if file.startswith(wnid) else f"{wnid}_{file}"
            link = out / LINKS / name / file
            link.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(link):
                link.symlink_to((root / path).absolute())
            advance(1)
