"""The sides of ``bench_sweep.py``: the reference's way in PyTorch, and this package's.

Run by it, a process a side: ``python -m scripts.bench_sweep_sides SIDE DTYPE FOLDER``. A side is
``torch``, or ``METHOD-TOWER``: a back-end, ``curve`` or ``curve+exact``. It says that it is ready,
then answers each line that it reads, a number of alphas, with a line of JSON.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scripts.bench_sweep_pair import make_classifier
from scripts.bench_train_sides import MEBIBYTE

CURVES = ("curve", "curve+exact")
CURVE_MODULE = "wiseft_jax.evaluation.curve"
DTYPES = ("float32", "bfloat16")
TOWERS = ("transformers", "scan")
SETTINGS_FILE = "settings.json"
"""In the folder: ``batch_size`` of all sides, and ``loader_workers`` of PyTorch's DataLoader."""
COMPILING = ("jaxpr_trace", "jaxpr_to_mlir_module", "backend_compile")
"""The parts of a compilation of which JAX tells the time."""

Evaluate = Callable[[Sequence[float], bool], list[int]]
"""The right answers at each alpha; with True, of few images, so that what's needed is compiled."""


def grid(count: int) -> list[float]:
    """Return that many alphas from 0 to 1; one is the middle."""
    return [0.5] if count == 1 else [index / (count - 1) for index in range(count)]


def backends() -> tuple[str, ...]:
    """Return the package's back-ends, but for that which takes models with one encoder."""
    from wiseft_jax.evaluation.engine import BACKENDS

    return tuple(name for name in BACKENDS if name != "linear")


def methods() -> tuple[str, ...]:
    """Return how this package evaluates a pair: its back-ends and, if it's there, the curve."""
    return backends() + (CURVES if importlib.util.find_spec(CURVE_MODULE) else ())


def torch_side(dtype: str, folder: Path) -> Evaluate:
    """Return the reference's way: for each alpha, merge, load, and go over the files.

    Wortsman et al. 2022 (arXiv 2109.01903), ``src/wise_ft.py`` of the authors' code: a merged state
    dict is loaded into the model, which is evaluated on a DataLoader.
    """
    import torch
    from safetensors.torch import load_file
    from transformers import CLIPVisionModelWithProjection

    from wiseft_jax.clip.load import read_config

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = read_config(folder)
    config.vision_config.projection_dim = config.projection_dim

    class Classifier(torch.nn.Module):
        """The image encoder and the head."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder = CLIPVisionModelWithProjection(config.vision_config)
            kernel = np.load(folder / "0" / "head.npz")["kernel"]
            self.head = torch.nn.Linear(*kernel.shape)

        def forward(self, pixels: Any) -> Any:
            with torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16"):
                features = self.encoder(pixel_values=pixels).image_embeds
            return self.head(torch.nn.functional.normalize(features.float(), dim=-1))

    def read_end(alpha: int) -> dict[str, Any]:
        head = np.load(folder / str(alpha) / "head.npz")
        loaded = load_file(folder / str(alpha) / "model.safetensors", device)
        theta = {f"encoder.{name}": tensor for name, tensor in loaded.items()}
        theta["head.weight"] = torch.from_numpy(head["kernel"].T.copy()).to(device)
        theta["head.bias"] = torch.from_numpy(head["bias"]).to(device)
        return theta

    model, theta_0, theta_1 = Classifier().to(device).eval(), read_end(0), read_end(1)
    images: Any = TorchImages(folder / "test", config.vision_config.image_size)
    size, workers = (settings(folder)[key] for key in ("batch_size", "loader_workers"))

    @torch.inference_mode()
    def evaluate(alphas: Sequence[float], few: bool) -> list[int]:
        chosen = torch.utils.data.Subset(images, range(size)) if few else images
        loader = torch.utils.data.DataLoader(chosen, batch_size=size, num_workers=workers)
        counts = []
        for alpha in alphas[:1] if few else alphas:
            merged = {key: (1 - alpha) * theta_0[key] + alpha * theta_1[key] for key in theta_0}
            model.load_state_dict(merged)
            hits = [
                (model(pixels.to(device)).argmax(dim=-1) == labels.to(device)).sum()
                for pixels, labels in loader
            ]
            counts.append(int(sum(hits)))
        return counts

    return evaluate


class TorchImages:
    """A folder for each class, and CLIP's transform, as torchvision has them.

    Args:
      root: The folder.
      size: The side of the square that the model takes.
    """

    def __init__(self, root: Path, size: int) -> None:
        import torch

        from wiseft_jax.core.preprocess import OPENAI_MEAN, OPENAI_STD

        self._paths = sorted(root.glob("*/*.jpg"))
        names = sorted({path.parent.name for path in self._paths})
        self._labels = [names.index(path.parent.name) for path in self._paths]
        self._size = size
        self._mean, self._std = (
            torch.tensor(values).view(3, 1, 1) for values in (OPENAI_MEAN, OPENAI_STD)
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """Return an image, float32[3, size, size], normalised, and its label."""
        import torch

        size = self._size
        with Image.open(self._paths[index]) as file:
            image = file.convert("RGB")
        width, height = image.size
        short = min(width, height)
        shape = (int(size * width / short), int(size * height / short))
        image = image.resize(shape, Image.Resampling.BICUBIC)
        left, top = (shape[0] - size) // 2, (shape[1] - size) // 2
        image = image.crop((left, top, left + size, top + size))
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        return pixels.float().div_(255).sub_(self._mean).div_(self._std), self._labels[index]


def read_pair(folder: Path, tower: str, dtype: str) -> tuple[Any, Any, Any]:
    """Return the classifier and the two ends, in the tower's layout."""
    from wiseft_jax.clip.canonical import canonical_template
    from wiseft_jax.clip.convert import from_hf
    from wiseft_jax.clip.load import read_config
    from wiseft_jax.clip.towers import VISION_KEYS
    from wiseft_jax.core.tensors import read_tensors

    config = read_config(folder)
    classifier = make_classifier(config, tower, dtype)
    whole = canonical_template(config)
    template = {key: whole[key] for key in VISION_KEYS}

    def read_end(alpha: int) -> Any:
        path = folder / str(alpha)
        encoder, head = from_hf(read_tensors(path), template, str(path)), np.load(path / "head.npz")
        return classifier.tower.from_canonical({"encoder": encoder, "head": dict(head)})

    return classifier, read_end(0), read_end(1)


