r"""ImageNet: ViT-L/14, end to end on 16 images of each class.

16 images of each class, drawn by the seed, or another k by --training.options.shots; learning
rate 1e-5 and 10 epochs (the paper, section 5), batches of 512 (mlfoundations/wise-ft, issue 5).
The warm-up is a tenth of the run, for 500 steps would be longer than it. One draw says little:
repeat it with other seeds.
  WISEFT_DATA_ROOT=/data wiseft run imagenet/vit_l14_few_shot
The folder is where the published sets lie; `wiseft data info imagenet` says how to get them.
ImageNet-R, ObjectNet and ImageNet-A come with their matched references, ImageNet's validation
images of their classes, which the sweep evaluates too: 26,250 images more.
Expected: not recorded.
Hardware: predicted, not measured, a lower bound (decoding isn't counted), on 8 H100: 0.0055 to
0.0059 hours of fine-tuning, 0.026 of sweep, 17.4 GiB a device, if the hosts decode 8,000
images/s. By
  wiseft plan imagenet/vit_l14_few_shot --topology h100:8 --method abstract \
    --images 16000 --classes 1000 --test-images 206025
"""

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    return paper.imagenet("imagenet/vit_l14_few_shot", paper.VIT_L14, paper.FEW_SHOT)
