"""A builder of TensorFlow Datasets for any source of images, whose preparation can be gone on with.

The features are TFDS's, and so are ``dataset_info.json``, ``features.json`` and the file of labels:
``tfds.builder_from_directory`` opens what was prepared, without this program. The shards are ours
(``prepared_shards.py``). TFDS's writer makes all of a data set in a temporary directory with a
random name, so a killed one starts anew; and its records hold their fields in an order that changes
from process to process, so no two runs give the same bytes.

TensorFlow isn't needed. This module imports tensorflow_datasets; import it where it is used.
"""

from __future__ import annotations

import io
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core import dataset_builder, example_serializer, naming

from wiseft_jax.data.prepared_shards import Manifest, publish

logger = logging.getLogger(__name__)

VERSION = "1.0.0"
IMAGE, LABEL, FILE_NAME = "image", "label", "file_name"

_INFO_FILE = "dataset_info.json"  # comes last: with it, the directory is a prepared data set
_FORMAT = "array_record"


class ImageBuilder(dataset_builder.FileReaderBuilder, skip_registration=True):
    """Images with a label and a file name each, in splits, as ArrayRecord.

    ``download_and_prepare`` downloads nothing: it calls ``write``, which goes on where an earlier
    call ended, and then writes TFDS's own files. Records keep the order of the source.

    Args:
      name: What TFDS calls the data set.
      config: What it calls the variant; empty: there is none.
      label_names: The classes in label order; unique, and without line breaks.
      directory: Where it is prepared, ``DATA_DIR/NAME[/CONFIG]/VERSION``; may be remote.
      write: What writes the shards and returns the manifest.

    Example:
      >>> builder.download_and_prepare()
      >>> tfds.builder_from_directory(builder.data_dir).as_data_source("test")
    """

    VERSION = tfds.core.Version(VERSION)

    def __init__(
        self,
        name: str,
        config: str,
        label_names: Sequence[str],
        directory: epath.Path,
        write: Callable[[ImageBuilder], Manifest],
    ) -> None:
        self.name = name  # type: ignore[misc]  (TFDS's ReadOnlyBuilder does so too)
        self._features = tfds.features.FeaturesDict(
            {
                IMAGE: tfds.features.Image(shape=(None, None, 3)),
                LABEL: tfds.features.ClassLabel(names=list(label_names)),
                FILE_NAME: tfds.features.Text(),
            }
        )
        self._write = write
        _remove_damaged(directory / _INFO_FILE)  # TFDS would read it
        super().__init__(
            data_dir=os.fspath(directory),
            config=tfds.core.BuilderConfig(name=config) if config else None,
            file_format=_FORMAT,
        )
        specs: dict[str, Any] = self._features.get_serialized_info()
        self._serializer = example_serializer.ExampleSerializer(specs)

    def _create_builder_config(self, builder_config: Any, version: Any) -> Any:
        del version
        return builder_config

    def _build_data_dir(self, given_data_dir: Any) -> tuple[str, str]:
        return given_data_dir, given_data_dir

    def _pick_version(self, requested_version: Any) -> Any:
        del requested_version
        return self.VERSION

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Images prepared by wiseft data prepare, in the order of their source.",
            features=self._features,
            supervised_keys=(IMAGE, LABEL),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict({"order": "as in the source"}),
        )

    def shard_files(self, split: str, shards: int) -> tuple[str, ...]:
        """Return the names of the files of a split's shards."""
        template = naming.ShardedFileTemplate(
            data_dir=self.data_path, dataset_name=self.name, split=split, filetype_suffix=_FORMAT
        )
        return tuple(template.sharded_filenames(shards))

    def record(self, image: bytes, label: int, file_name: str) -> bytes:
        """Return the ``tf.train.Example`` of an image; the same bytes in every process.

        Args:
          image: Encoded.
          label: Its class; -1 for none.
          file_name: What it is called in the source.
        """
        encoded = self._features.encode_example(
            {IMAGE: io.BytesIO(image), LABEL: label, FILE_NAME: file_name}
        )
        example = self._serializer.get_tf_example(encoded)
        return example.SerializeToString(deterministic=True)

    def download_and_prepare(self, **_: Any) -> None:
        """Write what isn't written yet."""
        manifest = self._write(self)
        self._finish(manifest)

    def _download_and_prepare(self, *_: Any, **__: Any) -> None:
        raise AssertionError("download_and_prepare does it all")

    def _finish(self, manifest: Manifest) -> None:
        """Write the files by which TFDS knows a prepared data set, the decisive one last."""
        self.info.set_splits(tfds.core.SplitDict(list(self._split_infos(manifest.shards))))
        with tempfile.TemporaryDirectory() as folder:
            self.info.write_to_directory(folder)
            files = sorted(os.listdir(folder), key=lambda name: name == _INFO_FILE)  # noqa: PTH208
            for name in files:
                _replace(self.data_path / name, (Path(folder) / name).read_bytes())
        if not manifest.finished:
            manifest.finished = True
            manifest.write()

    def _split_infos(self, shards: Mapping[str, Any]) -> Any:
        by_split: dict[str, list[Mapping[str, Any]]] = {}
        for facts in shards.values():
            by_split.setdefault(facts["split"], []).append(facts)
        for split, parts in by_split.items():
            yield tfds.core.SplitInfo(
                name=split,
                shard_lengths=[facts["images"] for facts in parts],
                num_bytes=sum(facts["bytes"] for facts in parts),
                filename_template=naming.ShardedFileTemplate(
                    data_dir=self.data_path,
                    dataset_name=self.name,
                    split=split,
                    filetype_suffix=_FORMAT,
                ),
            )


def _remove_damaged(path: epath.Path) -> None:
    """Remove a JSON file that can't be read."""
    if not path.exists():
        return
    try:
        json.loads(path.read_text())
    except ValueError:
        logger.warning("%s is damaged; it is written again", path)
        path.unlink()


def _replace(path: epath.Path, data: bytes) -> None:
    if not path.exists() or path.read_bytes() != data:
        publish(path, data)
