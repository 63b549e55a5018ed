"""The files that are made from the tables of data sets are up to date."""

from __future__ import annotations

from scripts import make_dataset_docs as maker
from wiseft_jax.data.class_lists import CLASS_LISTS


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
