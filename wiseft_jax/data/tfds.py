"""``tfds:NAME[/CONFIG]:SPLIT``: what TensorFlow Datasets prepared, read without TensorFlow.

ArrayRecord files are read by array_record, TFRecord files through ``data/tfrecord.py``; images stay
encoded until the pipeline decodes them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from etils import epath
from jaxtyping import Int

from wiseft_jax.core.cache import Cache
from wiseft_jax.core.errors import InputError, did_you_mean
from wiseft_jax.core.hashing import hash_bytes, hash_json
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.data.catalog_facts import tfds_id
from wiseft_jax.data.folder import warn_of_splits
from wiseft_jax.data.kept_facts import KeptFacts, facts_of_records
from wiseft_jax.data.prepared_shards import MANIFEST_FILE, read_manifest
from wiseft_jax.data.specs import SourceOptions, Spec
from wiseft_jax.data.tfds_lookup import find_builder
from wiseft_jax.data.tfds_records import Records, open_records

logger = logging.getLogger(__name__)


class RecordIds(Sequence[str]):
    """The ids ``prefix[i]`` of N records, made when asked for."""

    def __init__(self, prefix: str, length: int) -> None:
        self._prefix, self._length = prefix, length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Return one id, or a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return f"{self._prefix}[{index % self._length}]"


class TfdsSource:
    """A split of a prepared data set.

    Args:
      name: A short name.
      full_name: ``name/config/version:split``, for ids.
      records: The serialised examples, by index.
      features: The data set's ``FeaturesDict``.
      image_key: Which feature is the image.
      label_key: Which feature is the class.
      class_names: The classes; TFDS's own list has repeated names told apart.
      fingerprint: A hash of what the files hold.

    Attributes:
      catalog_id: Its id in the catalog; empty where that hasn't got it.
      group_of: The group of each image, where ``wiseft data prepare`` kept it; so too
      accepted: the labels that count as right for each image,
      frame_sets: the indices of the frames of each set, the anchor first,
      cut_sets: and how many further sets aren't whole.
    """

    catalog_id = ""
    group_of: tuple[str, ...] = ()
    accepted: tuple[tuple[int, ...], ...] = ()
    frame_sets: tuple[tuple[int, ...], ...] = ()
    cut_sets = 0

    def __init__(
        self,
        name: str,
        full_name: str,
        records: Records,
        features: Any,
        image_key: str,
        label_key: str,
        class_names: Sequence[str],
        fingerprint: str,
    ) -> None:
        import tensorflow_datasets as tfds

        self.name = name
        self.class_names = tuple(class_names)
        self.ids: Sequence[str] = RecordIds(full_name, len(records))
        self._records = records
        self._features = features
        self._decoders = {image_key: tfds.decode.SkipDecoding()}
        self._image_key, self._label_key = image_key, label_key
        self._fingerprint = fingerprint
        self._labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._records)

    def _example(self, index: int) -> dict[str, Any]:
        record = self._records[index]
        try:
            return self._features.deserialize_example_np(record, decoders=self._decoders)
        except Exception as error:  # TFDS and protobuf raise many kinds on damaged bytes
            raise self._records.damaged(index, error) from error

    def read(self, index: int) -> bytes:
        """Return the encoded image."""
        return bytes(self._example(int(index))[self._image_key])

    def feature(self, index: int, name: str) -> np.ndarray:
        """Return another feature of a record, decoded: ``segmentation_mask``, for example.

        Raises:
          InputError: If the data set has no such feature; names those that it has.
        """
        if name not in self._features:
            listed = ", ".join(self._features)
            raise InputError(
                f"{self.name}: no feature {name!r}.{did_you_mean(name, self._features)} The"
                f" features are {listed}."
            )
        return np.asarray(self._example(int(index))[name])

    @property
    def labels(self) -> Int[np.ndarray, "N"]:
        """The classes; reading them goes through all the records once, then they are cached."""
        if self._labels is None:
            self._labels = self._load_labels()
        return self._labels

    def _load_labels(self) -> np.ndarray:
        cached = Cache().load("tfds-labels", self._fingerprint)
        if cached is not None:
            return cached["labels"]
        labels = np.empty(len(self), np.int32)
        with progress_bar(f"reading labels of {self.name}", len(self)) as advance:
            for index in range(len(self)):
                labels[index] = self._example(index)[self._label_key]
                advance(1)
        Cache().store("tfds-labels", self._fingerprint, {"labels": labels})
        return labels

    def fingerprint(self) -> str:
        """Return the hash of version, split, and the files' names, sizes and times."""
        return self._fingerprint


