"""ImageNet: ViT-B/16 by FLYP, both towers on images and prompts.

Goyal et al. 2023: the loss of CLIP's own training, learning rate 1e-5, over all pairs of a batch;
the rest of the schedule is that of end-to-end fine-tuning. One template, not 80, for the head is
made of the text tower again at each alpha.
  WISEFT_DATA_ROOT=/data wiseft run imagenet/vit_b16_flyp
The folder is where the published sets lie; `wiseft data info imagenet` says how to get them.
Expected: not recorded.
Hardware: not predicted, neither by `wiseft plan` nor by `--dry-run`: no text tower is counted yet.
"""

import dataclasses

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    training = dataclasses.replace(paper.END_TO_END, recipe="flyp", learning_rate=1e-5)
    data = paper.IMAGENET
    return paper.experiment("imagenet/vit_b16_flyp", paper.VIT_B16, "simple", data, training)
