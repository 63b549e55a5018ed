"""Measure ``wiseft backgrounds build`` on as many images as the published test set has.

Makes its own: smooth random JPEG files of 500 x 375 with a disc as the object, its mask as PNG, 450
of each of nine classes, in a temporary directory that is removed. The build runs as a program of
its own; its memory is that of all its processes together, sampled (Linux: proportional set size, so
that shared pages count once). Prints JSON.

    python scripts/bench_backgrounds_build.py --per-class 450
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image

from wiseft_jax.backgrounds.in9 import IN9_CLASSES

WIDTH, HEIGHT, QUALITY = 500, 375, 90
SAMPLE_SECS = 0.25
VARIANTS = 8


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-class", type=int, default=450)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--size", type=int, default=224)
    return parser.parse_args(argv)


def write_images(root: Path, per_class: int) -> None:
    """Write ``photos/CLASS/N.jpg`` and ``masks/CLASS/N.png``."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for label, name in enumerate(IN9_CLASSES):
        for folder in ("photos", "masks"):
            (root / folder / name).mkdir(parents=True)
        for number in range(per_class):
            rng = np.random.default_rng([label, number])
            coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
            image = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).copy()
            middle = (WIDTH / 2 + rng.uniform(-50, 50), HEIGHT / 2 + rng.uniform(-50, 50))
            mask = (x - middle[0]) ** 2 + (y - middle[1]) ** 2 < rng.uniform(40, 130) ** 2
            image[mask] = image[mask] // 2 + 100
            noise = rng.integers(-8, 9, (HEIGHT, WIDTH, 1))
            noisy = (image + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(
                root / "photos" / name / f"{number:03d}.jpg", quality=QUALITY
            )
            Image.fromarray(mask).save(root / "masks" / name / f"{number:03d}.png")


def family(pid: int) -> list[int]:
    """Return a process and all below it (Linux)."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [each for child in task.read_text().split() for each in family(int(child))]
        except OSError:  # it ended meanwhile
            continue
    return found


def memory_bytes(pid: int) -> int:
    """Return the proportional set size of a process and all below it (Linux)."""
    total = 0
    for each in family(pid):
        try:
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")
    return total * 1024


def measure(command: Sequence[str]) -> dict[str, Any]:
    """Return the seconds, the peak memory and the output of a program."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    start, peak = time.perf_counter(), 0
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(command, stdout=output, env=environment) as process,
    ):
        while process.poll() is None:
            peak = max(peak, memory_bytes(process.pid))
            time.sleep(SAMPLE_SECS)
        secs = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"the build ended with {process.returncode}")
        output.seek(0)
        manifest = json.load(output)
    return {"secs": secs, "peak": peak, "counts": manifest["counts"]}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    args = parse(argv)
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        write_images(root, args.per_class)
        program = [sys.executable, "-m", "wiseft_jax", "backgrounds", "build", "--json"]
        options = ["--source", f"folder:{root / 'photos'}", "--masks", str(root / "masks")]
        numbers = ["--workers", str(args.workers), "--size", str(args.size)]
        found = measure([*program, *options, *numbers, "--out", str(root / "out")])
        written = sum(path.stat().st_size for path in (root / "out").rglob("*.png"))
    accepted = found["counts"]["accepted"]
    report = {
        "machine": {
            "cores": os.cpu_count(),
            "load": [round(load, 1) for load in os.getloadavg()],
            "python": platform.python_version(),
            "pillow": PIL.__version__,
            "numpy": np.__version__,
        },
        **vars(args),
        "accepted": accepted,
        "secs": round(found["secs"], 1),
        "images_per_sec": round(accepted / found["secs"], 2),
        "files_per_sec": round(accepted * (VARIANTS + 1) / found["secs"], 1),
        "peak_memory_mb": round(found["peak"] / 1e6, 1),
        "written_mb": round(written / 1e6, 1),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
