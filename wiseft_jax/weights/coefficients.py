"""Several mixing coefficients: one a group of parameters, and the gradient by all of them at once.

``theta = (1 - alpha_g) theta_0 + alpha_g theta_1`` for the leaves of each group g. With
``tau = theta_1 - theta_0``, the derivative of any loss by ``alpha_g`` is the inner product of the
ordinary gradient with the deltas of the group, so one forward and one backward pass give all of
them, however many there are::

    dL / d alpha_g = sum over leaves p of g of  <dL / d theta_p, tau_p>

Coefficients by layer: Yang et al. 2024, "AdaMerging" (arXiv 2310.02575), section 3.2.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.trees import check_same_structure, flatten_paths, key_path
from wiseft_jax.core.typing import Params, PyTree
from wiseft_jax.weights.interpolate import lerp

_STACKED = re.compile(r"(^|/)layers/(?!\d+/)")
_FUSED, _PARTS = "/qkv/", ("/q_proj/", "/k_proj/", "/v_proj/")


@dataclasses.dataclass(frozen=True)
class GroupingSpec:
    """One way to put the parameters of a classifier into groups.

    Attributes:
      summary: What shares a coefficient.
      rules: ``(pattern, group)``, the first that is found in a tensor's path names its group; the
        group may refer to the pattern's parentheses. Paths are those of the canonical tree, a
        tensor a layer, whatever the tower's layout.
    """

    summary: str
    rules: tuple[tuple[str, str], ...]

    def group(self, path: str) -> str | None:
        """Return the group of the tensor at ``path``; None if no rule covers it."""
        for pattern, name in self.rules:
            match = re.search(pattern, path)
            if match:
                return match.expand(name)
        return None


GROUPINGS: dict[str, GroupingSpec] = {
    "global": GroupingSpec("everything", ((r"^", "all"),)),
    "block": GroupingSpec(
        "a transformer block; the embeddings; the last norm and the projection; the head",
        (
            (r"vision_model/(?:embeddings|pre_layrnorm)/", "embedding"),
            (r"vision_model/encoder/layers/(\d+)/", r"block_\1"),
            (r"vision_model/post_layernorm/|visual_projection/", "projection"),
            (r"^head/", "head"),
        ),
    ),
    "module": GroupingSpec(
        "a kind of module, over all layers",
        (
            (r"/self_attn/", "attention"),
            (r"/mlp/", "mlp"),
            (r"/(?:layer_norm\d|pre_layrnorm|post_layernorm)/", "norm"),
            (r"vision_model/embeddings/", "embedding"),
            (r"visual_projection/", "projection"),
            (r"^head/", "head"),
        ),
    ),
    "tensor": GroupingSpec("a tensor of a layer", ((r"^(.*)$", r"\1"),)),
}
"""Name -> which parameters share a coefficient."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Coefficients:
    """One coefficient a group; a pytree whose only leaf is ``values``.

    Attributes:
      values: float32[G].
      names: The G groups.
      grouping: A name of ``GROUPINGS``.
    """

    values: PyTree
    names: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    grouping: str = dataclasses.field(metadata={"static": True})

    @classmethod
    def full(cls, theta: Params, grouping: str, alpha: float = 0.5) -> Coefficients:
        """Return the same coefficient for every group of a tree.

        The groups and their order are the same for any tower's layout of the tree.

        Args:
          theta: A classifier's parameters, or their shapes.
          grouping: A name of ``GROUPINGS``.
          alpha: The coefficient.

        Raises:
          InputError: If the grouping is unknown, or has no rule for a parameter.

        Example:
          >>> Coefficients.full(theta_0, "block").as_dict()
          {'embedding': 0.5, 'block_0': 0.5, 'block_1': 0.5, 'projection': 0.5, 'head': 0.5}
        """
        names = group_names(theta, grouping)
        return cls(np.full(len(names), alpha, np.float32), names, grouping)

    def as_dict(self) -> dict[str, float]:
        """Return the coefficient of each group."""
        return dict(zip(self.names, np.asarray(self.values).tolist(), strict=True))


def group_names(theta: Params, grouping: str) -> tuple[str, ...]:
    """Return the groups of a tree, in the order in which the model runs its blocks.

    Args:
      theta: A classifier's parameters, or their shapes, in any tower's layout.
      grouping: A name of ``GROUPINGS``.

    Raises:
      InputError: If the grouping is unknown, or has no rule for a parameter.
    """
    paths = [
        tensor
        for path, leaf in flatten_paths(theta).items()
        for row in _tensors(path, np.shape(leaf))
        for tensor in row
    ]
    return tuple(dict.fromkeys(_group(path, grouping) for path in sorted(paths, key=_natural)))


