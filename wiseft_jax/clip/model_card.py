"""The card of an exported model: a ``README.md`` that people, and hubs of models, read.

Its front matter is that of Hugging Face's model cards (``model-index`` has the measured
accuracies). It says nothing that ``wiseft.json`` and ``results.jsonl`` beside it don't.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wiseft_jax.clip.hub import EMBEDDED_NAME, is_hub_id
from wiseft_jax.core.results import Row

CARD_FILE = "README.md"
_NAMES_SHOWN = 20
_SAME_ALPHA = 1e-9
_TITLES = {"top1": "accuracy"}
_USE = {
    "hf": """\
    from transformers import CLIPImageProcessor, CLIPModel
    from safetensors.torch import load_file

    pixel_values = CLIPImageProcessor.from_pretrained(".")(images, return_tensors="pt").pixel_values
    clip, head = CLIPModel.from_pretrained("."), load_file("head.safetensors")
    features = clip.get_image_features(pixel_values)
    features = features / features.norm(dim=-1, keepdim=True)
    logits = features @ head["kernel"] + head["bias"]""",
    "openclip": """\
    import open_clip
    import torch
    from safetensors.torch import load_file

    clip, _, preprocess = open_clip.create_model_and_transforms("local-dir:.")
    head = load_file("head.safetensors")
    pixels = torch.stack([preprocess(image) for image in images])
    logits = clip.encode_image(pixels, normalize=True) @ head["kernel"] + head["bias"]""",
    "vision": """\
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection
    from safetensors.torch import load_file

    pixel_values = CLIPImageProcessor.from_pretrained(".")(images, return_tensors="pt").pixel_values
    tower = CLIPVisionModelWithProjection.from_pretrained(".")
    head = load_file("head.safetensors")
    features = tower(pixel_values).image_embeds
    features = features / features.norm(dim=-1, keepdim=True)
    logits = features @ head["kernel"] + head["bias"]""",
}


def model_card(facts: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Return the card in Markdown, with its front matter.

    Args:
      facts: What ``wiseft.json`` holds.
      rows: What was measured, at this alpha and others.

    Example:
      >>> print(model_card(read_facts(directory), read_rows(directory)))
    """
    made = facts.get("made") or {}
    title = made.get("name") or facts["source"]
    sections = [
        f"---\n{_front_matter(facts, rows, title)}---",
        f"# {title}",
        _what(facts, made),
        "## Classes",
        _classes(facts),
        "## How it was made",
        "\n".join(f"- {line}" for line in _how(facts, made)),
        "## What was measured",
        _measured(facts, rows),
        "## Use",
        _use(facts),
        "## Limits",
        _limits(facts),
        "## Content",
        _content(facts),
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(facts: Mapping[str, Any], rows: Sequence[Row], title: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    here = [row for row in _at(rows, facts["alpha"]) if row["split"] == "test"]
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=row["dataset"],
            dataset_name=row["dataset"],
            metric_type=_TITLES.get(row["metric"], row["metric"]),
            metric_value=row["value"],
        )
        for row in here
    ]
    base = facts["source"] if is_hub_id(facts["source"]) else None
    data = ModelCardData(
        model_name=title,
        base_model=base,
        library_name="open_clip" if facts["format"] == "openclip" else "transformers",
        pipeline_tag="image-classification",
        tags=["clip", "wise-ft", "jax"],
        eval_results=results or None,
    )
    return data.to_yaml() + "\n"


