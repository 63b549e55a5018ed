"""``wiseft export``: write a merged model of a run as a CLIP directory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json
from wiseft_jax.cli.extrapolation import warn_of_extrapolation
from wiseft_jax.cli.parse import parse
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.writers import check_writable


@dataclasses.dataclass(frozen=True)
class ExportArgs:
    """Write `(1 - alpha) theta_0 + alpha theta_1` of a run, with head, tokenizer and facts.

    The directory is a CLIPModel for transformers (JAX or PyTorch), or in another --format, with
    head.safetensors, wiseft.json, the measured rows and a model card beside it;
    `wiseft predict --model DIR` and `load_classifier(DIR)` read it.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """The run directory."""
    out: Path
    """The directory to write."""
    alpha: float | None = None
    """The mixing coefficient; the run's chosen one when not given."""
    format: Literal["hf", "openclip", "vision"] = "hf"
    """`hf`: transformers' CLIPModel; `openclip`: OpenCLIP's names; `vision`: the image tower, its
    projection and the head alone, which `predict` reads with `--base`."""
    overwrite: bool = False
    """Replace an earlier export in --out."""
    common: Common = CommonOptions()

    def __post_init__(self) -> None:
        """Check alpha."""
        if self.alpha is not None and not math.isfinite(self.alpha):
            raise InputError(f"--alpha: expected a finite number, found {self.alpha}")


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    args = parse(ExportArgs, argv, "export")
    args.common.apply()
    directory = RunDirectory(args.run)
    from wiseft_jax.cli.presets import load_config
    from wiseft_jax.clip.export import check_free
    from wiseft_jax.experiment import export_merged, load_endpoints

    directory.read_config()
    check_free(args.out, args.overwrite)
    check_writable(args.out.parent)  # it is made beside its place
    config = load_config(str(directory.config_file))
    alpha = args.alpha if args.alpha is not None else _chosen_alpha(directory)
    warn_of_extrapolation([alpha], "measure the model with wiseft evaluate")
    classifier, theta_0, theta_1 = load_endpoints(config, directory)
    options: dict[str, Any] = {"overwrite": args.overwrite, "format": args.format}
    if args.alpha is None:
        options["chosen"] = read_json(directory.selection_file)["sentence"]
    ends = (classifier, theta_0, theta_1)
    export_merged(config, *ends, alpha, args.out, _rows(directory), **options)
    if args.common.json:
        print_json({"model": str(args.out), "alpha": alpha, "format": args.format})
    else:
        print(f"the model at alpha = {alpha:g} -> {args.out}")
    return EXIT_DONE


def _chosen_alpha(directory: RunDirectory) -> float:
    if not directory.selection_file.is_file():
        raise InputError(
            f"{directory.path}: no alpha is chosen yet; give --alpha, or run"
            f" wiseft sweep {directory.quoted} first"
        )
    return float(read_json(directory.selection_file)["alpha"])


def _rows(directory: RunDirectory) -> list[Any]:
    from wiseft_jax.core.results import read_rows

    return list(read_rows(directory.results_file)) if directory.results_file.is_file() else []
