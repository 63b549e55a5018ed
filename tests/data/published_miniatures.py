"""Miniatures of published data sets, as their authors ship them, with the true names of images.

Paths, lists and labels are written out, not made from the catalog: they are what it is held to.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.io

from tests.data.builders import encode, pixels
from wiseft_jax.data.catalog import DATASETS

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".ppm": "PPM"}


@dataclasses.dataclass(frozen=True)
class Miniature:
    """A split in files.

    Attributes:
      images: Path below the data set's folder -> what a prompt says for it.
      passed_over: Images beside them that aren't the split's.
      files: Path of another file -> its content.
      variant: ``CORRUPTION/SEVERITY``.
    """

    images: Mapping[str, str]
    passed_over: tuple[str, ...] = ()
    files: Mapping[str, str | bytes] = dataclasses.field(default_factory=dict)
    variant: str = ""


def write_miniature(root: Path, name: str, split: str) -> Miniature:
    """Write a split of a data set into its folder below ``root``."""
    found = MINIATURES[name, split]
    folder = root / DATASETS[name].layout.folder
    for seed, path in enumerate((*found.images, *found.passed_over)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        image = pixels(seed)
        if border := DATASETS[name].border_px:
            inner = image[border:-border, border:-border].copy()
            image[:] = (255, 0, 0)
            image[border:-border, border:-border] = inner
        (folder / path).write_bytes(encode(image, FORMATS[Path(path).suffix.lower()]))
    for path, content in found.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        (folder / path).write_bytes(data)
    return found


def cars_devkit(rows: list[tuple[str, int]]) -> bytes:
    """Return the devkit's file: a structure ``annotations`` of boxes, classes and file names."""
    kinds = [(name, object) for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")]
    table = np.zeros((1, len(rows)), [*kinds, ("class", object), ("fname", object)])
    for index, (file, number) in enumerate(rows):
        table[0, index] = (1, 1, 8, 8, np.uint8(number), file)
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"annotations": table})
    return buffer.getvalue()


def _imagenet(folder: str, stem: str) -> dict[str, str]:
    return {
        f"{folder}/n01440764/{stem}_00000293.JPEG": "tench",
        f"{folder}/n01440764/{stem}_00002138.JPEG": "tench",
        f"{folder}/n01530575/{stem}_00000007.JPEG": "brambling",
        f"{folder}/n04008634/{stem}_00000011.JPEG": "missile",
        f"{folder}/n15075141/{stem}_00000003.JPEG": "toilet paper",
    }


def _matched(known: dict[str, str], other: str) -> Miniature:
    images = {
        f"val_in_folder/{folder}/ILSVRC2012_val_{number:08d}.JPEG": name
        for number, (folder, name) in enumerate(known.items())
    }
    return Miniature(images, (f"val_in_folder/{other}/ILSVRC2012_val_00000999.JPEG",))


