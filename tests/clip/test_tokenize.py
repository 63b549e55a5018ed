from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.tiny import tiny_clip_directory, tiny_tokenizer_files
from wiseft_jax.clip.load import read_tokenizer
from wiseft_jax.clip.tokenize import Tokenizer, make_tokenizer
from wiseft_jax.core.errors import InputError

CONTEXT = 12


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    for name, content in tiny_tokenizer_files().items():
        (path / name).write_bytes(content)
    return path


@pytest.fixture(scope="module")
def tokenizer(directory: Path) -> Tokenizer:
    return read_tokenizer(directory, CONTEXT)


def vocabulary() -> dict[str, int]:
    return json.loads(tiny_tokenizer_files()["vocab.json"])


def test_a_row_is_start_tokens_end_padding(tokenizer: Tokenizer):
    ids, mask = tokenizer(["a photo of a red x", ""])
    tokens = vocabulary()
    start, end = tokens["<|startoftext|>"], tokens["<|endoftext|>"]
    names = ["a</w>", "photo</w>", "of</w>", "a</w>", "red</w>", "x</w>"]
    words = [tokens[name] for name in names]
    assert ids.tolist() == [[start, *words, end, *[end] * 4], [start, *[end] * 11]]
    assert mask.tolist() == [[1] * 8 + [0] * 4, [1, 1, *[0] * 10]]
    assert ids.dtype == mask.dtype == np.int32


def test_a_long_text_is_cut_keeps_its_end_and_is_named(
    tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
):
    ids, mask = tokenizer(["x " * 40, "x " * 10])
    assert ids[0, -1] == tokenizer.end_id
    assert (ids[0, 1:-1] == vocabulary()["x</w>"]).all()
    assert mask.all()
    assert len(caplog.records) == 1
    assert "a text of 42 tokens is cut to the 12" in caplog.text
    assert "'x x x" in caplog.text


def test_many_long_texts_are_counted_not_listed(
    tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
):
    tokenizer([f"{number} " + "x " * 40 for number in range(30)])
    assert len(caplog.records) == 11
    assert "20 more texts were cut" in caplog.records[-1].getMessage()


def test_it_agrees_with_both_of_transformers_tokenizers(directory: Path, tokenizer: Tokenizer):
    from transformers import CLIPTokenizer, CLIPTokenizerFast

    texts = ["A Photo  of\ta RED circle!", "it's 7 o'clock", "naïve café 日本", "x " * 30, ""]
    ids, mask = tokenizer(texts)
    for kind in (CLIPTokenizer, CLIPTokenizerFast):
        theirs = kind(str(directory / "vocab.json"), str(directory / "merges.txt"))(
            texts, padding="max_length", truncation=True, max_length=CONTEXT
        )
        assert ids.tolist() == theirs["input_ids"]
        assert mask.tolist() == theirs["attention_mask"]


def test_tokenizer_json_is_the_same_tokenizer(
    directory: Path, tmp_path: Path, tokenizer: Tokenizer
):
    # Truncation, padding and the post-processor of the file must not matter.
    settings = json.loads(tokenizer.backend.to_str())
    settings["truncation"] = {
        "direction": "Right",
        "max_length": 4,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    settings["post_processor"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(settings))
    texts = ["a photo of the blue square", "x " * 9]
    other = read_tokenizer(tmp_path, CONTEXT)
    np.testing.assert_array_equal(other(texts)[0], tokenizer(texts)[0])
    assert list(other.files) == ["tokenizer.json"]


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_any_text_gives_a_valid_row(tokenizer: Tokenizer, texts: list[str]):
    ids, mask = tokenizer(texts)
    assert ids.shape == mask.shape == (len(texts), CONTEXT)
    assert (ids[:, 0] == tokenizer.start_id).all()
    lengths = mask.sum(1)
    np.testing.assert_array_equal(mask, np.arange(CONTEXT)[None] < lengths[:, None])
    assert (ids[np.arange(len(texts)), lengths - 1] == tokenizer.end_id).all()
    assert (ids >= 0).all()
    assert (ids < tokenizer.vocabulary_size).all()


def test_the_fingerprint_follows_the_content(directory: Path, tokenizer: Tokenizer):
    assert read_tokenizer(directory, CONTEXT).fingerprint == tokenizer.fingerprint
    assert read_tokenizer(directory, CONTEXT + 1).fingerprint != tokenizer.fingerprint


def test_the_files_are_saved_as_they_were_read(tmp_path: Path, tokenizer: Tokenizer):
    tokenizer.save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == tiny_tokenizer_files()


@pytest.mark.parametrize("missing", ["vocab.json", "merges.txt"])
def test_missing_files_are_named(tmp_path: Path, missing: str):
    tiny_clip_directory(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(
        InputError, match=r"no tokenizer. Expected tokenizer\.json, or vocab"
    ) as caught:
        read_tokenizer(tmp_path, CONTEXT)
    assert missing not in str(caught.value).split("found")[1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", b"{"),
        ("tokenizer.json", b"\xff"),
        ("vocab.json", b"[1"),
        ("merges.txt", b"\xff"),
    ],
)
def test_damaged_files_are_reported(tmp_path: Path, name: str, content: bytes):
    tiny_clip_directory(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="tokenizer's files are damaged"):
        read_tokenizer(tmp_path, CONTEXT)


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.json"])
def test_a_pointer_of_git_lfs_is_named_as_one(tmp_path: Path, name: str):
    tiny_clip_directory(tmp_path)
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(InputError, match=f"{name}: is a Git LFS pointer, not the tokenizer"):
        read_tokenizer(tmp_path, CONTEXT)


def test_merges_that_were_cut_off_are_reported(tmp_path: Path):
    tiny_clip_directory(tmp_path)
    lines = (tmp_path / "merges.txt").read_text().splitlines()
    (tmp_path / "merges.txt").write_text("\n".join(lines[:-3]))
    with pytest.raises(InputError, match=r"merges\.txt: incomplete: 3 tokens") as caught:
        read_tokenizer(tmp_path, CONTEXT)
    assert "'digit</w>'" in str(caught.value)


def test_another_kind_of_tokenizer_is_refused():
    from tokenizers import Tokenizer as Backend
    from tokenizers.models import WordLevel

    backend = Backend(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    with pytest.raises(InputError, match="expected a CLIP tokenizer"):
        make_tokenizer(backend, CONTEXT, {}, "here")


def test_a_row_needs_room(directory: Path):
    with pytest.raises(InputError, match="max_position_embeddings is 2; at least 3"):
        read_tokenizer(directory, 2)
