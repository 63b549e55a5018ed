"""Several processes as one program: join, agree, wait for each other.

JAX is multi-controller: every process runs the same program on the same configuration, feeds its
own share of each batch, and meets the others in collectives. A process that runs another program,
or the same one on other data, makes the others wait forever or, worse, compute nonsense; so what
decides a result is compared before anything is trained.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from wiseft_jax.core import coordinator, preemption
from wiseft_jax.core.distributed_config import DistributedConfig, Rendezvous
from wiseft_jax.core.errors import InputError, RendezvousError
from wiseft_jax.core.trees import flatten_paths, hash_tree

logger = logging.getLogger(__name__)

T = TypeVar("T")

SEEING_PAUSES_SECS = (0.1, 0.4, 1.5, 3.0, *(5.0,) * 11)
"""How long to wait before each further look at what process 0 has made: a minute in all."""

_SHOWN = 5
_SMALLEST_BUFFER = 1024
_MARGIN_SECS = 30
_MENDING = (
    "check that all were started, that they name the same --distributed.coordinator, and that its"
    " port is free and reachable from every host"
)


def join(
    rendezvous: Rendezvous, config: DistributedConfig, give_up: Callable[[Exception], None]
) -> None:
    """Become one of several processes; before any other use of JAX. SIGTERM stays Python's.

    Args:
      rendezvous: Where they meet.
      config: The timeouts.
      give_up: Called with an error, in another thread, when another program has the port
        (``InputError``) or the others don't come in time (``RendezvousError``). It must end the
        process: JAX's own way is to abort with a stack trace of C++, a while later.

    Raises:
      InputError: If process 0 can't listen there.
      RendezvousError: If JAX can't find out where to meet, or the others can't be joined. End the
        process by ``os._exit`` in either case: a normal exit may crash in what is half open.
    """
    logger.info("joining the other processes (%s)", rendezvous.found)
    address, first = rendezvous.coordinator, rendezvous.process_id == 0
    over = threading.Event()
    if address and first:
        coordinator.check_free(address)
    elif address:
        coordinator.watch_for_another(
            address,
            lambda trouble: give_up(InputError(f"can't join at {address}: {trouble}; {_MENDING}")),
            over,
        )

    def nobody_came() -> None:
        where = f" at {address}" if address else ""
        found = coordinator.find_trouble(address) if address and not first else ""
        if not over.is_set():
            kind = InputError if coordinator.is_taken(found) else RendezvousError
            give_up(
                kind(
                    f"the others didn't come{where} within {config.init_timeout_secs} s"
                    f" ({rendezvous.found}){found and '; '}{found}; {_MENDING}"
                )
            )

    watchdog = threading.Timer(config.init_timeout_secs, nobody_came)
    watchdog.daemon = True
    watchdog.start()
    try:
        jax.distributed.initialize(
            rendezvous.coordinator,
            rendezvous.num_processes,
            rendezvous.process_id,
            cluster_detection_method=rendezvous.cluster,
            initialization_timeout=config.init_timeout_secs + _MARGIN_SECS,
            heartbeat_timeout_seconds=config.heartbeat_timeout_secs,
            shutdown_timeout_seconds=config.shutdown_timeout_secs,
        )
    except Exception as error:  # each cluster's detection fails in its own ways
        raise RendezvousError(
            f"can't join the others ({rendezvous.found}): {type(error).__name__}: {error}; to run"
            " alone: --distributed.mode off"
        ) from error
    finally:
        over.set()
        watchdog.cancel()
        preemption.take_sigterm_back()


def is_first() -> bool:
    """Return whether this is process 0: the one that writes and prints."""
    return jax.process_index() == 0


def warm_up(mesh: Mesh) -> None:
    """Connect the devices of ``mesh``, along all of its axes, by a tiny sum.

    On CPUs and GPUs a group of devices connects at its first collective, and Gloo waits no longer
    than 30 s for the last of them; behind a long compilation that may be too short. Here nobody has
    anything to compile yet.
    """
    shape, axes = mesh.devices.shape, tuple(range(mesh.devices.ndim))
    sharding = NamedSharding(mesh, PartitionSpec(*mesh.axis_names))
    ones = jax.make_array_from_callback(
        shape, sharding, lambda _: np.ones((1,) * len(shape), np.float32)
    )
    wide = [axis for axis in axes if shape[axis] > 1]
    for count in range(len(wide), 0, -1):
        for summed in itertools.combinations(wide, count):
            kept = (None if axis in summed else mesh.axis_names[axis] for axis in axes)
            total = jax.jit(
                functools.partial(jnp.sum, axis=summed, keepdims=True),
                out_shardings=NamedSharding(mesh, PartitionSpec(*kept)),
            )(ones)
            jax.block_until_ready(total)


def gather_json(value: Any) -> list[Any]:
    """Return the JSON value of every process, by process index; a collective."""
    if jax.process_count() == 1:
        return [json.loads(json.dumps(value))]
    from jax.experimental import multihost_utils

    data = np.frombuffer(json.dumps(value).encode(), np.uint8)
    lengths = multihost_utils.process_allgather(np.asarray([len(data)], np.int32)).ravel()
    # Few sizes, for each one is compiled.
    size = max(_SMALLEST_BUFFER, 1 << int(lengths.max() - 1).bit_length())
    padded = np.zeros(size, np.uint8)
    padded[: len(data)] = data
    rows = multihost_utils.process_allgather(padded)
    return [
        json.loads(row[:length].tobytes().decode())
        for row, length in zip(rows, lengths, strict=True)
    ]


def of_first(value: T) -> T:
    """Return process 0's value (JSON) in every process; a collective."""
    return gather_json(value)[0] if jax.process_count() > 1 else value


