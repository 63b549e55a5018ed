"""How a sweep is made: which alphas, by which method, and which one is chosen."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Annotated, Any, Literal

import tyro

from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.evaluation.keep_logits_config import KeepLogitsOption, keep_logits_of

PAPER_ALPHAS = tuple(step / 10 for step in range(11))

FARTHEST = 100.0
"""The largest alpha, either way: what lies so far beyond both ends is no model of anything."""


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """Which alphas are evaluated, how, and which one is chosen."""

    alphas: tuple[float, ...] = PAPER_ALPHAS
    """Mixing coefficients: 0 is zero-shot, 1 is fine-tuned, what lies outside extrapolates."""
    method: Literal["direct", "curve"] = "direct"
    """`direct`: run every alpha; `curve`: run a few nodes, and get every alpha between them."""
    curve: CurveConfig = CurveConfig()
    """How the method `curve` is made, and when it is believed."""
    backend: Literal["auto", "map", "vmap", "sharded", "delta", "linear"] = "auto"
    """How alphas are evaluated: `map` over chunks, `vmap` at once, `sharded` over devices, `delta`
    without merging, `linear` where only the head differs; `auto` chooses, and says why."""
    batch_size: int | None = None
    """Images a batch; 64 on a CPU and 256 elsewhere when not given."""
    chunk_size: int | None = None
    """Alphas evaluated at once by `map`; a measured default when not given."""
    calibrate: Literal["auto", "always", "never"] = "auto"
    """Whether the backend `auto` times several numbers of alphas at once on the first batch, up to
    all of them, and takes the fastest: `auto` where the sweep is long enough for that to pay."""
    keep_logits: KeepLogitsOption = "auto"
    """At which alphas logits are stored, for analyses of probabilities: `all`, the `ends` 0 and 1,
    or `none`; `auto` is `all` where a set's take up to 64 MiB, else `ends` up to 512 MiB."""
    rule: Literal["constant", "validation_best", "smallest_within_one_point"] = "constant"
    """How alpha is chosen: 0.5, or by validation accuracy."""
    select_on: Annotated[str | None, tyro.conf.arg(aliases=["--select-on"])] = None
    """Name of the dataset to choose on; naming a test or shifted set is an oracle, and is said."""

    @staticmethod
    def of_older(stored: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON values of any version: ``keep_logits`` was true or false once."""
        if isinstance(stored.get("keep_logits"), bool):
            return stored | {"keep_logits": keep_logits_of(stored["keep_logits"])}
        return stored

    def __post_init__(self) -> None:
        """Check alphas and sizes.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        object.__setattr__(self, "keep_logits", keep_logits_of(self.keep_logits))
        if not self.alphas:
            raise InputError("sweep.alphas: expected at least one alpha, found none")
        for alpha in self.alphas:
            if not math.isfinite(alpha):
                raise InputError(f"sweep.alphas: expected finite numbers, found {alpha}")
            if abs(alpha) > FARTHEST:
                raise InputError(
                    f"sweep.alphas: expected numbers from {-FARTHEST:g} to {FARTHEST:g} (0 is"
                    f" zero-shot, 1 is fine-tuned), found {alpha:g}"
                )
        if any(after <= before for before, after in itertools.pairwise(self.alphas)):
            listed = " ".join(f"{alpha:g}" for alpha in self.alphas)
            raise InputError(f"sweep.alphas: expected rising, distinct numbers, found {listed}")
        for name in ("batch_size", "chunk_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"sweep.{name}: expected at least 1, found {value}")
        if self.calibrate == "always":
            for name, default in (("backend", "auto"), ("chunk_size", None)):
                if getattr(self, name) != default:
                    raise InputError(
                        f"sweep.calibrate: always leaves nothing to time with sweep.{name}"
                        f" {getattr(self, name)}; give one of them"
                    )
        if self.method == "curve":
            for name, default in (
                ("backend", "auto"),
                ("chunk_size", None),
                ("calibrate", "auto"),
            ):
                if getattr(self, name) != default:
                    raise InputError(
                        f"sweep.{name}: has no meaning with sweep.method curve (the method of the"
                        " preset or run, where no option gives one); leave it out, or add"
                        " --sweep.method direct"
                    )
