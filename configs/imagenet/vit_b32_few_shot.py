r"""ImageNet: ViT-B/32, end to end on 16 images of each class.

16 images of each class, drawn by the seed, or another k by --training.options.shots; learning
rate 1e-5 and 10 epochs (the paper, section 5), batches of 512 (mlfoundations/wise-ft, issue 5).
The warm-up is a tenth of the run, for 500 steps would be longer than it. One draw says little:
repeat it with other seeds.
  WISEFT_DATA_ROOT=/data wiseft run imagenet/vit_b32_few_shot
The folder is where the published sets lie; `wiseft data info imagenet` says how to get them.
ImageNet-R, ObjectNet and ImageNet-A come with their matched references, ImageNet's validation
images of their classes, which the sweep evaluates too: 26,250 images more.
Expected: not recorded.
Hardware: predicted, not measured, a lower bound (decoding isn't counted), on 8 H100: 0.0003 to
0.00042 hours of fine-tuning, 0.0014 of sweep, 2.4 GiB a device, if the hosts decode 150,000
images/s. By
  wiseft plan imagenet/vit_b32_few_shot --topology h100:8 --method abstract \
    --images 16000 --classes 1000 --test-images 206025
"""

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    return paper.imagenet("imagenet/vit_b32_few_shot", paper.VIT_B32, paper.FEW_SHOT)
