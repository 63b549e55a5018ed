"""Your own images: any CLIP end to end, then the whole curve.

Give a folder with a folder for each class, folders of shifted images, and a CLIP:
  wiseft run custom/folder --data.train folder:photos/train --data.shifts folder:photos/sketches
with --model.name path/to/clip-vit-base-patch32 for a model larger than the embedded one.
Learning rate and epochs are the reference's few-shot ones (1e-5, 10), which suit some thousand
images; raise the epochs for fewer, lower the rate for a larger CLIP.
Expected: not recorded; it depends on your images.
Hardware: the embedded CLIP takes minutes on a laptop; for a ViT-B/32, not recorded.
"""

from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.experiment import ExperimentConfig, ModelConfig, SweepConfig
from wiseft_jax.training.config import TrainConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    return ExperimentConfig(
        name="folder",
        model=ModelConfig(name="glyphclip", templates="simple"),
        training=TrainConfig(learning_rate=1e-5, epochs=10, batch_size=128, warmup_fraction=0.1),
        checkpoints=CheckpointConfig(save_every_steps=200),
        sweep=SweepConfig(batch_size=64),
    )
