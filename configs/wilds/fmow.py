"""WILDS-FMoW: ViT-B/16 end to end; its own test split is the shift.

A natural shift of the paper's: trained, chosen and tested on the splits of the reference (train,
id_val, id_test), the shift is the split test, images of 2016 and later. Schedule of section 3
(learning rate 3e-5, batches of 512, 10 epochs, as on ImageNet); the model is our choice, and the
paper's learning rate for this set isn't recorded. Beside top-1 accuracy, rows have the accuracy of
the worst region, which is the benchmark's own score of the shift.
  WISEFT_DATA_ROOT=/data wiseft run wilds/fmow
The folder is where the published sets lie; `wiseft data info wilds-fmow` says how to get them.
Expected: not recorded.
Hardware: not predicted, for how many images the splits have isn't recorded at hand;
`wiseft run wilds/fmow --dry-run` predicts memory and time where the data and the device are.
"""

from wiseft_jax import paper
from wiseft_jax.experiment import ExperimentConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    data = paper.wilds("wilds-fmow")
    training = paper.END_TO_END
    return paper.experiment("wilds/fmow", paper.VIT_B16, "fmow", data, training)
