"""``wiseft quickstart``: the main job on the embedded model and data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from wiseft_jax.cli.common import Common, CommonOptions
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.run import RunArgs, execute
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.quickstart.job import quickstart_config


@dataclasses.dataclass(frozen=True)
class QuickstartArgs:
    """Fine-tune a small embedded CLIP on handwritten digits and find the alpha to ship.

    Writes results.jsonl, curve.png, report.md and merged/ (the exported model) into --out.
    """

    config: Annotated[ExperimentConfig, tyro.conf.arg(name="")]
    out: Path | None = None
    """The run directory; a dated one under runs/ when not given."""
    resume: bool = False
    """Continue the interrupted run in --out."""
    overwrite: bool = False
    """Replace the run in --out."""
    distributed: DistributedConfig = DistributedConfig()
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    args = parse(QuickstartArgs, argv, "quickstart", default=QuickstartArgs(quickstart_config()))
    options = {field.name: getattr(args, field.name) for field in dataclasses.fields(args)}
    return execute(RunArgs(**options))
