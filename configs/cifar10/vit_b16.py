r"""CIFAR-10: ViT-B/16 end to end; CIFAR-10.1 and 10.2 are the shifts.

One of the paper's further shifts. 10 epochs (mlfoundations/wise-ft, issue 17) with the schedule
of section 3; 500 of the 879 steps are warm-up, as there. The model is our choice; the paper's
learning rates are in its appendix D.2 and aren't recorded here.
  WISEFT_DATA_ROOT=/data wiseft run cifar10/vit_b16
The folder is where the published sets lie; `wiseft data info cifar10` says how to get them.
Expected: not recorded.
Hardware: predicted, not measured, a lower bound (decoding isn't counted), on 1 H100: 0.027 hours
of fine-tuning, 0.0042 of sweep, 33.0 GiB a device, if the hosts decode 4,700 images/s. By
  wiseft plan cifar10/vit_b16 --topology h100:1 --method abstract \
    --images 45000 --classes 10 --test-images 19000
"""

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    data = paper.published("cifar10", "cifar10.1", "cifar10.2")
    training = paper.END_TO_END
    return paper.experiment("cifar10/vit_b16", paper.VIT_B16, "cifar10", data, training)
