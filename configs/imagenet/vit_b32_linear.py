r"""ImageNet: ViT-B/32, the linear classifier (LC), and its five shifts.

The paper's linear classifier (LC): the head alone is trained, from the zero-shot one, on features
that are computed once. The paper sweeps learning rate, decay, L1 and label smoothing; here are
the defaults of its code, and the sweep is a study:
  wiseft study grid imagenet/vit_b32_linear --out DIR \
    --vary training.learning_rate=1e-4,1e-3,1e-2
One run of it:
  WISEFT_DATA_ROOT=/data wiseft run imagenet/vit_b32_linear
The folder is where the published sets lie; `wiseft data info imagenet` says how to get them.
ImageNet-R, ObjectNet and ImageNet-A come with their matched references, ImageNet's validation
images of their classes, which the sweep evaluates too: 26,250 images more.
Expected: not recorded.
Hardware: predicted, not measured, a lower bound (decoding isn't counted), on 8 H100: 0.00079
hours for the features, 0.00013 for the head, 0.00013 for the sweep, if the hosts decode 450,000
images/s. By
  wiseft plan imagenet/vit_b32_linear --topology h100:8 --method abstract \
    --images 1268355 --classes 1000 --test-images 206025
"""

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    return paper.imagenet("imagenet/vit_b32_linear", paper.VIT_B32, paper.LINEAR_CLASSIFIER)
