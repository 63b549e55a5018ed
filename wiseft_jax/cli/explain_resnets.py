"""Class activation maps of some images under some ResNets: the maps, their numbers, the files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.cli.explain import ExplainArgs
from wiseft_jax.cli.explain_images import read_mask, read_pictures
from wiseft_jax.cli.explain_maps import make_facts, map_numbers, row_batches, write_files
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.softmax import softmax
from wiseft_jax.core.writers import write_json

METHOD = "class_activation"


def explain_resnets(args: ExplainArgs) -> dict[str, Any]:
    """Explain the images, write the files, and return what ``explain.json`` holds.

    Raises:
      InputError: What was given doesn't fit; or the ResNets take images that are prepared unlike.
    """
    from wiseft_jax.clip.resnet_files import load_resnet
    from wiseft_jax.core import compilation_cache

    compilation_cache.enable()
    loaded = [load_resnet(path) for path in args.models.resnet]
    preprocess = loaded[0][0].preprocess
    for path, (resnet, _, names) in zip(args.models.resnet, loaded, strict=True):
        if resnet.preprocess != preprocess:
            raise InputError(
                f"--resnet {path}: takes images prepared as {resnet.preprocess},"
                f" {args.models.resnet[0]} as {preprocess}; explain them one by one"
            )
        if args.class_name is not None and args.class_name not in names:
            raise unknown_name("class", args.class_name, names)
        if args.class_name is not None and names.count(args.class_name) > 1:
            raise InputError(
                f"--class-name: {path} has {names.count(args.class_name)} classes that are called"
                f" {args.class_name!r}; leave it out to explain what is predicted"
            )
    pictures = read_pictures(args.images, preprocess, args.max_images)
    mask = None if args.mask is None else read_mask(args.mask, pictures, preprocess)
    images = np.stack([picture.pixels for picture in pictures])
    columns, maps, records = [], [], []
    labels = [Path(path).resolve().name for path in args.models.resnet]
    if len(set(labels)) < len(labels):
        labels = [str(path) for path in args.models.resnet]
    for place, (label, model) in enumerate(zip(labels, loaded, strict=True)):
        columns.append((label, f"{place}-" + re.sub(r"[^\w.-]+", "_", label)))
        found, told = _explain(*model, images, args.class_name)
        maps.append({METHOD: found})
        for record, values in zip(told, found, strict=True):
            record["label"] = label
            if mask is not None:
                record["numbers"] = {METHOD: map_numbers(values, mask, signed=True)}
        records.append(told)
    score = "logit of the class: the mean of its map, and its bias"
    facts = make_facts(args, [METHOD], pictures, records, mask, score)
    write_files(args.out, pictures, columns, records, maps, mask, ("logit", "logit"))
    write_json(args.out / "explain.json", facts)
    return facts


def _explain(
    resnet: Any, variables: Any, names: tuple[str, ...], images: np.ndarray, class_name: str | None
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Return raw maps float32[N, h, w], and what is told of each image."""
    import jax
    import jax.numpy as jnp

    place = None if class_name is None else names.index(class_name)

    @jax.jit
    def run(variables: Any, part: Any) -> tuple[Any, Any, Any]:  # both need the features, once
        logits = resnet.logits(variables, part)
        asked = logits.argmax(1) if place is None else jnp.full(len(part), place)
        return logits, asked, resnet.class_activation_map(variables, part, asked)

    maps, records = [], []
    for rows, meant in row_batches(len(images)):
        logits, asked, found = (np.asarray(each)[:meant] for each in run(variables, images[rows]))
        maps.append(found)
        shares = softmax(logits)
        for row, of in enumerate(asked):
            records.append(
                {
                    "alpha": None,
                    "target": names[of],
                    "predicted": names[logits[row].argmax()],
                    "logit": float(logits[row, of]),
                    "probability": float(shares[row, of]),
                }
            )
    return np.concatenate(maps), records
