r"""Food-101: ViT-B/16 end to end.

A transfer set of the paper, without shifts: the curve shows accuracy on its test set alone.
Schedule of section 3 (learning rate 3e-5, batches of 512, 10 epochs, as on ImageNet); the model
is our choice, and the paper's learning rate for this set isn't recorded.
  WISEFT_DATA_ROOT=/data wiseft run transfer/food101
The folder is where the published sets lie; `wiseft data info food101` says how to get them.
Expected: not recorded.
Hardware: predicted, not measured, a lower bound (decoding isn't counted), on 1 H100: 0.041 hours
of fine-tuning, 0.0072 of sweep, 33.0 GiB a device, if the hosts decode 4,700 images/s. By
  wiseft plan transfer/food101 --topology h100:1 --method abstract \
    --images 68175 --classes 101 --test-images 32825
"""

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    data = paper.published("food101")
    training = paper.END_TO_END
    return paper.experiment("transfer/food101", paper.VIT_B16, "food101", data, training)
