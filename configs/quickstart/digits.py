"""Handwritten digits, the embedded CLIP: what `wiseft quickstart` runs.

Reference: MNIST-5k (3,500 train / 500 validation / 1,000 test). Six shifts: optical digits of other
writers, digits set in typefaces, coloured, inverted, noisy and rotated test digits.
Expected: the table in README.md; the shifts' mean peaks strictly between alpha 0 and 1.
Hardware: 2 CPU cores, under 3 minutes.
Command: wiseft run quickstart/digits
"""

from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.quickstart.job import quickstart_config


def config() -> ExperimentConfig:
    """Return the configuration."""
    return quickstart_config()
