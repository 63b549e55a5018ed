"""Write ``tests/golden/shardings.json``: how each preset lays its parameters out over 8 devices.

    XLA_FLAGS=--xla_force_host_platform_device_count=8 python -m scripts.make_golden_shardings

Read the difference before it is committed: it is what a change does to the memory of a pod.
"""

from __future__ import annotations

from tests.helpers.shardings import GOLDEN, shardings, variants
from wiseft_jax.core.writers import write_json

if __name__ == "__main__":
    write_json(GOLDEN, {name: shardings(config) for name, config in variants().items()})
    print(f"-> {GOLDEN.name}")