def lerp_groups(theta_0: Params, theta_1: Params, coefficients: Coefficients) -> Params:
    """Return ``(1 - alpha) * theta_0 + alpha * theta_1``, each leaf with its group's alpha.

    It is ``lerp`` by group, with what it promises: float32 whatever the dtype, either end bit for
    bit where a coefficient is 0 or 1, shardings kept. In a tree of stacked layers one leaf holds a
    tensor of each layer, and queries, keys and values side by side; each is mixed with its own.

    Args:
      theta_0: The tree at 0.
      theta_1: The tree at 1, of the same structure and shapes.
      coefficients: One for each group of the trees; may be traced.

    Returns:
      A tree of JAX arrays.

    Raises:
      InputError: If the trees differ, the groups aren't those of the coefficients, or a coefficient
        isn't finite.

    Example:
      >>> theta = lerp_groups(theta_0, theta_1, Coefficients.full(theta_0, "module", 0.3))
    """
    check_same_structure(theta_1, theta_0)
    index = _group_index(theta_0, coefficients)
    values = _checked(coefficients)

    def mix(path: tuple[Any, ...], leaf_0: Any, leaf_1: Any) -> jax.Array:
        name = key_path(path)
        # By name, so that what lerp says of a leaf names it.
        return _mix({name: leaf_0}, {name: leaf_1}, values, index[name])[name]

    return jax.tree_util.tree_map_with_path(mix, theta_0, theta_1)


def coefficient_gradient(
    loss: Callable[[Params], Any],
    theta_0: Params,
    theta_1: Params,
    coefficients: Coefficients,
    *,
    has_aux: bool = False,
) -> tuple[Any, Coefficients]:
    """Return the loss of the mixture, and its derivative by every coefficient.

    One forward and one backward pass of ``loss``, whatever the number of groups; no delta is kept
    in between. It equals ``jax.grad`` through ``lerp_groups``.

    Args:
      loss: ``theta -> scalar``, or ``(scalar, auxiliary output)`` with ``has_aux``.
      theta_0: The tree at 0.
      theta_1: The tree at 1.
      coefficients: Where to differentiate.
      has_aux: Whether the loss returns something more.

    Returns:
      ``(what loss returns, gradient)``; the gradient's values are float32[G].

    Raises:
      InputError: As ``lerp_groups``.

    Example:
      >>> value, gradient = coefficient_gradient(loss, theta_0, theta_1, coefficients)
      >>> gradient.as_dict()
    """
    theta = lerp_groups(theta_0, theta_1, coefficients)
    found, slopes = jax.value_and_grad(loss, has_aux=has_aux, allow_int=True)(theta)
    index = _group_index(theta_0, coefficients)
    leaves_0, leaves_1 = flatten_paths(theta_0), flatten_paths(theta_1)
    groups, sums = [np.zeros(0, np.int64)], [jnp.zeros(0, jnp.float32)]
    for path, slope in flatten_paths(slopes).items():
        if jnp.issubdtype(jnp.result_type(leaves_0[path]), jnp.floating):  # lerp mixes no others
            groups.append(index[path].reshape(-1))
            products = _inner_products(slope, leaves_0[path], leaves_1[path], index[path].shape)
            sums.append(products.reshape(-1))
    # The indices are constants: a sum by group, not a product with a matrix of zeros and ones.
    values = jax.ops.segment_sum(
        jnp.concatenate(sums), np.concatenate(groups), len(coefficients.names)
    )
    return found, dataclasses.replace(coefficients, values=values)


def _tensors(path: str, shape: tuple[int, ...]) -> list[list[str]]:
    """Return the canonical paths of the tensors that a leaf holds, ``[layers][side by side]``."""
    stacked = _STACKED.search(path)
    if stacked is None:
        return [[path]]
    sides = [path.replace(_FUSED, part) for part in _PARTS] if _FUSED in path else [path]
    at = stacked.end()
    return [[f"{side[:at]}{layer}/{side[at:]}" for side in sides] for layer in range(shape[0])]


