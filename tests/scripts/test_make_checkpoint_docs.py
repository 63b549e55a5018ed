"""The tables of docs/checkpoints.md are those of the code."""

from __future__ import annotations

import pytest

from scripts import make_checkpoint_docs as maker
from wiseft_jax.clip.architectures import ARCHITECTURES
from wiseft_jax.clip.export_formats import EXPORT_FORMATS


def test_the_page_is_what_the_script_makes():
    page = maker.PAGE.read_text(encoding="utf-8")
    assert maker.with_tables(page) == page


def test_stale_tables_are_made_anew_and_the_prose_is_left():
    page = maker.PAGE.read_text(encoding="utf-8")
    stale = page
    for text in ("transformers' CLIPModel |", "of 1664,", "| `model.visual.` |", "| `vision` |"):
        assert text in stale
        stale = stale.replace(text, "| old |")
    assert stale != page
    assert maker.with_tables(stale) == page
    changed = page.replace("Nothing is silent", "All is said")
    assert maker.with_tables(changed) == changed != page


@pytest.mark.parametrize("name", maker.TABLES)
def test_a_table_has_a_row_for_each_entry_and_cells_as_its_header(name: str):
    lines = maker.TABLES[name]().splitlines()
    assert len({line.count("|") for line in lines}) == 1
    rows = {"read": 5, "sizes": len(ARCHITECTURES), "state dicts": 3, "export": len(EXPORT_FORMATS)}
    assert len(lines) - 2 == rows[name]


@pytest.mark.parametrize("name", maker.TABLES)
def test_a_page_without_a_tables_comments_is_refused(name: str):
    page = maker.PAGE.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=f"expected once <!-- table `{name}`"):
        maker.with_tables(page.replace(f"<!-- end of `{name}` -->\n", ""))
