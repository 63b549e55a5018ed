r"""ImageNet: ViT-B/16 by FLYP, both towers on images and prompts.

Goyal et al. 2023: the loss of CLIP's own training, learning rate 1e-5, over all pairs of a batch;
the rest of the schedule is that of end-to-end fine-tuning. One template, not 80, for the head is
made of the text tower again at each alpha.
  WISEFT_DATA_ROOT=/data wiseft run imagenet/vit_b16_flyp
The folder is where the published sets lie; `wiseft data info imagenet` says how to get them.
ImageNet-R, ObjectNet and ImageNet-A come with their matched references, ImageNet's validation
images of their classes, which the sweep evaluates too: 26,250 images more.
Expected: not recorded.
Hardware: predicted, not measured, a lower bound (decoding isn't counted), on 8 H100: 0.10 to
0.12 hours of fine-tuning, 0.0056 of sweep, 6.5 GiB a device, if the hosts decode 35,000 images/s.
By
  wiseft plan imagenet/vit_b16_flyp --topology h100:8 --method abstract --tokens 18 \
    --images 1268355 --classes 1000 --test-images 206025
The longest prompt of ImageNet's names has 18 tokens by CLIP's own vocabulary. The 11 heads, which
come before the sweep and aren't in its hours, take 0.1 seconds.
"""

import dataclasses

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    training = dataclasses.replace(paper.END_TO_END, recipe="flyp", learning_rate=1e-5)
    data = paper.IMAGENET
    return paper.experiment("imagenet/vit_b16_flyp", paper.VIT_B16, "simple", data, training)
