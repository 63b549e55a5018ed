from __future__ import annotations

from pathlib import Path

import pytest

from wiseft_jax.core import errors


def test_exit_codes_are_the_documented_ones():
    codes = (
        errors.EXIT_DONE,
        errors.EXIT_INTERNAL,
        errors.EXIT_BAD_INPUT,
        errors.EXIT_FAULTS_FOUND,
        errors.EXIT_INTERRUPTED,
    )
    assert codes == (0, 1, 2, 3, 42)


def test_input_error_can_be_caught_as_value_error():
    with pytest.raises(ValueError, match="folder"):
        raise errors.InputError("folder")
    assert not issubclass(errors.NonFiniteLossError, errors.InputError)
    assert not issubclass(errors.Interrupted, errors.InputError)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("imagnet", " Did you mean 'imagenet'?"),
        ("simpel", " Did you mean 'simple'?"),
        ("zzz", ""),
        ("nope", ""),
        ("", ""),
    ],
)
def test_did_you_mean(name: str, expected: str):
    assert errors.did_you_mean(name, ["simple", "imagenet", "y_noise"]) == expected


def test_unknown_name_says_what_there_is():
    error = errors.unknown_name("prompt set", "imagnet", ["simple", "imagenet"])
    assert isinstance(error, errors.InputError)
    assert str(error) == (
        "unknown prompt set 'imagnet'. Did you mean 'imagenet'? Known: imagenet, simple."
    )


def test_unknown_name_takes_an_iterator_and_cuts_a_long_list():
    error = errors.unknown_name("class", "n999", (f"n{i:03}" for i in range(30)))
    assert "n000, n001" in str(error)
    assert str(error).endswith("n019, ...; 30 in all.")
    assert "n020" not in str(error)


def test_a_missing_path_says_where_it_was_looked_for_and_what_is_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "photos" / "train").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    error = errors.missing_path(Path("photo/train/cats"), "folder")
    assert isinstance(error, errors.InputError)
    assert str(error) == (
        f"photo/train/cats: no such folder; {tmp_path} exists, without 'photo'."
        " Did you mean 'photos'?"
    )
    error = errors.missing_path(tmp_path / "photos" / "zzz", "file", "Give a file.")
    assert str(error).endswith(f"{tmp_path}/photos exists, without 'zzz'. Give a file.")


def test_few_of_many_names_are_shown():
    assert errors.few(["a", "b"]) == "a, b"
    assert errors.few([str(index) for index in range(12)], 3) == "0, 1, 2, ...; 12 in all"


@pytest.mark.parametrize(
    ("missing", "suggested"),
    [
        ("val1.txt", None),
        ("tain1.txt", "train1.txt"),
        ("train_1.txt", "train1.txt"),
        ("valid", None),
        ("training", "train"),
    ],
)
def test_a_file_of_another_split_is_not_suggested(
    missing: str, suggested: str | None, tmp_path: Path
):
    for name in ("train1.txt", "test1.txt", "train"):
        (tmp_path / name).touch()
    said = errors.how_far(tmp_path / missing)
    assert said.endswith(f"Did you mean {suggested!r}?" if suggested else f"without {missing!r}.")


def test_numbers_agree_with_what_is_counted():
    assert errors.counted(1, "image") == "1 image"
    assert errors.counted(0, "image") == "0 images"
    assert errors.counted(1200, "class is", "classes are") == "1,200 classes are"