_DTD = {"images/woven/woven_0131.jpg": "woven", "images/banded/banded_0002.jpg": "banded"}
_SUN = {
    "a/apartment_building/outdoor/sun_avzxgqkmqfytpwft.jpg": "apartment building outdoor",
    "j/jail_cell/sun_aahdqoxqqmfnyjzq.jpg": "jail cell",
    "j/jail/indoor/sun_adlckzmowpzndsnq.jpg": "jail indoor",
    "a/abbey/sun_aakbdcgfpksytcwj.jpg": "abbey",
}
_SUN_LIST = "".join(f"/{path}\n" for path in _SUN)
_FOOD = {
    "images/cheesecake/1011328.jpg": "cheesecake",
    "images/cheese_plate/101251.jpg": "cheese plate",
    "images/cheese_plate/1034399.jpg": "cheese plate",
}
_FOOD_LIST = (
    '{"cheesecake": ["cheesecake/1011328"],'
    ' "cheese_plate": ["cheese_plate/101251", "cheese_plate/1034399"]}'
)
_RESISC = {
    "circular_farmland/circular_farmland_001.jpg": "circular farmland",
    "airplane/airplane_020.jpg": "airplane",
}
_RESISC_LIST = "circular_farmland_001.jpg\nairplane_020.jpg\n"
_FMOW = (
    "split,img_filename,country_code,category,timestamp\n"
    'train,"a, b.jpg",FRA,zoo,2012-12-31T10:00:00Z\n'
    "train,c.jpg,KEN,airport,2014-01-01T00:00:00Z\n"
    "val,d.jpg,KEN,airport_hangar,2012-05-05T00:00:00Z\n"
    "val,e.jpg,KEN,zoo,2013-01-01T00:00:00Z\n"
    "val,f.jpg,KEN,airport,2016-01-01T00:00:00Z\n"
    "test,g.jpg,PER,airport,2011-07-07T00:00:00Z\n"
    "test,h.jpg,PER,airport_hangar,2016-01-01T00:00:00Z\n"
    "test,i.jpg,PER,zoo,2015-12-31T23:59:59Z\n"
    "seq,j.jpg,PER,zoo,2011-01-01T00:00:00Z\n"
)
COUNTRIES = (
    "name,alpha-2,alpha-3,country-code,iso_3166-2,region,sub-region\n"
    "Antarctica,AQ,ATA,010,ISO 3166-2:AQ,,\n"
    "France,FR,FRA,250,ISO 3166-2:FR,Europe,Western Europe\n"
    "Kenya,KE,KEN,404,ISO 3166-2:KE,Africa,Sub-Saharan Africa\n"
    "Peru,PE,PER,604,ISO 3166-2:PE,Americas,Latin America and the Caribbean\n"
)
_FMOW_ROWS = {  # split -> row -> name
    "train": {0: "zoo"},
    "id_val": {2: "airport_hangar"},
    "id_test": {5: "airport"},
    "val": {3: "zoo"},
    "test": {6: "airport_hangar"},
}
_CAMERAS = ("train", "id_val", "id_test", "val", "test")
_CAMERA_TABLE = ",split,location_remapped,y,filename\n" + "".join(
    f"{2 * i},{split},7,181,a{i}.jpg\n{2 * i + 1},{split},7,{i},b{i}.jpg\n"
    for i, split in enumerate(_CAMERAS)
)
_ANIMALS = (
    "empty", "white-lipped peccary", "central american agouti", "lowland paca", "cougar",
)  # fmt: skip
_VIDEO = "val/ILSVRC2015_val_00007021"
_SIGNS = ("Final_Training/Images", "Training")
_YIELD = "red and white upside down triangle yield right-of-way"
_NO_MORE = "white circle with gray strike bar indicating no passing for trucks has ended"
_SIGN_HEAD = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"

_ANCHORS = """{"annotations": [
  {"key": "/home/u/anchors/04rVDII50JU_66600/frame-1998.jpg", "notes": "", "labels": [0, 4]},
  {"key": "/home/u/anchors/06V473j_Jys_136666/frame-3413.jpg", "notes": "", "labels": [0]},
  {"key": "07zMfnGizTM_409333/frame-12279.jpg", "notes": "", "labels": [0, 1]},
  {"key": "A_weMKVolQM_82466/frame-2062.jpg", "notes": "", "labels": [0]}],
  "labels": ["good", "unsure", "bad", "person", "dog", "car"]}"""
_PAIRS = """{"annotations": [
  {"key": "04rVDII50JU_66600/frame-1998.jpg,04rVDII50JU_66600/frame-1996.jpg", "labels": [0]},
  {"key": "04rVDII50JU_66600/frame-1998.jpg,04rVDII50JU_66600/frame-1999.jpg", "labels": [0, 2]},
  {"key": "04rVDII50JU_66600/frame-1998.jpg,04rVDII50JU_66600/frame-2001.jpg", "labels": [1]},
  {"key": "04rVDII50JU_66600/frame-1998.jpg,04rVDII50JU_66600/frame-2001.jpg", "labels": [0, 3]},
  {"key": "04rVDII50JU_66600/frame-1998.jpg,04rVDII50JU_66600/frame-2008.jpg", "labels": [0]},
  {"key": "04rVDII50JU_66600/frame-1998.jpg,04rVDII50JU_66600/frame-2009.jpg", "labels": [0]},
  {"key": "A_weMKVolQM_82466/frame-2062.jpg,A_weMKVolQM_82466/frame-2063.jpg", "labels": [0, 4]}],
  "labels": ["similar", "dissimilar", "blur-increase", "correct", "bad-anchor"]}"""

