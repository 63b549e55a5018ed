"""Write the tables of ``docs/checkpoints.md`` from those of the code; its prose is left as it is.

    python scripts/make_checkpoint_docs.py

A table lies between two comments that name it. A test holds the committed page against this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from wiseft_jax.clip.architectures import ARCHITECTURES, TransformerSizes
from wiseft_jax.clip.export_formats import formats_table
from wiseft_jax.clip.read_formats import READ_FORMATS
from wiseft_jax.clip.torch_names import STATE_DICTS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "checkpoints.md"


def read_table() -> str:
    """Return what is read, and as what."""
    return _table(
        ("there is", "it is read as"),
        [(each.there, each.read_as) for each in READ_FORMATS.values()],
    )


def sizes_table() -> str:
    """Return the sizes of the published CLIPs."""
    rows = [
        (
            name, _tower(each.vision), _tower(each.text), each.patch_size, each.image_size,
            each.projection, f"`{each.hidden_act}`", ", ".join(f"`{hub}`" for hub in each.hub_ids),
        )
        for name, each in ARCHITECTURES.items()
    ]  # fmt: skip
    towers = ("image tower", "text tower")
    return _table(("CLIP", *towers, "patch", "image", "D", "activation", "on the hub"), rows)


def state_dicts_table() -> str:
    """Return the state dicts that are known."""
    rows = [(program, f"`{prefix}visual.`") for prefix, program in STATE_DICTS.items()]
    return _table(("state dict of", "its image tower's names begin with"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "read": read_table,
    "sizes": sizes_table,
    "state dicts": state_dicts_table,
    "export": formats_table,
}


def with_tables(page: str) -> str:
    """Return the text of the page with its tables made anew.

    Args:
      page: The text as it is.

    Raises:
      ValueError: A table's comments aren't there once, one after the other; names it.
    """
    for name, make in TABLES.items():
        begin = f"<!-- table `{name}`, made by scripts/make_checkpoint_docs.py -->\n"
        end = f"<!-- end of `{name}` -->\n"
        if page.count(begin) != 1 or page.partition(begin)[2].count(end) != 1:
            raise ValueError(f"{PAGE.name}: expected once {begin.strip()}, then {end.strip()}")
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}{make().strip()}\n{end}{rest.partition(end)[2]}"
    return page


def _tower(sizes: TransformerSizes) -> str:
    return f"{sizes.layers} layers of {sizes.width}, {sizes.heads} heads"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([f"| {' | '.join(header)} |", "|" + "---|" * len(header), *lines])


def main() -> None:
    """Write the page."""
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
