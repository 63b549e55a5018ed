from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wiseft_jax.clip.prompts import PROMPT_SETS, fill, resolve_templates
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_bytes


@pytest.mark.parametrize("name", PROMPT_SETS)
def test_every_set_is_usable_and_says_where_it_is_from(name: str):
    prompts = PROMPT_SETS[name]
    assert resolve_templates(name) == prompts.templates
    assert resolve_templates(list(prompts.templates)) == prompts.templates
    assert len(set(prompts.templates)) == len(prompts.templates) > 0
    assert prompts.source
    assert prompts.licence
    for template in prompts.templates:
        assert template.count("{}") + template.count("{an}") == 1
        assert template == template.strip()
        assert "{" not in template.replace("{}", "").replace("{an}", "")


def test_the_readme_names_every_set():
    import wiseft_jax.clip.prompts.sets as sets

    readme = (Path(sets.__file__).parent / "README.md").read_text()
    assert [name for name in PROMPT_SETS if f"| `{name}` |" not in readme] == []


def test_the_imagenet_templates_are_openais():
    templates = PROMPT_SETS["imagenet"].templates
    assert len(templates) == 80
    assert templates[0] == "a bad photo of a {}."
    assert templates[-1] == "a tattoo of the {}."
    # The order doesn't change the head, but an edit by mistake does.
    assert hash_bytes("\n".join(templates).encode()) == "b47973fbf6acfe25"


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("cars", 8, "a photo of a {}.", "a photo of my old {}."),
        ("cifar10", 18, "a photo of a {}.", "a photo of the big {}."),
        ("cifar100", 18, "a photo of a {}.", "a photo of the big {}."),
        ("dtd", 8, "a photo of a {} texture.", "a photo of the {} object."),
        (
            "eurosat",
            3,
            "a centered satellite photo of {}.",
            "a centered satellite photo of the {}.",
        ),
        ("fmow", 16, "satellite photo of a {}.", "{}."),
        ("food101", 1, "a photo of {}, a type of food.", "a photo of {}, a type of food."),
        (
            "gtsrb",
            3,
            'a zoomed in photo of a "{}" traffic sign.',
            'a close up photo of a "{}" traffic sign.',
        ),
        ("iwildcam", 2, "a photo of {}.", "{} in the wild."),
        ("mnist", 1, 'a photo of the number: "{}".', 'a photo of the number: "{}".'),
        ("resisc45", 18, "satellite imagery of {}.", "aerial view of the {}."),
        ("sun397", 2, "a photo of a {}.", "a photo of the {}."),
        (
            "svhn",
            6,
            "a photo of the number {} written on a sign",
            "a centered image of the number {}",
        ),
    ],
)
def test_the_sets_of_data_sets_are_the_published_ones(name: str, count: int, first: str, last: str):
    templates = PROMPT_SETS[name].templates
    assert (len(templates), templates[0], templates[-1]) == (count, first, last)


def test_simple_is_the_papers_prompt():
    assert resolve_templates("simple") == ("a photo of a {}.",)


def test_the_class_fills_every_slot_and_is_not_a_pattern_itself():
    assert fill("a {} and a {}.", "cat {0}") == "a cat {0} and a cat {0}."


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("airport_hangar", "a photo of an airport hangar."),
        ("multi-unit_residential", "a photo of a multi-unit residential."),
        ("{}", "a photo of a {}."),
        ("{an}", "a photo of a {an}."),
    ],
)
def test_the_article_is_that_of_the_class(name: str, prompt: str):
    assert resolve_templates("a photo of {an}.") == ("a photo of {an}.",)
    assert fill("a photo of {an}.", name) == prompt


def test_both_slots_are_filled_with_the_class_as_each_says():
    assert fill("{an} ({})", "oil_field") == "an oil field (oil_field)"


def test_text_files_are_read_line_by_line(tmp_path: Path):
    path = tmp_path / "mine.txt"
    path.write_text("\ufeffa drawing of {c}.\r\n\n  the {} \n", encoding="utf-8")
    assert resolve_templates(path) == ("a drawing of {}.", "the {}")
    assert resolve_templates(str(path)) == ("a drawing of {}.", "the {}")


def test_json_files_are_lists(tmp_path: Path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(["a drawing of {c}.", "the {}"]))
    assert resolve_templates(path) == ("a drawing of {}.", "the {}")


def test_any_file_name_will_do_for_text(tmp_path: Path):
    path = tmp_path / "templates"
    path.write_text("the {}\n")
    assert resolve_templates(str(path)) == ("the {}",)


def test_one_template_and_lists_are_taken(caplog: pytest.LogCaptureFixture):
    assert resolve_templates("a {c}!") == ("a {}!",)
    assert resolve_templates(("a {}", "b {c}")) == ("a {}", "b {}")
    assert caplog.records == []


def test_repeated_templates_count_twice_and_are_said_to(caplog: pytest.LogCaptureFixture):
    assert resolve_templates(["a {}", "b {}", "a {c}"]) == ("a {}", "b {}", "a {}")
    assert "template 3 occurs twice and counts twice: 'a {}'" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.txt",
            b"the {}\n\na photo\n",
            r"a\.txt: line 3 has no {} for the class name: 'a photo'",
        ),
        ("a.txt", b"\n \n", r"a\.txt: no templates"),
        ("a.txt", b"\xff\xfe\x00", r"a\.txt: not UTF-8"),
        ("a.json", b"[", r"a\.json: not JSON"),
        ("a.json", b'{"a": 1}', r"a\.json: expected a JSON list of strings"),
        ("a.json", b'["the {}", 3]', r"a\.json: expected a JSON list of strings"),
        ("a.json", b'["the {}", "a"]', r"a\.json: entry 2 has no {}"),
        ("a.json", b"[]", r"a\.json: no templates"),
    ],
)
def test_faults_in_a_file_are_named_with_their_line(
    tmp_path: Path, name: str, content: bytes, message: str
):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        resolve_templates(tmp_path / name)


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ("imagnet", r"unknown prompt set 'imagnet'\. Did you mean 'imagenet'.*Or give a \.txt"),
        ("absent.txt", r"absent\.txt: no such file"),
        (Path("absent"), "absent: no such file"),
        ([], "the list of templates: no templates"),
        (["{}", "a photo"], "the list of templates: template 2 has no {}"),
    ],
)
def test_what_cannot_be_resolved_is_reported(templates: Any, message: str):
    with pytest.raises(InputError, match=message):
        resolve_templates(templates)
