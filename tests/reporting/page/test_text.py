"""Untrusted text gets into pages as text."""

from __future__ import annotations

import json

import hypothesis
import hypothesis.strategies as st
import pytest

from wiseft_jax.reporting.page.text import clean, cleaned, escaped, isolated, json_block, table


@hypothesis.given(st.text(st.characters(exclude_categories=())))
@hypothesis.example("</script><!--")
@hypothesis.example("\ud800 half a surrogate")
@hypothesis.example("‮gnp.exe")
def test_no_text_ends_a_block_or_an_element(text: str):
    block = json_block({text: [text]})
    assert not {"<", ">", "&"} & set(block)
    assert json.loads(block) == {clean(text): [clean(text)]}
    block.encode("ascii")
    assert not {"<", ">", '"', "'"} & set(escaped(text))
    escaped(text).encode("utf-8")


def test_what_changes_the_text_around_it_is_replaced():
    assert clean("a‮b⁦c\x00d\x1be\ud800") == "a�b�c�d�e" + "�" * 3
    assert clean("tab\tand\nline, שלום, 🦉") == "tab\tand\nline, שלום, 🦉"


def test_numbers_that_json_lacks_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        json_block([float("nan")])


def test_values_that_are_no_text_stay():
    assert cleaned({"a": [1, 0.5, None, True, ("\x00",)]}) == {"a": [1, 0.5, None, True, ["�"]]}


def test_a_table_has_headers_and_scrolls_by_keyboard():
    made = table("of <sets>".replace("<sets>", "sets"), ("set", "n"), [(isolated("<b>"), "3")])
    assert '<th scope="row"><bdi>&lt;b&gt;</bdi></th><td class="number">3</td>' in made
    assert 'tabindex="0" role="region" aria-label="of sets"' in made