def open_source(spec: Spec, options: SourceOptions) -> TfdsSource:
    """Open ``tfds:NAME[/CONFIG]:SPLIT``; NAME may also be a prepared version's directory.

    SPLIT takes TFDS's slices and sums: ``train[:10%]``, ``train+test``.

    Raises:
      InputError: If the data set isn't known or not prepared (says how to), the split doesn't
        exist, the file format can't be read, or there isn't one image and one class label.
    """
    builder = find_builder(spec.target, options.data_dir)
    instructions = _instructions(builder, spec)
    image_key, label_key = _keys(builder, spec)
    records = open_records(builder, instructions, spec)
    full_name = f"{builder.info.full_name}:{spec.split}"
    files = [
        (Path(part.filename).name, *_size_and_time(part.filename), part.skip, part.take)
        for part in instructions
    ]
    features = builder.info.features
    class_names = _class_names(builder, features[label_key].names)
    names = hash_bytes(*(name.encode() for name in class_names))
    facts = _kept_facts(builder, instructions)
    kept = [] if facts is None else [facts.to_json()]
    fingerprint = hash_json([full_name, files, names, *kept])
    source = TfdsSource(
        spec.name, full_name, records, features, image_key, label_key, class_names, fingerprint
    )
    source.catalog_id = tfds_id(builder.info.full_name)
    if facts is not None:  # they beat the name, which anyone may give
        source.catalog_id, source.group_of = facts.catalog_id, facts.group_of
        source.accepted, source.frame_sets = facts.accepted, facts.frame_sets
        source.cut_sets = facts.cut_sets
        if not facts.catalog_id:  # CIFAR-100 has trains
            warn_of_splits(str(spec), class_names)
    return source


def _kept_facts(builder: Any, instructions: list[Any]) -> KeptFacts | None:
    """Return what ``wiseft data prepare`` kept of the records' source, if it made them."""
    manifest = read_manifest(builder.data_dir)
    if manifest is None:
        return None
    parts = [(Path(part.filename).name, part.skip, part.take) for part in instructions]
    return facts_of_records(manifest, parts, f"{builder.data_dir}/{MANIFEST_FILE}")


def _class_names(builder: Any, names: Sequence[str]) -> Sequence[str]:
    """Return the classes as their source has them, where ``wiseft data prepare`` kept them."""
    manifest = read_manifest(builder.data_dir)
    if manifest is None:
        return names
    if len(manifest["class_names"]) != len(names):
        raise InputError(
            f"{builder.data_dir}: {MANIFEST_FILE} has {len(manifest['class_names'])} classes, and"
            f" TFDS's list {len(names)}; prepare it again"
        )
    return manifest["class_names"]


def _size_and_time(filename: str) -> tuple[int, int]:
    stat = epath.Path(filename).stat()
    return stat.length, stat.mtime


def _instructions(builder: Any, spec: Spec) -> list[Any]:
    splits = builder.info.splits
    try:
        instructions = list(splits[spec.split].file_instructions)
    except (ValueError, KeyError, AssertionError) as error:
        known = sorted(splits)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{spec}: no such split ({reason}). The splits are {', '.join(known)}; a part is "
            f"written {known[0] if known else 'train'}[:10%].{did_you_mean(spec.split, known)}"
        ) from None
    if not instructions:
        raise InputError(f"{spec}: there are no examples in this split")
    return instructions


def _keys(builder: Any, spec: Spec) -> tuple[str, str]:
    import tensorflow_datasets as tfds

    features = builder.info.features
    images = [key for key, value in features.items() if isinstance(value, tfds.features.Image)]
    labels = [key for key, value in features.items() if isinstance(value, tfds.features.ClassLabel)]
    supervised = builder.info.supervised_keys or ()
    found = []
    for kind, keys in (("Image", images), ("ClassLabel", labels)):
        preferred = [key for key in keys if key in supervised] or keys
        if len(preferred) != 1:
            listed = ", ".join(f"{key}: {type(value).__name__}" for key, value in features.items())
            raise InputError(
                f"{spec}: expected one {kind} feature, found {len(keys)}; the features are {listed}"
            )
        found.append(preferred[0])
    return found[0], found[1]
