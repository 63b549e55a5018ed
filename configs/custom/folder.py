"""Your own images: end-to-end fine-tuning of any CLIP, then the whole curve.

Give a folder with a folder for each class, and folders of shifted images:
  wiseft run custom/folder --data.train folder:photos/train --data.shifts folder:photos/sketches \
      --model.name path/to/clip-vit-base-patch32
Learning rate and schedule are the paper's few-shot ones (Wortsman et al. 2022, appendix C: 1e-5 and
10 epochs), which suit some thousand images; raise epochs for fewer, lower the rate for a larger CLIP.
Expected: not recorded; it depends on your images.
Hardware: the embedded CLIP takes minutes on a laptop; for a ViT-B/32 see docs/benchmarks.md.
"""

from wiseft_jax.experiment import ExperimentConfig, ModelConfig, SweepConfig
from wiseft_jax.training.config import TrainConfig


def config() -> ExperimentConfig:
    """Return the configuration."""
    return ExperimentConfig(
        name="folder",
        model=ModelConfig(name="glyphclip", templates="simple"),
        training=TrainConfig(
            learning_rate=1e-5, epochs=10, batch_size=128, warmup_fraction=0.1, save_every_steps=200
        ),
        sweep=SweepConfig(batch_size=64),
    )
