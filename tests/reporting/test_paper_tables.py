"""Tables as files: every text is only text, in Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.paper_tables import (
    PaperTable,
    csv_text,
    latex_escaped,
    latex_text,
    markdown_text,
    write_tables,
)

TRAP = "50%_{a} & $b$ #~^\\|<x>\nend"
TABLE = PaperTable("t", "in %\nof n", ("set", "alpha"), [[TRAP, "-0.5"], ["[x]", "1"]], bold=(1,))

_COMMANDS = re.compile(r"\\text(backslash|asciitilde|asciicircum|less|greater|bar)\{\}|\$-\$")


def test_latex_is_a_booktabs_tabular():
    lines = latex_text(TABLE).splitlines()
    assert lines[:2] == ["% in % of n", r"% \usepackage{booktabs}"]
    assert lines[2:5] == [r"\begin{tabular}{@{}lr@{}}", r"\toprule", r"set & alpha \\"]
    assert lines[6].startswith(r"50\%\_\{a\} \& \$b\$ \#\textasciitilde{}\textasciicircum{}")
    assert lines[6].endswith(r"\textless{}x\textgreater{} end & $-$0.5 \\")
    assert lines[7] == r"\textbf{[x]} & \textbf{1} \\"
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]


@pytest.mark.parametrize("first", ["[x]", "*x"])
def test_a_bracket_or_star_is_no_argument_of_the_line_above(first: str):
    table = PaperTable("t", "", ("set",), [["a"], [first]])
    assert rf"{{}}{first} \\" in latex_text(table).splitlines()


@given(st.text())
def test_nothing_in_a_latex_cell_is_a_command(text: str):
    shown = _COMMANDS.sub("", latex_escaped(text))
    shown = re.sub(r"\\[&%$#_{}]", "", shown)
    assert not set(shown) & set("\\&%$#_{}~^\n\r\x00")


def test_a_minus_is_one_and_a_hyphen_too():
    assert latex_escaped("ViT-B-16 -0.2 [-1.0, +0.5] 2024-05") == (
        "ViT-B-16 $-$0.2 [$-$1.0, +0.5] 2024-05"
    )


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\x00"))))
def test_csv_reads_back_but_for_the_mark_of_formulas(cells: list[str]):
    heads = [f"c{place}" for place in range(len(cells))]
    text = csv_text(PaperTable("t", "", heads, [cells]))
    read = list(csv.reader(io.StringIO(text, newline="")))
    for found, given_ in zip(read[-1] if cells else [], cells, strict=True):
        assert found in (given_, f"'{given_}")
        assert found[:1] not in ("=", "+", "@", "\t") or float(found) is not None


def test_csv_marks_formulas_and_keeps_numbers():
    records = [{"set": "=1+1", "value": -0.125, "n": 3, "chosen": True, "p": None, "s": "-x"}]
    table = PaperTable("t", "", (), [], records)
    assert csv_text(table) == "set,value,n,chosen,p,s\n'=1+1,-0.125,3,yes,,'-x\n"
    assert "-0.5" in csv_text(TABLE)


def test_markdown_cells_stay_in_their_column():
    lines = markdown_text(TABLE).splitlines()
    assert lines[1] == "| :-- | --: |"
    assert lines[2] == "| 50%_{a} & $b$ #~^\\\\\\|<x><br>end | -0.5 |"
    assert lines[3] == "| **[x]** | **1** |"


def test_files_are_the_same_each_time(tmp_path: Path):
    written = write_tables([TABLE], tmp_path / "new")
    assert [path.name for path in written] == ["t.md", "t.csv", "t.tex"]
    first = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in write_tables([TABLE], tmp_path / "new")] == first
    with pytest.raises(InputError, match="a name is given twice among t, t"):
        write_tables([TABLE, TABLE], tmp_path / "new")
