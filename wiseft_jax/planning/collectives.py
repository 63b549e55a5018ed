"""The collectives of a training step by the sharding rules, without a compiler."""

from __future__ import annotations

from wiseft_jax.planning.counts import Collective, merge_collectives


def training_collectives(
    leaves: tuple[tuple[int, bool], ...], data: int, fsdp: int, parts: int, itemsize: int = 4
) -> tuple[Collective, ...]:
    """Return the collectives of a training step by the sharding rules.

    A split parameter is gathered in the forward and again in the backward pass, in the compute
    dtype, and its gradient scattered, in float32; other gradients are all-reduced; each once for
    each part of an accumulated batch.

    Args:
      leaves: ``(bytes, whether it is split over fsdp)`` of each parameter.
      data: Devices with equal parameters.
      fsdp: Devices that split them.
      parts: Parts of the batch.
      itemsize: Bytes of a number in the compute dtype.
    """
    found = []
    for size, split in leaves:
        if split:
            found.append(Collective("all-gather", size * itemsize // 4, fsdp, 2.0 * parts))
            found.append(Collective("reduce-scatter", size, fsdp, float(parts)))
            if data > 1:
                found.append(Collective("all-reduce", size // fsdp, data, float(parts)))
        elif fsdp * data > 1:
            found.append(Collective("all-reduce", size, fsdp * data, float(parts)))
    return merge_collectives(found)
