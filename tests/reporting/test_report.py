"""The report says what to ship, what it gains and costs, and how to repeat it."""

from __future__ import annotations

import subprocess
import sys

from tests.reporting.rows import chosen, set_rows, sweep_rows
from wiseft_jax.reporting import report_markdown, write_report


def test_says_what_to_ship_and_what_it_gains():
    text = report_markdown(sweep_rows(), selection=chosen(0.4), title="Digits")
    assert text.startswith("# Digits\n\n**Ship alpha = 0.4**: the smallest within 1 point")
    gain = (
        "- On the reference: 95.0 % on mnist, +16.0 points against zero-shot, -0.8 points against"
    )
    assert gain in text
    assert (
        "- Under shift: 81.5 % on the mean of 3 shifts, +12.8 points against zero-shot,"
        " +13.5 points against fine-tuned." in text
    )
    assert "| coloured | test shift | 1000 | 75.5 | [72.7, 78.1] | +15.5 points |" in text
    assert "![Accuracy along the path from zero-shot to fine-tuned](curve.png)" in text
    assert "| **0.4 chosen** |" in text
    assert "as if the sets were independent" in text


def test_says_how_it_was_made_and_what_was_left_out():
    skipped = {"mnist": tuple(f"{i}.png: truncated" for i in range(25)), "coloured": ()}
    text = report_markdown(
        sweep_rows(),
        selection=chosen(),
        skipped=skipped,
        commands=["wiseft quickstart --out NEW"],
        facts={"model": "glyphclip"},
    )
    assert "- mnist: 25, not counted in n\n  - `0.png: truncated`" in text
    assert "and 5 more" in text
    assert "- coloured" not in text
    assert "- configuration: `0123abcd`" in text
    assert "- model: glyphclip" in text
    assert "```sh\nwiseft quickstart --out NEW\n```" in text


def test_warns_of_a_choice_that_was_not_held_out():
    assert "Warning" not in report_markdown(sweep_rows(), selection=chosen())
    text = report_markdown(sweep_rows(), selection=chosen(held_out=False))
    assert "**Warning: alpha was chosen on a set that this report shows" in text


def test_an_end_is_compared_with_the_other_end_alone():
    text = report_markdown(sweep_rows(), selection=chosen(1.0))
    line = next(line for line in text.splitlines() if line.startswith("- On the reference"))
    assert line == "- On the reference: 95.8 % on mnist, +16.8 points against zero-shot."


def test_an_alpha_that_was_not_measured():
    text = report_markdown(sweep_rows(4), selection=chosen(0.5), picture=None)
    assert "mnist was not measured at alpha = 0.5." in text
    assert "At the chosen alpha" not in text
    assert "![" not in text


def test_one_shift_no_reference_test_set():
    rows = set_rows("val", [0.8, 0.81], split="validation")
    rows += set_rows("sketch | x", [0.7, 0.6], role="shift")
    text = report_markdown(rows, selection=chosen(1.0))
    assert "There is no test set of the reference: val is shown." in text
    assert "- Under shift: 60.0 % on sketch | x, -10.0 points against zero-shot." in text
    assert "+1.0 point |" in text
    assert r"| sketch \| x |" in text


def test_reference_alone_and_ends_missing():
    rows = set_rows("test", [0.5, 0.6], alphas=[0.25, 0.75])
    text = report_markdown(rows, selection=chosen(0.25))
    assert "- On the reference: 50.0 % on test." in text
    assert "| test | test reference | 1000 | 50.0 | [46.9, 53.1] | - | - |" in text
    assert "None: every image was read." in text


def test_writes_the_file(tmp_path):
    path = write_report(tmp_path / "report.md", sweep_rows(), selection=chosen())
    assert path.read_text(encoding="utf-8").endswith("\n")


def test_reporting_imports_no_jax():
    code = (
        "import sys, wiseft_jax.reporting.curves, wiseft_jax.reporting.report\n"
        "import wiseft_jax.evaluation.select\n"
        "bad = {'jax', 'flax', 'transformers', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_differences_from_both_ends_have_intervals_and_tests():
    common = {"dataset": "mnist", "split": "test", "difference": 0.16}
    gains = [
        common | {"end": 0.0, "low": 0.1312, "high": 0.19, "p_value": 1e-9},
        common | {"end": 1.0, "low": -0.02, "high": -0.0001, "p_value": 0.0421},
    ]
    text = report_markdown(sweep_rows(), selection=chosen(0.4), gains=gains)
    first, second = "+16.0 points [+13.1, +19.0], p < .001", "-0.8 points [-2.0, +0.0], p = 0.042"
    assert f"| {first} | {second} |" in text
    assert "Newcombe's, of the same images" in text
    assert "Newcombe" not in report_markdown(sweep_rows(), selection=chosen(0.4))


def test_alphas_are_said_to_be_missing_where_some_are():
    rows = sweep_rows()
    alphas = sorted({row["alpha"] for row in rows if row["split"] == "validation"})
    assert len(alphas) > 1
    said = "Those that are missing are less accurate"
    assert said in report_markdown(rows, selection=chosen(), possible_best=alphas[1:])
    text = report_markdown(rows, selection=chosen(), possible_best=alphas)
    assert "Alphas that may be the best on the validation set" in text
    assert said not in text
