"""The models that ``wiseft backgrounds`` asks: options, and predictors from them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wiseft_jax.cli.model_names import is_exported, short_names
from wiseft_jax.clip.reading import AS_STORED, ReadingArgs
from wiseft_jax.core.errors import InputError

if TYPE_CHECKING:
    from wiseft_jax.backgrounds.predictor import Predictor

ALPHAS = (0.0, 0.5, 1.0)
DEMO_MODEL = "glyphclip"


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """Which models are asked, side by side; with `--demo` and none of these, GlyphCLIP."""

    model: tuple[str, ...] = ()
    """Exported or merged models, or any CLIPs, zero-shot: directories or names."""
    run: Path | None = None
    """A run directory: its models at `--alphas`."""
    alphas: tuple[float, ...] = ALPHAS
    """The mixing coefficients of `--run`: 0 is zero-shot, 1 is fine-tuned."""
    resnet: tuple[Path, ...] = ()
    """Directories of ResNets: of the set's classes, or of ImageNet's 1000."""
    protocol: Literal["coarse", "thousand"] = "coarse"
    """What a zero-shot CLIP is asked for: the set's classes themselves, or ImageNet's 1000, whose
    arg max is then mapped to the nine."""
    class_names: Path | None = None
    """For a zero-shot CLIP: names of ImageNet's 1000 classes in its order (`thousand`; the program
    has none of its own), or better names than the set's folders (`coarse`); one a line, or JSON."""
    templates: str | None = None
    """Prompt set or file for a zero-shot CLIP; `simple`, for `glyphclip` `digits`."""
    reading: ReadingArgs = AS_STORED

    def __post_init__(self) -> None:
        """Check what excludes what."""
        if self.run is None and self.alphas != ALPHAS:
            raise InputError("--alphas: has no meaning without --run")
        if not self.alphas or not all(map(math.isfinite, self.alphas)):
            raise InputError(f"--alphas: expected finite numbers, found {self.alphas}")
        for name in ("alphas", "model", "resnet"):
            given = getattr(self, name)
            if len(set(given)) < len(given):
                raise InputError(f"--{name}: one occurs twice: {' '.join(map(str, given))}")
        if self.protocol == "thousand" and self.class_names is None:
            raise InputError(
                "--protocol thousand: give --class-names FILE with the names of ImageNet's 1000"
                " classes, one a line, in its order (tench, goldfish, ...)"
            )
        if not self.model and (self.run is not None or self.resnet):
            for name in ("class_names", "templates"):
                if getattr(self, name) is not None:
                    raise InputError(
                        f"--{name.replace('_', '-')}: is for a zero-shot CLIP; name one by --model"
                    )
            self.reading.refuse_without_model()


def open_predictors(options: ModelOptions, class_names: Sequence[str]) -> list[Predictor]:
    """Return the models that the options name, and say which they are.

    All are in memory at the same time.

    Args:
      options: Which.
      class_names: The folders of the set that they will be asked about.

    Raises:
      InputError: None is named, something isn't there, or a model has other classes.
    """
    names = options.model
    if not names and options.run is None and not options.resnet:
        from wiseft_jax.quickstart.backgrounds_demo import CLASS_NAMES

        if tuple(class_names) != CLASS_NAMES:
            raise InputError("no model is named: give --model, --run or --resnet")
        names = (DEMO_MODEL,)
    plain = [name for name in names if not is_exported(name)]
    if options.class_names is not None and not plain:
        raise InputError("--class-names: is for a zero-shot CLIP; these models have their classes")
    labels = short_names([*names, *map(str, options.resnet)])
    found = [_of_name(name, labels[name], options, class_names) for name in names]
    found += _of_run(options, class_names, bool(found or options.resnet))
    found += [_of_resnet(path, labels[str(path)], class_names) for path in options.resnet]
    return found


