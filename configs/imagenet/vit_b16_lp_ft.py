r"""ImageNet: ViT-B/16 by LP-FT, a linear probe, then end to end.

Kumar et al. 2022: the head is first brought to convergence by L-BFGS, its C chosen on validation
images, then everything is trained from there with the schedule of end-to-end fine-tuning (the
schedule is ours: Wortsman et al. 2022, section 3).
  WISEFT_DATA_ROOT=/data wiseft run imagenet/vit_b16_lp_ft
The folder is where the published sets lie; `wiseft data info imagenet` says how to get them.
ImageNet-R, ObjectNet and ImageNet-A come with their matched references, ImageNet's validation
images of their classes, which the sweep evaluates too: 26,250 images more.
Expected: not recorded.
Hardware: predicted, not measured, a lower bound (decoding isn't counted), on 8 H100: 0.094 to
0.10 hours of fine-tuning, 0.0056 of sweep, 5.3 GiB a device, if the hosts decode 37,000 images/s.
By
  wiseft plan imagenet/vit_b16_lp_ft --topology h100:8 --method abstract \
    --images 1268355 --classes 1000 --test-images 206025
The probe comes before and isn't in these hours: a forward pass over the training images, 0.003
hours at the sweep's rate, and for each of six C up to 1000 steps of L-BFGS, how many isn't known
beforehand.
"""

import dataclasses

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    training = dataclasses.replace(paper.END_TO_END, recipe="lp_ft")
    return paper.imagenet("imagenet/vit_b16_lp_ft", paper.VIT_B16, training)
