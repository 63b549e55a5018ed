"""The linear probe that a run is or starts from, kept on disk for a resumed run and the report."""

from __future__ import annotations

import logging
from pathlib import Path

import jax

from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.distributed import is_first
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.tensors import read_tensors, write_tensors
from wiseft_jax.core.trees import hash_tree
from wiseft_jax.core.writers import write_json
from wiseft_jax.training.lbfgs_probe import Probe

logger = logging.getLogger(__name__)

PROBE_FILE = "probe.json"
HEAD_FILE = "probe.safetensors"


def write_probe(run_dir: Path, probe: Probe, identity: str) -> None:
    """Write a probe into a run directory, in process 0: its head, then what it is.

    Args:
      run_dir: The run's.
      probe: What ``fit_probe`` returned.
      identity: The hash of what decides it.
    """
    if not is_first():
        return
    run_dir.mkdir(parents=True, exist_ok=True)
    write_tensors(run_dir / HEAD_FILE, probe.head)
    tried = [{"c": c, "validation_accuracy": accuracy} for c, accuracy in probe.accuracies]
    facts = {"c": probe.c, "tried": tried, "task": identity, "head": hash_tree(probe.head)}
    write_json(run_dir / PROBE_FILE, facts)


def read_probe(run_dir: Path, identity: str) -> Probe | None:
    """Return the probe in a run directory; None where it must be computed.

    Several processes compute it again, all of them: one that didn't see the files would be left
    alone with the devices.

    Args:
      run_dir: The run's.
      identity: The hash of what decides it now.
    """
    if jax.process_count() > 1 or not (run_dir / PROBE_FILE).is_file():
        return None
    try:
        facts = read_json(run_dir / PROBE_FILE)
        head = read_tensors(run_dir / HEAD_FILE)
    except InputError as error:
        logger.warning("%s; the linear probe is computed again", error)
        return None
    if not isinstance(facts, dict) or facts.get("task") != identity:
        return None  # the checkpoints tell what differs
    if facts.get("head") != hash_tree(head):
        logger.warning("%s: damaged; the linear probe is computed again", run_dir / HEAD_FILE)
        return None
    tried = tuple((each["c"], each["validation_accuracy"]) for each in facts["tried"])
    return Probe(head, facts["c"], tried)
