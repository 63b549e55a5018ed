"""The kinds of checkpoint that are read: one table, which the docs take and a test holds to."""

from __future__ import annotations

import dataclasses

from wiseft_jax.clip.checkpoint_format import CONFIG_FILE, Format
from wiseft_jax.clip.hub import OPENCLIP_CONFIG, OPENCLIP_WEIGHTS
from wiseft_jax.core.tensors import FLAX_MSGPACK, SAFETENSORS


@dataclasses.dataclass(frozen=True)
class ReadFormat:
    """What ``find_checkpoint`` makes of what lies there.

    Attributes:
      there: The files, in Markdown.
      read_as: What they are read as, and what must be given besides, in Markdown.
      format: Its ``Checkpoint.format``.
    """

    there: str
    read_as: str
    format: Format


READ_FORMATS: dict[str, ReadFormat] = {
    "clip": ReadFormat(
        f"`{CONFIG_FILE}` of a `clip` model, with `{SAFETENSORS}` (sharded too) or"
        f" `{FLAX_MSGPACK}`",
        "transformers' CLIPModel",
        "clip",
    ),
    "vision": ReadFormat(
        f"`{CONFIG_FILE}` of a `clip_vision_model`, with `{SAFETENSORS}`",
        "its image tower alone: give `--model.base`",
        "vision",
    ),
    "openclip": ReadFormat(
        f"`{OPENCLIP_WEIGHTS}`, or `{SAFETENSORS}` with `{OPENCLIP_CONFIG}` or with OpenCLIP's"
        " names",
        "OpenCLIP's",
        "openclip",
    ),
    "openclip_file": ReadFormat(
        "a `.safetensors` file that has OpenCLIP's names",
        "OpenCLIP's, with the configuration and tokenizer beside it",
        "openclip",
    ),
    "clip_file": ReadFormat(
        "a `.safetensors` file that has transformers' names",
        f"transformers', with `{CONFIG_FILE}` and tokenizer beside it",
        "clip",
    ),
}
