"""What a study of hyper-parameters found, as tables and sentences; from its JSON, without JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wiseft_jax.core.results import kind_of_set
from wiseft_jax.reporting.tables import escaped, short_kind
from wiseft_jax.reporting.wide_table import WideTable

if TYPE_CHECKING:
    from rich.console import Group

KINDS = {
    "fine_tuned": "fine-tuned (alpha 1)",
    "constant": "alpha 0.5",
    "chosen": "chosen by {rule}",
    "best": "best (oracle)",
}
"""Kind of model -> its name in a table, in the order of the rows."""

RULE_NAMES = {"fixed_by_other_shifts": "fixed by other shifts"}
_HOW_TO_RUN = " (--dawin, with --resume for a finished study, runs them)"
_RULES_HEAD = ("below the oracle", "over shifts", "over runs")
_FIXED_HEAD = ("below the best fixed", "over shifts", "over runs")


def kinds_shown(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return kind -> name of those to show; the chosen alpha where it isn't always 0.5.

    Args:
      facts: The content of ``grid.json``.
    """
    rule = facts["study"]["rule"]
    there = {kind for each in facts["spread"]["sets"] for kind in each["kinds"]}
    hidden = {"chosen"} if rule == "constant" else set()
    return {
        kind: name.format(rule=rule)
        for kind, name in KINDS.items()
        if kind in there and kind not in hidden
    }


def spread_table(facts: Mapping[str, Any], width: int | None = None) -> Group:
    """Return mean, spread and range of each kind of model on each set, and the ratio of spreads.

    Args:
      facts: The content of ``grid.json``.
      width: Characters a line, to cut a table of many sets at.
    """
    header, lines = spread_cells(facts)
    title = f"{len(facts['runs'])} fine-tuned models of {facts['study']['name']}"
    return WideTable(title, spread_caption(facts), ["models"], header[1:], lines).fit(width)


def spread_cells(
    facts: Mapping[str, Any],
) -> tuple[list[tuple[str, str, str]], list[list[str]]]:
    """Return the head and the lines of the table of spreads.

    Args:
      facts: The content of ``grid.json``.

    Returns:
      Name, kind and n of each column (the first is the kinds'), and the cells of each line.
    """
    sets = facts["spread"]["sets"]
    header = [("models", "", "")] + [(e["set"], _purpose(e), str(e["n"])) for e in sets]
    lines = [
        [name, *(_spread_cell(each["kinds"].get(kind)) for each in sets)]
        for kind, name in kinds_shown(facts).items()
    ]
    return header, lines


def spread_caption(facts: Mapping[str, Any]) -> str:
    """Return what the table of spreads shows, in words.

    Args:
      facts: The content of ``grid.json``.
    """
    bootstrap = facts["spread"]["bootstrap"]
    failed = facts["study"]["failed"]
    text = (
        "mean +- standard deviation over the runs, in %; lowest..highest; x: that standard"
        " deviation over the fine-tuned models', with its"
        f" {100 * bootstrap['confidence']:g} % interval ({bootstrap['samples']} bootstrap samples"
        " of the runs, as if configurations were drawn at random); oracle: each run's best alpha on"
        " this very set"
    )
    return text + (f"; {len(failed)} diverged, and are in no number" if failed else "")


