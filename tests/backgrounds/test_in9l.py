"""IN-9L from a miniature of ImageNet's training folder."""

from __future__ import annotations

import collections
import csv
import json
from pathlib import Path

import pytest

from wiseft_jax.backgrounds.in9 import IMAGENET_TO_IN9, IN9_CLASSES
from wiseft_jax.backgrounds.in9l import build_in9l
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.specs import open_source

PER_FOLDER = 2


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("imagenet")
    for index in range(1000):
        folder = root / f"n{10000000 + 7 * index:08d}"
        folder.mkdir()
        for number in range(PER_FOLDER if IMAGENET_TO_IN9[index] >= 0 else 0):
            (folder / f"{folder.name}_{number}.JPEG").write_bytes(b"")
    return root


def read_table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_table_is_balanced_and_holds_the_mapped_classes_alone(tmp_path: Path, imagenet: Path):
    manifest = build_in9l(imagenet, tmp_path / "out", seed=1)
    assert list(manifest["available"].values()) == [
        PER_FOLDER * count for count in (116, 52, 42, 36, 35, 27, 26, 20, 16)
    ]
    assert manifest["per_class"] == 32
    rows = read_table(tmp_path / "out" / "in9l.csv")
    assert collections.Counter(row["label"] for row in rows) == dict.fromkeys(IN9_CLASSES, 32)
    assert len({row["path"] for row in rows}) == len(rows) == manifest["images"] == 9 * 32
    for row in rows:
        index = (int(Path(row["path"]).parent.name[1:]) - 10000000) // 7
        assert IN9_CLASSES[IMAGENET_TO_IN9[index]] == row["label"]
    source = open_source(f"table:{tmp_path / 'out' / 'in9l.csv'}")
    assert source.class_names == IN9_CLASSES
    assert len(source) == 9 * 32


def test_the_seed_decides_the_draw(tmp_path: Path, imagenet: Path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build_in9l(imagenet, tmp_path / name, seed=seed)
    a, b, c = ((tmp_path / name / "in9l.csv").read_bytes() for name in "abc")
    assert a == b != c
    build_in9l(imagenet, tmp_path / "a", seed=1)
    with pytest.raises(InputError, match="holds another build: seed was 1, is 2"):
        build_in9l(imagenet, tmp_path / "a", seed=2)
    assert (tmp_path / "a" / "in9l.csv").read_bytes() == a


def test_links_make_class_folders(tmp_path: Path, imagenet: Path):
    build_in9l(imagenet, tmp_path, links=True)
    source = open_source(f"folder:{tmp_path / 'original' / 'train'}")
    assert source.class_names == IN9_CLASSES
    rows = read_table(tmp_path / "in9l.csv")
    linked = {str(Path(path).readlink()) for path in source.ids}
    assert linked == {row["path"] for row in rows}
    assert json.loads((tmp_path / "manifest.json").read_text())["seed"] == 0


def test_an_interrupted_call_is_gone_on_with(
    tmp_path: Path, imagenet: Path, monkeypatch: pytest.MonkeyPatch
):
    link, made = Path.symlink_to, []

    def interrupted(path: Path, target: Path) -> None:
        if len(made) == 20:
            raise KeyboardInterrupt
        made.append(path)
        link(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build_in9l(imagenet, tmp_path, links=True)
    assert json.loads((tmp_path / "manifest.json").read_text())["complete"] is False
    with pytest.raises(InputError, match="seed was 0, is 1"):
        build_in9l(imagenet, tmp_path, seed=1, links=True)
    assert build_in9l(imagenet, tmp_path, links=True)["complete"] is True
    assert len(open_source(f"folder:{tmp_path / 'original' / 'train'}")) == 9 * 32


def test_other_folders_are_refused(tmp_path: Path, imagenet: Path):
    with pytest.raises(InputError, match="no such folder"):
        build_in9l(tmp_path / "none", tmp_path / "out")
    (tmp_path / "few" / "n01440764").mkdir(parents=True)
    with pytest.raises(InputError, match=r"expected ImageNet's 1000 folders.* found 1$"):
        build_in9l(tmp_path / "few", tmp_path / "out")
    (tmp_path / "few" / "00_dog").mkdir()
    with pytest.raises(InputError, match=r"found 2, of which 1 aren't WordNet ids \(00_dog\)"):
        build_in9l(tmp_path / "few", tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    with pytest.raises(InputError, match="isn't empty"):
        build_in9l(imagenet, tmp_path / "full")
    with pytest.raises(InputError, match="--seed"):
        build_in9l(imagenet, tmp_path / "out", seed=-1)
    (tmp_path / "bare").mkdir()
    for index in range(1000):
        (tmp_path / "bare" / f"n{index:08d}").mkdir()
    with pytest.raises(InputError, match="no images of 00_dog, 01_bird"):
        build_in9l(tmp_path / "bare", tmp_path / "out")
