import pytest

from wiseft_jax.backgrounds.class_folders import class_key, is_numbered, spoken_names
from wiseft_jax.backgrounds.in9 import IN9_CLASSES, IN9_NAMES


def test_the_published_folders_are_spoken_as_prompts_have_them():
    assert spoken_names(IN9_CLASSES) == IN9_NAMES
    assert spoken_names(("00_polar_bear", "cat")) == ("polar bear", "cat")


@pytest.mark.parametrize(
    ("folder", "numbered"),
    [("02_wheeled vehicle", True), ("7 eight", True), ("cat", False), ("007", False)],
)
def test_a_number_alone_is_a_name(folder: str, numbered: bool):
    assert is_numbered(folder) == numbered
    assert (spoken_names((folder,))[0] != folder) == numbered


def test_a_class_matches_with_and_without_its_number():
    assert class_key("02_wheeled vehicle") == class_key("Wheeled_Vehicle")
    assert class_key("cat") != class_key("dog")
