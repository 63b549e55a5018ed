"""ResNet classifiers from and to directories in the layout of PyTorch's transformers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from wiseft_jax.clip.convert import from_hf, to_hf
from wiseft_jax.clip.processor import PREPROCESSOR_FILE, preprocess_settings, read_preprocess
from wiseft_jax.clip.resnet import ResNet, make_resnet
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError, missing_path
from wiseft_jax.core.tensors import read_tensors, write_tensors
from wiseft_jax.core.trees import flatten_paths, unflatten_paths
from wiseft_jax.core.typing import Params
from wiseft_jax.core.writers import write_json

_HEAD = "classifier.1."  # of transformers' ResNetForImageClassification
_SETTINGS = (
    "num_channels",
    "embedding_size",
    "hidden_sizes",
    "depths",
    "layer_type",
    "hidden_act",
    "downsample_in_first_stage",
    "downsample_in_bottleneck",
)
_ENLARGED = "enlarged_to"


def load_resnet(
    directory: Path | str, size: int | None = None
) -> tuple[ResNet, Params, tuple[str, ...]]:
    """Read a ``ResNetForImageClassification`` directory, such as ``microsoft/resnet-50``.

    Args:
      directory: Holds ``config.json``, weights in safetensors, in PyTorch's layout, and
        ``preprocessor_config.json``.
      size: Side of its images, to which the shorter side is resized; what the directory says by
        default, else 224. The rest of ``preprocessor_config.json`` holds whatever the size.

    Returns:
      ``(resnet, variables, class_names)``: the classifier, float32 host arrays, and the names of
      ``id2label`` (``LABEL_0`` and so on where there are none).

    Raises:
      InputError: Another kind of model, or tensors that don't fit it; names them.
    """
    directory = Path(directory).expanduser()
    if not (directory / "config.json").is_file():
        raise missing_path(directory / "config.json", "configuration of a ResNet")
    settings = read_json(directory / "config.json")
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if kind != "resnet":
        raise InputError(f"{directory}: model_type is {kind!r}; expected 'resnet'")
    tensors = {
        _flax_name(name, settings.get("layer_type")): tensor
        for name, tensor in read_tensors(directory).items()
        if not name.endswith("num_batches_tracked")
    }
    bias = tensors.get("head.bias")
    if bias is None:
        raise InputError(f"{directory}: there is no {_HEAD}bias; expected an image classifier")
    preprocess = read_preprocess(directory, None)
    if size is not None:
        preprocess = dataclasses.replace(preprocess, size=size, resize=size)
    enlarged = settings.get(_ENLARGED, preprocess.size)
    _check_settings(directory, settings.get("num_channels", 3), enlarged)
    resnet = make_resnet(len(bias), preprocess, settings, enlarged)
    images = jnp.zeros((1, enlarged, enlarged, 3))
    shapes = jax.eval_shape(resnet.module.init, jax.random.key(0), images)
    width = resnet.module.config.hidden_sizes[-1]
    head = {"kernel": jnp.zeros((width, len(bias))), "bias": jnp.zeros(len(bias))}
    template = {
        **{f"body/{path}": leaf for path, leaf in flatten_paths(shapes["params"]).items()},
        **{f"body/{path}": leaf for path, leaf in flatten_paths(shapes["batch_stats"]).items()},
        **{f"head/{name}": leaf for name, leaf in head.items()},
    }
    found = flatten_paths(from_hf(tensors, unflatten_paths(template), str(directory)))
    stats = {path: leaf for path, leaf in found.items() if path.endswith(("/mean", "/var"))}
    params = {path: leaf for path, leaf in found.items() if path not in stats}
    bare = {path.removeprefix("body/"): leaf for path, leaf in stats.items()}
    variables = {"params": unflatten_paths(params), "batch_stats": unflatten_paths(bare)}
    return resnet, variables, _class_names(directory, settings, len(bias))


def save_resnet(
    directory: Path | str, resnet: ResNet, variables: Params, class_names: Sequence[str]
) -> None:
    """Write what ``load_resnet`` and transformers' ``ResNetForImageClassification`` read.

    transformers doesn't know ``enlarged_to``: there, images are to be enlarged before.

    Args:
      directory: Made where it is missing. ``config.json`` is written last, so that where it is,
        all is.
      resnet: The classifier.
      variables: Its parameters and running statistics.
      class_names: In the order of labels.

    Raises:
      InputError: If there aren't as many names as classes.
    """
    directory = Path(directory)
    if len(class_names) != resnet.num_classes:
        raise InputError(
            f"{directory}: expected {resnet.num_classes} class names, found {len(class_names)}"
        )
    config = resnet.module.config
    tree = {
        "body": _merged(variables["params"]["body"], variables["batch_stats"]),
        "head": variables["params"]["head"],
    }
    tensors = {_torch_name(name, config.layer_type): leaf for name, leaf in to_hf(tree).items()}
    write_tensors(directory / "model.safetensors", tensors, {"format": "pt"})
    write_json(directory / PREPROCESSOR_FILE, preprocess_settings(resnet.preprocess))
    settings: dict[str, Any] = {
        "model_type": "resnet",
        "architectures": ["ResNetForImageClassification"],
        **{name: getattr(config, name) for name in _SETTINGS},
        _ENLARGED: resnet.enlarged_to,
        "id2label": {str(label): name for label, name in enumerate(class_names)},
        "label2id": {name: label for label, name in enumerate(class_names)},
    }
    write_json(directory / "config.json", settings)


def _check_settings(directory: Path, channels: Any, enlarged: Any) -> None:
    if channels != 3:
        raise InputError(f"{directory}/config.json: num_channels is {channels!r}; expected 3")
    if not isinstance(enlarged, int) or isinstance(enlarged, bool) or enlarged < 1:
        raise InputError(f"{directory}/config.json: {_ENLARGED} is {enlarged!r}; expected pixels")


def _class_names(directory: Path, settings: dict[str, Any], count: int) -> tuple[str, ...]:
    labels = settings.get("id2label") or {str(label): f"LABEL_{label}" for label in range(count)}
    if not isinstance(labels, dict) or labels.keys() != {str(label) for label in range(count)}:
        raise InputError(f"{directory}/config.json: expected the {count} classes in id2label")
    return tuple(str(labels[str(label)]) for label in range(count))


def _merged(params: Params, batch_stats: Params) -> Params:
    return unflatten_paths({**flatten_paths(params), **flatten_paths(batch_stats)})


def _flax_name(name: str, layer_type: Any) -> str:
    """Return the name of a PyTorch tensor as ``from_hf`` looks for it.

    The convolutions of a basic layer are ``layer_0`` and ``layer_1`` in Flax, ``0`` and ``1`` in
    PyTorch; the statistics are ``mean`` and ``var`` here.
    """
    if layer_type == "basic":
        name = re.sub(r"\.layer\.(\d+)\.", r".layer.layer_\1.", name)
    name = name.removeprefix("resnet.")
    name = name.replace("running_mean", "mean").replace("running_var", "var")
    return f"head.{name.removeprefix(_HEAD)}" if name.startswith(_HEAD) else f"body.{name}"


def _torch_name(name: str, layer_type: Any) -> str:
    """Return PyTorch's name; the inverse of ``_flax_name``."""
    if layer_type == "basic":
        name = name.replace(".layer.layer_", ".layer.")
    if name.startswith("head."):
        return _HEAD + name.removeprefix("head.")
    name = "resnet." + name.removeprefix("body.")
    return re.sub(r"\.(mean|var)$", r".running_\1", name)
