"""Configurations as dotted names, and where they differ."""

from __future__ import annotations

from wiseft_jax.reporting.page.settings import differing, flat


def test_nested_fields_get_dotted_names():
    config = {"a": {"b": 1, "c": {}}, "d": ["x", None]}
    assert flat(config) == {"a.b": "1", "a.c": "{}", "d": '["x", null]'}


def test_only_what_differs_is_listed():
    found = differing([{"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": "new"}])
    assert found == [("b.c", ["2", "3"]), ("d", ["(not there)", '"new"'])]
    assert differing([{"a": 1}, {"a": 1}]) == []
