"""The entry point: find the verb, run it, turn what it raises into an exit code."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from wiseft_jax.cli.failures import Ending, explain
from wiseft_jax.core import errors
from wiseft_jax.core.raised_signals import raised_signals

VERBS = {
    "quickstart": "see WiSE-FT work on real images, in minutes, with nothing to prepare",
    "plan": "what a run needs of devices that needn't be there: memory, time, what breaks",
    "run": "the whole job: fine-tune, interpolate, sweep, choose, report, export",
    "train": "fine-tune only",
    "sweep": "evaluate every alpha between two models, choose one, report",
    "evaluate": "accuracy of a model on labelled images; several compared, or raced",
    "predict": "label images, or find and compare them by text",
    "explain": "where a model looks: saliency maps, and what mixing makes of images",
    "backgrounds": "how much a model leans on backgrounds: build, show, evaluate, attack, train",
    "data": "data sets: what published ones are, whether a copy is whole; prepare any for a pod",
    "study": "experiments of many models: a grid of configurations, pasted patches",
    "report": "the report of finished runs, as text and as HTML; numbers against the paper's",
    "export": "write a merged model of a run as a CLIP directory",
}

_USAGE = """usage: wiseft VERB [options]

Robust fine-tuning of CLIP: fine-tune, interpolate with the zero-shot weights, choose alpha.

verbs:
{verbs}

  wiseft VERB --help     the options of a verb
  wiseft --version       the version

start here:  wiseft quickstart
"""


def usage() -> str:
    """Return the text of ``wiseft --help``."""
    lines = [f"  {name:<12} {summary}" for name, summary in VERBS.items()]
    return _USAGE.format(verbs="\n".join(lines))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
      argv: The arguments without the program's name; ``sys.argv[1:]`` by default.

    Returns:
      0 done; 1 internal error or non-finite loss; 2 bad input; 3 a check found faults;
      42 interrupted and resumable.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help"):
        print(usage(), end="")
        return errors.EXIT_DONE if argv else errors.EXIT_BAD_INPUT
    if argv[0] == "--version":
        from wiseft_jax import __version__

        print(f"wiseft-jax {__version__}")
        return errors.EXIT_DONE
    verb, *rest = argv
    if verb not in VERBS:
        return _complain(explain(errors.unknown_name("verb", verb, VERBS)))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return _run(verb, rest)


def _run(verb: str, argv: list[str]) -> int:
    try:
        with raised_signals():
            return importlib.import_module(f"wiseft_jax.cli.{verb}").main(argv)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.EXIT_DONE
    except (KeyboardInterrupt, Exception) as error:
        return _complain(explain(error), debug="--debug" in argv)


def _complain(ending: Ending, *, debug: bool = False) -> int:
    if debug:
        traceback.print_exc()
    print(f"wiseft: {ending.what}: {ending.message}", file=sys.stderr)
    return ending.code


if __name__ == "__main__":
    sys.exit(main())
