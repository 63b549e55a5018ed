"""The persistent cache of compiled programs: a second run of the same program starts sooner.

It is JAX's own, under the program's cache directory, bounded, least recently used out. The key
holds the program, the versions and the compiler's options; compiled code is the same code, so the
numbers are too.
"""

from __future__ import annotations

import importlib.util
import logging
import platform
from pathlib import Path

import jax

from wiseft_jax.core.cache import cache_root, is_disabled
from wiseft_jax.core.hashing import hash_bytes

logger = logging.getLogger(__name__)

_DIRECTORY = "jax_compilation_cache_dir"
MAX_BYTES = 10**9
MIN_COMPILE_SECS = 0.3
"""What compiles faster isn't worth a file."""


def enable() -> Path | None:
    """Turn the cache on, before anything is compiled; return its directory, None if it stays off.

    A directory that the user gave JAX (``JAX_COMPILATION_CACHE_DIR``) is kept, with the user's
    settings; where hosts share no cache directory it must be one that they share (a disk, a
    bucket), for only process 0 writes. The cache stays off with ``--no-cache``, and in several
    processes on CPUs: there what process 0 writes fits itself alone, so that it would start long
    before the others; Gloo waits 30 s for the last (``core.distributed.warm_up``).
    """
    given = getattr(jax.config, _DIRECTORY)
    if given is not None:
        if not is_disabled():
            return Path(given)
        jax.config.update(_DIRECTORY, None)
    on_cpus = jax.default_backend() == "cpu"
    if is_disabled() or (on_cpus and jax.process_count() > 1):
        return None
    if importlib.util.find_spec("filelock") is None:
        logger.warning("compiled programs are not cached: the package filelock isn't installed")
        return None
    directory = cache_root() / "xla" / (_cpu() if on_cpus else jax.default_backend())
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("%s: compiled programs are not cached (%s)", directory, error.strerror)
        return None
    jax.config.update(_DIRECTORY, str(directory))
    jax.config.update("jax_compilation_cache_max_size", MAX_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_COMPILE_SECS)
    return directory


def _cpu() -> str:
    """Name the kind of CPU: code for one may use instructions that another lacks."""
    facts = [platform.machine()]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        facts.append(platform.processor())
    else:
        wanted = ("model name", "flags", "Features", "CPU part")
        facts += list(dict.fromkeys(line for line in lines if line.startswith(wanted)))
    return f"cpu-{hash_bytes(*(fact.encode() for fact in facts))}"
