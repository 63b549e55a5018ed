"""What a run's models are looked at for: features of layers, distances of weights, a plane.

These are the only analyses that open the models again; what they find is stored in the run
directory, with what it was made from, and read from there as long as that is the same. Nothing
heavy is imported until something is missing.
"""

from __future__ import annotations

import functools
import logging
import shlex
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from wiseft_jax.analysis import layer_features, plane_result
from wiseft_jax.analysis.layer_features import LayerFeatures, features_file, run_alphas
from wiseft_jax.analysis.layers_file import layers_file, missing_layers
from wiseft_jax.analysis.plane_result import PlaneResult, plane_file
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.study_files import made_from
from wiseft_jax.core.writers import write_json
from wiseft_jax.experiment import ExperimentConfig, ExperimentData, load_endpoints
from wiseft_jax.studies.looked_inside_config import FeaturesConfig, PlaneConfig
from wiseft_jax.studies.third_model import LoadConfig, ThirdModel

logger = logging.getLogger(__name__)

LoadData = Callable[[ExperimentConfig], ExperimentData]


class Models:
    """The models and images of a run, each loaded once, when it is first asked for.

    Args:
      path: The run directory.
      load_config: Reads the configuration that a path names.
      load_data: Loads the datasets that a configuration names.

    Attributes:
      directory: The run's.
      load_config: As given.
    """

    def __init__(self, path: Path, load_config: LoadConfig, load_data: LoadData) -> None:
        self.directory = RunDirectory(path)
        self.load_config, self._load_data = load_config, load_data

    @functools.cached_property
    def config(self) -> ExperimentConfig:
        """The configuration that made the run's results."""
        swept = self.directory.sweep_config_file
        self.directory.read_config()
        return self.load_config(str(swept if swept.is_file() else self.directory.config_file))

    @functools.cached_property
    def ends(self) -> tuple[Any, Any, Any]:
        """``(classifier, theta_0, theta_1)``."""
        from wiseft_jax.core import compilation_cache

        compilation_cache.enable()
        return load_endpoints(self.config, self.directory)

    @functools.cached_property
    def data(self) -> ExperimentData:
        """The datasets of its sweep."""
        return self._load_data(self.config)

    def at(self, alpha: float) -> Any:
        """Return the parameters at an alpha."""
        from wiseft_jax.weights.interpolate import lerp

        _, theta_0, theta_1 = self.ends
        if alpha in (0.0, 1.0):
            return theta_1 if alpha else theta_0
        return lerp(theta_0, theta_1, alpha)

    def dataset(self, name: str | None) -> Any:
        """Return the set of a name; the reference test set by default.

        Raises:
          InputError: If there is none of that name.
        """
        sets = {each.name: each for each in (self.data.validation, *self.data.tests)}
        if name is None:
            return self.data.tests[0] if self.data.tests else self.data.validation
        if name not in sets:
            raise unknown_name("set of the run", name, sets)
        return sets[name]

    def made_from(self, dataset: Any = None) -> dict[str, Any]:
        """Return what is recorded of the origin of what is found."""
        present = read_json(self.directory.endpoints_file)
        hashes = {name: present[name] for name in ("theta_0", "theta_1")}
        used = {} if dataset is None else {dataset.name: dataset.fingerprint()}
        return made_from(self.directory, hashes, used)


def look_inside(
    names: Collection[str],
    run: StoredRun,
    models: Models,
    features: FeaturesConfig,
    plane: PlaneConfig,
) -> None:
    """Store what the named analyses need of a run's models, where it isn't there.

    Args:
      names: Of ``ANALYSES``; those that need no model are passed over. A plane without a third
        model is left to what is stored.
      run: The run.
      models: Its models and images; loaded only where something is missing.
      features: For ``cka``.
      plane: For ``plane``.

    Raises:
      InputError: As the functions below; options of a plane without its third model.
    """
    if plane.other is None and plane != PlaneConfig():
        raise InputError("--plane.*: has no meaning without --plane.other")
    if "layers" in names:
        ensure_layers(run, models)
    if "cka" in names:
        ensure_features(run, models, features)
    if "plane" in names and plane.other is not None:
        ensure_plane(run, models, plane)


def ensure_features(run: StoredRun, models: Models, config: FeaturesConfig) -> LayerFeatures:
    """Return the features of a run's layers: read if they are stored and fit, else extracted.

    Args:
      run: The run.
      models: Its models and images; loaded only where something is extracted.
      config: Which images.

    Raises:
      InputError: Unknown set; a model without layers; as ``load_endpoints``.
    """
    name = config.dataset or _reference(run)
    stored = _stored(features_file(run.path, name), LayerFeatures.load) if name else None
    if stored is not None:
        why = layer_features.why_stale(stored, run)
        if not why and (stored.limit, stored.seed) != (config.images, config.seed):
            why = f"they are of {stored.limit} images at most by seed {stored.seed}"
        if not why:
            return stored
        logger.info("features of %s are extracted again: %s", name, why)
    from wiseft_jax.evaluation.layer_pass import extract_layers

    dataset = models.dataset(name)
    drawn = dataset.subset(drawn_positions(np.arange(len(dataset)), config.images, config.seed))
    alphas = run_alphas(run.chosen)
    logger.info(
        "features of the layers at alpha %s on %d of %d images of %s",
        *(", ".join(f"{alpha:g}" for alpha in alphas), len(drawn), len(dataset), dataset.name),
    )
    outputs = extract_layers(
        models.ends[0],
        [models.at(alpha) for alpha in alphas],
        drawn,
        batch_size=config.batch_size,
        num_threads=models.config.data.num_threads,
    )
    found = LayerFeatures(
        dataset.name,
        dataset.split,
        dataset.role,
        alphas,
        tuple(outputs.models[0]),
        outputs.models,
        outputs.ids,
        config.images,
        config.seed,
        models.made_from(dataset),
        outputs.skipped,
    )
    if why := layer_features.why_stale(found, run):
        raise InputError(
            f"{run.path}: features of {dataset.name} can't be compared: {why}; evaluate again:"
            f" wiseft sweep {shlex.quote(str(run.path))}"
        )
    found.save(run.path)
    return found