def _group(path: str, grouping: str) -> str:
    if grouping not in GROUPINGS:
        raise unknown_name("grouping", grouping, GROUPINGS)
    name = GROUPINGS[grouping].group(path)
    if name is None:
        raise InputError(
            f"{path}: the grouping {grouping!r} has no rule for it; groupings that take any tree:"
            " global, tensor"
        )
    return name


def _natural(path: str) -> list[tuple[int, str]]:
    """Return a key that sorts layers/2 before layers/10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]


def _group_index(theta: Params, coefficients: Coefficients) -> dict[str, np.ndarray]:
    """Return, for each leaf, the numbers of its tensors' groups: int[layers or 1, sides or 1]."""
    found = group_names(theta, coefficients.grouping)
    if set(found) != set(coefficients.names):
        raise InputError(
            f"coefficients by {coefficients.grouping}: the parameters have {len(found)} groups, and"
            f" there are {len(coefficients.names)} coefficients"
            f"{_listed('missing', set(found) - set(coefficients.names))}"
            f"{_listed('not of these parameters', set(coefficients.names) - set(found))}"
        )
    number = {name: position for position, name in enumerate(coefficients.names)}
    return {
        path: _compressed(
            np.array(
                [
                    [number[_group(tensor, coefficients.grouping)] for tensor in row]
                    for row in _tensors(path, np.shape(leaf))
                ]
            )
        )
        for path, leaf in flatten_paths(theta).items()
    }


def _listed(what: str, names: Iterable[str]) -> str:
    names = sorted(names, key=_natural)
    return f"; {what}: {', '.join(names[:5])}{', ...' if names[5:] else ''}" if names else ""


def _compressed(index: np.ndarray) -> np.ndarray:
    """Return the fewest rows and columns that say the same."""
    if (index == index[0, 0]).all():
        return index[:1, :1]
    return index[:, :1] if (index == index[:, :1]).all() else index


def _checked(coefficients: Coefficients) -> jax.Array:
    values = coefficients.values
    if np.shape(values) != (len(coefficients.names),):
        raise InputError(
            f"coefficients: expected {len(coefficients.names)} values, one a group, found shape"
            f" {np.shape(values)}"
        )
    if not isinstance(values, jax.core.Tracer):
        for name, value in coefficients.as_dict().items():
            if not np.isfinite(value):
                raise InputError(f"coefficient of {name}: expected a finite number, found {value}")
    return jnp.asarray(values, jnp.float32)


def _mix(leaf_0: Params, leaf_1: Params, values: jax.Array, index: np.ndarray) -> Params:
    """Mix trees of one leaf with the coefficients that ``index`` picks for their tensors."""
    if index.size == 1:
        return lerp(leaf_0, leaf_1, values[index[0, 0]])
    if index.shape[1] == 1:
        return jax.vmap(lerp)(leaf_0, leaf_1, values[index[:, 0]])

    def apart(leaf: Any) -> jax.Array:
        return _sides_apart(jnp.asarray(leaf), index.shape[1])

    side_by_side = jax.vmap(jax.vmap(lerp, (-2, -2, 0), -2))
    first, last = (jax.tree_util.tree_map(apart, leaf) for leaf in (leaf_0, leaf_1))
    mixed = side_by_side(first, last, values[index])
    return jax.tree_util.tree_map(
        lambda leaf: leaf.reshape(*leaf.shape[:-2], leaf.shape[-2] * leaf.shape[-1]), mixed
    )


def _sides_apart(leaf: jax.Array, sides: int) -> jax.Array:
    """Return ``[..., sides * width]`` as ``[..., sides, width]``."""
    return leaf.reshape(*leaf.shape[:-1], sides, leaf.shape[-1] // sides)


def _inner_products(slope: Any, leaf_0: Any, leaf_1: Any, parts: tuple[int, ...]) -> jax.Array:
    """Return the float32 inner product of a gradient and a delta, for each part of the leaf."""
    ends = [jnp.asarray(leaf).astype(jnp.float32) for leaf in (leaf_0, leaf_1)]
    product = slope.astype(jnp.float32) * (ends[1] - ends[0])
    if parts == (1, 1):
        return jnp.sum(product)
    if parts[1] == 1:
        return jnp.sum(product.reshape(parts[0], -1), axis=1)
    apart = _sides_apart(product, parts[1])
    return jnp.sum(apart, axis=(*range(1, apart.ndim - 2), apart.ndim - 1))
