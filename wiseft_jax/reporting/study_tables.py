"""What the studies of a run found, for a terminal; from their JSON files, without JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wiseft_jax.core.results import kind_of_set
from wiseft_jax.reporting.race_verdict import nothing_saved, percent, verdict
from wiseft_jax.reporting.tables import short_kind
from wiseft_jax.reporting.wide_table import WideTable

if TYPE_CHECKING:
    from rich.console import Group

MODELS = {
    "learned": "learned",
    "best_by_objective": "best objective",
    "best_by_accuracy": "best accuracy",
    "constant": "constant",
    "zero_shot": "zero-shot",
    "fine_tuned": "fine-tuned",
}
"""Model of a comparison -> its name in a table, in the order of the rows."""

LEARNED_NOTE = "p_value in learned.json is of one set by itself"
_MOST_LISTED = 20


def learned_table(facts: Mapping[str, Any], width: int | None = None) -> Group:
    """Return accuracies of learned coefficients and of single alphas, by set.

    Args:
      facts: The content of ``learned.json``.
      width: Characters a line, to cut a table of many sets at.

    Example:
      >>> rich.print(learned_table(json.loads(Path("run/learned.json").read_text())))
    """
    rows = {(row["model"], row["dataset"]): row for row in facts["rows"]}
    kinds = [(each["dataset"], _kind(each)) for each in facts["reported_on"]]
    lines, bold = [], []
    for model, title in MODELS.items():
        found = [rows[model, name] for name, _ in kinds if (model, name) in rows]
        if not found:
            continue
        alpha = "groups" if found[0]["alpha"] is None else f"{found[0]['alpha']:g}"
        bold += [len(lines)] if model == "learned" else []
        lines.append([title, alpha, *_mean_of_shifts(found, kinds), *map(_compared, found)])
    half = "half of " if not facts["held_out"] else ""
    return WideTable(
        f"coefficients by {facts['config']['granularity']}, fitted on {half}{facts['dataset']}"
        f" (n={facts['n']}) by {facts['config']['objective']}",
        "accuracy in % (shifts: their mean), and p of McNemar's exact test against the learned"
        f" ones, corrected for the {len(facts['reported_on'])} sets of a row (Holm);"
        f" {LEARNED_NOTE}",
        ["model", "alpha", *["shifts"] * _has_mean(kinds)],
        [(name, kind, str(rows["learned", name]["n"])) for name, kind in kinds],
        lines,
        bold,
    ).fit(width)


def coefficients_sentence(facts: Mapping[str, Any]) -> str:
    """Return the learned coefficients in words; of more than 20 their range.

    Args:
      facts: The content of ``learned.json``.
    """
    values = facts["coefficients"]
    if len(values) <= _MOST_LISTED:
        return "coefficients: " + ", ".join(f"{name} {value:.2f}" for name, value in values.items())
    mean = sum(values.values()) / len(values)
    low, high = min(values.values()), max(values.values())
    return f"coefficients: {len(values)} groups, {low:.2f} to {high:.2f}, mean {mean:.2f}"


def rules_table(facts: Mapping[str, Any], width: int | None = None) -> Group:
    """Return the points that each rule loses against the best alpha of each set, with intervals.

    Args:
      facts: The content of ``rules.json``.
      width: Characters a line, to cut a table of many sets at.
    """
    title = f"rules for alpha, {len(facts['alphas'])} alphas, method {facts['method']}"
    header, lines = rules_cells(facts)
    return WideTable(title, rules_caption(facts), ["rule"], header[1:], lines).fit(width)


def rules_cells(
    facts: Mapping[str, Any],
) -> tuple[list[tuple[str, str, str]], list[list[str]]]:
    """Return the head and the lines of the table of rules.

    Args:
      facts: The content of ``rules.json``.

    Returns:
      Name, kind and n of each column (the first is the rules'), and the cells of each line.
    """
    costs = {(cost["rule"], cost["dataset"]): cost for cost in facts["costs"]}
    sets = {cost["dataset"]: cost for cost in facts["costs"]}
    mean = facts["mean_points_lost"]
    header = [("rule", "", "")]
    header += [(name, _kind(cost), str(cost["n"])) for name, cost in sets.items()]
    shifts = [name for name, cost in sets.items() if cost["role"] == "shift"]
    if mean:
        header.append(("mean", "shifts", f"{len(shifts)} sets"))
    lines = []
    for name, rule in facts["rules"].items():
        found = [costs[name, each] for each in sets]
        cells = [
            _lost(cost["points_lost"], (cost["lost_low"], cost["lost_high"]), cost["in_sample"])
            for cost in found
        ]
        if mean:
            seen = any(costs[name, each]["in_sample"] for each in shifts)
            cells.append(_lost(mean[name], facts["mean_intervals"][name], seen))
        lines.append([name + (" (bound)" if rule["bound"] else ""), *cells])
    return header, lines


def rules_caption(facts: Mapping[str, Any]) -> str:
    """Return what the table of rules shows, in words.

    Args:
      facts: The content of ``rules.json``.
    """
    confidence = f"{100 * facts['bootstrap']['confidence']:g} %"
    chosen_on = facts["chosen_on"] or "no set"
    return (
        f"points below the best alpha of each set, with {confidence} intervals (paired bootstrap;"
        " for the mean as if the sets were of different images); rules that need labels choose on"
        f" {chosen_on}; *: in sample, the rule saw labels of this very set, so its loss there is"
        " optimistic; -: something is missing; bound: reads the set's own labels"
    )


def missing_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return which rules have no value, and why.

    Args:
      facts: The content of ``rules.json``.
    """
    rules: dict[str, list[str]] = {}
    for cost in facts["costs"]:
        if cost["missing"]:
            names = rules.setdefault(cost["missing"], [])
            names += [cost["rule"]] if cost["rule"] not in names else []
    return [f"{', '.join(names)}: {reason}" for reason, names in rules.items()]


def race_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return who won a race, or that nobody did, what it cost, and what of it is sure.

    Args:
      facts: The content of ``race.json``.
    """
    left, tied = ([f"{alpha:g}" for alpha in facts[which]] for which in ("left", "tied"))
    chosen = facts["decided"] and not facts["held_out"]
    optimistic = "; it was chosen on this set, so that is optimistic" if chosen else ""
    leader = f"alpha = {facts['alpha']:g}"
    lines = [
        f"{verdict(facts, leader, left, tied, 'alphas')}{optimistic}",
        f"forward passes: {facts['forwards']} with the padding of batches,"
        f" {100 * facts['share']:.1f} % of the {facts['full_sweep']} of a full sweep"
        f" ({facts['evaluations']} without padding){nothing_saved(facts)};"
        f" the race ended because {facts['stopped']}",
    ]
    lines += [f"guaranteed: {line}" for line in facts["guaranteed"]]
    return lines + [f"empirical: {line}" for line in facts["empirical"]]


def _has_mean(kinds: Sequence[tuple[str, str]]) -> bool:
    return sum(kind == "shift" for _, kind in kinds) > 1


def _mean_of_shifts(
    found: Sequence[Mapping[str, Any]], kinds: Sequence[tuple[str, str]]
) -> list[str]:
    """Return the cell of the unweighted mean; none where there aren't several shifts."""
    shifts = {name for name, kind in kinds if kind == "shift"}
    values = [row["value"] for row in found if row["dataset"] in shifts]
    return [percent(sum(values) / len(values))] * _has_mean(kinds)


def _compared(row: Mapping[str, Any]) -> str:
    value = f"{100 * row['value']:.1f}"
    return value if row["p_holm"] is None else f"{value}\n{p_in_brackets(row['p_holm'])}"


def p_in_brackets(value: float) -> str:
    """Return ``(.049)``, ``(<.001)`` or ``(1.00)``."""
    if value < 0.001:
        return "(<.001)"
    return f"({value:.2f})" if value > 0.9995 else f"({value:.3f})".replace("0.", ".", 1)


def _lost(lost: float | None, interval: Sequence[float | None] | None, in_sample: bool) -> str:
    """Return ``1.3*`` and, below, ``0.4..2.1``."""
    if lost is None or interval is None:
        return "-"
    return f"{_points(lost)}{'*' if in_sample else ''}\n{'..'.join(map(_points, interval))}"


def _points(lost: float | None) -> str:
    # Rounding of -0.04 would give "-0.0".
    return "-" if lost is None else f"{round(lost, 1) + 0.0:.1f}"


def _kind(row: Mapping[str, Any]) -> str:
    return short_kind(kind_of_set(row["split"], row["role"]))
