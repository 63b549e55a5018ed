"""Measure `wiseft quickstart` as a person runs it: wall and CPU seconds, peak memory, as JSON.

python scripts/bench_quickstart.py --repeats 3 --json bench.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measure(directory: Path) -> dict[str, float]:
    """Run the command once in a process of its own, with empty caches, and return its figures."""
    environment = os.environ | {"XDG_CACHE_HOME": str(directory / "cache")}
    command = [sys.executable, "-m", "wiseft_jax", "quickstart", "--out", str(directory / "run")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([*command, "-q"], check=True, env=environment, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall, "cpu_s": cpu, "peak_rss_mb": after.ru_maxrss / 1024}


def machine() -> dict[str, object]:
    """Return what the figures depend on."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the result there too")
    options = parser.parse_args()
    facts = machine()
    runs = []
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory() as directory:
            runs.append(measure(Path(directory)))
    medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    text = json.dumps({"machine": facts, "median": medians, "runs": runs}, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
