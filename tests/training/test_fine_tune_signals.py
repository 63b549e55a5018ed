"""A real SIGTERM to a real process: saved, exit code 42, continued bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tests.training.toy import toy_classifier, toy_config, toy_dataset
from wiseft_jax.core.checkpoint import Checkpoints
from wiseft_jax.core.errors import EXIT_INTERRUPTED
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.training.fine_tune import fine_tune

CONFIG = toy_config(epochs=60.0)
"""180 short steps: many more than fit between the third record and the signal."""

PROGRAM = """
import sys, pathlib
from tests.training.toy import toy_classifier, toy_config, toy_dataset
from tests.training.test_fine_tune_signals import CONFIG, run
from wiseft_jax.core.errors import EXIT_INTERRUPTED, Interrupted
try:
    run(pathlib.Path(sys.argv[1]), resume=False)
except Interrupted as interrupted:
    print(interrupted, file=sys.stderr)
    sys.exit(EXIT_INTERRUPTED)
"""
DEADLINE_SECS = 300.0


def run(run_dir: Path | None, *, resume: bool) -> dict[str, np.ndarray]:
    classifier, theta_0 = toy_classifier()
    theta_1 = fine_tune(
        classifier,
        theta_0,
        toy_dataset(48),
        None,
        CONFIG,
        run_dir=run_dir,
        resume=resume,
        mesh=make_mesh(1),
    )
    return flatten_paths(theta_1)


def test_sigterm_preempts_a_process_and_the_run_goes_on(tmp_path: Path):
    log = tmp_path / "train.jsonl"
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + DEADLINE_SECS
    while not (log.exists() and len(log.read_bytes().splitlines()) >= 3):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    stderr = process.communicate(timeout=DEADLINE_SECS)[1]
    assert process.returncode == EXIT_INTERRUPTED, stderr
    assert "SIGTERM: finishing this step and saving" in stderr
    assert "to continue: the same call with resume=True" in stderr
    assert Checkpoints(tmp_path).steps()
    assert len(log.read_text(encoding="utf-8").splitlines()) < 180
    resumed, whole = run(tmp_path, resume=True), run(None, resume=False)
    for name, leaf in whole.items():
        np.testing.assert_array_equal(resumed[name], leaf, err_msg=name)
