"""From spec strings to datasets: open, name, match, verify, split, compare."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wiseft_jax.core.errors import FaultyDataError, InputError, counted
from wiseft_jax.core.typing import Role, Split
from wiseft_jax.data.class_lists import is_published
from wiseft_jax.data.class_names import ClassNames, read_class_names
from wiseft_jax.data.config import DataConfig
from wiseft_jax.data.files import open_images
from wiseft_jax.data.matched_references import role_of, with_references
from wiseft_jax.data.matching import match_class_names, similar_names
from wiseft_jax.data.overlap import warn_of_overlap
from wiseft_jax.data.projecting import (
    accepted_of,
    check_catalogued,
    is_imagenet,
    project,
    scoring_of,
)
from wiseft_jax.data.source import Dataset, OnBadImage, Source
from wiseft_jax.data.specs import SourceOptions, Spec, open_source, parse_spec, parse_specs
from wiseft_jax.data.splits import stratified_split
from wiseft_jax.data.verify import (
    FULL_DECODE_LIMIT,
    BadImagesError,
    drop_bad_images,
    verify_images,
)

logger = logging.getLogger(__name__)

_LISTED = 20


@dataclasses.dataclass(frozen=True)
class LoadedData:
    """The datasets of an experiment, all labelled in the order of ``class_names``.

    Attributes:
      class_names: The classifier's classes.
      train: What to train on.
      validation: What chooses alpha.
      test: What the reference accuracy is reported on.
      shifts: The shifted test sets; each names the matched reference that it is set against.
      matched_references: Images of the reference, of the classes of a shift alone.
    """

    class_names: tuple[str, ...]
    train: Dataset
    validation: Dataset
    test: Dataset
    shifts: tuple[Dataset, ...]
    matched_references: tuple[Dataset, ...]


def load_dataset(
    spec: str | Spec | Source,
    *,
    classifier_class_names: Sequence[str] | None = None,
    class_names_file: Path | str | ClassNames | None = None,
    split: Split = "test",
    role: Role = "reference",
    name: str | None = None,
    on_bad_image: OnBadImage = "stop",
    options: SourceOptions | None = None,
    verify: bool = True,
    full_decode_limit: int = FULL_DECODE_LIMIT,
    num_threads: int = 16,
) -> Dataset:
    """Open a data set, label it in the classifier's class order, and look at its images.

    A catalogued set whose classes are mapped from ImageNet's (``data.projecting``) is labelled in
    its own order, with the projection from the classifier's, if these are ImageNet's.

    Args:
      spec: ``folder:PATH``, ``table:FILE``, ``tfds:NAME:SPLIT``, ``published:ID:SPLIT@ROOT``, or
        an open source.
      classifier_class_names: The classes that labels count in; None takes the source's own, after
        ``class_names_file``.
      class_names_file: New names for the source's classes.
      split: What it may be used for.
      role: ``"reference"``, ``"shift"`` or ``"matched_reference"``; a published shift that is a
        matched reference becomes one.
      name: The name in tables; None takes the spec's.
      on_bad_image: ``"stop"`` or ``"skip"``.
      options: Columns of a table, directory of TFDS, root of published sets.
      verify: Whether to look at the images.
      full_decode_limit: See ``verify_images``.
      num_threads: Decoding threads.

    Raises:
      InputError: If anything that the user gave doesn't fit; see the parts.

    Example:
      >>> sketches = load_dataset(
      ...     "folder:~/sketches", classifier_class_names=classifier.class_names, role="shift")
    """
    source = open_source(spec, options) if isinstance(spec, str | Spec) else spec
    label = name or source.name
    labelled = _labelled(source, classifier_class_names, class_names_file, label)
    dataset = Dataset(
        label,
        source,
        split=split,
        role=role_of(source, role),
        on_bad_image=on_bad_image,
        scoring=scoring_of(source),
        **labelled,
    )
    if not verify:
        return dataset
    report = verify_images(source, full_decode_limit=full_decode_limit, num_threads=num_threads)
    return drop_bad_images(dataset, report)


def _labelled(
    source: Source,
    classifier_class_names: Sequence[str] | None,
    class_names_file: Path | str | ClassNames | None,
    where: str,
) -> dict[str, Any]:
    """Return ``labels``, ``class_names``, ``accepted`` and ``projection`` of a ``Dataset``."""
    if classifier_class_names is not None:
        found = project(source, classifier_class_names, where)
        if found is not None:
            return {
                "labels": found.labels,
                "class_names": found.projection.class_names,
                "accepted": accepted_of(source),
                "projection": found.projection,
            }
        if class_names_file is None:
            check_catalogued(source, classifier_class_names, where)
    names: ClassNames | None = None
    if class_names_file is not None:
        given = class_names_file
        names = given if isinstance(given, ClassNames) else read_class_names(given)
    own = source.class_names
    if names is not None:
        names = names if classifier_class_names is not None else names.bind(own)
        own = names.rename(own)
    if classifier_class_names is None:
        # New names may be one for several classes; a published list's own repeats are classes.
        distinct = own if names is None else tuple(dict.fromkeys(own))
        ordered = names.names if names is not None and names.is_list else distinct
    else:
        ordered = tuple(classifier_class_names)
    if is_imagenet(own) and is_imagenet(ordered):
        own = ordered  # names and WordNet ids of the same classes
    labels = np.asarray(source.labels)
    counts = np.bincount(labels[labels >= 0], minlength=len(own))
    match = match_class_names(own, ordered, counts=counts, where=where)
    accepted = accepted_of(source)
    if accepted is not None:
        accepted = tuple(tuple(match.indices[list(each)].tolist()) for each in accepted)
    return {"labels": match.apply(labels), "class_names": ordered, "accepted": accepted}


def load_images(
    paths: Path | str | Sequence[Path | str],
    *,
    name: str = "images",
    on_bad_image: OnBadImage = "stop",
    verify: bool = True,
    num_threads: int = 16,
) -> Dataset:
    """Return images without labels (all -1): files, and whatever is below directories.

    Raises:
      InputError: If a path is missing, there is no image, or an image is bad.
    """
    source = open_images(paths, name)
    dataset = Dataset(name, source, source.labels, on_bad_image=on_bad_image)
    if verify:
        dataset = drop_bad_images(dataset, verify_images(source, num_threads=num_threads))
    return dataset


def load_data(config: DataConfig, *, seed: int) -> LoadedData:
    """Load all the data sets of an experiment.

    The classes are those of the training set. What the configuration doesn't give is held out of
    the training set by ``seed``: first the test set, then the validation set. There are warnings
    of images of the training or the validation set that are in another set too, of classes without
    images, of a single class, and of class names that look like typing errors.

    Raises:
      InputError: If anything that the user gave doesn't fit; bad images of all the sets are listed
        together.
    """
    if not config.train:
        raise InputError("no training set; give one, as in --data.train folder:PATH")
    given = (config.train, config.validation, config.test)
    given = (*given, *config.shifts, *config.matched_references)
    specs = {spec.name: spec for spec in parse_specs([text for text in given if text])}
    names = read_class_names(config.class_names_file) if config.class_names_file else None
    problems: list[BadImagesError] = []
    captioned = config.caption_column is not None
    if captioned and not (config.validation and config.test):
        raise InputError(
            "data.caption_column: a table of captions has no classes to hold images out by; give"
            " labelled sets to measure on, --data.validation and --data.test"
        )
    train_spec = parse_spec(config.train)
    if captioned and train_spec.scheme != "table":
        raise InputError(
            f"data.caption_column: expected --data.train table:FILE, found {config.train}; captions"
            " are a column of a table"
        )
    train_source = open_source(specs[train_spec.name], _options(config, captions=captioned))
    named = train_source
    if captioned:
        named = open_source(specs[parse_spec(str(config.test)).name], _options(config))
    if names is not None:
        names = names.bind(named.class_names)
    train = _load(
        config, train_source, None if captioned else names, None, "train", "reference", problems
    )
    classes = train.class_names
    if captioned:
        classes = names.rename(named.class_names) if names is not None else named.class_names
        classes = tuple(dict.fromkeys(classes))
    else:
        check_classes(train)

    def load_other(text: str, split: Split, role: Role) -> Dataset:
        return _load(config, parse_spec(text), names, classes, split, role, problems)

    test = load_other(config.test, "test", "reference") if config.test else None
    validation = (
        load_other(config.validation, "validation", "reference") if config.validation else None
    )
    more = [load_other(text, "test", "shift") for text in config.shifts]
    more += [load_other(text, "test", "matched_reference") for text in config.matched_references]
    if problems:
        raise FaultyDataError("\n".join(str(problem) for problem in problems))
    matched = tuple(each for each in more if each.role == "matched_reference")
    shifts = with_references([each for each in more if each.role == "shift"], matched)
    if test is None:
        train, test = _hold_out(config, train, "test", seed, specs)
    if validation is None:
        train, validation = _hold_out(config, train, "validation", seed, specs)
    reported = (test, *shifts, *matched)
    for first, others in ((train, (validation, *reported)), (validation, reported)):
        for other in others:
            warn_of_overlap(first, other)
    return LoadedData(classes, train, validation, test, shifts, matched)


def check_classes(dataset: Dataset) -> None:
    """Warn of classes without images, of a single class, and of names that look mistyped."""
    names = dataset.class_names
    counts = np.bincount(dataset.labels[dataset.labels >= 0], minlength=len(names))
    empty = [name for name, count in zip(names, counts, strict=True) if count == 0]
    if empty:
        more = ", ..." if len(empty) > _LISTED else ""
        logger.warning(
            "%s: %d of %d classes %s no images to train on: %s%s",
            dataset.name, len(empty), len(names), "has" if len(empty) == 1 else "have",
            ", ".join(empty[:_LISTED]), more,
        )  # fmt: skip
    if len(names) == 1:
        logger.warning("%s: there is one class, %r: every answer is right", dataset.name, names[0])
    pairs = [
        (first, second)
        for first, second in similar_names(() if is_published(names) else names)
        if not _enumerated(first, second)
    ]
    for first, second in pairs[:_LISTED]:
        logger.warning(
            "%s: are the classes %r (%s) and %r (%d) one, misspelt?",
            dataset.name, first, counted(int(counts[names.index(first)]), "image"),
            second, counts[names.index(second)],
        )  # fmt: skip
    if len(names) > 1 and all(name.isdecimal() for name in names):
        logger.warning(
            "%s: the classes are called %s, ...; a zero-shot classifier needs words: "
            "--class-names FILE (fine if the images show digits)",
            dataset.name,
            ", ".join(names[:3]),
        )


def _enumerated(first: str, second: str) -> bool:
    """Return whether names differ in numbers or letters alone, as "class 1" and "class 2" do."""
    one, other = first.split(), second.split()
    if len(one) != len(other):
        return False
    different = [word for pair in zip(one, other, strict=True) if len({*pair}) > 1 for word in pair]
    return all(len(word) <= 2 or word.isdecimal() for word in different)


def _options(config: DataConfig, *, captions: bool = False) -> SourceOptions:
    column = config.caption_column if captions else config.label_column
    return SourceOptions(config.path_column, str(column), config.data_dir, captions)


def _load(
    config: DataConfig,
    spec: Spec | Source,
    names: ClassNames | None,
    classes: tuple[str, ...] | None,
    split: Split,
    role: Role,
    problems: list[BadImagesError],
) -> Dataset:
    def load(verify: bool) -> Dataset:
        return load_dataset(
            source,
            classifier_class_names=classes,
            class_names_file=names,
            split=split,
            role=role,
            on_bad_image=config.on_bad_image,
            verify=verify,
            full_decode_limit=config.full_decode_limit,
            num_threads=config.num_threads,
        )

    source = open_source(spec, _options(config)) if isinstance(spec, Spec) else spec
    try:
        return load(verify=True)
    except BadImagesError as error:
        problems.append(error)
        return load(verify=False)


def _hold_out(
    config: DataConfig,
    train: Dataset,
    split: Literal["test", "validation"],
    seed: int,
    taken: Container[str],
) -> tuple[Dataset, Dataset]:
    fraction = config.test_fraction if split == "test" else config.validation_fraction
    try:
        kept, held = stratified_split(train.labels, fraction, seed, train.class_names)
    except InputError as error:
        too_few = split == "validation" and config.test is None
        raise InputError(
            f"{config.train}: {error}. Give a {split} set of its own, as in --data.{split}"
            f" folder:PATH{' (and --data.test, or images are held out for that)' * too_few}; or"
            " more images of each class"
        ) from None
    logger.info(
        "%s: %d of %d images %s held out for %s (seed %d)",
        train.name, len(held), len(train), "is" if len(held) == 1 else "are", split, seed,
    )  # fmt: skip
    name = f"{train.name}-{split}"
    name = f"{name}-held-out" if name in taken else name
    other = train.subset(held, name=name, split=split)
    return train.subset(kept, skipped=train.skipped), other  # each skipped image is listed once
