"""Make the goldens of OpenCLIP with open_clip itself: features, and names and shapes of all sizes.

Run from the repository's root where torch is installed (JAX and torchvision are not needed):

    pip download --no-deps open_clip_torch==3.3.0 && unzip open_clip_torch-*.whl -d DIR
    PYTHONPATH=DIR python scripts/make_golden_openclip.py

What open_clip imports for images and texts (torchvision, timm, ftfy, regex) is replaced by empty
modules: only its CLIP class is used. The weights are those of ``tests.helpers.tiny_openclip``.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.helpers.tiny import tiny_images  # noqa: E402
from tests.helpers.tiny_openclip import (  # noqa: E402
    POSITION_GRIDS,
    TEXTS,
    VARIANTS,
    position_rows,
    shapes_digest,
    tensors_digest,
    tiny_model_cfg,
    tiny_openclip_tensors,
)

NOT_NEEDED = ("torchvision", "timm", "ftfy", "regex")
SIZES = {
    "ViT-B/32": "ViT-B-32",
    "ViT-B/16": "ViT-B-16",
    "ViT-L/14": "ViT-L-14",
    "ViT-L/14@336px": "ViT-L-14-336",
    "ViT-H/14": "ViT-H-14",
    "ViT-g/14": "ViT-g-14",
    "ViT-bigG/14": "ViT-bigG-14",
}


class _Stubs:
    """Finds an empty module for whatever of ``NOT_NEEDED`` is imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.split(".")[0] not in NOT_NEEDED:
            return None
        return importlib.util.spec_from_loader(name, self)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> Any:
        module = mock.MagicMock(name=spec.name, __path__=[], __spec__=spec)
        module.ops.misc.FrozenBatchNorm2d = type("FrozenBatchNorm2d", (), {})
        return module

    def exec_module(self, module: Any) -> None:
        pass


def features(options: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return what open_clip computes from a tiny model; its names must match exactly."""
    import torch
    from open_clip.model import CLIP

    options = dict(options)
    seed, cfg = options.pop("seed"), tiny_model_cfg(**options)
    model = CLIP(**cfg).eval()
    tensors = tiny_openclip_tensors(cfg, seed)
    model.load_state_dict({name: torch.from_numpy(np.array(t)) for name, t in tensors.items()})
    images = tiny_images(4, 16, seed=1)
    mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
    std = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
    pixels = ((images.astype(np.float32) / 255 - mean) / std).transpose(0, 3, 1, 2)
    ids = token_ids(cfg["text_cfg"]["context_length"])
    with torch.no_grad():
        image_features = model.encode_image(torch.from_numpy(pixels.copy()))
        text_features = model.encode_text(torch.from_numpy(ids))
    return {
        "images": images,
        "ids": ids,
        "image_features": image_features.numpy(),
        "text_features": text_features.numpy(),
        "weights_sha256": np.array(tensors_digest(tensors)),
    }


def token_ids(context: int) -> np.ndarray:
    """Return rows of ids as OpenCLIP's tokenizer pads them: with zeros."""
    import tempfile

    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    from tests.helpers.tiny import tiny_tokenizer_files

    files = tiny_tokenizer_files()
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("vocab.json", "merges.txt"):
            (Path(scratch) / name).write_bytes(files[name])
        model = BPE.from_file(
            f"{scratch}/vocab.json", f"{scratch}/merges.txt", end_of_word_suffix="</w>"
        )
    tokenizer, vocabulary = Tokenizer(model), json.loads(files["vocab.json"])
    rows = np.zeros((len(TEXTS), context), np.int64)
    for row, text in enumerate(TEXTS):
        words = [token for word in text.split() for token in tokenizer.encode(word).ids]
        ids = [vocabulary["<|startoftext|>"], *words, vocabulary["<|endoftext|>"]]
        rows[row, : len(ids)] = ids
    return rows


def published_shapes() -> dict[str, dict[str, Any]]:
    """Return how many tensors each published size has, and the digest of names and shapes."""
    import torch
    from open_clip.factory import get_model_config
    from open_clip.model import CLIP

    found = {}
    for name, theirs in SIZES.items():
        config = get_model_config(theirs)
        with torch.device("meta"):
            model = CLIP(**config)
        shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
        found[name] = {"model_cfg": config, "tensors": len(shapes), "sha256": shapes_digest(shapes)}
    return found


def positions() -> dict[str, np.ndarray]:
    """Return what open_clip's ``resize_pos_embed`` makes of position embeddings."""
    from types import SimpleNamespace

    import torch
    from open_clip.model import resize_pos_embed

    found = {}
    for side, grid in POSITION_GRIDS:
        state = {"visual.positional_embedding": torch.from_numpy(position_rows(side))}
        resize_pos_embed(state, SimpleNamespace(visual=SimpleNamespace(grid_size=(grid, grid))))
        found[f"{side}_to_{grid}"] = state["visual.positional_embedding"].numpy()
    return found


def main() -> None:
    """Write the golden files."""
    sys.meta_path.insert(0, _Stubs())  # type: ignore[arg-type]
    out = ROOT / "tests" / "golden"
    for name, options in VARIANTS.items():
        path = out / f"openclip_{name}.npz"
        np.savez_compressed(path, **features(options))  # type: ignore[arg-type]
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")
    path = out / "openclip_positions.npz"
    np.savez_compressed(path, **positions())  # type: ignore[arg-type]
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")
    path = out / "openclip_sizes.json"
    path.write_text(json.dumps(published_shapes(), indent=2) + "\n")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
