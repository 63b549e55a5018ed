"""What the study of diversity compares: pairs of models, and probes that it fits by itself."""

from __future__ import annotations

import dataclasses
import math

from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class DiversityConfig:
    """Which pairs are compared, and how sure the numbers are."""

    probe_splits: int = 2
    """How often the training images are split into halves, for two linear probes each; 0: none."""
    probe_c: tuple[float, ...] = (0.1, 1.0, 10.0)
    """Inverse strengths C of the probes' L2 penalty to try; validation accuracy chooses."""
    cka_images: int = 2_000
    """Images of each set, at most, whose embeddings by every model are compared (CKA); they are
    extracted once, and stored in the study's directory. 0: left out."""
    most_pairs: int = 60
    """Pairs of fine-tuned models, at most; of more, so many are drawn."""
    samples: int = 1_000
    """Bootstrap samples of the images."""
    seed: int = 0
    """Of splits, pairs and samples."""

    @property
    def reads_images(self) -> bool:
        """Whether anything is made that isn't of stored predictions."""
        return self.probe_splits > 0 or self.cka_images > 0

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        least_of = {"probe_splits": 0, "cka_images": 0, "most_pairs": 1, "samples": 1, "seed": 0}
        for name, least in least_of.items():
            if getattr(self, name) < least:
                raise InputError(
                    f"{name}: expected an integer >= {least}, found {getattr(self, name)}"
                )
        values = tuple(float(value) for value in self.probe_c)
        object.__setattr__(self, "probe_c", values)
        if not values or not all(math.isfinite(value) and value > 0 for value in values):
            raise InputError(f"probe_c: expected numbers > 0, found {list(values)}")
