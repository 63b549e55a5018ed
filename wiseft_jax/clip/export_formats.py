"""The layouts that a model is written in: one table, from which the command and the docs take."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.clip.convert import to_hf
from wiseft_jax.clip.hub import OPENCLIP_CONFIG, OPENCLIP_WEIGHTS
from wiseft_jax.clip.load import config_settings
from wiseft_jax.clip.openclip import LEGACY_EOS, openclip_config, to_openclip
from wiseft_jax.clip.processor import PREPROCESSOR_FILE, preprocess_settings
from wiseft_jax.clip.tokenize import TOKENIZER_FILES
from wiseft_jax.clip.towers import VISION_KEYS
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.tensors import SAFETENSORS, write_tensors
from wiseft_jax.core.typing import Params
from wiseft_jax.core.writers import write_json


@dataclasses.dataclass(frozen=True)
class ExportFormat:
    """One layout.

    Attributes:
      holds: What is in it.
      readers: Which programs read it.
      weights: The file of the tensors.
      files: The others that may be written, but for the head and the facts.
      write: ``(directory, classifier, params)``, of a whole canonical CLIP.
    """

    holds: str
    readers: str
    weights: str
    files: tuple[str, ...]
    write: Callable[[Path, Classifier, Params], None]


def _write_clip(directory: Path, classifier: Classifier, params: Params) -> None:
    write_tensors(directory / SAFETENSORS, to_hf(params), {"format": "pt"})
    write_json(directory / "config.json", config_settings(classifier.clip_config))
    write_json(directory / PREPROCESSOR_FILE, preprocess_settings(classifier.preprocess))
    classifier.tokenizer.save(directory)


def _write_openclip(directory: Path, classifier: Classifier, params: Params) -> None:
    tokenizer, text = classifier.tokenizer, classifier.clip_config.text_config
    if text.eos_token_id != LEGACY_EOS and tokenizer.end_id != tokenizer.vocabulary_size - 1:
        raise InputError(
            "OpenCLIP pools texts at their largest token id, but <|endoftext|>"
            f" ({tokenizer.end_id}) is not the largest ({tokenizer.vocabulary_size - 1}); export"
            " this model with --format hf."
        )
    content = openclip_config(classifier.clip_config, classifier.preprocess)
    write_tensors(directory / OPENCLIP_WEIGHTS, to_openclip(params), {"format": "pt"})
    write_json(directory / OPENCLIP_CONFIG, content)
    tokenizer.save(directory)


def _write_vision(directory: Path, classifier: Classifier, params: Params) -> None:
    image_side = {key: params[key] for key in VISION_KEYS}
    settings: dict[str, Any] = config_settings(classifier.clip_config)["vision_config"]
    settings |= {"architectures": ["CLIPVisionModelWithProjection"], "dtype": "float32"}
    write_tensors(directory / SAFETENSORS, to_hf(image_side), {"format": "pt"})
    write_json(directory / "config.json", settings)
    write_json(directory / PREPROCESSOR_FILE, preprocess_settings(classifier.preprocess))


EXPORT_FORMATS: dict[str, ExportFormat] = {
    "hf": ExportFormat(
        "the whole CLIP under transformers' names",
        "transformers' CLIPModel (PyTorch) and FlaxCLIPModel",
        SAFETENSORS,
        ("config.json", PREPROCESSOR_FILE, *TOKENIZER_FILES),
        _write_clip,
    ),
    "openclip": ExportFormat(
        "the whole CLIP under OpenCLIP's names",
        'open_clip: `create_model_and_transforms("local-dir:DIR")`',
        OPENCLIP_WEIGHTS,
        (OPENCLIP_CONFIG, *TOKENIZER_FILES),
        _write_openclip,
    ),
    "vision": ExportFormat(
        "the image tower and its projection alone, under transformers' names",
        "transformers' CLIPVisionModelWithProjection",
        SAFETENSORS,
        ("config.json", PREPROCESSOR_FILE),
        _write_vision,
    ),
}


def formats_table() -> str:
    """Return the table of ``docs/checkpoints.md``, in Markdown."""
    lines = ["| `--format` | holds | weights | read by |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {each.holds} | `{each.weights}` | {each.readers} |"
        for name, each in EXPORT_FORMATS.items()
    ]
    return "\n".join(lines)