def _what(facts: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    count, alpha = len(facts["class_names"]), facts["alpha"]
    size = f" ({facts['architecture']})" if facts.get("architecture") else ""
    made_how = "fine-tuned" if alpha else "made"  # at 0 only the head is new
    text = f"A CLIP{size} with a linear head for {count} classes, {made_how} from {_base(facts)}."
    if alpha is None:
        return text
    theta = f"(1 - {alpha:g}) theta_0 + {alpha:g} theta_1"
    how = f" by {made['recipe']}" if made.get("recipe") else ""
    return text + (
        f" Its weights are `{theta}`: theta_0 is the zero-shot model, theta_1 the one fine-tuned"
        f"{how} (WiSE-FT: Wortsman et al. 2022, https://arxiv.org/abs/2109.01903)."
    )


def _base(facts: Mapping[str, Any]) -> str:
    """Return what the model started from, in words."""
    source = facts["source"]
    if is_hub_id(source):
        return f"[{source}](https://huggingface.co/{source.partition('@')[0]})"
    if source == EMBEDDED_NAME:
        return f"`{source}`, the model that wiseft-jax brings with it"
    return f"a checkpoint in a directory called `{source}`"


def _classes(facts: Mapping[str, Any]) -> str:
    names = facts["class_names"]
    shown = ", ".join(_plain(name) for name in names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    templates = facts["templates"]
    prompts = f", as in `{templates[0]}`" if templates else ""
    text = shown + (f", and {more} more in `wiseft.json`" if more > 0 else "")
    kinds = "prompt template" if len(templates) == 1 else "prompt templates"
    return f"{text}. {len(templates)} {kinds}{prompts}."


def _how(facts: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[str]:
    if not made:
        yield "Not recorded."
        return
    for key, value in made.items():
        if key not in ("name", "data", "selection"):
            yield f"{key.replace('_', ' ')}: {value}"
    for key, value in made.get("data", {}).items():
        yield f"{key}: {', '.join(f'`{name}`' for name in value)}"
    yield made.get("selection") or "alpha was given by hand"


def _measured(facts: Mapping[str, Any], rows: Sequence[Row]) -> str:
    if not rows:
        return "Nothing: no rows were at hand when it was written."
    alpha = facts["alpha"]
    ends = [end for end in (0.0, 1.0) if alpha is None or abs(end - alpha) > _SAME_ALPHA]
    known = [end for end in ends if _at(rows, end)]
    header = ["set", "split", "metric", "n", "this model", *(f"alpha = {end:g}" for end in known)]
    lines = ["| " + " | ".join(header) + " |", "|---|---|---|--:" + "|--:" * (1 + len(known)) + "|"]
    seen: dict[tuple[str, str, str], int] = {}
    for row in rows:
        seen.setdefault((row["dataset"], row["split"], row["metric"]), row["n"])
    for (dataset, split, metric), n in seen.items():
        mine = [
            row
            for row in rows
            if (row["dataset"], row["split"], row["metric"]) == (dataset, split, metric)
        ]
        cells = [_cell(mine, value) for value in (alpha, *known)]
        title = _TITLES.get(metric, metric)
        lines.append("| " + " | ".join([_plain(dataset), split, title, f"{n:,}", *cells]) + " |")
    note = "In %, with 95 % intervals; `results.jsonl` has every alpha."
    if alpha is not None and not _at(rows, alpha):
        note += f" At alpha = {alpha:g} itself nothing was measured."
    return "\n".join(lines) + f"\n\n{note}"


def _cell(rows: Sequence[Row], alpha: float | None) -> str:
    for row in _at(rows, alpha):
        value, low, high = (100 * row[key] for key in ("value", "ci_low", "ci_high"))
        return f"{value:.1f} ({low:.1f} to {high:.1f})"
    return "not measured"


def _at(rows: Sequence[Row], alpha: float | None) -> list[Row]:
    if alpha is None:
        return []
    return [row for row in rows if abs(row["alpha"] - alpha) <= _SAME_ALPHA]


def _use(facts: Mapping[str, Any]) -> str:
    ours = "`wiseft predict --model DIR --images IMAGES` names the classes of images"
    if facts["format"] == "vision":
        source = facts["source"]
        known = is_hub_id(source) or source == EMBEDDED_NAME
        ours += f"; give the CLIP that it came from: `--base {source if known else 'DIR'}`"
        ours += "" if known else f", the directory called `{source}`"
    return f"{ours}. In PyTorch, from this directory, of PIL images:\n\n{_USE[facts['format']]}"


def _limits(facts: Mapping[str, Any]) -> str:
    return (
        f"Whatever an image shows, one of the {len(facts['class_names'])} classes is answered. Only"
        " the sets above were measured; on other images accuracy may be anything. The licence and"
        " the terms of use of the CLIP that it came from and of the training data apply, and so do"
        " their biases."
    )


def _content(facts: Mapping[str, Any]) -> str:
    hashes = ", ".join(f"{name} `{value}`" for name, value in sorted(facts["hashes"].items()))
    versions = ", ".join(f"{name} {value}" for name, value in sorted(facts["versions"].items()))
    return f"Content hashes: {hashes}.\n\nWritten with {versions}."


def _plain(text: str) -> str:
    """Escape what Markdown's tables and lists would read."""
    for mark in "\\|`*_<>[]":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())
