"""``wiseft predict``: label images, or find and compare them by text."""

from __future__ import annotations

import csv
import dataclasses
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.model_names import DEFAULT_TEMPLATES, check_model, is_exported
from wiseft_jax.cli.parse import parse
from wiseft_jax.clip.reading import AS_STORED, ReadingArgs
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.typing import ComputeDtype
from wiseft_jax.core.writers import check_writable


@dataclasses.dataclass(frozen=True)
class PredictArgs:
    """Label images with a model, or rank them for a text.

    With --text, one text ranks the images; several give the table of similarities. Otherwise a CSV
    with a probability for each class is written.
    """

    images: tuple[Path, ...]
    """Directories (searched at any depth) or image files."""
    model: str = "glyphclip"
    """An exported model, or any CLIP (then with --class-names, unless --text is given)."""
    text: tuple[str, ...] = ()
    """Texts to find or compare images by."""
    class_names: Path | None = None
    """Class names for zero-shot prediction with a plain CLIP: one a line, or a JSON list."""
    templates: str = DEFAULT_TEMPLATES
    """Prompt set or file for --class-names."""
    out: Path | None = None
    """The CSV file; stdout when not given."""
    top: int = 10
    """How many images a ranking prints."""
    batch_size: int = 64
    """Images a batch."""
    compute_dtype: ComputeDtype = "float32"
    """Precision of the towers."""
    on_bad_image: Literal["stop", "skip"] = "stop"
    """Stop with the list of images that can't be read, or leave them out and say which."""
    reading: ReadingArgs = AS_STORED
    common: Common = CommonOptions()

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("top", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name.replace('_', '-')}: expected at least 1")
        if any(not text.strip() for text in self.text):
            raise InputError("--text: a text is empty; say what to look for")
        if self.templates != DEFAULT_TEMPLATES and (self.text or self.class_names is None):
            raise InputError(
                "--templates: makes prompts of --class-names; give these, without --text"
            )
        if self.out is not None and self.out.is_dir():
            raise InputError(f"--out {self.out}: expected a file to write, found a directory")


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    args = parse(PredictArgs, argv, "predict")
    args.common.apply()
    if args.out is not None:
        check_writable(args.out.parent)
    from wiseft_jax.core import compilation_cache

    compilation_cache.enable()
    return _by_text(args) if args.text else _by_class(args)


def _dataset(args: PredictArgs) -> Any:
    from wiseft_jax.data.load import load_images

    return load_images(args.images, on_bad_image=args.on_bad_image)


def _classifier(args: PredictArgs) -> tuple[Any, Any]:
    from wiseft_jax.clip.classifier import zero_shot_classifier
    from wiseft_jax.clip.export import load_classifier
    from wiseft_jax.clip.load import load_clip
    from wiseft_jax.data.class_names import read_class_names

    if args.class_names is None:
        directory = Path(args.model).expanduser()
        if not is_exported(args.model):
            check_model(args.model)
            raise InputError(
                f"{args.model}: not an exported model (wiseft.json isn't there), so its classes are"
                " unknown; give --class-names FILE, or --text"
            )
        return load_classifier(directory, args.compute_dtype, reading=args.reading)
    clip = load_clip(args.model, args.compute_dtype, reading=args.reading)
    names = read_class_names(args.class_names)
    return zero_shot_classifier(clip, names.names, args.templates)


def _by_class(args: PredictArgs) -> int:
    from scipy.special import softmax

    from wiseft_jax.evaluation.inference import apply_to_images

    classifier, theta = _classifier(args)
    outputs = apply_to_images(
        classifier.logits,
        theta,
        _dataset(args),
        classifier.preprocess,
        batch_size=args.batch_size,
        description="predict",
    )
    probabilities = softmax(outputs.values.astype("float64"), axis=1)
    best = probabilities.argmax(axis=1)
    records = [
        {
            "path": path,
            "prediction": classifier.class_names[index],
            "probability": float(row[index]),
            **{f"p({name})": float(p) for name, p in zip(classifier.class_names, row, strict=True)},
        }
        for path, index, row in zip(outputs.ids, best, probabilities, strict=True)
    ]
    _emit(records, args)
    return EXIT_DONE


def _by_text(args: PredictArgs) -> int:
    from wiseft_jax.clip.embed import embed_texts
    from wiseft_jax.clip.load import load_clip
    from wiseft_jax.clip.retrieval import cosine_similarities, text_probabilities
    from wiseft_jax.clip.towers import VISION_KEYS, normalise_pixels
    from wiseft_jax.evaluation.inference import apply_to_images

    clip = load_clip(args.model, args.compute_dtype, reading=args.reading)
    outputs = apply_to_images(
        lambda params, images: clip.tower.image_features(
            params, normalise_pixels(images, clip.preprocess)
        ),
        {key: clip.params[key] for key in VISION_KEYS},
        _dataset(args),
        clip.preprocess,
        batch_size=args.batch_size,
        description="image features",
    )
    similarities = cosine_similarities(outputs.values, embed_texts(clip, args.text))
    if len(args.text) == 1:
        _print_ranking(args, outputs.ids, similarities[:, 0])
    else:
        scale = float(clip.params["logit_scale"])
        probabilities = text_probabilities(similarities, scale)
        _print_similarities(args, outputs.ids, similarities, probabilities)
    return EXIT_DONE


def _print_ranking(args: PredictArgs, ids: Sequence[str], similarities: Any) -> None:
    from wiseft_jax.clip.retrieval import rank_images

    records = [
        {"rank": rank, "path": ids[index], "cosine": float(similarities[index])}
        for rank, index in enumerate(rank_images(similarities, args.top), 1)
    ]
    if args.out is not None or args.common.json:
        _emit(records, args)
        return
    rows = [(str(r["rank"]), f"{r['cosine']:.4f}", r["path"]) for r in records]
    print_table(f"images for {args.text[0]!r}", ("rank", "cosine", "image"), rows)


def _print_similarities(
    args: PredictArgs, ids: Sequence[str], similarities: Any, probabilities: Any
) -> None:
    if args.out is not None or args.common.json:
        records = [
            {"path": path}
            | {f"cosine({text})": float(c) for text, c in zip(args.text, cosines, strict=True)}
            | {f"p({text})": float(p) for text, p in zip(args.text, row, strict=True)}
            for path, cosines, row in zip(ids, similarities, probabilities, strict=True)
        ]
        _emit(records, args)
        return
    rows = [
        (path, *(f"{c:.3f} ({100 * p:.0f} %)" for c, p in zip(cosines, row, strict=True)))
        for path, cosines, row in zip(ids, similarities, probabilities, strict=True)
    ]
    title = "cosine of image and text (and the share of the text among these)"
    print_table(title, ("image", *args.text), rows)


def _emit(records: list[dict[str, Any]], args: PredictArgs) -> None:
    if args.common.json:
        print_json(records)
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]) if records else ["path"])
    writer.writeheader()
    for record in records:
        writer.writerow({k: f"{v:.6f}" if isinstance(v, float) else v for k, v in record.items()})
    if args.out is None:
        sys.stdout.write(text.getvalue())
        return
    from wiseft_jax.core.writers import write_text

    write_text(args.out, text.getvalue())
    print(f"{len(records)} predictions -> {args.out}")
