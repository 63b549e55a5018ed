"""Saliency of some images under some models: the maps, their numbers, and the files."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.cli.explain import ExplainArgs
from wiseft_jax.cli.explain_images import Picture, read_mask, read_pictures
from wiseft_jax.cli.explain_models import (
    Column,
    Targets,
    check_target,
    iterate_targets,
    open_models,
)
from wiseft_jax.core.saliency import (
    METHODS,
    auroc,
    energy_in_mask,
    enlarge_map,
    iou_at_mask_area,
)
from wiseft_jax.core.writers import write_bytes, write_json

_BATCH = 8


def explain_images(args: ExplainArgs) -> dict[str, Any]:
    """Explain the images, write the files, and return what ``explain.json`` holds.

    Raises:
      InputError: What was given doesn't fit.
    """
    from wiseft_jax.core import compilation_cache

    compilation_cache.enable()
    models = open_models(args.models)
    check_target(models, args.text, args.class_name)
    preprocess = models.clip.preprocess
    pictures = read_pictures(args.images, preprocess, args.max_images)
    mask = None if args.mask is None else read_mask(args.mask, pictures, preprocess)
    images = np.stack([picture.pixels for picture in pictures])
    maps: list[dict[str, np.ndarray]] = []
    records: list[list[dict[str, Any]]] = []
    targets = iterate_targets(models, images, args.text, args.class_name)
    for column, theta, target in targets:
        found = _maps(args, models.clip, theta, images, target)
        maps.append(found)
        records.append(_records(args, models.clip, theta, images, column, target, found, mask))
    facts = make_facts(args, args.methods, pictures, records, mask)
    columns = [(column.label, column.file_label) for column in models.columns]
    write_files(args.out, pictures, columns, records, maps, mask)
    write_json(args.out / "explain.json", facts)
    return facts


def _maps(
    args: ExplainArgs, clip: Any, theta: Mapping[str, Any], images: np.ndarray, target: Targets
) -> dict[str, np.ndarray]:
    """Return the raw maps of each method, computed in batches of one shape."""
    import jax

    from wiseft_jax.clip.saliency import saliency_maps
    from wiseft_jax.clip.towers import VISION_KEYS
    from wiseft_jax.core.progress import progress_bar

    options = {
        "smooth_grad": {"samples": args.samples, "seed": args.seed},
        "integrated_gradients": {"points": args.points},
    }
    encoder = jax.device_put({key: theta["encoder"][key] for key in VISION_KEYS})
    facts = clip.tower, clip.preprocess, encoder
    found = {}
    with progress_bar("saliency", len(args.methods) * len(images), "maps") as advance:
        for method in args.methods:
            parts = []
            for rows, count in row_batches(len(images)):
                given = options.get(method, {})
                batch = images[rows].astype(np.float32), target.directions[rows]
                parts.append(np.asarray(saliency_maps(method, *facts, *batch, **given))[:count])
                advance(count)
            found[method] = np.concatenate(parts)
    return found


def row_batches(count: int) -> list[tuple[np.ndarray, int]]:
    """Return rows of batches of one size, the last one filled up with its last row.

    Args:
      count: Of all rows.

    Returns:
      ``(rows, meant)``: their places, and how many of them aren't filling.
    """
    size = min(count, _BATCH)
    starts = range(0, count, size)
    return [
        (np.minimum(np.arange(start, start + size), count - 1), min(size, count - start))
        for start in starts
    ]


def _records(
    args: ExplainArgs,
    clip: Any,
    theta: Mapping[str, Any],
    images: np.ndarray,
    column: Column,
    target: Targets,
    maps: Mapping[str, np.ndarray],
    mask: np.ndarray | None,
) -> list[dict[str, Any]]:
    """Return what is told of each image under one model."""
    scores = _scores(clip, theta, images, target)
    blank = np.broadcast_to(255 * np.asarray(clip.preprocess.mean, np.float32), images.shape)
    complete = "integrated_gradients" in maps
    before = _scores(clip, theta, blank, target) if complete else scores
    records = []
    for row in range(len(images)):
        record: dict[str, Any] = {
            "label": column.label,
            "alpha": column.alpha,
            "target": target.names[row],
            "predicted": None if target.predicted is None else target.predicted[row],
            "cosine": float(scores[row]),
        }
        if complete:
            total = float(maps["integrated_gradients"][row].sum(dtype=np.float64))
            change = float(scores[row] - before[row])
            record["cosine_of_mean_colour"] = float(before[row])
            record["integrated_gradients_error"] = total - change
        if mask is not None:
            record["numbers"] = {
                method: map_numbers(maps[method][row], mask, METHODS[method].signed)
                for method in args.methods
            }
        records.append(record)
    return records


def _scores(clip: Any, theta: Mapping[str, Any], images: np.ndarray, target: Targets) -> np.ndarray:
    from wiseft_jax.clip.saliency import saliency_scores

    facts = clip.tower, clip.preprocess, theta["encoder"]
    parts = [
        np.asarray(
            saliency_scores(*facts, images[rows].astype(np.float32), target.directions[rows])
        )[:count]
        for rows, count in row_batches(len(images))
    ]
    return np.concatenate(parts)


def map_numbers(values: np.ndarray, mask: np.ndarray, signed: bool) -> dict[str, float | None]:
    """Return a raw map's numbers; null where they are 0 / 0. Energy is of the positive part.

    Args:
      values: float32[h, w].
      mask: bool[H, W].
      signed: Whether the map has negative values.
    """
    at_pixels = enlarge_map(values, *mask.shape)
    positive = np.maximum(at_pixels, 0) if signed else at_pixels
    found = {
        "energy": energy_in_mask(positive, mask),
        "auroc": auroc(at_pixels, mask),
        "iou": iou_at_mask_area(at_pixels, mask),
    }
    return {name: None if math.isnan(value) else value for name, value in found.items()}


def make_facts(
    args: ExplainArgs,
    methods: Sequence[str],
    pictures: Sequence[Picture],
    records: Sequence[Sequence[dict[str, Any]]],
    mask: np.ndarray | None,
    score: str = "cosine of image and direction: the text's features, or the head's class column",
) -> dict[str, Any]:
    """Return what ``explain.json`` holds.

    Args:
      args: Of the command.
      methods: Whose maps there are.
      pictures: The images.
      records: For each model, what is told of each image.
      mask: Where the object is, or None.
      score: What the score is.
    """
    from wiseft_jax.core.run_directory import versions

    models = args.models
    return {
        "run": None if models.run is None else str(models.run),
        "model": None if models.run or models.resnet else models.model or "glyphclip",
        "resnet": [str(path) for path in models.resnet],
        "reading": models.reading.settings(),
        "score": score,
        "seed": args.seed,
        "samples": args.samples,
        "points": args.points,
        "mask": None
        if mask is None
        else {"file": str(args.mask), "share": float(mask.mean()), "energy_of": "positive part"},
        "methods": {
            method: {
                "label": METHODS[method].label,
                "grid": METHODS[method].grid,
                "signed": METHODS[method].signed,
                "class_agnostic": METHODS[method].class_agnostic,
            }
            for method in methods
        },
        "images": [
            {
                "path": picture.path,
                "sheet": f"{picture.name}.png",
                "columns": [column[index] for column in records],
            }
            for index, picture in enumerate(pictures)
        ],
        "versions": versions(),
    }


def write_files(
    out: Path,
    pictures: Sequence[Picture],
    columns: Sequence[tuple[str, str]],
    records: Sequence[Sequence[dict[str, Any]]],
    maps: Sequence[Mapping[str, np.ndarray]],
    mask: np.ndarray | None,
    score: tuple[str, str] = ("cosine", "cos"),
) -> None:
    """Write the sheets, the overlays and the raw maps.

    Args:
      out: The directory.
      pictures: The images.
      columns: What each model is called, in pictures and in names of files.
      records: For each model, what is told of each image.
      maps: For each model, method -> float32[N, h, w].
      mask: Where the object is, or None.
      score: Which field of a record is the score, and what the sheet calls it.
    """
    from wiseft_jax.reporting.overlays import overlay_map, write_picture
    from wiseft_jax.reporting.saliency_sheet import SaliencyColumn, draw_saliency

    for index, picture in enumerate(pictures):
        shown = []
        for (label, in_file), told, found in zip(columns, records, maps, strict=True):
            own = {method: values[index] for method, values in found.items()}
            record = told[index]
            target, value = record["target"], record[score[0]]
            shown.append(SaliencyColumn(label, target, value, own, score[1]))
            for method, values in own.items():
                file = out / "overlays" / f"{picture.name}.{in_file}.{method}.png"
                signed = METHODS[method].signed
                write_picture(file, overlay_map(picture.pixels, values, signed=signed))
        title = Path(picture.path).name
        draw_saliency(picture.pixels, shown, out / f"{picture.name}.png", title=title, mask=mask)
    arrays = {method: np.stack([found[method] for found in maps], axis=1) for method in maps[0]}
    arrays["images"] = np.stack([picture.pixels for picture in pictures])
    arrays["paths"] = np.asarray([picture.path for picture in pictures])
    arrays["models"] = np.asarray([label for label, _ in columns])
    if mask is not None:
        arrays["mask"] = mask
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    write_bytes(out / "maps.npz", packed.getvalue())
