"""What tyro refuses is said as any other error: no box, no line broken, with its suggestions."""

from __future__ import annotations

import os

import pytest

from wiseft_jax.cli.main import main
from wiseft_jax.cli.parse import naming_options, parse, suggesting, unboxed, without_parsing
from wiseft_jax.cli.sweep import SweepArgs
from wiseft_jax.evaluation.config import SweepConfig
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.experiment import ExperimentConfig

RUN = ["run", "custom/folder"]
RACE = ["evaluate", "--data=folder:x", "--model", "a", "b", "--race"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([*RUN, "--nothing-like-it"], "Unrecognized options: --nothing-like-it\nFor full helptext"),
        ([*RUN, "--training.epoch", "4"], "\nPerhaps you meant:\n    --training.epochs FLOAT\n"),
        ([*RUN, "--training.epochs", "x"], "--training.epochs: could not convert string to float:"),
        ([*RUN, "--training.recipe", "x"], "invalid choice 'x' for argument '--training.recipe'"),
        ([*RUN, "--mixing.name", "smothmix"], "'random_choice'). Did you mean 'smoothmix'?\n"),
        (["explain", "a.png", "--methods", "grad_cm"], "Did you mean 'grad_cam'?\n"),
        (
            [*RUN, "--mixing.prob", "2"],
            "error: --mixing.prob: expected a share in [0, 1], found 2.0\n",
        ),
        ([*RUN, "--training.options.l1", "-1"], "error: --training.options.l1: expected a number"),
        ([*RUN, "--data.test-fraction", "3"], "error: --data.test-fraction: expected a number"),
        ([*RACE, "--racing.batch-size", "0"], "error: --racing.batch-size: expected at least 1"),
        (
            [*RACE[:4], "--race"],
            "error: --race: expected two models or more to race, found a alone",
        ),
        ([*RUN, "--sweep.alphas=0,0.5"], "written one by one: --sweep.alphas 0 0.5\n"),
        ([*RUN, "--sweep.alphas", "0 .5 1"], "written one by one: --sweep.alphas 0 .5 1\n"),
        ([*RUN, "--dry-run=True"], "--dry-run is on or off, and takes no value: leave out =True"),
        (["predict"], "Missing from wiseft predict:\n    --images [PATH [PATH ...]]\n"),
    ],
)
@pytest.mark.parametrize("columns", ["40", None])
def test_a_refused_option_is_an_error_like_others(
    argv: list[str],
    said: str,
    columns: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert main(argv) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("wiseft: error: ")
    assert said in printed.err
    assert not {*printed.err} & {*"╭│╰─"}
    assert all(line == line.rstrip() for line in printed.err.splitlines())
    assert os.environ.get("COLUMNS") == columns


@pytest.mark.parametrize(
    "argv",
    [
        ["backgrounds", "evaluate", "--demo", "--image-size", "abc"],
        [*RUN, "--sweep.batch-size", "abc"],
    ],
)
def test_an_option_that_may_be_none_is_refused_as_one_that_may_not(
    argv: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert main(argv) == 2
    said = capsys.readouterr().err
    first = (
        f"wiseft: error: Error parsing {argv[-2]}: invalid literal for int() with base 10: 'abc'"
    )
    assert said.splitlines()[0] == first
    assert "NoneType" not in said
    assert "Got errors" not in said


def test_help_is_as_wide_as_the_terminal_and_ends_with_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    with pytest.raises(SystemExit) as ended:
        main(["predict", "--help"])
    assert not ended.value.code
    printed = capsys.readouterr()
    assert printed.err == ""
    options = printed.out[printed.out.index(" options ") :]
    assert max(map(len, options.splitlines())) == 70


@pytest.mark.parametrize("stored", [True, False])
def test_a_flag_has_both_forms_whatever_is_stored(stored: bool) -> None:
    sweep = SweepConfig(method="curve", curve=CurveConfig(exact=stored))
    default = SweepArgs(ExperimentConfig(sweep=sweep))
    for no, wanted in (("", True), ("no-", False)):
        flags = [f"--sweep.curve.{no}exact", f"--{no}cache", f"--{no}learn"]
        args = parse(SweepArgs, flags, "sweep RUN", default=default)
        found = args.config.sweep.curve.exact, args.common.cache, args.learn
        assert found == (wanted,) * 3
    assert parse(SweepArgs, [], "sweep RUN", default=default) == default


def test_the_help_of_a_flag_shows_both_forms_and_the_stored_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    sweep = SweepConfig(method="curve", curve=CurveConfig(exact=True))
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        parse(SweepArgs, ["--help"], "sweep", default=SweepArgs(ExperimentConfig(sweep=sweep)))
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    exact = "--sweep.curve.exact, --sweep.curve.no-exact Whether every uncertain prediction of the"
    assert f"{exact} grid is evaluated directly. (default: True)" in said
    assert "--cache, --no-cache Whether the cache of" in said


def test_colours_and_other_frames_go_too() -> None:
    lines = ["+- \x1b[31mValue error\x1b[0m -+", "| \x1b[1m--a:\x1b[0m b - |", "|          |"]
    lines += ["| -------- |", "| c        |", "+----------+"]
    assert unboxed("\n".join(lines)) == "--a: b -\n\nc"
    assert unboxed("+- No help -+\n+-----------+\n") == "No help"


def test_what_is_like_no_choice_gets_no_suggestion() -> None:
    text = "invalid choice 'x' for argument '--a'. Expected one of ('circle', 'square').\nMore."
    assert suggesting(text) == text
    assert suggesting(text.replace("'x'", "'cirle'")) == text.replace("'x'", "'cirle'").replace(
        "\nMore", " Did you mean 'circle'?\nMore"
    )


def test_an_error_that_names_no_option_stays_as_it_is() -> None:
    for text in ("Error parsing --a.b: not an int", "Error parsing a: c.d_e: no", "Error: a.b: no"):
        assert naming_options(text) == text


def test_an_own_check_stands_by_itself(capsys: pytest.CaptureFixture) -> None:
    said = "--mixing.prob: expected a share in [0, 1], found 2.0"
    assert main([*RUN, "--mixing.prob", "2"]) == 2
    assert capsys.readouterr().err == f"wiseft: error: {said}\n"
    tail = "\nFor full helptext, see wiseft run --help"
    assert without_parsing(f"Error parsing Args: a: b\n  c{tail}") == "a: b\n  c"
    assert without_parsing("Error parsing --a: not an int") == "Error parsing --a: not an int"


def test_an_equals_sign_may_stand_before_a_value():
    argv = ["--sweep.alphas=0", "0.5", "--sweep.batch-size=4", "--sweep.rule=constant"]
    found = parse(SweepArgs, argv, "sweep", default=SweepArgs(ExperimentConfig()))
    assert found.config.sweep.alphas == (0.0, 0.5)
    assert (found.config.sweep.batch_size, found.config.sweep.rule) == (4, "constant")
