r"""WILDS-iWildCam: ViT-B/16 end to end; its own test split is the shift.

A natural shift of the paper's: trained, chosen and tested on the splits of the reference (train,
id_val, id_test), the shift is the split test, cameras that weren't seen. Schedule of section 3
(learning rate 3e-5, batches of 512, 10 epochs, as on ImageNet); the model is our choice, and the
paper's learning rate for this set isn't recorded. Beside top-1 accuracy, rows have macro-F1, which
is the benchmark's own score of the shift.
  WISEFT_DATA_ROOT=/data wiseft run wilds/iwildcam
The folder is where the published sets lie; `wiseft data info wilds-iwildcam` says how to get
them.
Expected: not recorded.
Hardware: predicted, not measured, a lower bound (decoding isn't counted), on 1 H100: 0.077 hours
of fine-tuning, 0.013 of sweep, 33.0 GiB a device, if the hosts decode 4,700 images/s. By
  wiseft plan wilds/iwildcam --topology h100:1 --method abstract \
    --images 129809 --classes 182 --test-images 58259
"""

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    data = paper.wilds("wilds-iwildcam")
    training = paper.END_TO_END
    return paper.experiment("wilds/iwildcam", paper.VIT_B16, "iwildcam", data, training)
