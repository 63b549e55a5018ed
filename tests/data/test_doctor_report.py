"""The vocabulary and the order of findings."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from wiseft_jax.data.doctor_report import KINDS, Finding, Report, in_order

EMPTY = Finding("empty_file", "it is empty", ("/a",), "get it", split="train")
CLASS = Finding("missing_class", "no image", ("n01",), "get it", severity="note")
COUNT = Finding("image_count", "too few", ("/",), "get it", severity="warning")


def test_the_worst_comes_first_and_causes_before_what_they_cause():
    later = dataclasses.replace(CLASS, severity="error")
    assert in_order([CLASS, COUNT, later, EMPTY]) == (EMPTY, later, COUNT, CLASS)


def test_what_several_splits_share_is_said_once():
    val = dataclasses.replace(EMPTY, split="val")
    (finding,) = in_order([EMPTY, val, EMPTY])
    assert finding == dataclasses.replace(EMPTY, split="train, val")


def test_kinds_are_a_closed_vocabulary_that_is_all_used():
    with pytest.raises(AssertionError, match="no_such_kind"):
        Finding("no_such_kind", "", (), "")
    package = Path(__file__).parents[2] / "wiseft_jax" / "data"
    written = "".join(
        path.read_text() for path in package.glob("doctor*.py") if path.name != "doctor_report.py"
    )
    assert set(KINDS) <= set(re.findall(r'"([a-z_]+)"', written))


def test_notes_are_no_faults_and_the_facts_are_json():
    findings = (EMPTY, CLASS)
    report = Report("x", "X", "buy it", Path("/"), Path("/x"), (), findings, False, 5, 0)
    assert report.faults == (EMPTY,)
    facts = json.loads(json.dumps(report.facts()))
    assert facts["counts"] == {"error": 1, "warning": 0, "note": 1}
    assert facts["findings"][0] == {
        "kind": "empty_file", "severity": "error", "split": "train", "what": "it is empty",
        "where": ["/a"], "expected": "", "found": "", "fix": "get it",
    }  # fmt: skip
    assert facts["sample"] == 5
    assert dataclasses.replace(report, deep=True).facts()["sample"] is None
