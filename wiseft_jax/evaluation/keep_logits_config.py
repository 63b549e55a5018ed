"""Which logits a sweep stores, as an option: its four values, and what older versions wrote."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, get_args

import tyro

from wiseft_jax.core.errors import InputError, did_you_mean

KeepLogits: TypeAlias = Literal["auto", "all", "ends", "none"]
"""``all`` alphas, both ``ends`` alone, ``none``, or what is small enough (``kept_logits``)."""

KEEP_LOGITS: tuple[KeepLogits, ...] = get_args(KeepLogits)
_OLDER: dict[Any, KeepLogits] = {True: "all", False: "none"}


def keep_logits_of(value: Any) -> KeepLogits:
    """Return a value of ``sweep.keep_logits``; of older versions' true and false what they meant.

    Args:
      value: One of ``KEEP_LOGITS``, or a boolean.

    Raises:
      InputError: If it is neither.
    """
    if isinstance(value, bool):
        return _OLDER[value]
    if value not in KEEP_LOGITS:
        raise InputError(
            f"sweep.keep_logits: expected {', '.join(KEEP_LOGITS)}, found {value!r}."
            f"{did_you_mean(str(value), KEEP_LOGITS)}"
        )
    return value


def _of_arguments(given: list[str]) -> KeepLogits:
    """Return the value that the command line gives; the option alone is ``all``, as it was."""
    if len(given) > 1:
        raise ValueError(f"expected one of {', '.join(KEEP_LOGITS)}, found {' '.join(given)}")
    word = given[0] if given else "all"
    try:
        return keep_logits_of({"true": True, "false": False}.get(word.lower(), word))
    except InputError as error:
        raise ValueError(str(error).removeprefix("sweep.keep_logits: ")) from None


def _as_arguments(value: KeepLogits) -> list[str]:
    return [value]


def _fits(value: Any) -> bool:
    return value in KEEP_LOGITS


KeepLogitsOption: TypeAlias = Annotated[
    KeepLogits,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar=f"{{{','.join(KEEP_LOGITS)}}}",
        instance_from_str=_of_arguments,
        is_instance=_fits,
        str_from_instance=_as_arguments,
    ),
]
"""The same as an option of the command line, which takes true, false and no value too."""
