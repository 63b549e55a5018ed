"""A pod or several GPUs: ViT-L/14-336, parameters split eight ways.

The largest model of Wortsman et al. 2022, with its schedule. Parameters, optimizer and gradients
(4.9 GB, float32) are split over the eight chips of an `fsdp` group, layers are recomputed in the
backward pass, and groups of eight share the batch. First plan, then run:
  wiseft plan pod/vit_l14_336 --topology v5e:8x8 --data.train folder:photos/train
  wiseft run pod/vit_l14_336 --data.train folder:photos/train --data.shifts folder:photos/sketches
Expected: not recorded; it depends on your images.
Hardware: at least 8 chips; predictions in docs/scaling.md; nothing measured.
"""

from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.experiment import ExperimentConfig, ModelConfig, SweepConfig
from wiseft_jax.training.config import TrainConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    return ExperimentConfig(
        name="pod_vit_l14_336",
        model=ModelConfig(
            name="openai/clip-vit-large-patch14-336",
            templates="imagenet",
            compute_dtype="bfloat16",
            tower="scan",
            remat="full",
        ),
        training=TrainConfig(learning_rate=1e-5, epochs=10, batch_size=512, warmup_steps=500),
        checkpoints=CheckpointConfig(save_every_steps=200),
        sweep=SweepConfig(batch_size=512),
        mesh=MeshConfig(data=-1, fsdp=8),
    )
