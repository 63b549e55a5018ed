"""Small images, folders, tables and TFDS directories for the tests of the data part."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

CLASSES = ("cat", "dog", "owl")
_TAR_MODES = {".tar": "w", ".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}


def pixels(seed: int, height: int = 12, width: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def encode(image: np.ndarray | Image.Image, format: str = "PNG", **options: Any) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def write_folder(
    root: Path, counts: dict[str, int], *, seed: int = 0, suffix: str = ".png"
) -> dict[str, np.ndarray]:
    """Write PNG images to ``root/<class>/<i>``; return path relative to root -> pixels."""
    written = {}
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            image = pixels(seed)
            seed += 1
            path = root / name / f"{index:03d}{suffix}"
            path.write_bytes(encode(image))
            written[str(path.relative_to(root))] = image
    return written


def write_table(
    path: Path, rows: list[tuple[str, str]], columns: tuple[str, str] = ("path", "label")
) -> Path:
    """Write rows (path, label) in the format of the suffix."""
    if path.suffix == ".jsonl":
        text = "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
    else:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        text = "\n".join(delimiter.join(row) for row in [columns, *rows]) + "\n"
    path.write_text(text)
    return path


def pack_archive(path: Path, members: dict[str, bytes], folders: tuple[str, ...] = ()) -> Path:
    """Write a tar or zip file by its suffix, the members in reverse order."""
    items = list(reversed(members.items()))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for folder in folders:
                file.writestr(f"{folder}/", "")
            for name, data in items:
                file.writestr(name, data)
        return path
    with tarfile.open(path, _TAR_MODES[path.suffix]) as tar:
        for folder in folders:
            info = tarfile.TarInfo(folder)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        for name, data in items:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def files_of(root: Path, prefix: str = "") -> dict[str, bytes]:
    """Return path below ``root``, behind ``prefix`` -> content, of every file."""
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {f"{prefix}{path.relative_to(root)}": path.read_bytes() for path in paths}


class MiniPhotos(tfds.core.GeneratorBasedBuilder):
    """Twelve images to train on and five to test; image i is ``pixels(i)``, its class i % 3."""

    VERSION = tfds.core.Version("1.0.0")
    COUNTS = {"train": 12, "test": 5}  # noqa: RUF012
    EXTRA: dict[str, Any] = {}  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=list(CLASSES)),
                    "number": np.int64,
                    **self.EXTRA,
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in self.COUNTS}

    def _generate_examples(self, split: str) -> Any:
        for index in range(self.COUNTS[split]):
            yield (
                index,
                {
                    "image": io.BytesIO(encode(pixels(index))),
                    "label": index % 3,
                    "number": index,
                    **dict.fromkeys(self.EXTRA, 0),
                },
            )


class TwoLabelsSupervised(MiniPhotos):
    """A data set with two class labels, of which the supervised keys name one."""

    EXTRA = {"color": tfds.features.ClassLabel(names=["red"])}  # noqa: RUF012


class TwoLabels(TwoLabelsSupervised):
    """A data set with two class labels and no supervised keys."""

    def _info(self) -> tfds.core.DatasetInfo:
        info = super()._info()
        return tfds.core.DatasetInfo(builder=self, features=info.features)


def prepare_array_record(data_dir: Path, cls: type[MiniPhotos] = MiniPhotos) -> Path:
    """Prepare the mini data set as ArrayRecord; return its version's directory."""
    builder = cls(data_dir=str(data_dir), file_format="array_record")
    builder.download_and_prepare()
    return Path(builder.data_dir)


def convert_to_tfrecord(source: Path, data_dir: Path, shards: int = 3) -> Path:
    """Rewrite a prepared ArrayRecord directory as TFRecord, in several shards."""
    builder = tfds.builder_from_directory(str(source))
    target = data_dir / source.parent.name / source.name
    target.mkdir(parents=True)
    info = json.loads((source / "dataset_info.json").read_text())
    info["fileFormat"] = "tfrecord"
    for split in info["splits"]:
        raw = builder.as_data_source(split["name"]).data_source
        records = [raw[index] for index in range(len(raw))]
        parts = np.array_split(np.arange(len(records)), shards)
        split["shardLengths"] = [str(len(part)) for part in parts]
        for number, part in enumerate(parts):
            name = f"{builder.name}-{split['name']}.tfrecord-{number:05d}-of-{shards:05d}"
            (target / name).write_bytes(b"".join(frame(records[index]) for index in part))
    (target / "dataset_info.json").write_text(json.dumps(info))
    for name in ("features.json", "label.labels.txt"):
        (target / name).write_text((source / name).read_text())
    return target


def frame(record: bytes) -> bytes:
    """Return a TFRecord: length, masked CRC of it, bytes, masked CRC of them."""
    length = struct.pack("<Q", len(record))
    return length + _masked_crc(length) + record + _masked_crc(record)


def _masked_crc(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
