"""Make the CLIP golden files with PyTorch's CLIPModel: the numbers that the tests compare with.

Run from the repository's root where torch and transformers are installed (JAX is not needed):

    python scripts/make_goldens.py

The weights are not stored: ``tests.helpers.tiny`` makes the same ones from raw random bits, and the
golden file holds their SHA-256.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.helpers.golden import CLASS_NAMES, TEMPLATES, TEXTS, VARIANTS, weights_digest  # noqa: E402
from tests.helpers.tiny import tiny_clip_directory, tiny_images  # noqa: E402


def golden(directory: Path) -> dict[str, np.ndarray]:
    """Return PyTorch's numbers for the model in ``directory``.

    Args:
      directory: A CLIP directory.

    Returns:
      Name -> array: inputs (``images``), and what the reference computes from them.
    """
    import torch
    from transformers import CLIPModel, CLIPTokenizerFast

    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    model = CLIPModel.from_pretrained(directory).eval()
    tokenizer = CLIPTokenizerFast.from_pretrained(directory)
    size, context = (
        model.config.vision_config.image_size,
        model.config.text_config.max_position_embeddings,
    )
    images = tiny_images(6, size, seed=1)
    mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
    std = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
    pixels = torch.from_numpy(
        ((images.astype(np.float32) / 255 - mean) / std).transpose(0, 3, 1, 2)
    )

    def encode_texts(texts: list[str]) -> Any:
        tokens = tokenizer(
            texts,
            padding="max_length",
            truncation=True,
            max_length=context,
            return_tensors="pt",
        )
        return model.get_text_features(**tokens)

    with torch.no_grad():
        image_features = model.get_image_features(pixel_values=pixels)  # pyright: ignore
        text_features = encode_texts(list(TEXTS))
        rows = []
        for name in CLASS_NAMES:
            features = encode_texts([template.replace("{}", name) for template in TEMPLATES])
            features = features / features.norm(dim=-1, keepdim=True)
            mean_feature = features.mean(dim=0)
            rows.append(mean_feature / mean_feature.norm())
        head = torch.stack(rows) * model.logit_scale.exp()
        unit = image_features / image_features.norm(dim=-1, keepdim=True)
        logits = unit @ head.T
    return {
        "images": images,
        "image_features": image_features.numpy(),
        "text_features": text_features.numpy(),
        "head": head.T.contiguous().numpy(),
        "logits": logits.numpy(),
    }


def main() -> None:
    """Write one golden file for each variant."""
    out = ROOT / "tests" / "golden"
    out.mkdir(parents=True, exist_ok=True)
    for name, options in VARIANTS.items():
        with tempfile.TemporaryDirectory() as scratch:
            directory = tiny_clip_directory(Path(scratch) / name, **options)
            arrays = golden(directory)
            arrays["weights_sha256"] = np.array(weights_digest(directory))
        path = out / f"clip_{name}.npz"
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes, {digest}")


if __name__ == "__main__":
    main()
