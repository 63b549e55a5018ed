"""``endpoints.json``: which classes, images and weights the two ends of a run are of."""

from __future__ import annotations

from typing import Any

from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.writers import write_json


def write_endpoints(run_directory: RunDirectory, data: Any, theta_0: Any, theta_1: Any) -> None:
    """Write the file, in process 0, once fine-tuning is complete.

    Args:
      run_directory: The run.
      data: ``class_names``, and ``train`` and ``validation`` with ``fingerprint()``.
      theta_0: The parameters at alpha = 0.
      theta_1: The parameters at alpha = 1.
    """
    from wiseft_jax.core.distributed import is_first
    from wiseft_jax.core.trees import hash_tree

    if not is_first():
        return
    facts = {
        **_data_facts(data),
        "theta_0": hash_tree(theta_0),
        "theta_1": hash_tree(theta_1),
    }
    write_json(run_directory.endpoints_file, facts)


def check_same_data(data: Any, run_directory: RunDirectory) -> None:
    """Raise unless the split is the one that the run was trained on.

    Otherwise images that were trained on could choose alpha or be reported on.

    Args:
      data: As of ``write_endpoints``.
      run_directory: The run.

    Raises:
      InputError: Names what differs.
    """
    stored = read_json(run_directory.endpoints_file)
    changed = [name for name, value in _data_facts(data).items() if stored.get(name) != value]
    if changed:
        raise InputError(
            f"{run_directory.path}: the data are not those that the run was trained on"
            f" ({', '.join(changed)} differ), so images that it has seen could be among the"
            " held-out ones. Shifts may change, and a test set that was given as one; for the rest,"
            " or when files have changed, start another run, or use wiseft export and evaluate"
        )


def _data_facts(data: Any) -> dict[str, Any]:
    return {
        "class_names": list(data.class_names),
        "train": data.train.fingerprint(),
        "validation": data.validation.fingerprint(),
    }
