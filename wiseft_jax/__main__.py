"""``python -m wiseft_jax`` is ``wiseft``."""

from __future__ import annotations

import sys

from wiseft_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
