import io

from rich.console import Console

from wiseft_jax.reporting.plain_table import plain_markdown, plain_table

CELLS = ("name", "n"), [("[red]a", "1"), ("b", "20")]


def printed(**options: str) -> str:
    console = Console(file=io.StringIO(), width=60)
    console.print(plain_table("title", *CELLS, **options))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_cells_are_plain_text_and_numbers_stand_on_the_right():
    lines = printed(caption="note").splitlines()
    assert lines[0].strip() == "title"
    assert [line.split() for line in lines[3:5]] == [["[red]a", "1"], ["b", "20"]]
    assert lines[3].rstrip().index("1") == lines[4].rstrip().index("0")
    assert lines[5].strip() == "note"
    assert "note" not in printed()


def test_markdown():
    assert plain_markdown(*CELLS) == "| name | n |\n| --- | ---: |\n| [red]a | 1 |\n| b | 20 |"
    assert plain_markdown(*CELLS, first=":---").splitlines()[1] == "| :--- | ---: |"