def ensure_layers(run: StoredRun, models: Models) -> None:
    """Store the sums over each layer's parameters, unless those of the present ends are there.

    Args:
      run: The run.
      models: Its ends; loaded only where something is measured.

    Raises:
      InputError: As ``load_endpoints``.
    """
    if not missing_layers(run):
        return
    from wiseft_jax.weights.layer_sums import layer_sums

    classifier, theta_0, theta_1 = models.ends
    sums = layer_sums(theta_0, theta_1, classifier.tower.to_canonical)
    facts = {"schema": 1, "layers": sums, "made_from": models.made_from()}
    write_json(layers_file(run.path), facts)


def ensure_plane(run: StoredRun, models: Models, config: PlaneConfig) -> PlaneResult:
    """Return the plane through a run's models and a third: read if it is stored and fits.

    Args:
      run: The run.
      models: Its models and images; loaded only where something is evaluated.
      config: The third model, the images, the grid.

    Raises:
      InputError: No third model is named; one of another CLIP, other classes or on the line between
        the first two; as ``evaluate_points``.
    """
    if config.other is None:
        raise InputError(
            "plane.other: expected a third model, another run or an exported model, found none"
        )
    third = ThirdModel.of(config.other)
    stored = _stored(plane_file(run.path), PlaneResult.load)
    if stored is not None:
        why = _other_plane(stored, run, config, third)
        if not why:
            return stored
        logger.info("the plane is made again: %s", why)
    from wiseft_jax.evaluation.plane_pass import evaluate_points
    from wiseft_jax.weights.plane import plane_through

    origin = models.made_from()["ends"]["theta_0"]
    if third.start not in (None, origin):
        logger.warning(
            "%s started from other weights than %s: models of unlike starts need share no basin",
            *(third.path, run.path),
        )
    classifier, theta_0, theta_1 = models.ends
    thetas = (theta_0, theta_1, third.load(classifier, models.load_config))
    plane = plane_through(*thetas)
    dataset = models.dataset(config.dataset or _reference(run))
    labelled = np.flatnonzero(dataset.labels >= 0)
    drawn = dataset.subset(drawn_positions(labelled, config.images, config.seed))
    chosen = np.array([[run.chosen * plane.base, 0.0]])
    grid = plane.grid(config.points, config.margin).reshape(-1, 2)
    points = np.concatenate([plane.corners, chosen, grid])
    logger.info("%d models of the plane on %d images of %s", len(points), len(drawn), dataset.name)
    outputs = evaluate_points(
        classifier,
        thetas,
        plane.weights(points),
        drawn,
        batch_size=config.batch_size,
        num_threads=models.config.data.num_threads,
    )
    found = PlaneResult(
        dataset.name,
        dataset.split,
        dataset.role,
        third.name,
        run.chosen,
        points,
        outputs.loss,
        outputs.correct,
        outputs.ids,
        config.settings(),
        {**models.made_from(dataset), "third": third.fingerprint},
    )
    found.save(run.path)
    return found


def drawn_positions(
    positions: Int[np.ndarray, " N"], limit: int, seed: int
) -> Int[np.ndarray, " M"]:
    """Return at most ``limit`` of some positions, drawn by a seed, rising.

    Args:
      positions: Of a dataset.
      limit: How many to keep.
      seed: Of the draw; all positions are kept whatever it is, where there are no more.
    """
    if len(positions) <= limit:
        return positions
    return np.sort(numpy_stream(seed, "images looked at").permutation(positions)[:limit])


def _reference(run: StoredRun) -> str | None:
    return None if run.reference is None else run.reference.dataset


def _stored(path: Path, load: Callable[[Path], Any]) -> Any:
    """Return what a file holds; None where there is none, or it can't be read, which is logged."""
    if not path.is_file():
        return None
    try:
        return load(path)
    except InputError as error:
        logger.warning("%s", error)
        return None


def _other_plane(
    stored: PlaneResult, run: StoredRun, config: PlaneConfig, third: ThirdModel
) -> str:
    """Return why a stored plane isn't the one that is asked for; empty if it is."""
    if why := plane_result.why_stale(stored, run):
        return why
    if stored.made_from.get("third") != third.fingerprint:
        return f"its third model is {stored.third}, not {third.name}"
    if stored.settings != config.settings():
        return f"it was made with {stored.settings}"
    if config.dataset not in (None, stored.dataset):
        return f"it is of {stored.dataset}"
    return ""