def jax_side(side: str, dtype: str, folder: Path) -> Evaluate:
    """Return the package's sweep, or its curve, over the same files."""
    from wiseft_jax.data.load import load_dataset

    method, _, tower = side.partition("-")
    threads, size = len(os.sched_getaffinity(0)), settings(folder)["batch_size"]
    classifier, *ends = read_pair(folder, tower, dtype)
    dataset = load_dataset(f"folder:{folder / 'test'}", num_threads=threads)
    first = dataset.subset(np.arange(size))
    evaluate_pair = curve_predictions if method in CURVES else sweep_predictions

    def evaluate(alphas: Sequence[float], few: bool) -> list[int]:
        chosen = first if few and method not in CURVES else dataset  # a curve's shapes differ
        found = evaluate_pair(
            method, classifier, *ends, [chosen], alphas, batch_size=size, num_threads=threads
        )
        return [int(count) for count in found.correct.sum(axis=1)]

    return evaluate


def sweep_predictions(backend: str, *args: Any, **options: Any) -> Any:
    """Return what each alpha predicts by direct evaluation."""
    from wiseft_jax.evaluation.sweep import sweep

    (found,) = sweep(*args, backend=backend, **options).predictions.values()
    return found


def curve_predictions(method: str, *args: Any, **options: Any) -> Any:
    """Return what each alpha predicts by the continuous curve."""
    curve = importlib.import_module(CURVE_MODULE).curve
    config = importlib.import_module(f"{CURVE_MODULE}_config").CurveConfig
    (found,) = curve(*args, config=config(exact=method == "curve+exact"), **options).curves.values()
    return found.predictions


def settings(folder: Path) -> dict[str, int]:
    """Return what all sides go by; see ``SETTINGS_FILE``."""
    return json.loads((folder / SETTINGS_FILE).read_text())


class CompileClock:
    """Adds up the seconds that JAX spends on compiling."""

    def __init__(self) -> None:
        self.seconds = 0.0
        import jax

        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration_secs: float, **_: Any) -> None:
        if any(part in event for part in COMPILING):
            self.seconds += duration_secs


def reset_peak() -> None:
    """Hand free memory back and let the peak of this process start again from what it holds."""
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def peak_mebibytes() -> float:
    """Return the largest resident memory since ``reset_peak``, or since the start elsewhere."""
    if sys.platform == "linux":
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) * 1024 / MEBIBYTE  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEBIBYTE


def cpu_seconds() -> float:
    """Return the CPU time of this process and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def turn(evaluate: Evaluate, count: int, clock: CompileClock | None) -> dict[str, Any]:
    """Return the times of one evaluation, its largest memory, and the right answers."""
    reset_peak()
    compiled = clock.seconds if clock else 0.0
    wall, cpu = time.perf_counter(), cpu_seconds()
    correct = evaluate(grid(count), False)
    times = {"wall": time.perf_counter() - wall, "cpu": cpu_seconds() - cpu}
    late = clock.seconds - compiled if clock else 0.0
    return {**times, "late_compile": late, "peak": peak_mebibytes(), "correct": correct}


def answers(side: str, dtype: str, folder: Path) -> None:
    """Run one side: a line of JSON for each line that is read, a number of alphas.

    The first turn of a number of alphas starts from empty caches, to tell the time of compiling;
    compiled is beforehand, on few images, and that isn't in the other times.
    """
    clock = None if side == "torch" else CompileClock()
    evaluate = torch_side(dtype, folder) if side == "torch" else jax_side(side, dtype, folder)
    print(json.dumps({"ready": side}), flush=True)
    compile_seconds: dict[int, float] = {}
    warm: set[int] = set()
    for line in sys.stdin:
        count = int(line)
        if count not in compile_seconds and clock:
            import jax

            jax.clear_caches()
            warm.clear()
        if count not in warm:
            start = clock.seconds if clock else 0.0
            evaluate(grid(count), True)
            warm.add(count)
            compile_seconds.setdefault(count, clock.seconds - start if clock else 0.0)
        found = turn(evaluate, count, clock)
        print(json.dumps(found | {"compile": compile_seconds[count]}), flush=True)


def work(side: str, dtype: str, folder: Path) -> None:
    """Run one side, ``answers``, and say what ends it early."""
    if side.startswith("sharded"):  # a device for each core; before JAX starts
        devices = f"--xla_force_host_platform_device_count={len(os.sched_getaffinity(0))}"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {devices}"
    try:
        answers(side, dtype, folder)
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")
        print(json.dumps({"failed": f"{type(error).__name__}: {line}"}), flush=True)
        raise


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
