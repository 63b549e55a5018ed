"""Facts go through JSON and back, and memory adds up."""

from __future__ import annotations

import json

from wiseft_jax.planning.counts import Collective, Counts
from wiseft_jax.planning.facts import StepFacts

FACTS = StepFacts(
    step="sweep",
    method="compile",
    images=64,
    passes=11,
    counts=Counts(1.0, 2.0, (Collective("all-gather", 8, 4, 2.0),)),
    traced_flops=4.0,
    memory={"arguments": 10, "temporaries": 5},
    largest=(("f32[2,2]", 16),),
    seconds=1.5,
)


def test_json_and_back():
    assert StepFacts.from_json(json.loads(json.dumps(FACTS.to_json()))) == FACTS


def test_memory_adds_up():
    assert FACTS.memory_bytes == 15
