"""Which values of masks are the object, as a person says it; imports nothing heavy."""

from __future__ import annotations

import dataclasses

from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """Which values of masks are the object: one rule for arrays and pictures (`MaskValues`)."""

    mask_foreground: tuple[str, ...] = ()
    """Values of masks that are the object, as in 1 or 128-255 (Oxford-IIIT Pet's trimaps: 1 3,
    the pet and its border; white in a grey picture: 128-255). Without it a mask has two values, of
    which the lower is 0 and the other the object, or fractions, of which those above 0.5 are; more
    values are refused. A palette's values are its indices."""
    mask_instances: bool = False
    """Each value of a mask is an object of its own, 0 background and 255 nothing (Pascal VOC)."""

    def __post_init__(self) -> None:
        """Check the values."""
        if self.mask_instances and self.mask_foreground:
            raise InputError("give --mask-foreground or --mask-instances, not both")
        self.foreground_values()

    def foreground_values(self) -> tuple[tuple[int, int], ...]:
        """Return the ranges of ``mask_foreground``, both ends included.

        Raises:
          InputError: If one is no number or range.
        """
        ranges = []
        for text in self.mask_foreground:
            first, _, last = text.partition("-")
            try:
                low, high = int(first), int(last or first)
            except ValueError:
                raise InputError(
                    f"--mask-foreground {text!r}: expected a value or a range, as in 1 or 128-255"
                ) from None
            if low > high:
                raise InputError(f"--mask-foreground {text}: expected the lower value first")
            ranges.append((low, high))
        return tuple(ranges)
