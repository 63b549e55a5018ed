"""``--help`` in a program of its own, which must load nothing heavy."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("jax", "transformers", "grain", "scipy", "matplotlib", "orbax")


def light_help(*arguments: str) -> str:
    """Return what ``wiseft ARGUMENTS --help`` prints, once it ended well and loaded nothing heavy.

    Args:
      *arguments: A verb, or a verb and a study.
    """
    code = (
        "import sys\n"
        "from wiseft_jax.cli.main import main\n"
        "try:\n"
        f"    code = main([*{arguments!r}, '--help'])\n"
        "except SystemExit as exit:\n"
        "    code = exit.code\n"
        f"heavy = {{*{HEAVY!r}}} & {{*sys.modules}}\n"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
