"""What the train-on x test-on study of backgrounds trains and measures."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal, TypeAlias, get_args

from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.field_checks import as_floats
from wiseft_jax.data.augmentation import AugmentationConfig
from wiseft_jax.training.config import TrainConfig

Family: TypeAlias = Literal["resnet", "clip"]
"""``resnet``: from random weights, or from published ones; ``clip``: fine-tuned from a CLIP."""

FittingRecipe: TypeAlias = Literal["end_to_end", "linear_probe", "lp_ft", "paint", "flyp"]
"""Those of ``training.RECIPES`` that learn from all labelled images of a set."""

Architecture: TypeAlias = Literal["small", "resnet18", "resnet50"]

Pairing: TypeAlias = Literal["new", "built"]
"""``new``: mixed training images are composed, with another pairing for each seed; ``built``: those
that lie in files are taken, the same for each seed."""

START = "start"
"""What a model that isn't trained here is trained on, in cells and tables."""

ARCHITECTURES: dict[Architecture, dict[str, Any]] = {
    "small": {},
    "resnet18": {
        "embedding_size": 64,
        "hidden_sizes": [64, 128, 256, 512],
        "depths": [2, 2, 2, 2],
        "layer_type": "basic",
    },
    "resnet50": {
        "embedding_size": 64,
        "hidden_sizes": [256, 512, 1024, 2048],
        "depths": [3, 4, 6, 3],
        "layer_type": "bottleneck",
    },
}
"""Settings of transformers' ``ResNetConfig``; those of ``small`` are ``clip.resnet.SMALL``."""

_WARMUP = 0.1
_VARIANTS = tuple(VARIANTS)


@dataclasses.dataclass(frozen=True)
class MatrixConfig:
    """Train on each variant, test on each: what a background alone teaches, and what it costs.

    The paper's (Xiao et al. 2020, appendix): ResNet-50, 200 epochs of SGD with momentum 0.9,
    batches of 256, a learning rate of 0.1 divided by 10 every 50 epochs, weight decay 1e-4,
    random-resized crop, flip, colour jitter. Here models are trained with the package's optimizer
    (AdamW, a warm-up, then a cosine), without colour jitter, and for fewer epochs by default.
    """

    families: tuple[Family, ...] = ("clip",)
    """`resnet`: from random weights, or from `--resnet`; `clip`: `--model`, fine-tuned."""
    train_on: tuple[str, ...] = _VARIANTS
    """Variants to train a model on each; sets of `--also` and `--in9l` are trained on anyway."""
    test_on: tuple[str, ...] = _VARIANTS
    """Variants to test each model on."""
    seeds: int = 1
    """How many models of each kind, of seeds 0, 1, ...; each has its own pairing of backgrounds."""
    recipe: FittingRecipe = "end_to_end"
    """How CLIPs are fine-tuned."""
    epochs: float = 1.0
    """Passes over the training set, of every model: 1 suits the embedded CLIP on the miniature; a
    ResNet from random weights wants many more (the paper's 200)."""
    batch_size: int = 64
    """Images per step."""
    resnet_learning_rate: float = 3e-3
    """The peak, of the ResNets; 1e-4 or so suits published weights."""
    clip_learning_rate: float = 1e-3
    """The peak, of the CLIPs; 1e-5 to 3e-5 suits published ones, 1e-3 the embedded one."""
    weight_decay: float = 0.1
    """Decoupled (AdamW)."""
    augmentation: AugmentationConfig = AugmentationConfig()
    architecture: Architecture = "small"
    """Of ResNets from random weights; `small` has 150,000 parameters."""
    resnet: str | None = None
    """Directory of weights that ResNets start from, such as microsoft/resnet-50's; they are
    tested as they are too, if their classes are these, or ImageNet's with ImageNet-9's images."""
    model: str = "glyphclip"
    """The CLIP: `glyphclip` (the small embedded one), a local directory, or a hub id."""
    templates: str = "simple"
    """Prompts of the CLIP's head: `simple`, `imagenet`, `digits`, or a file."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        rates = ("resnet_learning_rate", "clip_learning_rate")
        as_floats(self, ("epochs", *rates, "weight_decay"))
        self._check_names("families", get_args(Family))
        self._check_names("test_on", _VARIANTS)
        distinct = len(set(self.train_on)) == len(self.train_on)
        known = set(self.train_on) <= {*_VARIANTS}
        self._check("train_on", known and distinct, f"some of {', '.join(_VARIANTS)}, each once")
        self._check("seeds", self.seeds >= 1, "an integer >= 1")
        for field in ("epochs", *rates):
            self._check(field, 0 < getattr(self, field) < math.inf, "a number > 0")
        self._check("weight_decay", 0 <= self.weight_decay < math.inf, "a number >= 0")
        self._check("batch_size", self.batch_size >= 1, "an integer >= 1")

    def _check(self, field: str, fits: bool, expected: str) -> None:
        if not fits:
            option = field.replace("_", "-")
            raise InputError(f"--{option}: expected {expected}, found {getattr(self, field)!r}")

    def _check_names(self, field: str, known: tuple[str, ...]) -> None:
        given = getattr(self, field)
        fits = len(given) > 0 and set(given) <= set(known) and len(set(given)) == len(given)
        self._check(field, fits, f"some of {', '.join(known)}, each once")

    def cells(self, extras: tuple[str, ...] = ()) -> tuple[Cell, ...]:
        """Return every model, seed by seed, so that a broken-off study has whole seeds.

        What is tested as it is comes first.

        Args:
          extras: Names of further training sets.
        """
        started: list[Family] = [
            name for name in self.families if name == "clip" or self.resnet is not None
        ]
        return tuple(Cell(name, START, 0) for name in started) + tuple(
            Cell(family, name, seed)
            for seed in range(self.seeds)
            for family in self.families
            for name in (*self.train_on, *extras)
        )

    def training(self, cell: Cell) -> TrainConfig:
        """Return how a model is trained: models of a kind and seed differ in their images alone."""
        is_clip = cell.family == "clip"
        return TrainConfig(
            recipe=self.recipe if is_clip else "end_to_end",
            learning_rate=self.clip_learning_rate if is_clip else self.resnet_learning_rate,
            epochs=self.epochs,
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            warmup_fraction=_WARMUP,
            seed=cell.seed,
            augmentation=self.augmentation,
            eval_every_epochs=None,
        )


@dataclasses.dataclass(frozen=True)
class Cell:
    """One model of the study.

    Attributes:
      family: Which kind of model.
      train_on: A variant, another training set, or ``START``.
      seed: Of initial weights, order, crops, and the pairing of backgrounds.
    """

    family: Family
    train_on: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.family}-{self.train_on}-{self.seed}"
