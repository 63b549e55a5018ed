"""Predict strong scaling on TPU slices that aren't there: the tables of docs/scaling.md.

Each slice's train step is compiled (minutes each, cached), the global batch is the same on all, and
the efficiency is what 8 chips' images/s leave of the ideal. Needs libtpu (the extra ``tpu``)::

    python scripts/scaling.py [--preset pod/vit_b16] [--chips 8 16 ...] [--json FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from pathlib import Path
from typing import Any

from wiseft_jax.cli.presets import load_config
from wiseft_jax.core.writers import write_json
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.planning.facts import StepFacts
from wiseft_jax.planning.faults import memory_limit
from wiseft_jax.planning.process import ask
from wiseft_jax.planning.request import PlanRequest
from wiseft_jax.planning.roofline import Estimate, estimate
from wiseft_jax.planning.topology import Topology, parse_topology

SLICES = {8: "2x4", 16: "4x4", 32: "4x8", 64: "8x8", 128: "8x16", 256: "16x16"}
"""Chips -> the slice of v5e that Cloud TPU offers."""

STUDIES = {
    "pod/vit_b16": (4096, 64),
    "pod/vit_l14_336": (1024, 32),
}
"""Preset -> (images a step, the most images of a chip at a time)."""

IMAGES, CLASSES = 1_281_167, 1000
MIN_SHOWN_BYTES = 2**20
"""Kinds of collectives that move less in a step aren't listed."""


def configure(preset: str, chips: int) -> ExperimentConfig:
    """Return the preset, mesh included, with the study's batch in parts that keep a share small."""
    batch_size, most = STUDIES[preset]
    config = load_config(preset)
    parts = max(1, batch_size // (chips * most))
    training = dataclasses.replace(config.training, batch_size=batch_size, accumulation_steps=parts)
    return dataclasses.replace(config, training=training)


def predict(preset: str, chips: int) -> tuple[ExperimentConfig, Topology, StepFacts, Estimate]:
    """Return what a compiled train step says on a slice."""
    config, topology = configure(preset, chips), parse_topology(f"v5e:{SLICES[chips]}")
    request = PlanRequest(config, topology.name, IMAGES, CLASSES, ("train",), "compile")
    facts = StepFacts.from_json(ask(request)["train"])
    return config, topology, facts, estimate(facts, topology)


def rows(preset: str, chips: list[int]) -> list[dict[str, Any]]:
    """Return one row a slice; a line of progress after each."""
    found: list[dict[str, Any]] = []
    for count in chips:
        config, topology, facts, times = predict(preset, count)
        assert times.overlapped
        assert times.exposed
        first = found[0] if found else None
        row = {
            "chips": count,
            "topology": topology.name,
            "parts": config.training.accumulation_steps,
            "memory_gib": facts.memory_bytes / 2**30,
            "limit_gib": (memory_limit(topology) or 0) / 2**30,
            "math_secs": times.math,
            "memory_secs": times.memory,
            "network_secs": times.network,
            "collectives": facts.counts.by_kind(),
            "overlapped_secs": times.overlapped,
            "exposed_secs": times.exposed,
            "overlapped": facts.images / times.overlapped,
            "exposed": facts.images / times.exposed,
            "compile_secs": facts.seconds,
            "too_large": facts.too_large is not None,
        }
        for name in ("overlapped", "exposed"):
            start = first or row
            ideal = start[name] * count / start["chips"]
            row[f"{name}_efficiency"] = row[name] / ideal
        found.append(row)
        sys.stderr.write(f"{preset} {topology.name}: {facts.seconds:.0f} s\n")
    return found


def table(found: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| chips | slice | parts | memory a chip | products | memory traffic | collectives |"
        " step | images/s | efficiency |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        refused = " (refused)" if row["too_large"] else ""
        collectives = ", ".join(
            f"{kind} {count:.0f} x, {_gib(size)}" for kind, (count, size) in _shown(row)
        )
        lines.append(
            f"| {row['chips']} | {row['topology']} | {row['parts']} |"
            f" {row['memory_gib']:.1f} GiB{refused} | {_ms(row['math_secs'])} |"
            f" {_ms(row['memory_secs'])} | {_ms(row['network_secs'])}: {collectives} |"
            f" {_ms(row['overlapped_secs'])} to {_ms(row['exposed_secs'])} |"
            f" {row['exposed']:,.0f} to {row['overlapped']:,.0f} |"
            f" {row['exposed_efficiency']:.0%} to {row['overlapped_efficiency']:.0%} |"
        )
    return "\n".join(lines)


def _shown(row: dict[str, Any]) -> list[tuple[str, tuple[float, float]]]:
    kinds = row["collectives"].items()
    return [(kind, each) for kind, each in kinds if each[1] >= MIN_SHOWN_BYTES]


def _gib(num_bytes: float) -> str:
    return f"{num_bytes / 2**30:.2f} GiB"


def _ms(secs: float) -> str:
    return f"{secs * 1e3:,.0f} ms" if secs >= 0.01 else f"{secs * 1e3:,.1f} ms"


def main() -> None:
    """Print a table a preset, and keep the numbers."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--preset", choices=STUDIES, action="append")
    parser.add_argument("--chips", type=int, choices=SLICES, nargs="+", default=list(SLICES))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    found = {}
    for preset in arguments.preset or list(STUDIES):
        found[preset] = rows(preset, arguments.chips)
        print(f"{preset}\n\n{table(found[preset])}\n")
        if arguments.json is not None:
            write_json(arguments.json, found)


if __name__ == "__main__":
    main()
