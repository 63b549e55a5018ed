"""The report's section on studies: what fits is told, what doesn't is named."""

from __future__ import annotations

from tests.reporting.rows import chosen, sweep_rows
from tests.reporting.test_study_tables import LEARNED, RACE, RULES
from wiseft_jax.reporting import report_markdown
from wiseft_jax.reporting.study_section import study_section


def test_a_race_and_learned_coefficients_are_told():
    text = study_section({"race": RACE, "learned": LEARNED}, [])
    assert (
        "- alpha = 0.6 is the best of 3, or less than 1 points behind the best, on sketch" in text
    )
    assert "- guaranteed: this" in text
    assert "fitted on validation (n=500) by cross_entropy, beside the best of 3 single" in text
    assert "- coefficients: block_0 0.46, head 1.00" in text
    assert (
        "- test (n=1000): learned 97.7 %, constant (0.5) 97.1 % (p = 0.049), fine-tuned (1)" in text
    )
    assert "corrected for the 2 sets (Holm)" in text


def test_what_does_not_fit_is_named_and_nothing_of_it_told():
    text = study_section({}, ["race.json is left out: it is of other ends"])
    assert text == "**race.json is left out: it is of other ends**"


def test_the_report_has_the_section_only_with_studies():
    assert study_section({}, []) == ""
    assert "## Studies" not in report_markdown(sweep_rows(), selection=chosen())
    section = study_section({"race": RACE}, [])
    text = report_markdown(sweep_rows(), selection=chosen(), studies=section)
    assert f"## Studies\n\n{section}\n\n## Images left out" in text


def test_what_rules_cost_is_a_table():
    text = study_section({"rules": RULES}, [])
    assert "What each rule for alpha costs (`rules.json`): points below the best alpha" in text
    assert "| rule | test (ref., n=1000) | sketch (shift, n=1000) | mean (shifts, 1 sets) |" in text
    assert "| constant | 0.3 -0.5..1.8 | 4.0* 3.2..5.5 | 4.0* 3.0..5.0 |" in text
    assert "- dawin: missing: predictions of the target set at both ends" in text
