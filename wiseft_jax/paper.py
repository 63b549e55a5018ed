"""The experiments of the papers, in the parts that their presets share.

Data are published sets, by name: they lie below ``WISEFT_DATA_ROOT``, or where ``@ROOT`` in an
option says. Sources: Wortsman et al. 2022 (arXiv 2109.01903), section 3 and appendix, and their
code, mlfoundations/wise-ft; Ilharco et al. 2022 (PAINT) and 2023, and their code,
mlfoundations/patching and mlfoundations/task_vectors, commit aff3f9c.
"""

from __future__ import annotations

import dataclasses

from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.data.config import DataConfig
from wiseft_jax.experiment import ExperimentConfig, ModelConfig, SweepConfig
from wiseft_jax.training.config import TrainConfig
from wiseft_jax.training.options import TrainOptions

VIT_B32 = ModelConfig(name="openai/clip-vit-base-patch32", compute_dtype="bfloat16", tower="scan")
VIT_B16 = dataclasses.replace(VIT_B32, name="openai/clip-vit-base-patch16")
VIT_L14 = dataclasses.replace(VIT_B32, name="openai/clip-vit-large-patch14")
VIT_L14_336 = dataclasses.replace(VIT_B32, name="openai/clip-vit-large-patch14-336", remat="full")

IMAGENET = DataConfig(
    train="published:imagenet:train",
    validation_fraction=0.01,
    test="published:imagenet:val",
    shifts=(
        "published:imagenet-v2:test",
        "published:imagenet-r:test",
        "published:imagenet-sketch:test",
        "published:objectnet:test",
        "published:imagenet-a:test",
    ),
    matched_references=(
        "published:imagenet-r-val-classes:val",
        "published:imagenet-objectnet-val-classes:val",
        "published:imagenet-a-val-classes:val",
    ),
)
"""ImageNet and the five shifts of the paper's average; 1 % of the training set chooses alpha.

ImageNet-R, ObjectNet and ImageNet-A have fewer classes, so effective robustness sets them against
the validation images of these classes, which are read from ImageNet's own folder.
"""

END_TO_END = TrainConfig()
"""Section 3: AdamW, 3e-5, weight decay 0.1, batches of 512, 10 epochs, 500 steps of warm-up."""

LINEAR_CLASSIFIER = TrainConfig(
    recipe="linear_probe", learning_rate=1e-3, weight_decay=0.0, warmup_steps=0
)
"""The rate and the decay are the defaults of the reference's ``src/args.py``; the paper sweeps."""

FEW_SHOT = TrainConfig(
    recipe="few_shot",
    learning_rate=1e-5,
    warmup_fraction=0.1,
    options=TrainOptions(shots=16),
)
"""Section 5: 1e-5 and 10 epochs, in batches of 512 (mlfoundations/wise-ft, issue 5).

The 500 steps of warm-up would be longer than the run; how many there were isn't recorded.
"""

PATCH_EPOCHS = {
    "sun397": 14.0,
    "cars": 35.0,
    "resisc45": 15.0,
    "eurosat": 12.0,
    "svhn": 4.0,
    "gtsrb": 11.0,
    "mnist": 5.0,
    "dtd": 76.0,
}
"""Task -> epochs, about 2,000 steps each (mlfoundations/task_vectors, ``src/finetune.py``)."""

_OWN_SPLITS = {"resisc45": ("train", "val", "test"), "dtd": ("train", "val", "test")}
_ONE_SPLIT = ("eurosat",)


def imagenet(name: str, model: ModelConfig, training: TrainConfig) -> ExperimentConfig:
    """Return an experiment on ImageNet and its five shifts, prompted by the 80 templates.

    Args:
      name: The preset's name.
      model: Which CLIP.
      training: How it is fine-tuned.
    """
    return experiment(name, model, "imagenet", IMAGENET, training)


def experiment(
    name: str, model: ModelConfig, templates: str, data: DataConfig, training: TrainConfig
) -> ExperimentConfig:
    """Return an experiment with the checkpoints and batches that suit an accelerator.

    Args:
      name: The preset's name.
      model: Which CLIP.
      templates: The prompt set.
      data: The data sets.
      training: How it is fine-tuned.
    """
    return ExperimentConfig(
        name=name,
        model=dataclasses.replace(model, templates=templates),
        data=data,
        training=training,
        checkpoints=CheckpointConfig(save_every_steps=500),
        sweep=SweepConfig(batch_size=512),
    )


def published(dataset: str, *shifts: str) -> DataConfig:
    """Return the data of a published set: its own splits, and what it lacks held out by the seed.

    Args:
      dataset: An id of ``wiseft data list``.
      *shifts: Ids whose split ``test`` is a shift of it.
    """
    train, validation, test = _OWN_SPLITS.get(dataset, ("train", None, "test"))
    if dataset in _ONE_SPLIT:
        return DataConfig(train=f"published:{dataset}:all")
    return DataConfig(
        train=f"published:{dataset}:{train}",
        validation=validation and f"published:{dataset}:{validation}",
        test=f"published:{dataset}:{test}",
        shifts=tuple(f"published:{shift}:test" for shift in shifts),
    )


def wilds(dataset: str) -> DataConfig:
    """Return the data of a WILDS set: its splits of the reference, and its test set as the shift.

    Args:
      dataset: ``wilds-fmow`` or ``wilds-iwildcam``.
    """
    return DataConfig(
        train=f"published:{dataset}:train",
        validation=f"published:{dataset}:id_val",
        test=f"published:{dataset}:id_test",
        shifts=(f"published:{dataset}:test",),
    )


def patched(name: str, task: str, templates: str) -> ExperimentConfig:
    """Return the patching of ViT-L/14 on one of the eight tasks, its head frozen.

    Args:
      name: The preset's name.
      task: A key of ``PATCH_EPOCHS``.
      templates: The prompt set.
    """
    training = TrainConfig(
        recipe="paint",
        learning_rate=1e-5,
        epochs=PATCH_EPOCHS[task],
        batch_size=128,
        eval_every_epochs=PATCH_EPOCHS[task],
    )
    return experiment(name, VIT_L14, templates, published(task), training)
