"""The catalog: every published data set that has a name here, facts only."""

from __future__ import annotations

from wiseft_jax.core.errors import unknown_name
from wiseft_jax.data.catalog_imagenet import IMAGENET_DATASETS
from wiseft_jax.data.catalog_objects import MATCHED_DATASETS, OBJECT_DATASETS
from wiseft_jax.data.catalog_small import SMALL_DATASETS
from wiseft_jax.data.catalog_transfer import TRANSFER_DATASETS
from wiseft_jax.data.catalog_wilds import WILDS_DATASETS
from wiseft_jax.data.entry import DatasetEntry

DATASETS: dict[str, DatasetEntry] = {
    **IMAGENET_DATASETS,
    **OBJECT_DATASETS,
    **MATCHED_DATASETS,
    **SMALL_DATASETS,
    **TRANSFER_DATASETS,
    **WILDS_DATASETS,
}
"""Data set id -> facts. Ids are fixed: scripts name them."""


def dataset_entry(name: str) -> DatasetEntry:
    """Return the facts of a data set.

    Raises:
      InputError: There is no such data set.

    Example:
      >>> dataset_entry("objectnet").border_px
      2
    """
    if name not in DATASETS:
        raise unknown_name("data set", name, DATASETS)
    return DATASETS[name]
