"""A pod or several GPUs: ViT-B/16, every chip with all parameters.

Your own images, as in custom/folder, with the schedule of Wortsman et al. 2022, section 3: 10
epochs of 512, learning rate 3e-5, 500 steps of warm-up. The lean tower in bfloat16; parameters,
optimizer and gradients stay float32, so each chip holds 1.4 GB of them. First plan, then run:
  wiseft plan pod/vit_b16 --topology v5e:4x4 --data.train folder:photos/train
  wiseft run pod/vit_b16 --data.train folder:photos/train --data.shifts folder:photos/sketches
Expected: not recorded; it depends on your images.
Hardware: predictions in docs/scaling.md; nothing measured.
"""

from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.experiment import ExperimentConfig, ModelConfig, SweepConfig
from wiseft_jax.training.config import TrainConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    return ExperimentConfig(
        name="pod_vit_b16",
        model=ModelConfig(
            name="openai/clip-vit-base-patch16",
            templates="imagenet",
            compute_dtype="bfloat16",
            tower="scan",
        ),
        training=TrainConfig(learning_rate=3e-5, epochs=10, batch_size=512, warmup_steps=500),
        checkpoints=CheckpointConfig(save_every_steps=500),
        sweep=SweepConfig(batch_size=1024),
        mesh=MeshConfig(data=-1),
    )
