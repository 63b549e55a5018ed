"""The files that are made from the tables of data sets are up to date."""

from __future__ import annotations

import re
import typing

import pytest

from scripts import make_dataset_docs as maker
from wiseft_jax.cli.data_prepare import PrepareArgs
from wiseft_jax.cli.parse import parse
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.class_lists import CLASS_LISTS
from wiseft_jax.data.entry import LabelRule, Projection


def test_the_page_is_what_the_script_makes():
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page()


def test_the_commands_that_prepare_go_to_different_places():
    commands = re.findall(r"^wiseft data prepare ([^#\n]+)", maker.page(), re.MULTILINE)
    places = []
    for command in commands:
        args = parse(PrepareArgs, command.split(), "data prepare")
        places.append((args.out, args.name or re.sub(r"^folder:|\..*$", "", args.spec)))
    assert len(places) > 3
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", DATASETS)
def test_the_page_has_a_section_for_every_data_set_that_the_table_leads_to(name: str):
    text = maker.page()
    sections = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert sections.count(name) == 1
    anchor = re.sub(r"[^a-z0-9-]", "", name.lower())  # GitHub's, of a heading without spaces
    assert f"[`{name}`](#{anchor})" in text
    for missing in DATASETS[name].missing:
        assert f"- **missing**: {missing}\n" in text


def test_tables_have_as_many_cells_as_their_headers():
    for block in re.findall(r"(?:^\|.*\|\n)+", maker.page(), re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_every_rule_is_explained():
    text = maker.page()
    for rule in (*typing.get_args(LabelRule), *typing.get_args(Projection)):
        assert f"\n| `{rule}` | " in text


def test_notice_is_what_the_script_makes():
    notice = maker.NOTICE.read_text(encoding="utf-8")
    assert maker.with_section(notice) == notice


def test_notice_has_source_licence_and_checksum_of_every_list():
    words = " ".join(maker.NOTICE.read_text(encoding="utf-8").split())
    for name, facts in CLASS_LISTS.items():
        said = f"{name}.tsv: {facts.count} classes. {facts.source}. {facts.licence}."
        assert f"{said} SHA-256 {facts.sha256}" in words


def test_a_stale_section_is_made_anew_and_the_rest_is_left():
    notice = maker.NOTICE.read_text(encoding="utf-8")
    stale = notice.replace(CLASS_LISTS["dtd"].sha256, "0" * 64)
    assert stale != notice
    assert maker.with_section(stale) == notice
