"""open_clip itself, as the reference that exports in its format are loaded with.

A process of its own runs it, with PyTorch and without JAX: a torchvision that was built for CUDA is
broken beside a PyTorch for CPUs, and transformers' modules of PyTorch can't be imported with one.
So what open_clip needs may lie in a directory apart, which ``WISEFT_TEST_OPEN_CLIP`` names.
"""

from __future__ import annotations

import importlib
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

VERSION = "3.3.0"
"""Of open_clip, that exports are tested with."""

PACKAGES = f"open_clip_torch=={VERSION} torchvision==0.28.0 timm ftfy wcwidth"
DIRECTORY_VARIABLE = "WISEFT_TEST_OPEN_CLIP"

_NOT_THERE = 77
_OPERATORS = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def open_clip_outputs(export: Path, inputs: Path, card: Path) -> dict[str, np.ndarray] | str:
    """Return what open_clip computes of an export, or why it can't be asked.

    Args:
      export: The directory.
      inputs: ``.npz`` of ``images`` uint8[N, S, S, 3] and ``ids`` int64[M, T], padded with zeros;
        ``picture_0`` and so on, uint8[H, W, 3], are the images of ``card``.
      card: Lines of Python that take ``images`` and leave ``logits``, run in the directory.

    Returns:
      ``version``, ``image_features``, ``text_features``, ``logit_scale``, ``other_activation`` (the
      image features by the other one), ``logits``.
    """
    out = inputs.with_name("outputs.npz")
    apart = [os.environ[DIRECTORY_VARIABLE]] if os.environ.get(DIRECTORY_VARIABLE) else []
    script = [sys.executable, __file__, *map(str, (export, inputs, card, out))]
    paths = os.pathsep.join(apart)
    environment = {**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == _NOT_THERE:
        reason = done.stdout.strip().splitlines()[-1]
        return (
            f"{reason}: pip install --no-deps --target DIR {PACKAGES}, and {DIRECTORY_VARIABLE}=DIR"
        )
    assert done.returncode == 0, done.stderr
    with np.load(out) as found:
        return dict(found)


def _import_open_clip() -> Any:
    """Return the module; nothing of it, or of what it imports, is replaced.

    A torchvision that can't load its operators isn't imported for want of two names, which are
    declared: open_clip calls neither.
    """
    try:
        import torch

        try:
            importlib.import_module("torchvision")
        except RuntimeError as error:
            if "torchvision::nms" not in str(error):
                raise
            for name in _OPERATORS:
                torch.library.define(f"torchvision::{name}", _SCHEMA)
        return importlib.import_module("open_clip")
    except ImportError as error:
        print(f"open_clip can't be imported ({error})")
        raise SystemExit(_NOT_THERE) from None


def _main(export: str, inputs: str, card: str, out: str) -> None:
    open_clip = _import_open_clip()
    import torch
    from PIL import Image

    given = dict(np.load(inputs))
    name = f"local-dir:{export}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    pixels = torch.stack([preprocess(Image.fromarray(image)) for image in given["images"]])
    quick = bool(open_clip.get_model_config(name)["quick_gelu"])
    other = open_clip.create_model(name, quick_gelu=not quick)
    pictures = [Image.fromarray(given[key]) for key in sorted(given) if key.startswith("picture_")]
    with torch.no_grad():
        found = {
            "image_features": model.encode_image(pixels, normalize=True),
            "text_features": model.encode_text(torch.from_numpy(given["ids"]), normalize=True),
            "other_activation": other.encode_image(pixels, normalize=True),
            "logit_scale": model.logit_scale,
        }
    os.chdir(export)
    found["logits"] = runpy.run_path(card, {"images": pictures})["logits"]
    arrays = {key: value.detach().numpy() for key, value in found.items()}
    np.savez(out, version=np.array(open_clip.__version__), **arrays)


if __name__ == "__main__":
    _main(*sys.argv[1:])
