"""Which mixer a run uses, and how: the configuration, and the table of mixers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal, TypeAlias

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.field_checks import as_floats, check_field

MixerName: TypeAlias = Literal["smoothmix", "cutmix", "cutout", "mixup"]

PARAMETERS: dict[str, tuple[str, ...]] = {
    "smoothmix": ("kind", "sigma", "k", "pairing"),
    "cutmix": ("alpha", "pairing"),
    "cutout": ("size",),
    "mixup": ("alpha", "pairing"),
}
"""Mixer -> the fields of ``MixingConfig`` that it reads, beside ``prob`` and ``mode``."""


@dataclasses.dataclass(frozen=True)
class MixingConfig:
    """Images mixed with others of their batch, and targets with them; on the device."""

    name: Literal["none", "smoothmix", "cutmix", "cutout", "mixup", "random_choice"] = "none"
    """`smoothmix`: a soft mask; `cutmix`: a box; `cutout`: a filled square; `mixup`: an average;
    `random_choice`: one of `choices`, drawn for each batch or image."""
    prob: float = 1.0
    """How likely an image (or, with mode `batch`, a batch) is mixed at all."""
    mode: Literal["elem", "batch"] = "elem"
    """Whether what is random is drawn for each image or once for the batch."""
    pairing: Literal["roll", "flip", "permutation"] = "roll"
    """Image i is mixed with i - 1, with B - 1 - i, or with a random one."""
    kind: Literal["circle", "square"] = "circle"
    """The shape of SmoothMix's mask."""
    sigma: tuple[float, float] | None = None
    """The range of SmoothMix's sigma, as a fraction of each side; the paper's when not given."""
    k: float = 0.2
    """Width of the ramp of SmoothMix's square, over half of its side."""
    alpha: float | None = None
    """Of the Beta distribution: 1 for `cutmix` and 0.2 for `mixup` when not given."""
    size: float = 0.5
    """Side of Cutout's square, as a fraction of the image's shorter side."""
    choices: tuple[MixerName, ...] = ("smoothmix", "cutmix")
    """What `random_choice` draws from."""
    choice_probs: tuple[float, ...] | None = None
    """How likely each of `choices` is; equally when not given."""
    off_last_epochs: float = 0.0
    """For how many epochs at the end nothing is mixed."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        as_floats(self, ("prob", "k", "size", "alpha", "off_last_epochs"))
        self._check("prob", 0 <= self.prob <= 1, "a share in [0, 1]")
        self._check("k", self.k >= 0 and math.isfinite(self.k), "a number >= 0")
        self._check("size", 0 < self.size <= 1, "a fraction in (0, 1]")
        alpha, sigma = self.alpha, self.sigma
        self._check("alpha", alpha is None or 0 < alpha < math.inf, "a number > 0, or none")
        fits = sigma is None or 0 <= sigma[0] <= sigma[1] < math.inf
        self._check("sigma", fits, "two numbers, 0 <= low <= high, or none")
        off = self.off_last_epochs
        self._check("off_last_epochs", 0 <= off < math.inf, "a number >= 0")
        self._check("choices", len(self.choices) > 0, "at least one mixer")
        probs = self.choice_probs
        fits = probs is None or (
            len(probs) == len(self.choices) and min(probs) >= 0 and 0 < sum(probs) < math.inf
        )
        self._check("choice_probs", fits, "a number >= 0 for each of choices, not all 0, or none")
        self._refuse_unread()

    def _check(self, field: str, fits: bool, expected: str) -> None:
        check_field(self, "mixing", field, fits, expected)

    def _refuse_unread(self) -> None:
        """Refuse options that no mixer of this configuration reads."""
        used = self.choices if self.name == "random_choice" else (self.name,)
        read = {name for mixer in used for name in PARAMETERS.get(mixer, ())}
        read |= {"prob", "mode", "off_last_epochs"} if self.name != "none" else set()
        read |= {"choices", "choice_probs"} if self.name == "random_choice" else set()
        for field in dataclasses.fields(self):
            if field.name not in {"name", *read} and getattr(self, field.name) != field.default:
                raise InputError(
                    f"mixing.{field.name}: has no meaning with mixing.name {self.name}; leave it"
                    " out, or name a mixer that reads it"
                )

    def build(self, fill: Any = 0.0) -> Any:
        """Return the ``Mixer``; None if nothing is mixed.

        Its own ``prob`` and ``mode`` are this configuration's: they needn't be given.

        Args:
          fill: What Cutout fills with, in the images' scale; see ``cutout``.
        """
        import functools

        from wiseft_jax.mixing.choice import random_choice

        if self.name == "none":
            return None
        given = {"prob": self.prob, "mode": self.mode}
        if self.name != "random_choice":
            return functools.partial(self._mixer(self.name, fill), **given)
        mixers = [self._mixer(name, fill) for name in self.choices]
        return functools.partial(random_choice(mixers, self.choice_probs), **given)

    def _mixer(self, name: MixerName, fill: Any) -> Any:
        import functools

        from wiseft_jax.mixing.average import mixup
        from wiseft_jax.mixing.filled_box import cutout
        from wiseft_jax.mixing.pasted_box import cutmix
        from wiseft_jax.mixing.soft_mask import smoothmix

        mixers = {"smoothmix": smoothmix, "cutmix": cutmix, "cutout": cutout, "mixup": mixup}
        options = {field: getattr(self, field) for field in PARAMETERS[name]}
        if options.get("alpha", 0.0) is None:
            del options["alpha"]
        if name == "cutout":
            options["fill"] = fill
        return functools.partial(mixers[name], **options)
