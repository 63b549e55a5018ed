"""SIGTERM between Python and JAX's preemption service, which takes it over when processes join.

JAX's handler is a C function that notes the signal for ``reached_preemption_sync_point``. Outside
of a training loop nobody asks for that, and the signal would be lost; so Python gets SIGTERM back,
and the loop's own handler calls JAX's (``notify``). JAX has no interface for this; Python's C
interface has: ``PyOS_getsig`` tells which C function handles a signal.
"""

from __future__ import annotations

import ctypes
import signal
import threading

_get_handler = ctypes.pythonapi.PyOS_getsig
_get_handler.argtypes, _get_handler.restype = [ctypes.c_int], ctypes.c_void_p
_set_handler = ctypes.pythonapi.PyOS_setsig
_set_handler.argtypes, _set_handler.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)

_of_jax: list[int] = []
"""The address of JAX's handler, once it was found."""


def take_sigterm_back() -> bool:
    """Give SIGTERM to Python's handler again; return whether JAX had it.

    Does nothing outside of the main thread, where Python sets no handlers.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or handler is None:
        return False
    installed = _get_handler(signal.SIGTERM)
    signal.signal(signal.SIGTERM, handler)
    if installed is None or installed == _get_handler(signal.SIGTERM):
        return False
    _of_jax[:] = [installed]
    return True


def hand_sigterm_over() -> None:
    """Let JAX handle SIGTERM, as it did before ``take_sigterm_back``."""
    if _of_jax:
        _set_handler(signal.SIGTERM, _of_jax[0])


def notify() -> None:
    """Tell JAX's preemption service what a SIGTERM would: all processes stop at a common step."""
    if _of_jax:
        _HANDLER(_of_jax[0])(signal.SIGTERM)
