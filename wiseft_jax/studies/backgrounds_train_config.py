"""What the train-on x test-on study of backgrounds trains and measures."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, Literal, TypeAlias, get_args

import tyro

from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.clip.reading import AS_STORED, ReadingArgs
from wiseft_jax.core.errors import InputError, did_you_mean
from wiseft_jax.core.field_checks import as_floats
from wiseft_jax.data.augmentation import AugmentationConfig
from wiseft_jax.training.config import TrainConfig
from wiseft_jax.training.sgd_config import SgdConfig

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
class ResNetOptimizer:
    """How ResNets are trained."""

    name: Literal["adamw", "sgd"] = "adamw"
    """`adamw`: with a warm-up and a cosine; `sgd`: the paper's, momentum and drops of the rate."""
    learning_rate: Annotated[float, tyro.conf.arg(aliases=["--resnet-learning-rate"])] = 3e-3
    """The peak: 3e-3 suits AdamW and random weights, 1e-4 or so published ones, 0.1 the paper's
    SGD."""
    momentum: float = 0.9
    """Of SGD."""
    drop_every_epochs: float | None = 50.0
    """SGD: epochs between drops of the learning rate; none: it stays."""
    drop_factor: float = 0.1
    """SGD: what a drop multiplies the rate by."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        as_floats(self, ("learning_rate", "momentum", "drop_every_epochs", "drop_factor"))
        if not 0 < self.learning_rate < math.inf:
            raise InputError(
                "--resnet-optimizer.learning-rate: expected a number > 0, found"
                f" {self.learning_rate!r}"
            )
        self._sgd()
        default = ResNetOptimizer
        unread = [
            field
            for field in ("momentum", "drop_every_epochs", "drop_factor")
            if getattr(self, field) != getattr(default, field)
        ]
        if self.name == "adamw" and unread:
            option = unread[0].replace("_", "-")
            raise InputError(
                f"--resnet-optimizer.{option}: is of SGD; give --resnet-optimizer.name sgd too"
            )

    @property
    def sgd(self) -> SgdConfig | None:
        """What ``train_from_scratch`` takes; None for AdamW."""
        return self._sgd() if self.name == "sgd" else None

    def _sgd(self) -> SgdConfig:
        return SgdConfig(self.momentum, self.drop_every_epochs, self.drop_factor)


@dataclasses.dataclass(frozen=True)
class ClipStart:
    """Which CLIP is fine-tuned, and how it is read."""

    model: str = "glyphclip"
    """The CLIP: `glyphclip` (the small embedded one), a local directory, or a hub id."""
    templates: str = "simple"
    """Prompts of the CLIP's head: `simple`, `imagenet`, `digits`, or a file."""
    reading: ReadingArgs = AS_STORED


@dataclasses.dataclass(frozen=True)
class MatrixConfig:
    """Train on each variant, test on each: what a background alone teaches, and what it costs.

    The paper's (Xiao et al. 2020, appendix): ResNet-50, 200 epochs of SGD with momentum 0.9,
    batches of 256, a learning rate of 0.1 divided by 10 every 50 epochs, weight decay 1e-4,
    random-resized crop, flip, colour jitter. Here models are trained with the package's optimizer
    (AdamW, a warm-up, then a cosine) and for fewer epochs by default; `--resnet-optimizer.name sgd`
    has the paper's. There is no colour jitter (RandAugment is the nearest).
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
    resnet_optimizer: ResNetOptimizer = ResNetOptimizer()
    clip_learning_rate: float = 1e-3
    """The peak, of the CLIPs; 1e-5 to 3e-5 suits published ones, 1e-3 the embedded one."""
    weight_decay: float = 0.1
    """Decoupled (AdamW); with SGD it is part of the gradient, the paper's is 1e-4."""
    augmentation: AugmentationConfig = AugmentationConfig()
    architecture: Architecture = "small"
    """Of ResNets from random weights; `small` has 150,000 parameters."""
    resnet: str | None = None
    """Directory of weights that ResNets start from, such as microsoft/resnet-50's; they are
    tested as they are too, if their classes are these, or ImageNet's with ImageNet-9's images."""
    clip: Annotated[ClipStart, tyro.conf.arg(name="")] = ClipStart()

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        numbers = ("epochs", "clip_learning_rate")
        as_floats(self, (*numbers, "weight_decay"))
        self._check_names("families", get_args(Family))
        self._check_names("test_on", _VARIANTS)
        self._check_names("train_on", _VARIANTS, some=False)
        self._check("seeds", self.seeds >= 1, "an integer >= 1")
        for field in numbers:
            self._check(field, 0 < getattr(self, field) < math.inf, "a number > 0")
        self._check("weight_decay", 0 <= self.weight_decay < math.inf, "a number >= 0")
        self._check("batch_size", self.batch_size >= 1, "an integer >= 1")

    def _check(self, field: str, fits: bool, expected: str) -> None:
        if not fits:
            option = field.replace("_", "-")
            raise InputError(f"--{option}: expected {expected}, found {getattr(self, field)!r}")

    def _check_names(self, field: str, known: tuple[str, ...], *, some: bool = True) -> None:
        given = getattr(self, field)
        strangers = [name for name in given if name not in known]
        if strangers:
            option = field.replace("_", "-")
            hint = did_you_mean(strangers[0], known)
            raise InputError(
                f"--{option}: expected some of {', '.join(known)}, each once, found"
                f" {strangers[0]!r}.{hint}"
            )
        fits = len(given) >= some and len(set(given)) == len(given)
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
        is_clip, optimizer = cell.family == "clip", self.resnet_optimizer
        plain = not is_clip and optimizer.name == "sgd"
        return TrainConfig(
            recipe=self.recipe if is_clip else "end_to_end",
            learning_rate=self.clip_learning_rate if is_clip else optimizer.learning_rate,
            epochs=self.epochs,
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            warmup_fraction=0.0 if plain else _WARMUP,
            clip_norm=None if plain else TrainConfig.clip_norm,
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
