"""What all pictures look like: colours that everyone can tell apart, thin frames, a pale grid."""

from __future__ import annotations

from typing import Any

# Okabe and Ito's colours, told apart by all common kinds of colour blindness; line styles,
# hatching and direct labels carry the same facts in grey.
BLACK, VERMILLION, BLUE, GREY = "#000000", "#D55E00", "#0072B2", "#777777"
SET_COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#6B5B00")
SET_DASHES = (
    (5, 1.6),
    (1, 1.2),
    (5, 1.4, 1, 1.4),
    (8, 2),
    (3, 1, 1, 1, 1, 1),
    (2, 2),
    (9, 2, 2, 2),
)
"""Of lines that are one set each: six colours and seven dashes, so the first 42 pairs differ."""

STYLE: dict[Any, Any] = {
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.3",
    "axes.titlesize": 11,
    "axes.titlepad": 18,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.grid": True,
    "grid.color": "0.91",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "svg.hashsalt": "wiseft_jax",
    "pdf.fonttype": 42,  # TrueType, embedded: publishers refuse matplotlib's default, Type 3
}
