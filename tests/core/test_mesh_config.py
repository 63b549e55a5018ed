from __future__ import annotations

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh_config import MeshConfig


@pytest.mark.parametrize(
    ("config", "devices", "sizes"),
    [
        (MeshConfig(), 1, (1, 1, 1)),
        (MeshConfig(), 8, (8, 1, 1)),
        (MeshConfig(fsdp=4), 8, (2, 4, 1)),
        (MeshConfig(data=1, fsdp=-1), 8, (1, 8, 1)),
        (MeshConfig(data=2, fsdp=2, alpha=-1), 8, (2, 2, 2)),
        (MeshConfig(data=2, fsdp=2, alpha=2), 8, (2, 2, 2)),
    ],
)
def test_sizes(config: MeshConfig, devices: int, sizes: tuple[int, int, int]):
    assert config.sizes(devices) == sizes
    assert dict(config.build().shape) if devices == 8 else True


@pytest.mark.parametrize(
    ("config", "devices"),
    [
        (MeshConfig(fsdp=3), 8),
        (MeshConfig(fsdp=16), 8),
        (MeshConfig(data=2, fsdp=2, alpha=1), 8),
        (MeshConfig(data=8), 4),
    ],
)
def test_sizes_that_do_not_fit_are_refused(config: MeshConfig, devices: int):
    with pytest.raises(InputError, match=f"doesn't fit {devices} device"):
        config.sizes(devices)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data": 0}, "mesh.data: expected -1 or an integer >= 1, found 0"),
        ({"fsdp": -2}, "mesh.fsdp: expected -1"),
        ({"fsdp": -1}, "only one of data, fsdp and alpha"),
        ({"min_shard_elements": -1}, "mesh.min_shard_elements: expected at least 0"),
        ({"overrides": ("kernel",)}, "mesh.overrides: 'kernel'.*expected REGEX=DIMENSION"),
        ({"overrides": ("=0",)}, "mesh.overrides: '=0'"),
        ({"overrides": ("kernel=first",)}, "mesh.overrides: 'kernel=first'"),
        ({"overrides": ("(=0",)}, r"mesh.overrides: '\\(=0'"),
    ],
)
def test_what_is_wrong_is_named(fields: dict, message: str):
    with pytest.raises(InputError, match=message.replace("\\\\", "\\")):
        MeshConfig(**fields)


def test_overrides_are_parsed_in_order():
    config = MeshConfig(overrides=("head/kernel=replicated", "x=1=-1"))
    parsed = config.parsed_overrides()
    assert [(pattern.pattern, dimension) for pattern, dimension in parsed] == [
        ("head/kernel", None),
        ("x=1", -1),
    ]
