"""The contact sheet of mixing: a block for each mixer, with the numbers of its masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.mixing_sheet import (
    MixedPicture,
    MixingBlock,
    draw_mixing,
    mixing_figure,
)

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
HALF = np.repeat([[1.0], [0.0]], 8, axis=0) * np.ones((1, 16))


def block_of(title: str, partner: bool = True, share: float = 0.5) -> MixingBlock:
    other = IMAGE[::-1].copy() if partner else None
    picture = MixedPicture(IMAGE, other, HALF, IMAGE, share)
    return MixingBlock(title, [picture, picture])


def test_a_block_has_sources_mask_result_and_lambda():
    figure = mixing_figure([block_of("CutMix", share=0.375), block_of("Cutout", partner=False)])
    assert [place.get_suptitle() for place in figure.subfigs] == ["CutMix", "Cutout"]
    first, second = (place.axes for place in figure.subfigs)
    assert [axes.get_title() for axes in first[:4]] == ["source i", "source j", "mask", "result"]
    assert first[2].get_xlabel() == "mean 0.500"
    assert first[7].get_xlabel() == "λ = 0.375"
    np.testing.assert_array_equal(first[2].images[0].get_array(), HALF)
    assert len(first[1].images) == 1
    assert not second[1].images
    assert second[1].texts[0].get_text() == "none"


@pytest.mark.parametrize("count", [1, 5])
def test_any_number_of_blocks(count: int, tmp_path: Path):
    path = draw_mixing([block_of(f"mixer {k}") for k in range(count)], tmp_path / "mixing.png")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    again = draw_mixing([block_of(f"mixer {k}") for k in range(count)], tmp_path / "again.png")
    assert again.read_bytes() == path.read_bytes()


def test_no_block_is_refused():
    with pytest.raises(InputError, match="no mixer"):
        mixing_figure([])


def test_an_image_that_is_not_mixed_says_so():
    picture = MixedPicture(IMAGE, None, np.ones((16, 16)), IMAGE, 1.0)
    (place,) = mixing_figure([MixingBlock("CutMix, now and then", [picture])]).subfigs
    assert place.axes[1].texts[0].get_text() == "not mixed"
