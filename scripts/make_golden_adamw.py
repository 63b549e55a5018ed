"""Make the AdamW golden file with PyTorch: clipping, decoupled decay and the paper's schedule.

Run from the repository's root where torch is installed (JAX is not needed):

    python scripts/make_golden_adamw.py

The loop is the reference implementation's (mlfoundations/wise-ft, src/models/finetune.py): schedule
at the step's number, clip_grad_norm_, AdamW.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

FILE = Path(__file__).resolve().parent.parent / "tests" / "golden" / "adamw.npz"
STEPS, WARMUP, BASE, DECAY, CLIP = 12, 4, 0.01, 0.1, 1.0
SHAPES = {"kernel": (5, 7), "bias": (7,)}


def learning_rate(step: int) -> float:
    """Return the reference implementation's ``cosine_lr``."""
    if step < WARMUP:
        return BASE * (step + 1) / WARMUP
    return 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) * BASE


def main() -> None:
    """Write the gradients, the parameters after every step, and the norms before clipping."""
    import torch

    random = np.random.default_rng(0)
    # Norms on both sides of the clipping threshold, from 0.05 to 20.
    scales = np.geomspace(0.01, 4.0, STEPS)[random.permutation(STEPS)]
    arrays: dict[str, np.ndarray] = {
        "settings": np.array([STEPS, WARMUP, BASE, DECAY, CLIP], np.float64)
    }
    start = {name: random.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    grads = {
        name: (random.normal(size=(STEPS, *shape)) * scales.reshape(-1, *[1] * len(shape))).astype(
            np.float32
        )
        for name, shape in SHAPES.items()
    }
    params = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in start.items()}
    optimizer = torch.optim.AdamW(params.values(), lr=BASE, weight_decay=DECAY)
    norms, states = [], {name: [] for name in SHAPES}
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        for name, parameter in params.items():
            parameter.grad = torch.tensor(grads[name][step])
        norms.append(torch.nn.utils.clip_grad_norm_(params.values(), CLIP).item())
        optimizer.step()
        for name, parameter in params.items():
            states[name].append(parameter.detach().numpy().copy())
    for name in SHAPES:
        arrays |= {
            f"start_{name}": start[name],
            f"grads_{name}": grads[name],
            f"params_{name}": np.stack(states[name]),
        }
    np.savez_compressed(FILE, norms=np.array(norms, np.float32), allow_pickle=False, **arrays)
    print(f"{FILE}: {FILE.stat().st_size} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    main()
