r"""PAINT: ViT-L/14 patched on MNIST, its head frozen.

PAINT (Ilharco et al. 2022), on a task of the eight of Ilharco et al. 2023: the image tower alone
is trained, the zero-shot head stays, so models patched on several tasks share one encoder.
Learning rate 1e-5, batches of 128, 5 epochs, 500 steps of warm-up (mlfoundations/task_vectors,
src/finetune.py and src/args.py).
  WISEFT_DATA_ROOT=/data wiseft run paint/mnist
The folder is where the published sets lie; `wiseft data info mnist` says how to get them.
Expected: not recorded.
Hardware: predicted, not measured, a lower bound (decoding isn't counted), on 1 H100: 0.074 hours
of fine-tuning, 0.016 of sweep, 30.3 GiB a device, if the hosts decode 1,000 images/s. By
  wiseft plan paint/mnist --topology h100:1 --method abstract \
    --images 54000 --classes 10 --test-images 16000
"""

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    return paper.patched("paint/mnist", "mnist", templates="mnist")
