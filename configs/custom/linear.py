"""Your own images: only the head is trained, on cached features.

The paper's linear classifier (LC). Features are computed once per model, data and preprocessing;
training then takes seconds. Along alpha the logits are exactly linear.
  wiseft run custom/linear --data.train folder:photos/train --data.shifts folder:photos/sketches
Expected: not recorded; it depends on your images.
Hardware: one pass of the encoder over the images; then seconds on a laptop.
"""

from wiseft_jax.experiment import ExperimentConfig, ModelConfig, SweepConfig
from wiseft_jax.training.config import TrainConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    return ExperimentConfig(
        name="linear",
        model=ModelConfig(name="glyphclip", templates="simple"),
        training=TrainConfig(
            recipe="linear_probe",
            learning_rate=1e-2,
            epochs=20,
            batch_size=256,
            warmup_fraction=0.1,
        ),
        sweep=SweepConfig(batch_size=64),
    )
