"""The data part: sources, decoding, verification, splits and the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ArraySource": "source",
        "BadImageError": "decode",
        "Batch": "pipeline",
        "Batches": "pipeline",
        "DataConfig": "config",
        "Dataset": "source",
        "LoadedData": "load",
        "Source": "source",
        "array_dataset": "source",
        "eval_batches": "pipeline",
        "load_data": "load",
        "load_dataset": "load",
        "load_images": "load",
        "parse_spec": "specs",
        "train_batches": "pipeline",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.data.config import DataConfig as DataConfig
    from wiseft_jax.data.decode import BadImageError as BadImageError
    from wiseft_jax.data.load import LoadedData as LoadedData
    from wiseft_jax.data.load import load_data as load_data
    from wiseft_jax.data.load import load_dataset as load_dataset
    from wiseft_jax.data.load import load_images as load_images
    from wiseft_jax.data.pipeline import Batch as Batch
    from wiseft_jax.data.pipeline import Batches as Batches
    from wiseft_jax.data.pipeline import eval_batches as eval_batches
    from wiseft_jax.data.pipeline import train_batches as train_batches
    from wiseft_jax.data.source import ArraySource as ArraySource
    from wiseft_jax.data.source import Dataset as Dataset
    from wiseft_jax.data.source import Source as Source
    from wiseft_jax.data.source import array_dataset as array_dataset
    from wiseft_jax.data.specs import parse_spec as parse_spec