MINIATURES: dict[tuple[str, str], Miniature] = {
    ("imagenet", "train"): Miniature(_imagenet("train", "n00000000")),
    ("imagenet", "val"): Miniature(
        _imagenet("val", "ILSVRC2012_val"), files={"val/n01440764/.DS_Store": "x"}
    ),
    ("imagenet-v2", "test"): Miniature(
        {
            "0/0b0bb2b8ecb2ebd5fda1a0d45d54fc0eb0a0ec3f.jpeg": "tench",
            "10/00eb6ba4a9dbc33ea6ae9ae1e13ac4a8dd01ff33.jpeg": "brambling",
            "2/02ae10ad9e7cb4e8d1dd3dbb73d50bd24e9ee3e7.jpeg": "great white shark",
            "999/0a6e6ae5c4e90fb5b4e0a4c7f7aa4e8c7f1b8f77.jpeg": "toilet paper",
        },
        ("1000/stray.jpeg",),
    ),
    ("imagenet-r", "test"): Miniature(
        {"n02128385/art_0.jpg": "leopard", "n01443537/sticker_4.jpg": "goldfish"},
        files={"README.txt": "ImageNet-R"},
    ),
    ("imagenet-a", "test"): Miniature(
        {
            "n01498041/0.000116_digital clock _ digital clock_0.865662.jpg": "stingray",
            "n01534433/0.000571_cliff _ cliff_0.507780.jpg": "junco",
        },
        files={"README.txt": "ImageNet-A"},
    ),
    ("imagenet-sketch", "test"): Miniature(
        {"n01440764/sketch_0.JPEG": "tench", "n15075141/sketch_12.JPEG": "toilet paper"}
    ),
    ("imagenet-c", "test"): Miniature(
        _imagenet("zoom_blur/4", "ILSVRC2012_val"),
        ("zoom_blur/3/n01440764/ILSVRC2012_val_00000293.JPEG",
         "fog/4/n01440764/ILSVRC2012_val_00000293.JPEG"),
        variant="zoom_blur/4",
    ),
    ("imagenet-9", "val"): Miniature(
        {
            "original/val/02_wheeled vehicle/fg_n02701002_10115.JPEG": "wheeled vehicle",
            "original/val/00_dog/fg_n02085620_10074.JPEG": "dog",
            "original/val/06_musical instrument/fg_n02672831_1137.JPEG": "musical instrument",
        },
        ("mixed_rand/val/00_dog/fg_n02085620_10074.JPEG",),
    ),
    ("objectnet", "test"): Miniature(
        {
            "images/chair/0a1d5f6d2f6e4d9.png": "chair",
            "images/alarm_clock/00a5a5d2c2d84b5.png": "alarm clock",
            "images/butchers_knife/1b0f6b1a8e6a4c1.png": "butcher's knife",
        },
        ("images/air_freshener/02d5cd4cba1e4c1.png", "images/baking_sheet/0a3a4d5d6e.png"),
        files={"mappings/folder_to_objectnet_label.json": "{}"},
    ),
    ("imagenet-r-val-classes", "val"): _matched(
        {"n02128385": "leopard", "n01443537": "goldfish"}, "n01440764"
    ),
    ("imagenet-a-val-classes", "val"): _matched(
        {"n01534433": "junco", "n01498041": "stingray"}, "n01440764"
    ),
    ("imagenet-objectnet-val-classes", "val"): _matched(
        {"n03792782": "bicycle", "n03376595": "chair"}, "n01440764"
    ),
    ("imagenet-vid-robust-val-classes", "val"): _matched(
        {"n03792782": "bicycle", "n02391049": "zebra"}, "n03376595"
    ),
    ("imagenet-ytbb-robust-val-classes", "val"): _matched(
        {"n03792782": "bicycle", "n02391049": "zebra"}, "n03376595"
    ),
    **{
        ("dtd", split): Miniature(
            _DTD,
            ("images/banded/banded_0004.jpg",),
            {f"labels/{list_}1.txt": "woven/woven_0131.jpg\nbanded/banded_0002.jpg\n"},
        )
        for split, list_ in (("train", "train"), ("val", "val"), ("test", "test"))
    },
    **{
        ("sun397", split): Miniature(
            _SUN, ("a/abbey/sun_other.jpg",), {f"Partitions/{list_}_01.txt": _SUN_LIST}
        )
        for split, list_ in (("train", "Training"), ("test", "Testing"))
    },
    **{
        ("food101", split): Miniature(
            _FOOD, ("images/cheesecake/999.jpg",), {f"meta/{split}.json": _FOOD_LIST}
        )
        for split in ("train", "test")
    },
    ("resisc45", "all"): Miniature(_RESISC),
    **{
        ("resisc45", split): Miniature(
            _RESISC, ("airplane/airplane_021.jpg",), {f"resisc45-{split}.txt": _RESISC_LIST}
        )
        for split in ("train", "val", "test")
    },
    ("eurosat", "all"): Miniature(
        {"SeaLake/SeaLake_1.jpg": "lake or sea", "AnnualCrop/AnnualCrop_10.jpg": "annual crop land"}
    ),
    **{
        ("gtsrb", split): Miniature(
            {
                f"GTSRB/{folder}/00042/00000_00000.ppm": _NO_MORE,
                f"GTSRB/{folder}/00013/00000_00001.ppm": _YIELD,
            },
            files={f"GTSRB/{folder}/00013/GT-00013.csv": _SIGN_HEAD},
        )
        for split, folder in zip(("train", "train_online"), _SIGNS, strict=True)
    },
    ("gtsrb", "test"): Miniature(
        {
            "GTSRB/Final_Test/Images/00000.ppm": _NO_MORE,
            "GTSRB/Final_Test/Images/00001.ppm": _YIELD,
        },
        files={
            "GT-final_test.csv": f"{_SIGN_HEAD}00000.ppm;53;54;6;5;48;49;42\n"
            "00001.ppm;42;45;5;5;36;40;13\n"
        },
    ),
    **{
        ("cars", split): Miniature(
            {
                f"cars_{split}/00001.jpg": "Audi TTS Coupe 2012",
                f"cars_{split}/00003.jpg": "AM General Hummer SUV 2000",
                f"cars_{split}/00002.jpg": "smart fortwo Convertible 2012",
            },
            files={
                devkit: cars_devkit([("00001.jpg", 14), ("00003.jpg", 1), ("00002.jpg", 196)])
            },
        )
        for split, devkit in (
            ("train", "devkit/cars_train_annos.mat"),
            ("test", "cars_test_annos_withlabels.mat"),
        )
    },
    **{
        ("wilds-fmow", split): Miniature(
            {f"images/rgb_img_{row}.png": name for row, name in rows.items()},
            files={"rgb_metadata.csv": _FMOW, "country_code_mapping.csv": COUNTRIES},
        )
        for split, rows in _FMOW_ROWS.items()
    },
    **{
        ("wilds-iwildcam", split): Miniature(
            {
                f"train/a{i}.jpg": "central american red brocket",
                f"train/b{i}.jpg": _ANIMALS[i],
            },
            files={"metadata.csv": _CAMERA_TABLE},
        )
        for i, split in enumerate(_CAMERAS)
    },
    ("vid-robust", "val"): Miniature(
        {
            f"{_VIDEO}/000045.JPEG": "dog",
            f"{_VIDEO}/000044.JPEG": "dog",
            f"{_VIDEO}/000046.JPEG": "airplane",
            "val/ILSVRC2015_val_00000001/000000.JPEG": "zebra",
        },
        (f"{_VIDEO}/000100.JPEG",),
        {
            "metadata/pmsets.json": f'{{"{_VIDEO}/000045.JPEG":'
            f' ["{_VIDEO}/000044.JPEG", "{_VIDEO}/000046.JPEG"],'
            ' "val/ILSVRC2015_val_00000001/000000.JPEG": []}',
            "metadata/labels.json": f'{{"{_VIDEO}/000044.JPEG": [8],'
            f' "{_VIDEO}/000045.JPEG": [8, 9], "{_VIDEO}/000046.JPEG": [0, 8],'
            ' "val/ILSVRC2015_val_00000001/000000.JPEG": [29],'
            f' "{_VIDEO}/000100.JPEG": [8]}}',
        },
    ),
    ("ytbb-robust", "test"): Miniature(
        {
            "ytbb_videos/04rVDII50JU_66600/frame-1998.jpg": "car",
            "ytbb_videos/04rVDII50JU_66600/frame-1996.jpg": "car",
            "ytbb_videos/04rVDII50JU_66600/frame-2001.jpg": "car",
            "ytbb_videos/04rVDII50JU_66600/frame-2008.jpg": "car",
            "ytbb_videos/06V473j_Jys_136666/frame-3413.jpg": "bird",
        },
        (
            "ytbb_videos/04rVDII50JU_66600/frame-1999.jpg",
            "ytbb_videos/04rVDII50JU_66600/frame-2009.jpg",
            "ytbb_videos/07zMfnGizTM_409333/frame-12279.jpg",
        ),
        {
            "metadata/anchor_labels.json": _ANCHORS,
            "metadata/pmk_labels.json": _PAIRS,
            "metadata/ytbb_robustness_test_anchors_full.csv": "ytid,time_ms,label\n"
            "04rVDII50JU,66600,22\n06V473j_Jys,136666,1\n07zMfnGizTM,409333,3\n"
            "A_weMKVolQM,82466,0\n",
        },
    ),
}  # fmt: skip
"""(data set id, split) -> its miniature."""
