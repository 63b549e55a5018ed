"""Write what follows from the tables of data sets: NOTICE's section on the class lists.

    python scripts/make_dataset_docs.py

A test holds the committed files against it.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from wiseft_jax.data.class_lists import CLASS_LISTS

ROOT = Path(__file__).resolve().parents[1]
NOTICE = ROOT / "NOTICE"

_WIDTH = 104
_BEGIN = "wiseft_jax/data/class_lists/\n"
_END = "wiseft_jax/quickstart/model/\n"
_INTRODUCTION = """\
Names of classes, their order and which of ImageNet's classes count as each: facts, in tables of
this project's own form. They come from what these projects publish, each compared with another
where there is one: openai/CLIP, copyright (c) 2021 OpenAI; mlfoundations/wise-ft, copyright (c)
2021-2022 Mitchell Wortsman and others; hendrycks/imagenet-r (2020) and
hendrycks/natural-adv-examples (2019), copyright (c) Dan Hendrycks; modestyachts/imagenet-testbed,
copyright (c) 2020 Rohan Taori and others; p-lambda/wilds, copyright (c) 2020 WILDS team;
LAION-AI/CLIP_benchmark, copyright (c) 2022 Mehdi Cherti, all under the MIT licence; TensorFlow
Datasets, Apache-2.0; abarbu/objectnet-template-tensorflow and MadryLab/backgrounds_challenge,
which state none."""


def notice_section() -> str:
    """Return NOTICE's section on the class lists: each file's source, licence and checksum."""
    blocks = [_wrapped(_INTRODUCTION)]
    for name, facts in CLASS_LISTS.items():
        blocks.append(
            _wrapped(f"{name}.tsv: {facts.count} classes. {facts.source}. {facts.licence}.")
            + f"\n  SHA-256 {facts.sha256}"
        )
    return _BEGIN + "\n".join(blocks) + "\n\n"


def with_section(notice: str) -> str:
    """Return the text of NOTICE with its section on the class lists made anew.

    Args:
      notice: The text as it is.
    """
    before, _, rest = notice.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + notice_section() + _END + after


def _wrapped(text: str) -> str:
    return textwrap.fill(
        " ".join(text.split()),
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def main() -> None:
    """Write the files."""
    NOTICE.write_text(with_section(NOTICE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
