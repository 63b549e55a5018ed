"""PAINT: ViT-L/14 patched on RESISC45, its head frozen.

PAINT (Ilharco et al. 2022), on a task of the eight of Ilharco et al. 2023: the image tower alone
is trained, the zero-shot head stays, so models patched on several tasks share one encoder.
Learning rate 1e-5, batches of 128, 15 epochs, 500 steps of warm-up (mlfoundations/task_vectors,
src/finetune.py and src/args.py).
  WISEFT_DATA_ROOT=/data wiseft run paint/resisc45
The folder is where the published sets lie; `wiseft data info resisc45` says how to get them.
Expected: not recorded.
Hardware: not recorded; `wiseft run paint/resisc45 --dry-run` predicts memory and time where
the data and the device are, `wiseft plan` for devices that aren't there.
"""

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    return paper.patched("paint/resisc45", "resisc45", templates="resisc45")
