"""Weights & Biases, offline: files in the run directory, nothing sent anywhere.

``wandb sync`` sends them when a person wants that; this module never does.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.core.results import Row
from wiseft_jax.core.tracking import results_at, results_table, values_by_alpha

FINISH_SECS = 60.0


class WandbWriter:
    """Writes ``wandb/offline-run-*`` into a run directory; those that are there are removed.

    Accuracies against alpha are charts whose x axis is ``alpha``. Reports of errors to the makers,
    statistics of the machine, its name, the code and git's state are all switched off.

    Args:
      run_dir: The run directory.
      described: ``run_directory.describe``.
      project: The project's name.
    """

    def __init__(self, run_dir: Path, described: Mapping[str, Any], project: str) -> None:
        os.environ["WANDB_ERROR_REPORTING"] = "false"  # read when the package starts its service
        import wandb

        run_dir = run_dir.absolute()
        self._directory = run_dir / "wandb"
        for old in sorted(self._directory.glob("offline-run-*")):
            shutil.rmtree(old)
        self._run = wandb.init(
            project=project,
            name=described["config"]["name"],
            config={**described["config"], **_facts(described)},
            dir=str(run_dir),
            mode="offline",
            reinit="create_new",
            settings=_settings(wandb, run_dir),
        )

    def scalars(self, step: int, values: Mapping[str, float], time_secs: float | None) -> None:
        """Write numbers of a step; see ``MetricsWriter``. The time is that of the writing."""
        self._run.log(dict(values), step=step)

    def text(self, name: str, text: str) -> None:
        """Write a text into the summary."""
        self._run.summary[name] = text

    def rows(self, rows: Sequence[Row], selection: Mapping[str, Any]) -> None:
        """Write the results: charts by alpha, and the summary with a table."""
        by_alpha = values_by_alpha(rows)
        for name in dict.fromkeys(name for values in by_alpha.values() for name in values):
            self._run.define_metric(name, step_metric="alpha")
        for alpha, values in by_alpha.items():
            self._run.log({"alpha": alpha, **values})
        self._run.summary.update(results_at(rows, selection))
        # Not a wandb.Table: that is an artifact, whose file lies outside of the run directory.
        self.text("results", results_table(rows, selection))

    def close(self) -> None:
        """Write what is still in memory, and end the run."""
        self._run.finish()
        for path in self._directory.glob("offline-run-*/logs/*"):
            if path.is_symlink():  # to a log of wandb's own outside: the run may be moved
                path.unlink()


def _settings(wandb: Any, run_dir: Path) -> Any:
    return wandb.Settings(
        root_dir=str(run_dir),
        use_dot_wandb=False,
        silent=True,
        symlink=False,
        host="",
        username="",
        email="",
        console="off",
        disable_code=True,
        disable_git=True,
        save_code=False,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_viewer=True,
        x_save_requirements=False,
        finish_timeout=FINISH_SECS,
        finish_timeout_raises=True,
    )


def _facts(described: Mapping[str, Any]) -> dict[str, Any]:
    return {name: described[name] for name in ("config_hash", "python", "versions")}
