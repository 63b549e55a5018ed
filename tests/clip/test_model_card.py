from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import ModelCard

from wiseft_jax.clip.export_formats import EXPORT_FORMATS
from wiseft_jax.clip.model_card import model_card
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.results import Row, accuracy_row
from wiseft_jax.core.typing import Role

MADE = {
    "name": "pets",
    "recipe": "lp_ft",
    "learning_rate": 3e-5,
    "data": {"train": ["folder:pets"], "shifts": ["table:a.csv", "table:b.csv"]},
    "selection": "alpha = 0.4: fixed in advance.",
}

_SETS: tuple[tuple[str, Role], ...] = (("pets-test", "reference"), ("sketch: of | pets", "shift"))


def facts(**changes: Any) -> dict[str, Any]:
    fixed = {
        "format": "hf",
        "class_names": ["cat", "dog|wolf"],
        "templates": ["a photo of a {}."],
        "alpha": 0.4,
        "source": "openai/clip-vit-base-patch32",
        "hashes": {"theta": "abc", "head": "def"},
        "versions": {"jax": "0.10.2"},
        "made": MADE,
    }
    return fixed | changes


def rows(*alphas: float) -> list[Row]:
    """Rows of a test set and a shift; 10 a hundred more are right for each 0.1 of alpha."""
    return [
        accuracy_row(
            Accuracy(round(100 * alpha) + 10, 200),
            dataset=name,
            split="test",
            role=role,
            alpha=alpha,
            config_hash="x",
        )
        for name, role in _SETS
        for alpha in alphas
    ]


def test_hubs_read_the_measured_accuracies():
    card = ModelCard(model_card(facts(), rows(0.0, 0.4, 1.0)))
    data: Any = card.data
    assert data.base_model == "openai/clip-vit-base-patch32"
    found = [(each.dataset_name, each.metric_type, each.metric_value) for each in data.eval_results]
    expected = [("pets-test", "accuracy", 0.25), ("sketch: of | pets", "accuracy", 0.25)]
    assert sorted(found) == sorted(expected)
    assert data.model_name == "pets"


def test_the_table_has_this_model_and_both_ends():
    text = model_card(facts(), rows(0.0, 0.4, 0.7, 1.0))
    (line,) = [line for line in text.splitlines() if line.startswith("| pets-test")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:4] == ["pets-test", "test", "accuracy", "200"]
    assert [cell.split()[0] for cell in cells[4:]] == ["25.0", "5.0", "55.0"]
    assert "(19.2 to 31.6)" in cells[4]  # Clopper-Pearson of 50 of 200
    assert "sketch: of \\| pets" in text


def test_an_end_has_its_column_once():
    header = "| set | split | metric | n | this model | alpha = 0 |"
    assert header in model_card(facts(alpha=1.0), rows(0.0, 1.0))


def test_an_alpha_that_was_not_measured_is_said():
    text = model_card(facts(alpha=0.37), rows(0.0, 1.0))
    assert "not measured | 5.0" in text
    assert "At alpha = 0.37 itself nothing was measured." in text
    assert "model-index" not in text


def test_how_it_was_made_is_told():
    text = model_card(facts(), rows(0.4))
    for line in (
        "- recipe: lp_ft",
        "- learning rate: 3e-05",
        "- train: `folder:pets`",
        "- shifts: `table:a.csv`, `table:b.csv`",
        "- alpha = 0.4: fixed in advance.",
    ):
        assert line in text.splitlines()
    by_hand = model_card(facts(made=MADE | {"selection": ""}), rows(0.4))
    assert "- alpha was given by hand" in by_hand.splitlines()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "with a linear head for 2 classes, fine-tuned from [openai/clip-vit-base-patch32]("
             "https://huggingface.co/openai/clip-vit-base-patch32)."),
        ({"source": "hf", "architecture": "ViT-B/32"},
         "A CLIP (ViT-B/32) with a linear head for 2 classes, fine-tuned from a checkpoint in a"
         " directory called `hf`."),
        ({"source": "glyphclip"}, "fine-tuned from `glyphclip`, the model that wiseft-jax brings"),
        ({"source": "hf", "alpha": 0.0}, "made from a checkpoint in a directory called `hf`."),
        ({"source": "hf", "alpha": None}, "made from a checkpoint in a directory called `hf`."),
    ],
)  # fmt: skip
def test_what_it_was_made_from_is_in_words(changes: dict[str, Any], said: str):
    assert said in model_card(facts(**changes), [])


def test_a_tower_alone_names_its_base():
    text = model_card(facts(format="vision", source="hf"), [])
    assert "`--base DIR`, the directory called `hf`." in text
    text = model_card(facts(format="vision"), [])
    assert "`--base openai/clip-vit-base-patch32`." in text


def test_a_model_of_unknown_origin_says_so():
    text = model_card(facts(alpha=None, made={}, source="converted"), [])
    assert "base_model" not in text
    assert "Not recorded." in text
    assert "Nothing: no rows were at hand" in text
    assert "theta_0" not in text


def test_many_classes_are_cut():
    text = model_card(facts(class_names=[f"class {i}" for i in range(1000)]), [])
    assert "class 19, and 980 more in `wiseft.json`" in text
    assert "class 20" not in text


@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_every_format_has_its_own_lines_of_use(name: str):
    text = model_card(facts(format=name), [])
    others = {model_card(facts(format=other), []) for other in EXPORT_FORMATS if other != name}
    assert text not in others
    assert 'head["kernel"]' in text
    assert ("--base openai/clip-vit-base-patch32" in text) == (name == "vision")