def arrays_of_first(tree: T) -> T:
    """Return process 0's host arrays in every process; shapes must agree; a collective."""
    if jax.process_count() == 1:
        return tree
    from jax.experimental import multihost_utils

    return jax.tree_util.tree_map(np.asarray, multihost_utils.broadcast_one_to_all(tree))


def same_parameters(theta: T) -> T:
    """Return the parameters, with process 0's head, and check that the towers are the same.

    Towers come from files; a head is computed, or found in a host's own cache, and may differ in
    its last bits from host to host.

    Raises:
      InputError: If the towers, or the shapes of the heads, differ.
    """
    if jax.process_count() == 1:
        return theta
    parameters: Any = theta
    facts: dict[str, Any] = {
        f"theta_0.{name}": hash_tree(tree) for name, tree in parameters.items() if name != "head"
    }
    if "head" not in parameters:
        assert_same(facts)
        return theta
    shapes = {name: str(np.shape(leaf)) for name, leaf in flatten_paths(parameters["head"]).items()}
    assert_same(facts | {"theta_0.head": shapes})
    return parameters | {"head": arrays_of_first(parameters["head"])}


def barrier(name: str) -> None:
    """Wait until every process is here; ``name`` must be the same."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(name)


def assert_same(facts: Mapping[str, Any]) -> None:
    """Check that facts (JSON values) are the same in every process; a collective.

    Raises:
      InputError: In every process: names the fields that differ, with the values, and on which
        processes they aren't process 0's.
    """
    if jax.process_count() == 1:
        return
    found = gather_json({"host": socket.gethostname(), "facts": dict(facts)})
    leaves = [_leaves(each["facts"]) for each in found]
    problems = []
    for index, own in enumerate(leaves):
        differing = [
            name
            for name in sorted(own.keys() | leaves[0].keys())
            if own.get(name) != leaves[0].get(name)
        ]
        if differing:
            shown = [
                f"{name} ({leaves[0].get(name)!r} on process 0, here {own.get(name)!r})"
                for name in differing[:_SHOWN]
            ]
            more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
            problems.append(f"process {index} ({found[index]['host']}): {', '.join(shown)}{more}")
    if problems:
        raise InputError(
            "the processes don't run the same experiment; these differ: "
            + "; ".join(problems)
            + ". Start every process with the same command, versions and data"
        )


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {
            path: leaf
            for key, child in value.items()
            for path, leaf in _leaves(child, f"{name}.{key}" if name else str(key)).items()
        }
    return {name: value}


def same_on_all(value: Any) -> bool:
    """Return whether a JSON value is the same in every process; a collective."""
    first, *others = gather_json(value)
    return all(other == first for other in others)


def all_see(look: Callable[[], bool], path: os.PathLike[str]) -> bool:
    """Return whether every process sees what process 0 has just made; a collective.

    A host of a network file system may believe for a while that it isn't there: so each looks again
    for up to a minute, having listed the directory above, until all of them see it.

    Args:
      look: Whether this process sees it.
      path: What ``look`` looks at, a file or a directory.
    """
    for pause_secs in (*SEEING_PAUSES_SECS, None):
        with contextlib.suppress(OSError):
            list(Path(path).absolute().parent.iterdir())
        if all(gather_json(look())):
            return True
        if pause_secs is not None:
            time.sleep(pause_secs)
    return False


def leave() -> None:
    """Part from the others; waits for them, up to the shutdown timeout."""
    jax.distributed.shutdown()