def _of_name(name: str, label: str, options: ModelOptions, class_names: Sequence[str]) -> Predictor:
    if is_exported(name):
        found = _of_export(Path(name).expanduser(), label, options, class_names)
    else:
        found = _of_clip(name, label, options, class_names)
    read = ", ".join(f"{key} {value}" for key, value in options.reading.settings().items())
    weights = f"{found.weights}, read with {read}" if read else found.weights
    return dataclasses.replace(found, weights=weights)


def _of_clip(name: str, label: str, options: ModelOptions, class_names: Sequence[str]) -> Predictor:
    from wiseft_jax.backgrounds.predictors import thousand_predictor, zero_shot_predictor
    from wiseft_jax.clip.config import warn_of_photographs
    from wiseft_jax.clip.load import load_clip
    from wiseft_jax.data.class_names import read_class_names

    if name == DEMO_MODEL and not _are_digits(class_names):
        warn_of_photographs("--model")
    given = None
    if options.class_names is not None:
        repeats = options.protocol == "thousand"
        given = read_class_names(options.class_names, repeats=repeats).names
    templates = options.templates or ("digits" if name == DEMO_MODEL else "simple")
    clip = load_clip(name, reading=options.reading)
    try:
        if options.protocol == "thousand":
            return thousand_predictor(clip, given or (), class_names, templates, name=label)
        return zero_shot_predictor(clip, class_names, templates, prompt_names=given, name=label)
    except InputError as error:
        if options.class_names is None:
            raise
        raise InputError(f"--class-names {options.class_names}: {error}") from None


def _are_digits(class_names: Sequence[str]) -> bool:
    from wiseft_jax.backgrounds.class_folders import class_key
    from wiseft_jax.quickstart.backgrounds_demo import CLASS_NAMES

    return {*map(class_key, class_names)} <= {*map(class_key, CLASS_NAMES)}


def _of_export(
    directory: Path, label: str, options: ModelOptions, class_names: Sequence[str]
) -> Predictor:
    from wiseft_jax.backgrounds.predictors import classifier_predictor
    from wiseft_jax.clip.export import load_classifier, read_facts

    classifier, theta = load_classifier(directory, reading=options.reading)
    alpha = read_facts(directory).get("alpha")
    return classifier_predictor(
        classifier, theta, class_names, name=label, source=str(directory), alpha=alpha
    )


def _of_run(options: ModelOptions, class_names: Sequence[str], among_others: bool) -> list[Any]:
    if options.run is None:
        return []
    from wiseft_jax.backgrounds.predictors import classifier_predictor
    from wiseft_jax.cli.presets import load_config
    from wiseft_jax.clip.two_towers import settled
    from wiseft_jax.core.run_directory import RunDirectory
    from wiseft_jax.experiment import load_endpoints
    from wiseft_jax.weights.interpolate import lerp

    directory = RunDirectory(options.run)
    directory.read_config()
    config = load_config(str(directory.config_file))
    classifier, theta_0, theta_1 = load_endpoints(config, directory)
    ends = {0.0: " (zero-shot)", 1.0: " (fine-tuned)"}
    found, plain = [], None
    for alpha in options.alphas:
        one, theta = settled(classifier, lerp(theta_0, theta_1, alpha))
        plain = plain or one  # the functions are the same: compiled once for all alphas
        label = f"α = {alpha:g}{ends.get(alpha, '')}"
        label = f"{options.run.name}, {label}" if among_others else label
        source = f"{options.run}, alpha {alpha:g}"
        found.append(
            classifier_predictor(
                plain, theta, class_names, name=label, source=source, alpha=float(alpha)
            )
        )
    return found


def _of_resnet(directory: Path, label: str, class_names: Sequence[str]) -> Predictor:
    from wiseft_jax.backgrounds.predictors import resnet_predictor
    from wiseft_jax.clip.resnet_files import load_resnet

    resnet, variables, names = load_resnet(directory)
    return resnet_predictor(
        resnet, variables, names, class_names, name=label, source=str(directory)
    )