def rules_cells(facts: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the lines of the table of rules; no lines without shifts.

    Args:
      facts: The content of ``grid.json``.
    """
    header = ["rule", "mean alpha", *_RULES_HEAD, *_FIXED_HEAD]
    lines = []
    for name, rule in _rules(facts).items():
        cells = []
        for against in (rule["against_oracle"], rule["against_fixed"]):
            if against is None:
                cells += ["-", "-", "-"]
            else:
                star = "*" if rule["in_sample"] and not rule["bound"] else ""
                cells.append(_points(against["value"]) + star)
                cells += [_interval(against[over]) for over in ("over_shifts", "over_runs")]
        alpha = "by image" if rule["mean_alpha"] is None else f"{rule['mean_alpha']:.2f}"
        own = RULE_NAMES.get(name, name) + (" (bound)" if rule["bound"] else "")
        lines.append([own, "-" if rule["missing"] else alpha, *cells])
    return header, lines


def rules_table(facts: Mapping[str, Any], width: int | None = None) -> Group:
    """Return what each rule for alpha costs over all runs and shifts, with jackknife intervals.

    Args:
      facts: The content of ``grid.json``.
      width: Characters a line, to cut the table at.
    """
    header, lines = rules_cells(facts)
    rules = facts["rules"]
    title = f"rules for alpha, {rules['runs']} runs x {len(rules['shifts'])} shifts"
    columns = [(name, "", "") for name in header[1:]]
    return WideTable(title, rules_caption(facts), ["rule"], columns, lines).fit(width)


def rules_caption(facts: Mapping[str, Any]) -> str:
    """Return what the table of rules shows, in words.

    Args:
      facts: The content of ``grid.json``.
    """
    rules = facts["rules"]
    return (
        "points lost, mean over runs and shifts; below the oracle: the best alpha of each run on"
        " each shift; below the best fixed: one alpha for all, the best in hindsight"
        f" ({rules['best_fixed_alpha']:g}; a negative loss is a gain); intervals:"
        f" {100 * rules['confidence']:g} %, jackknife,"
        " a shift (or a run) left out at a time; bound: reads the shift's own labels; *: in sample;"
        " -: something is missing"
    )


def missing_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return which rules have no value, and why.

    Args:
      facts: The content of ``grid.json``.
    """
    found: dict[str, list[str]] = {}
    for name, rule in _rules(facts).items():
        if rule["missing"]:
            found.setdefault(rule["missing"], []).append(RULE_NAMES.get(name, name))
    return [
        f"{', '.join(names)}: {reason}" + (_HOW_TO_RUN if "dawin" in names else "")
        for reason, names in found.items()
    ]


def grid_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return what the study shows, in words: how far models scatter, and what is left of it.

    Args:
      facts: The content of ``grid.json``.
    """
    names = kinds_shown(facts)
    lines = []
    for each in facts["spread"]["sets"]:
        kinds = each["kinds"]
        averaged = each["role"] == "shift" and each["set"] in ("mean of shifts", *_only(facts))
        if not (averaged or each["set"] == facts["study"]["reference"]):
            continue
        fine_tuned = kinds.get("fine_tuned")
        if fine_tuned is None or fine_tuned["sd"] is None:
            continue
        text = (
            f"{each['set']}: fine-tuned models scatter over {100 * fine_tuned['range']:.1f} points"
            f" (standard deviation {100 * fine_tuned['sd']:.2f})"
        )
        kind = "chosen" if "chosen" in names else "constant"
        if kind in kinds and kinds[kind].get("ratio") is not None:
            merged = kinds[kind]
            text += (
                f"; at {'the chosen alpha' if kind == 'chosen' else 'alpha 0.5'} over"
                f" {100 * merged['range']:.1f} ({100 * merged['sd']:.2f}),"
                f" {merged['ratio']:.2f} times that{_between(merged)}"
            )
        lines.append(text)
    return lines


def best_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return which configuration the validation set would choose, and what that gives.

    Args:
      facts: The content of ``grid.json``.
    """
    study, lines = facts["study"], []
    varied = {run["index"]: run["varied"] for run in facts["runs"]}
    for kind, best in facts["best"].items():
        fields = varied[best["index"]].items()
        named = ", ".join(f"{f.removeprefix('training.')} {_shown(value)}" for f, value in fields)
        sets = [study["reference"], "mean of shifts", *_only(facts)]
        shown = [
            f"{name} {100 * best['accuracies'][name]:.1f} %"
            for name in dict.fromkeys(sets)
            if name in best["accuracies"]
        ]
        model = "fine-tuned" if kind == "fine_tuned" else f"merged at {best['alpha']:g}"
        lines.append(
            f"best on the validation set, {model}: run {best['index']} ({named}): "
            + ", ".join(shown)
        )
    return lines


def failed_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return which runs diverged, and why.

    Args:
      facts: The content of ``grid.json``.
    """
    return [f"{each['run']} is left out: {each['reason']}" for each in facts["study"]["failed"]]


def grid_markdown(facts: Mapping[str, Any], picture: str) -> str:
    """Return the page of a study: picture, tables, the runs.

    Args:
      facts: The content of ``grid.json``.
      picture: The file name of the picture.
    """
    study = facts["study"]
    parts = [f"# Hyper-parameters: {study['name']}", f"![one point a fine-tuned model]({picture})"]
    sentences = (*grid_sentences(facts), *best_sentences(facts))
    parts.append("\n".join(f"- {line}" for line in sentences))
    header, lines = spread_cells(facts)
    head = [name if not kind else f"{name} ({kind}, n={n})" for name, kind, n in header]
    parts += ["## How models scatter", _markdown(head, lines), f"{spread_caption(facts)}."]
    parts.append("\n".join(f"- {line}" for line in failed_sentences(facts)))
    if facts["rules"]:
        parts += ["## Rules for alpha", _markdown(*rules_cells(facts)), f"{rules_caption(facts)}."]
        parts.append("\n".join(f"- {line}" for line in missing_sentences(facts)))
    parts += ["## Runs", _markdown(*runs_cells(facts)), "Accuracies in %."]
    parts.append("\n".join(f"    {command}" for command in study["commands"]))
    return "\n\n".join(part for part in parts if part) + "\n"


def runs_cells(facts: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the lines of the table of runs, by the order of their indices.

    Args:
      facts: The content of ``grid.json``.
    """
    study = facts["study"]
    ends = [at for at in (0.0, 0.5, 1.0) if at in study["alphas"]]
    sets = [("reference", study["reference"])] if study["reference"] else []
    shifts = list(study["shifts"])
    sets += [("shifts", shifts[0] if len(shifts) == 1 else "mean of shifts")] if shifts else []
    header = ["run", *(field.removeprefix("training.") for field in study["fields"]), "chosen"]
    header += [f"{name}, alpha {at:g}" for _, name in sets for at in ends]
    lines = []
    for run in facts["runs"]:
        cells = [str(run["index"]), *(_shown(run["varied"].get(f, "")) for f in study["fields"])]
        cells.append(f"{run['chosen']:g}")
        for key, _ in sets:
            cells += [f"{100 * run[key][study['alphas'].index(at)]:.1f}" for at in ends]
        lines.append(cells)
    return header, lines


def _rules(facts: Mapping[str, Any]) -> dict[str, Any]:
    return facts["rules"]["rules"] if facts["rules"] else {}


def _only(facts: Mapping[str, Any]) -> list[str]:
    """Return the name of the shift, where there is one alone."""
    names = list(facts["study"]["shifts"])
    return names if len(names) == 1 else []


def _spread_cell(kind: Mapping[str, Any] | None) -> str:
    if kind is None:
        return "-"
    sd = "" if kind["sd"] is None else f" +- {100 * kind['sd']:.1f}"
    lines = [f"{100 * kind['mean']:.1f}{sd}", f"{100 * kind['low']:.1f}..{100 * kind['high']:.1f}"]
    if kind.get("ratio") is not None:
        lines.append(f"x{kind['ratio']:.2f}{_between(kind)}")
    return "\n".join(lines)


def _between(kind: Mapping[str, Any]) -> str:
    if kind["ratio_low"] is None:
        return ""
    return f" ({kind['ratio_low']:.2f}..{kind['ratio_high']:.2f})"


def _points(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # rounding of -0.004 would give "-0.00"


def _interval(ends: Sequence[float] | None) -> str:
    return "-" if ends is None else "..".join(map(_points, ends))


def _purpose(each: Mapping[str, Any]) -> str:
    return short_kind(kind_of_set(each["split"], each["role"]))


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [["<br>".join(map(escaped, cell.split("\n"))) for cell in line] for line in lines]
    table = [f"| {' | '.join(line)} |" for line in (map(escaped, header), *cells)]
    table.insert(1, f"| :-- |{' --: |' * (len(header) - 1)}")
    return "\n".join(table)
