"""Convert a PyTorch checkpoint of wise-ft, model-soups or OpenCLIP (`.pt`) to safetensors.

Needs PyTorch; only tensors are read (``weights_only=True``), and no code in the file runs:

    python scripts/convert_torch.py model_31.pt --out converted
    python scripts/convert_torch.py model_31.pt --out merged --base openai/clip-vit-base-patch32 \
        --classes names.txt

The first writes ``open_clip_model.safetensors`` and, where the file has one, ``head.safetensors``.
The second writes a model for ``wiseft predict`` and ``evaluate``: the image tower and the head of
the file, the text side, tokenizer and preprocessing of the CLIP that it was fine-tuned from.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from wiseft_jax.clip.hub import OPENCLIP_WEIGHTS  # noqa: E402
from wiseft_jax.clip.reading import Reading  # noqa: E402
from wiseft_jax.clip.torch_names import SplitStateDict, split_state_dict  # noqa: E402
from wiseft_jax.core.errors import EXIT_BAD_INPUT, EXIT_DONE, InputError  # noqa: E402
from wiseft_jax.core.lfs import is_pointer, pointer_text  # noqa: E402
from wiseft_jax.core.tensors import read_tensors, write_tensors  # noqa: E402

HEAD_FILE = "head.safetensors"

logger = logging.getLogger("wiseft_jax.convert_torch")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="the .pt file")
    parser.add_argument("--out", type=Path, required=True, help="the directory to write")
    parser.add_argument("--base", default="", help="the CLIP that it was fine-tuned from")
    parser.add_argument("--classes", type=Path, help="class names, one a line, in label order")
    parser.add_argument(
        "--allow-missing", action="append", default=[], help="pattern of tensors; may be repeated"
    )
    args = parser.parse_args(argv)
    if bool(args.base) != (args.classes is not None):
        parser.error("--base and --classes go together")
    return args


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a ``.pt`` file, float32; code in it doesn't run.

    Raises:
      InputError: It is a pickled module, an archive of TorchScript, or no state dict.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if is_pointer(path):
        raise InputError(f"{path}: {pointer_text('the weights')}")
    import torch

    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, by what the file is
        raise InputError(
            f"{path}: not a file of tensors alone. wise-ft pickles whole modules: such a file runs"
            " code when it is opened, so it is not. Where it was made, and if you trust it, write"
            " its tensors: classifier = ImageClassifier.load('model.pt');"
            " torch.save(classifier.state_dict(), 'state.pt'). Of OpenAI's archives take the"
            f" weights from the Hugging Face hub. PyTorch says: {str(error).splitlines()[0]}"
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]  # OpenCLIP's training keeps the epoch and more beside it
    tensors = content if isinstance(content, Mapping) else {}
    if not tensors or not all(isinstance(each, torch.Tensor) for each in tensors.values()):
        raise InputError(f"{path}: expected a state dict, found {type(content).__name__}")
    return {str(name): tensor.float().numpy() for name, tensor in tensors.items()}


def write_plain(directory: Path, split: SplitStateDict) -> None:
    """Write safetensors, and read them back."""
    for file, tensors in ((OPENCLIP_WEIGHTS, split.clip), (HEAD_FILE, split.head)):
        if not tensors:
            continue
        write_tensors(directory / file, tensors, {"format": "pt"})
        again = read_tensors(directory / file)
        if again.keys() != tensors.keys() or not all(
            np.array_equal(again[name], tensors[name]) for name in tensors
        ):
            raise RuntimeError(f"{directory / file}: what was written reads differently")


def write_classifier(args: argparse.Namespace, split: SplitStateDict) -> None:
    """Write the image tower and the head, on the base, as an export."""
    from wiseft_jax.clip.classifier import make_classifier
    from wiseft_jax.clip.export import export_classifier
    from wiseft_jax.clip.load import load_clip
    from wiseft_jax.clip.towers import VISION_KEYS

    if not split.head:
        raise InputError(f"{args.checkpoint}: has no classification_head; leave --classes out")
    names = tuple(line for line in args.classes.read_text("utf-8").splitlines() if line.strip())
    with tempfile.TemporaryDirectory() as scratch:
        write_plain(Path(scratch), split)
        reading = Reading(base=args.base, allow_missing=tuple(args.allow_missing))
        clip = load_clip(Path(scratch) / OPENCLIP_WEIGHTS, reading=reading)
    theta = {"encoder": {key: clip.params[key] for key in VISION_KEYS}, "head": split.head}
    export_classifier(args.out, make_classifier(clip, names, ()), theta, alpha=None)


def main(argv: Sequence[str] | None = None) -> int:
    """Convert a file."""
    args = parse(argv)
    if not logging.getLogger("wiseft_jax").handlers:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        split = split_state_dict(read_state_dict(args.checkpoint), str(args.checkpoint))
        reading = Reading(allow_missing=tuple(args.allow_missing))
        refused = [name for name in split.unknown if not reading.allows(name)]
        if refused:
            raise InputError(
                f"{args.checkpoint}: unknown: {', '.join(refused)}. Leave them out with"
                " --allow-missing PATTERN."
            )
        for why, left in (("as allowed", split.unknown), ("of no text tower", split.left_out)):
            if left:
                logger.warning("left out, %s: %s", why, ", ".join(left))
        if args.base:
            write_classifier(args, split)
        else:
            write_plain(args.out, split)
    except InputError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    sides = "both towers" if split.whole else "the image tower; give a base when it is loaded"
    classes = f", a head of {len(split.head['bias'])} classes" if split.head else ""
    print(f"{args.checkpoint} -> {args.out}: {sides}{classes}")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
