"""Measure the input pipeline against Pillow alone, which is the limit of a core.

Makes its own images: smooth random ones as JPEG files of 500 x 375, and arrays of 32 x 32. Variants
take turns, so that whatever else the machine does hurts all of them alike; compare ratios. CPU
seconds are those of this process and its decoding processes (Linux). A pipeline is timed while it
runs: starting it, which takes seconds where processes are spawned, isn't counted. Prints JSON.

    python scripts/bench_pipeline.py --images 1024 --repeats 5
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np
import PIL
from PIL import Image, features

from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.data.decode import decode_image
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.pipeline import train_batches
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.data.transforms import EvalTransform, TrainTransform

Run = Callable[[], tuple[float, float]]
"""Measures once; returns wall-clock and CPU seconds an image."""

WIDTH, HEIGHT, QUALITY = 500, 375, 90
SMALL = 32
SMALL_PER_LARGE = 16
"""How many small images are made in the place of one large one."""
DISTINCT, EPOCH = 128, 2**16
"""Images, and the size of the data set in which they recur: shuffling a small one takes longer."""
BICUBIC = Image.Resampling.BICUBIC
EVALUATION_LIMIT, TRAINING_LIMIT = "Pillow alone, evaluation", "Pillow alone, training"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {"images": 1024, "repeats": 5, "batch-size": 64}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="one thread each")
    return parser.parse_args(argv)


def write_jpegs(directory: Path) -> Dataset:
    """Write smooth random images with a little noise, as photographs have it."""
    rng = np.random.default_rng(0)
    paths = []
    for index in range(DISTINCT):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), BICUBIC), np.float32)
        noisy = smooth + rng.normal(0, 6, (HEIGHT, WIDTH, 1))
        paths.append(str(directory / f"{index:03d}.jpg"))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=QUALITY)
    labels = np.zeros(DISTINCT, np.int32)
    source = FileSource("jpeg", paths, labels, ("image",), directory)
    return Dataset("jpeg", source, labels, "train").subset(np.arange(EPOCH) % DISTINCT)


def small_arrays() -> Dataset:
    """Return random images in memory."""
    images = np.random.default_rng(0).integers(0, 256, (DISTINCT, SMALL, SMALL, 3), np.uint8)
    dataset = array_dataset(images, np.zeros(DISTINCT, np.int32), ("image",), split="train")
    return dataset.subset(np.arange(EPOCH) % DISTINCT)


def open_by_pillow(data: bytes | np.ndarray) -> Image.Image:
    """Return an RGB image, unchecked and not turned upright."""
    if isinstance(data, np.ndarray):
        return Image.fromarray(data)
    return Image.open(io.BytesIO(data)).convert("RGB")


def evaluate_by_pillow(data: bytes | np.ndarray, size: int) -> np.ndarray:
    """Return the middle of an image that is at least as wide as it is high."""
    image = open_by_pillow(data)
    width = int(size * image.width / image.height)
    if image.size != (width, size):
        image = image.resize((width, size), BICUBIC)
        left = (width - size) // 2
        image = image.crop((left, 0, left + size, size))
    return np.asarray(image)


def train_by_pillow(data: bytes | np.ndarray, size: int, box: tuple[int, ...]) -> np.ndarray:
    """Return a crop that is known beforehand."""
    image = open_by_pillow(data).crop((box[0], box[1], box[2], box[3]))
    return np.asarray(image.resize((size, size), BICUBIC))


def one_thread(dataset: Dataset, size: int, count: int) -> dict[str, Run]:
    """Return what works image by image: Pillow alone, and the package's functions."""
    preprocess = Preprocess(size, size)
    evaluation, training = EvalTransform(preprocess), TrainTransform(preprocess)
    read = dataset.source.read
    shape = decode_image(read(0), "first").size
    crops = [training.box(shape, numpy_stream(0, "crop", index)) for index in range(DISTINCT)]

    def loop(make: Callable[[int], Any]) -> Run:
        def run() -> tuple[float, float]:
            wall, cpu = time.perf_counter(), time.process_time()
            for index in range(count):
                make(index)
            return (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count

        return run

    def evaluate(index: int) -> np.ndarray:
        return evaluation(decode_image(read(index % DISTINCT), "image"))

    def train(index: int) -> np.ndarray:
        rng = numpy_stream(0, "crop", index)
        return training(decode_image(read(index % DISTINCT), "image"), rng)

    return {
        EVALUATION_LIMIT: loop(lambda i: evaluate_by_pillow(read(i % DISTINCT), size)),
        TRAINING_LIMIT: loop(
            lambda i: train_by_pillow(read(i % DISTINCT), size, crops[i % DISTINCT])
        ),
        "decode + transform, evaluation": loop(evaluate),
        "decode + transform, training": loop(train),
    }


def pipeline(
    dataset: Dataset, size: int, steps: int, batch_size: int, num_threads: int, num_workers: int
) -> Run:
    """Return the measurement of training batches, from when the read-ahead is used up."""

    def run() -> tuple[float, float]:
        with train_batches(
            dataset,
            Preprocess(size, size),
            batch_size=batch_size,
            seed=0,
            num_threads=num_threads,
            num_workers=num_workers,
        ) as batches:
            for _ in range(1 + steps // 2):
                next(batches)
            wall, cpu = time.perf_counter(), time.process_time() + children_cpu_secs()
            for _ in range(steps):
                next(batches)
            count = steps * batch_size
            wall_secs = time.perf_counter() - wall
            cpu_secs = time.process_time() + children_cpu_secs() - cpu
        settle()
        return wall_secs / count, cpu_secs / count

    return run


def children_cpu_secs() -> float:
    """Return the CPU seconds of the decoding processes so far."""
    ticks = 0
    for child in multiprocessing.active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def settle() -> None:
    """Wait until the threads of a closed pipeline have ended what they were at."""
    busy = True
    while busy:
        cpu = time.process_time()
        time.sleep(0.1)
        busy = time.process_time() - cpu > 0.01


def measure(args: argparse.Namespace, dataset: Dataset, size: int, count: int) -> dict[str, Any]:
    """Return the medians of every variant, and their ratios to Pillow alone."""
    runs = one_thread(dataset, size, count)
    steps = -(-count // args.batch_size)
    for num_threads in args.threads:
        name = f"pipeline, training, {num_threads} thread(s)"
        runs[name] = pipeline(dataset, size, steps, args.batch_size, num_threads, 0)
    for num_workers in args.workers:
        name = f"pipeline, training, {num_workers} process(es)"
        runs[name] = pipeline(dataset, size, steps, args.batch_size, 1, num_workers)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(args.repeats):
        for name, run in runs.items():
            times[name].append(run())
    medians = {
        name: [statistics.median(column) for column in zip(*values, strict=True)]
        for name, values in times.items()
    }
    return {name: describe(name, wall, cpu, medians) for name, (wall, cpu) in medians.items()}


def describe(name: str, wall: float, cpu: float, medians: dict[str, Any]) -> dict[str, float]:
    """Return rates, and ratios to Pillow alone doing the same; above 1 is faster than it."""
    limit = medians[TRAINING_LIMIT if "training" in name else EVALUATION_LIMIT]
    return {
        "images_per_wall_sec": round(1 / wall, 1),
        "images_per_cpu_sec": round(1 / cpu, 1),
        "wall_ratio": round(limit[0] / wall, 3),
        "cpu_ratio": round(limit[1] / cpu, 3),
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "python": platform.python_version(),
        "pillow": PIL.__version__,
        "libjpeg_turbo": features.version("libjpeg_turbo"),
        "numpy": np.__version__,
        "grain": getattr(grain, "__version__", "unknown"),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    args = parse(argv)
    report: dict[str, Any] = {"machine": machine(), **vars(args)}
    with tempfile.TemporaryDirectory() as directory:
        jpegs = write_jpegs(Path(directory))
        report["jpeg_bytes"] = round(sum(jpegs.source.stats()[0]) / DISTINCT)  # type: ignore[attr-defined]
        report["500 x 375 JPEG to 224"] = measure(args, jpegs, 224, args.images)
    report["32 x 32 arrays"] = measure(args, small_arrays(), SMALL, args.images * SMALL_PER_LARGE)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
