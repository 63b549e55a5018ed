"""Building the release's layout: laws read back from the files, same bytes, going on, refusals."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.backgrounds.disc_photos import (
    CLASSES,
    HEIGHT,
    SIZE,
    WIDTH,
    contents,
    disc,
    photo,
    pixels,
    save_mask,
    save_photo,
    write_photos,
)
from wiseft_jax.backgrounds.build import build
from wiseft_jax.backgrounds.build_config import BuildConfig
from wiseft_jax.backgrounds.loading import open_masked
from wiseft_jax.backgrounds.manifest import read_rows
from wiseft_jax.backgrounds.mask_files import read_mask
from wiseft_jax.backgrounds.pairing import pair_backgrounds
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.backgrounds.tiling import box_of_mask, largest_strip
from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.transforms import eval_transform


def config_of(root: Path, **changes: object) -> BuildConfig:
    fields = {"source": f"folder:{root / 'photos'}", "masks": str(root / "masks"), "size": SIZE}
    return BuildConfig(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def built(photos: Path) -> Path:
    build(config_of(photos, seed=3), photos / "out", workers=1)
    return photos / "out"


def test_the_release_reads_all_variants_back(built: Path):
    release = open_release(built)
    assert release.variants == tuple(VARIANTS)
    assert release.class_names == CLASSES
    for variant in VARIANTS:
        dataset = release.dataset(variant)
        assert len(dataset) == 9
        assert np.bincount(dataset.labels).tolist() == [3, 3, 3]
        ids = [f"{CLASSES[label]}/{number:03d}" for label in range(3) for number in range(3)]
        assert release.align(variant, ids)[1].tolist() == list(range(9))


def test_the_images_obey_the_laws(photos: Path, built: Path):
    originals = {}
    for label, name in enumerate(CLASSES):
        for number in range(3):
            image_id = f"{name}/{number:03d}"
            read = {each: pixels(built / each / "val" / f"{image_id}.png") for each in VARIANTS}
            mask = read_mask(built / "fg_mask" / "val" / f"{image_id}.npy", SIZE, SIZE)
            whole = Image.fromarray(photo(label * 3 + number))
            expected = eval_transform(Preprocess(SIZE, SIZE))(whole)
            np.testing.assert_array_equal(read["original"], expected)
            np.testing.assert_array_equal(read["only_fg"] + read["no_fg"], expected)
            assert not read["only_fg"][~mask].any()
            assert not read["no_fg"][mask].any()
            x0, y0, x1, y1 = box_of_mask(mask)
            inside = np.zeros((SIZE, SIZE), bool)
            inside[y0:y1, x0:x1] = True
            assert not read["only_bg_b"][inside].any()
            for each in ("only_bg_b", "only_bg_t"):
                np.testing.assert_array_equal(read[each][~inside], expected[~inside])
            left, top, right, bottom = largest_strip(SIZE, SIZE, (x0, y0, x1, y1))
            strip = expected[top:bottom, left:right]
            tiled = np.tile(strip, (SIZE, SIZE, 1))[:SIZE, :SIZE]
            np.testing.assert_array_equal(read["only_bg_t"][inside], tiled[inside])
            originals[image_id] = (read, mask)
    pairs = read_rows(built / "pairs.jsonl")
    assert len(pairs) == 27
    for pair in pairs:
        read, mask = originals[pair["fg"]]
        behind = originals[pair["bg"]][0]["only_bg_t"]
        mixed = np.where(mask[..., None], read["original"], behind)
        np.testing.assert_array_equal(read[pair["kind"]], mixed)


def test_the_pairs_are_those_of_the_table(built: Path):
    labels = np.repeat(np.arange(3), 3)
    ids = [f"{CLASSES[label]}/{number:03d}" for label in range(3) for number in range(3)]
    rows = read_rows(built / "pairs.jsonl")
    for kind in ("mixed_same", "mixed_rand", "mixed_next"):
        found = [row for row in rows if row["kind"] == kind]
        chosen = pair_backgrounds(labels, kind, 3, num_classes=3)
        assert [row["fg"] for row in found] == ids
        assert [row["bg"] for row in found] == [ids[index] for index in chosen]
        assert all(row["bg"].startswith(row["bg_class"] + "/") for row in found)
        assert {row["seed"] for row in found} == {3}


def test_evaluate_composes_the_same_pairs_by_the_same_seed(tmp_path: Path):
    """Whatever the source's order: a table's is its rows'."""
    root = write_photos(tmp_path)
    paths = sorted((root / "photos").rglob("*.png"))[::-1]
    rows = [f"{path},{path.parent.name}" for path in (*paths[4:], *paths[:4])]
    (root / "table.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    config = config_of(root, source=f"table:{root / 'table.csv'}", seed=5)
    build(config, tmp_path / "out", workers=1)
    masked = open_masked(open_release(tmp_path / "out"))
    pairs = read_rows(tmp_path / "out" / "pairs.jsonl")
    assert [row["fg"] for row in pairs[::3]] != masked.image_ids  # in the table's order
    found = {(row["fg"], row["kind"]): row["bg"] for row in pairs}
    for kind in ("mixed_same", "mixed_rand", "mixed_next"):
        for image_id, partner in zip(masked.image_ids, masked.partners(kind, 5), strict=True):
            assert found[image_id, kind] == masked.image_ids[partner]


def test_the_manifest_has_the_hashes_of_the_files(built: Path):
    manifest = json.loads((built / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert manifest["counts"]["accepted"] == manifest["counts"]["images"] == 9
    assert manifest["parameters"]["seed"] == 3
    assert (built / "rejected.jsonl").read_text() == ""
    files = contents(built)
    for variant in (*VARIANTS, "fg_mask"):
        lines = sorted(
            (path, hashlib.sha256(data).hexdigest())
            for path, data in files.items()
            if path.startswith(f"{variant}/")
        )
        text = "".join(f"{digest}  {path}\n" for path, digest in lines)
        assert manifest["sha256"][variant] == hashlib.sha256(text.encode()).hexdigest()
    for row in read_rows(built / "images.jsonl"):
        assert (
            row["sha256"]["original"]
            == hashlib.sha256(files[f"original/val/{row['id']}.png"]).hexdigest()
        )


def test_the_same_bytes_with_three_workers_and_other_pairs_with_another_seed(
    tmp_path: Path, photos: Path, built: Path
):
    more = write_photos(tmp_path, 9)
    build(config_of(more), tmp_path / "one", workers=1)
    build(config_of(more), tmp_path / "three", workers=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    build(config_of(photos, seed=4), tmp_path / "other", workers=1)
    first, other = contents(built), contents(tmp_path / "other")
    different = {path.split("/")[0] for path, data in first.items() if other[path] != data}
    assert different & set(VARIANTS) == {"mixed_same", "mixed_rand", "mixed_next"}


def test_a_broken_off_build_goes_on_with_what_is_there(tmp_path: Path, photos: Path, built: Path):
    out = tmp_path / "out"
    build(config_of(photos, seed=3), out, workers=1)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    lost = [
        out / "original" / "val" / CLASSES[1] / "001.png",
        out / "fg_mask" / "val" / CLASSES[0] / "002.npy",
        out / "mixed_rand" / "val" / CLASSES[2] / "000.png",
    ]
    for path in lost:
        path.unlink()
    rows = (out / "images.jsonl").read_text()
    (out / "images.jsonl").write_text(rows[: rows.rindex("sha256")])  # broken off while written
    build(config_of(photos, seed=3), out, workers=1)
    assert contents(out) == contents(built)
    again = {path for path, time in times.items() if path.stat().st_mtime_ns != time}
    remade = {f"{CLASSES[1]}/001", f"{CLASSES[0]}/002", f"{CLASSES[2]}/002"}
    own = [path for path in again if path != lost[2]]
    assert {f"{path.parent.name}/{path.stem}" for path in own} == remade
    assert not any("mixed" in str(path.relative_to(out)) for path in own)
    build(config_of(photos, seed=3), out, workers=1)  # complete: nothing to do
    assert contents(out) == contents(built)


@pytest.mark.parametrize("damage", ["cut short", "emptied", "of the same size", "another image"])
def test_a_file_that_is_not_what_was_written_is_made_again(
    damage: str, tmp_path: Path, photos: Path, built: Path, caplog: pytest.LogCaptureFixture
):
    out = tmp_path / "out"
    shutil.copytree(built, out)
    names = {"original": 0, "only_bg_t": 1, "no_fg": 2, "fg_mask": 0, "mixed_same": 1}
    for variant, number in names.items():
        suffix = ".npy" if variant == "fg_mask" else ".png"
        path = out / variant / "val" / CLASSES[number] / f"001{suffix}"
        data = path.read_bytes()
        other = path.with_name(f"002{suffix}").read_bytes()
        path.write_bytes(
            {
                "cut short": data[: len(data) // 2],
                "emptied": b"",
                "of the same size": data[:-9] + bytes(byte ^ 1 for byte in data[-9:]),
                "another image": other,
            }[damage]
        )
    build(config_of(photos, seed=3), out, workers=1)
    assert contents(out) == contents(built)
    assert "4 files aren't what this build wrote" in caplog.text  # of the first pass
    assert "1 file isn't what this build wrote" in caplog.text


def test_another_build_is_refused_by_what_differs(tmp_path: Path, photos: Path, built: Path):
    before = contents(built)
    with pytest.raises(InputError, match=r"parameter size: was 32, is 24"):
        build(config_of(photos, seed=3, size=24), built, workers=1)
    with pytest.raises(InputError, match=r"parameter seed: was 3, is 0(.|\n)*--overwrite"):
        build(config_of(photos), built, workers=1)
    other = write_photos(tmp_path, 2)
    with pytest.raises(InputError, match=r"input masks: (.|\n)*input source: "):
        build(config_of(other, seed=3), built, workers=1)
    assert contents(built) == before
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="isn't empty, and holds no build"):
            build(config_of(photos), tmp_path / "letters", workers=1, overwrite=overwrite)
    assert contents(tmp_path / "letters") == {"a.txt": b"mine"}


def test_overwrite_replaces_a_build(tmp_path: Path):
    root = write_photos(tmp_path, 2)
    build(config_of(root), tmp_path / "out", workers=1)
    build(config_of(root, size=24), tmp_path / "out", workers=1, overwrite=True)
    build(config_of(root, size=24), tmp_path / "new", workers=1)
    assert contents(tmp_path / "out") == contents(tmp_path / "new")


def faulty(root: Path) -> dict[str, str]:
    """Write an unfit image of each kind beside fit ones; return id -> reason."""
    photos, masks = root / "photos" / CLASSES[0], root / "masks" / CLASSES[0]
    whole = np.ones((HEIGHT, WIDTH), bool)
    beside = np.zeros_like(whole)
    beside[5:30, :16] = True
    most = whole.copy()
    most[:, 0] = False
    cases: dict[str, np.ndarray | None] = {
        "mask_empty": ~whole,
        "mask_full": whole,
        "box_covers_image": np.eye(HEIGHT, WIDTH, dtype=bool) | np.eye(HEIGHT, WIDTH, 20, bool),
        "box_too_large": most,
        "cropped_away": beside,
        "mask_size": disc(0, HEIGHT, WIDTH),
        "mask_values": disc(0) + 2 * np.eye(HEIGHT, WIDTH, dtype=np.uint8),
        "mask_missing": None,
        "thin": np.eye(HEIGHT, 1, -12, dtype=bool) & whole,  # a line that resizing leaves out
    }
    for name, mask in cases.items():
        save_photo(photos / f"{name}.png", photo(0))
        if mask is not None:
            save_mask(masks / f"{name}.npy", mask)
    expected = {name: name for name in cases} | {"thin": "mask_empty"}
    (photos / "image_unreadable.png").write_bytes(b"no image")
    save_mask(masks / "image_unreadable.npy", disc(0))
    (photos / "loop.png").symlink_to("loop.png")
    save_mask(masks / "loop.npy", disc(0))
    save_photo(photos / "text.png", photo(0))
    (masks / "text.png").write_bytes(b"no mask")
    save_photo(photos / "pickled.png", photo(0))
    np.save(masks / "pickled.npy", np.array([{"a": 1}]), allow_pickle=True)
    expected |= dict.fromkeys(("image_unreadable", "loop"), "image_unreadable")
    expected |= dict.fromkeys(("text", "pickled"), "mask_unreadable")
    return {f"{CLASSES[0]}/{name}": reason for name, reason in expected.items()}


def test_each_unfit_image_is_listed_with_its_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    root = write_photos(tmp_path, 2)
    expected = faulty(root)
    manifest = build(config_of(root), tmp_path / "out", workers=1)
    rows = read_rows(tmp_path / "out" / "rejected.jsonl")
    assert {row["id"]: row["reason"] for row in rows} == expected
    detail = {row["reason"]: row["detail"] for row in rows}
    assert "40 x 60 (wide x high), the upright image 60 x 40" in detail["mask_size"]
    assert "--mask-foreground" in detail["mask_values"]
    assert f"looked for {root / 'masks' / CLASSES[0]}/mask_missing.npy" in detail["mask_missing"]
    assert detail["mask_empty"].endswith("after resizing and cropping")
    assert "13 of 19 images were rejected, 68 % of them: 2 image_unreadable" in caplog.text
    assert "mend what is wrong" in caplog.text
    assert [manifest["counts"][key] for key in ("accepted", "images")] == [6, 6 + len(expected)]
    assert sum(manifest["counts"]["reasons"].values()) == len(expected)
    assert len(open_release(tmp_path / "out").dataset("mixed_next")) == 6


def test_a_class_of_which_too_little_is_left_stops_or_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    root = write_photos(tmp_path, 2)
    save_mask(root / "masks" / CLASSES[1] / "001.npy", np.zeros((HEIGHT, WIDTH), bool))
    with pytest.raises(InputError, match=r"01_wheeled vehicle: 1 accepted; rejected: 1 mask_empty"):
        build(config_of(root), tmp_path / "out", workers=1)
    assert len(read_rows(tmp_path / "out" / "rejected.jsonl")) == 1
    dropping = config_of(root, small_classes="drop")
    manifest = build(dropping, tmp_path / "out", workers=1)  # as the message advises
    assert "class '01_wheeled vehicle' is left out: 1 mask_empty" in caplog.text
    assert manifest["counts"]["reasons"] == {"class_too_small": 1, "mask_empty": 1}
    assert manifest["parameters"]["small_classes"] == "drop"
    assert open_release(tmp_path / "out").class_names == (CLASSES[0], CLASSES[2])
    build(dropping, tmp_path / "anew", workers=1)
    assert contents(tmp_path / "out") == contents(tmp_path / "anew")


def test_nothing_left_and_one_class_only_are_fatal(tmp_path: Path):
    root = write_photos(tmp_path, 2)
    for path in (root / "masks").rglob("*.npy"):
        save_mask(path, np.ones((HEIGHT, WIDTH), bool))
    with pytest.raises(InputError, match=r"3 of 3 classes have less:(.|\n)*rejected: 2 mask_full"):
        build(config_of(root, small_classes="drop"), tmp_path / "out", workers=1)
    alone = write_photos(tmp_path / "alone", 2, CLASSES[:1])
    (tmp_path / "boxes.csv").write_text(f"path,x0,y0,x1,y1\n{CLASSES[0]}/000.png,20,10,40,30\n")
    for config in (config_of(alone), config_of(alone, masks=None, boxes=tmp_path / "boxes.csv")):
        with pytest.raises(InputError, match="one class only"):
            build(config, tmp_path / "out", workers=1)
    two = config_of(root, masks=None, boxes=tmp_path / "boxes.csv", small_classes="drop")
    with pytest.raises(InputError, match=r"2 of 3 classes have less:"):
        build(two, tmp_path / "boxed", workers=1)


def write_boxes(root: Path) -> Path:
    lines = ["path,x0,y0,x1,y1"]
    for label, name in enumerate(CLASSES):
        for number in range(3):
            box = box_of_mask(disc(label * 3 + number))
            lines.append(",".join(map(str, (f"{name}/{number:03d}.png", *box))))
    (root / "boxes.csv").write_text("\n".join(lines) + "\n")
    return root / "boxes.csv"


def test_boxes_alone_make_the_box_variants(tmp_path: Path):
    root = write_photos(tmp_path)
    config = config_of(root, masks=None, boxes=write_boxes(root))
    manifest = build(config, tmp_path / "out", workers=1)
    assert open_release(tmp_path / "out").variants == ("original", "only_bg_b", "only_bg_t")
    assert set(manifest["sha256"]) == {"original", "only_bg_b", "only_bg_t"}
    assert not (tmp_path / "out" / "pairs.jsonl").exists()


def test_unfit_boxes_are_listed_with_their_reason(tmp_path: Path):
    root = write_photos(tmp_path, 8)
    boxes = [
        "0,0,60,40",
        "0,0,60,39",
        "-3,0,20,20",
        "10,10,10,20",
        "0,10,12,20",
        "20,10,40,30\n00_dog/005.png,1,1,5,5",
        "20,10,40,30",
    ]
    names = [f"{name}/{number:03d}.png" for name in CLASSES for number in range(8)]
    rows = [f"{name},{box}" for name, box in zip(names, boxes, strict=False)]
    rows += [f"{name},0,12,60,25" for name in names[8:]]  # as wide as the image
    (root / "boxes.csv").write_text("\n".join(["path,x0,y0,x1,y1", *rows]) + "\n")
    build(config_of(root, masks=None, boxes=root / "boxes.csv"), tmp_path / "out", workers=1)
    rejected = read_rows(tmp_path / "out" / "rejected.jsonl")
    (missing,) = [row["detail"] for row in rejected if row["reason"] == "box_missing"]
    assert missing == f"looked for '00_dog/007' or '007' in {root / 'boxes.csv'}"
    assert {row["id"]: row["reason"] for row in rejected} == {
        "00_dog/000": "box_covers_image",
        "00_dog/001": "box_too_large",
        "00_dog/002": "box_outside",
        "00_dog/003": "box_empty",
        "00_dog/004": "cropped_away",
        "00_dog/005": "several_objects",
        "00_dog/007": "box_missing",
    }


def test_grab_cut_makes_all_variants_with_any_workers(tmp_path: Path):
    pytest.importorskip("cv2")
    root = write_photos(tmp_path, 6)
    boxes = ["path,x0,y0,x1,y1"]
    for label, name in enumerate(CLASSES):
        for number in range(6):
            box = box_of_mask(disc(label * 6 + number))
            boxes.append(",".join(map(str, (f"{name}/{number:03d}", *box))))
    (root / "boxes.csv").write_text("\n".join(boxes) + "\n")
    config = config_of(root, masks=None, boxes=root / "boxes.csv", segment="grabcut")
    build(config, tmp_path / "one", workers=1)
    build(config, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert open_release(tmp_path / "one").variants == tuple(VARIANTS)
    mask = np.load(tmp_path / "one" / "fg_mask" / "val" / CLASSES[0] / "001.npy")
    truth = disc(1)[:, 10:50]
    side = np.asarray(Image.fromarray(truth).resize((SIZE, SIZE), Image.Resampling.NEAREST))
    assert (mask & side).sum() / (mask | side).sum() > 0.8
