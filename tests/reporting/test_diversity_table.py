"""Diversity of pairs in a table and in sentences."""

from __future__ import annotations

from tests.reporting.alternatives_facts import diversity_facts
from wiseft_jax.reporting.diversity_table import (
    diversity_caption,
    diversity_cells,
    diversity_markdown,
    diversity_sentences,
)


def test_a_line_for_each_set_and_measure_with_ratios():
    heads, lines = diversity_cells(diversity_facts())
    assert len(lines) == 4 * 3
    assert {len(line) for line in lines} == {len(heads)} == {7}
    assert lines[0] == [
        "test (n = 1000)", "prediction diversity",
        "0.200 [0.180, 0.220] 0.190..0.210", "0.050 [0.030, 0.070] 0.040..0.060",
        "0.030 [0.010, 0.050] 0.020..0.040", "4.0 [3.5, 4.5]", "0.6 [0.1, 1.1]",
    ]  # fmt: skip


def test_small_divergences_keep_three_digits():
    facts = diversity_facts()
    for own in facts["sets"][0]["measures"]["kl_divergence"].values():
        own |= {"value": 0.00123, "low": 0.000123, "high": 0.00246, "least": 0.001, "most": 0.2}
    _, lines = diversity_cells(facts)
    assert lines[2][1:3] == ["KL divergence", "0.00123 [0.000123, 0.00246] 0.00100..0.200"]


def test_the_cka_complement_of_probes_is_0_as_they_share_an_encoder():
    facts = diversity_facts(cka=True)
    _, lines = diversity_cells(facts)
    assert len(lines) == 4 * 4
    assert lines[3] == [
        "", "CKA complement", "0.200 [0.180, 0.220] 0.190..0.210",
        "0.050 [0.030, 0.070] 0.040..0.060", "0 (one encoder)", "4.0 [3.5, 4.5]", "0",
    ]  # fmt: skip
    note = "embeddings of 400 to 900 images a set, bootstrap over minibatches, 0 of probes"
    assert note in diversity_caption(facts)
    assert "CKA" not in diversity_caption(diversity_facts())
    assert "0 of probes" not in diversity_caption(diversity_facts(cka=True, probes=0))
    sentence = next(line for line in diversity_sentences(facts) if "by CKA complement" in line)
    assert sentence.endswith("(95 % interval 3.5 to 4.5, n = 900).")
    del facts["sets"][1]["measures"]["cka_complement"]["zero_shot/fine_tuned"]
    assert diversity_cells(facts)[1][7][2] == "no features"


def test_without_probes_and_logits_neither_is_told():
    facts = diversity_facts(probes=0, logits=False)
    heads, lines = diversity_cells(facts)
    assert (len(heads), len(lines)) == (5, 4 * 2)
    assert "probes" not in diversity_caption(facts)
    assert "models fixed" in diversity_caption(facts)


def test_sentences_tell_the_reference_and_the_mean_of_shifts():
    sentences = diversity_sentences(diversity_facts())
    assert [sentence.split(":")[0] for sentence in sentences] == ["test"] * 3 + [
        "mean of shifts"
    ] * 3
    assert "4.0 times as diverse as two fine-tuned models (95 % interval 3.5 to" in sentences[0]


def test_a_ratio_that_isnt_there_is_said():
    facts = diversity_facts(probes=0, logits=False)
    own = facts["sets"][0]["measures"]["kappa_complement"]["zero_shot/fine_tuned"]
    own["ratio"] = None
    assert diversity_cells(facts)[1][1][-1] == "undefined"


def test_the_page_holds_chart_table_and_command():
    page = diversity_markdown(diversity_facts(), "diversity.png", "wiseft study diversity a")
    assert "](diversity.png)" in page
    assert "    wiseft study diversity a\n" in page
    assert "Made by" not in diversity_markdown(diversity_facts(), "diversity.png", "")
