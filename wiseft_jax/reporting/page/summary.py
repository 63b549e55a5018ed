"""The summary in plain words: which alpha, what it gains and costs, how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.reporting.page.lines import Against, Line
from wiseft_jax.reporting.tables import p_text

_SURE = 0.05
_END_NAMES = {0.0: "the zero-shot model", 1.0: "the fine-tuned model"}


def summary_of(
    lines: Sequence[Line],
    selection: Mapping[str, Any],
    possible_best: Sequence[float] = (),
) -> list[str]:
    """Return sentences, the most important first.

    Args:
      lines: Of the run.
      selection: ``Selection.facts()``.
      possible_best: The alphas that may be the best on the validation set.
    """
    alpha = float(selection["alpha"])
    reason = str(selection.get("reason", "")).strip()
    found = [_choice(alpha), *([f"Why: {reason}"] if reason else [])]
    if not selection.get("held_out", True):
        found.append(
            "Take care: alpha was chosen on a set that is shown here, so its accuracy there is"
            " optimistic."
        )
    shifts = [line for line in lines if line.kind == "shift"]
    for kind, where in (("reference", "On the reference"), ("mean", "Under shift")):
        line = next((line for line in lines if line.kind == kind), None)
        if kind == "mean" and len(shifts) == 1:
            line = shifts[0]
        if line is not None:
            found += _on(line, where, alpha, len(shifts))
    if len(shifts) > 1:
        found += _worst(shifts, alpha)
    if len(possible_best) > 1:
        found.append(
            f"{len(possible_best)} alphas, from {min(possible_best):g} to {max(possible_best):g},"
            " may be the most accurate on the validation set: its images can't tell them apart"
            " (95 %, exact paired tests)."
        )
    return found


def percent(value: float) -> str:
    """Return ``"97.6 %"``."""
    return f"{100 * value:.1f} %"


def points(value: float) -> str:
    """Return ``"4.8 points"``, without a sign."""
    shown = f"{abs(100 * value):.1f}"
    return f"{shown} point{'' if shown == '1.0' else 's'}"


def _choice(alpha: float) -> str:
    mixed = {0.0: "the zero-shot model as it is", 1.0: "the fine-tuned model as it is"}.get(
        alpha,
        f"{100 * alpha:g} % of the way from the zero-shot to the fine-tuned weights",
    )
    return f"Ship alpha = {alpha:g}: {mixed}."


def _on(line: Line, where: str, alpha: float, shifts: int) -> list[str]:
    if alpha not in line.alphas:
        return [f"{where}: {line.name} wasn't measured at alpha = {alpha:g}."]
    place = line.alphas.index(alpha)
    name = f"the mean of {shifts} shifted sets" if line.kind == "mean" else line.name
    interval = f"95 % interval {100 * line.low[place]:.1f} to {100 * line.high[place]:.1f}"
    found = f"{where}: {percent(line.values[place])} on {name} ({interval})."
    told = [_against(each, place) for each in line.against if each.end != alpha]
    if not told and alpha not in _END_NAMES:
        told = [_ends_alone(line, place, end) for end in _END_NAMES if end in line.alphas]
    return [" ".join([found, *told])]


def _ends_alone(line: Line, place: int, end: float) -> str:
    difference = line.values[place] - line.values[line.alphas.index(end)]
    return f"{_direction(difference)} {_END_NAMES[end]}."


def _direction(difference: float) -> str:
    if abs(difference) < 5e-4:
        return "As accurate as"
    return f"{points(difference)} {'above' if difference > 0 else 'below'}"


def _against(against: Against, place: int, among: int = 1) -> str:
    """Return a difference, how sure it is, and whether beyond chance for the most of so many."""
    difference = against.difference[place]
    low, high = against.low[place], against.high[place]
    text = f"{_direction(difference)} {_END_NAMES[against.end]}"
    if low == high:
        return f"{text}."
    text += f" (95 % interval {signed(low)} to {signed(high)}"
    if against.p_value:
        p_value = min(1.0, among * against.p_value[place])
        sure = "beyond chance" if p_value <= _SURE else "may be chance"
        of_many = f" for the worst of {among}" if among > 1 else ""
        text += f", {p_text(p_value)}{of_many}: {sure}"
    return f"{text})."


def signed(value: float) -> str:
    """Return ``"+4.8"``, points with a sign."""
    shown = round(100 * value, 1) + 0.0
    return f"{shown:+.1f}".replace("-", "\N{MINUS SIGN}")


def _worst(shifts: Sequence[Line], alpha: float) -> list[str]:
    """Return which shifted set loses most against zero-shot, if any does."""
    costs = []
    for line in shifts:
        if alpha in line.alphas and 0.0 in line.alphas and alpha != 0.0:
            place, base = line.alphas.index(alpha), line.alphas.index(0.0)
            costs.append((line.values[place] - line.values[base], line, place))
    if not costs:
        return []
    difference, line, place = min(costs, key=lambda each: each[0])
    if difference >= -5e-4:
        return ["No shifted set is less accurate than zero-shot."]
    told = next((_against(each, place, len(costs)) for each in line.against if each.end == 0.0), "")
    text = told or f"{_direction(difference)} {_END_NAMES[0.0]}."
    return [f"The cost: on {line.name}, {text[0].lower()}{text[1:]}"]
