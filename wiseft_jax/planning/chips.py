"""Accelerators: peak rates, memory and interconnect, each with its public source.

Vendors' peaks are dense bfloat16. Bandwidths are bytes per second in one direction, per link of a
TPU's torus or per GPU through its switch. Google gives a chip's bandwidth in both directions over
all links (v5e: 400 GB/s, 4 links): half of it over the links is the rate here, but for v4, and a
tenth more than in the Scaling Book's edition of February 2025. ``None`` is not known; what depends
on it is left out of the plan, and that is said.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from wiseft_jax.core.errors import unknown_name

GIB = 2**30
GB = 10**9
TERA = 10**12

_SCALING_BOOK_TPUS = "https://jax-ml.github.io/scaling-book/tpus/"
_SCALING_BOOK_GPUS = "https://jax-ml.github.io/scaling-book/gpus/"


@dataclasses.dataclass(frozen=True)
class Chip:
    """One accelerator.

    Attributes:
      kind: What runs it.
      description: Its full name.
      peak_flops: Dense bfloat16 FLOP/s.
      float32_ratio: Its float32 matrix rate as a share of that; XLA on TPUs computes float32
        products of default precision in one bfloat16 pass, so 1 there.
      memory_bytes: On the chip; a little of it is the runtime's.
      memory_bandwidth: Bytes per second between the chip and that memory.
      link_bandwidth: Bytes per second, one direction: of one link to a neighbour (TPU), or of a GPU
        into its node's switch. None: no links.
      network_bandwidth: Bytes per second, one direction, per device, between nodes (GPU).
      axes: Dimensions of the torus; 0 for a switch.
      full_ring: Length from which an axis of a 2D torus wraps around; in 3D, what every axis must
        be a multiple of for any to wrap.
      per_host: Devices of one host (of one virtual machine of a larger slice).
      devices_per_chip: How many devices JAX shows for a chip.
      sources: Where the numbers are from.
    """

    kind: Literal["tpu", "gpu", "cpu"]
    description: str
    peak_flops: float | None
    float32_ratio: float
    memory_bytes: int | None
    memory_bandwidth: float | None
    link_bandwidth: float | None
    network_bandwidth: float | None
    axes: int
    full_ring: int
    per_host: int
    devices_per_chip: int
    sources: tuple[str, ...]


CHIPS: dict[str, Chip] = {
    "v4": Chip(
        # The page gives no rate of a link. The Scaling Book's agrees with the page's all-reduce
        # bandwidth of a pod: 1.1 PB/s over 4096 chips and 6 links are 44.8 GB/s. The same quotient
        # is exact for v5e and v6e.
        "tpu", "Cloud TPU v4", 275 * TERA, 1.0, 32 * GIB, 1200 * GB, 45 * GB, None, 3, 4, 4, 1,
        ("https://cloud.google.com/tpu/docs/v4", _SCALING_BOOK_TPUS),
    ),
    "v5e": Chip(
        "tpu", "Cloud TPU v5e", 197 * TERA, 1.0, 16 * GIB, 819 * GB, 50 * GB, None, 2, 16, 4, 1,
        ("https://cloud.google.com/tpu/docs/v5e", _SCALING_BOOK_TPUS),
    ),
    "v5p": Chip(
        "tpu", "Cloud TPU v5p", 459 * TERA, 1.0, 95 * GIB, 2765 * GB, 100 * GB, None, 3, 4, 4, 1,
        ("https://cloud.google.com/tpu/docs/v5p", _SCALING_BOOK_TPUS),
    ),
    "v6e": Chip(
        "tpu", "Cloud TPU v6e (Trillium)",
        918 * TERA, 1.0, 32 * GIB, 1638 * GB, 100 * GB, None, 2, 16, 4, 1,
        ("https://cloud.google.com/tpu/docs/v6e", _SCALING_BOOK_TPUS),
    ),
    "v7x": Chip(
        # The page gives 1200 GB/s a chip, both directions, 6 links: 100 a link, half for a chiplet.
        "tpu", "TPU7x (Ironwood), one of its two chiplets",
        2307 * TERA / 2, 1.0, 96 * GIB, 7380 * GB / 2, 50 * GB, None, 3, 4, 8, 2,
        ("https://docs.cloud.google.com/tpu/docs/tpu7x",),
    ),
    "h100": Chip(
        "gpu", "NVIDIA H100 SXM 80 GB",
        989 * TERA, 0.5, 80 * GB, 3350 * GB, 450 * GB, 50 * GB, 0, 0, 8, 1,
        ("https://www.nvidia.com/en-us/data-center/h100/", _SCALING_BOOK_GPUS),
    ),
    "h200": Chip(
        "gpu", "NVIDIA H200 SXM 141 GB",
        989 * TERA, 0.5, 141 * GB, 4800 * GB, 450 * GB, 50 * GB, 0, 0, 8, 1,
        ("https://www.nvidia.com/en-us/data-center/h200/", _SCALING_BOOK_GPUS),
    ),
    "a100": Chip(
        "gpu", "NVIDIA A100 SXM 80 GB",
        312 * TERA, 0.5, 80 * GB, 2039 * GB, 300 * GB, 25 * GB, 0, 0, 8, 1,
        ("https://www.nvidia.com/en-us/data-center/a100/", _SCALING_BOOK_GPUS),
    ),
    "a100-40": Chip(
        "gpu", "NVIDIA A100 SXM 40 GB",
        312 * TERA, 0.5, 40 * GB, 1555 * GB, 300 * GB, 25 * GB, 0, 0, 8, 1,
        ("https://www.nvidia.com/en-us/data-center/a100/", _SCALING_BOOK_GPUS),
    ),
    "cpu": Chip(
        "cpu", "a CPU as JAX shows it", None, 1.0, None, None, None, None, 0, 0, 1, 1,
        ("its rates are yours to give: --peak-tflops, --memory-gib, --bandwidth-gbs",),
    ),
}  # fmt: skip
"""Name in a topology -> the chip, as JAX shows it (one device)."""


def get_chip(name: str) -> Chip:
    """Return a chip by its name.

    Raises:
      InputError: If it isn't in the table.
    """
    if name not in CHIPS:
        raise unknown_name("chip", name, CHIPS)
    return CHIPS[name]
