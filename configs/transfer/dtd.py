r"""Describable Textures: ViT-B/16 end to end.

A transfer set of the paper, without shifts: the curve shows accuracy on its test set alone.
Schedule of section 3 (learning rate 3e-5, batches of 512, 10 epochs, as on ImageNet); the model
is our choice, and the paper's learning rate for this set isn't recorded. The warm-up is a tenth
of the run, for 500 steps would be longer than it. The first of the ten published partitions.
  WISEFT_DATA_ROOT=/data wiseft run transfer/dtd
The folder is where the published sets lie; `wiseft data info dtd` says how to get them.
Expected: not recorded.
Hardware: predicted, not measured, a lower bound (decoding isn't counted), on 1 H100: 0.0011 hours
of fine-tuning, 0.00089 of sweep, 33.0 GiB a device, if the hosts decode 4,700 images/s. By
  wiseft plan transfer/dtd --topology h100:1 --method abstract \
    --images 1880 --classes 47 --test-images 3760
"""

import dataclasses

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    data = paper.published("dtd")
    training = dataclasses.replace(paper.END_TO_END, warmup_fraction=0.1)
    return paper.experiment("transfer/dtd", paper.VIT_B16, "dtd", data, training)
