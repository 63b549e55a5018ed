"""ObjectNet and the video sets, whose classes are mapped from ImageNet's, and the matched axes.

Sources: mlfoundations/wise-ft, commit 58b7a4b (layouts, scores), and modestyachts/imagenet-testbed,
commit 0170eec (the counts of the matched subsets and of ImageNet-Vid-Robust).
"""

from __future__ import annotations

from wiseft_jax.data.catalog_imagenet import IMAGENET_DATASETS, IMAGENET_VAL
from wiseft_jax.data.entry import (
    Citation,
    DatasetEntry,
    Layout,
    Projection,
    Scoring,
    Split,
)

_ACROSS_TIME = Citation(
    "V. Shankar, A. Dave, R. Roelofs, D. Ramanan, B. Recht, L. Schmidt",
    "Do Image Classifiers Generalize Across Time?",
    "ICCV 2021",
    "https://arxiv.org/abs/1906.02168",
)
_VIDEO_ARCHIVE = (
    "https://do-imagenet-classifiers-generalize-across-time.s3-us-west-2.amazonaws.com/"
    "imagenet_vid_ytbb_robust.tar.gz"
)


def _matched(shift: str, classes: str, images: int, projection: Projection) -> DatasetEntry:
    """Return ImageNet's validation images of the classes that a shift has."""
    imagenet = IMAGENET_DATASETS["imagenet"]
    split = Split("val", IMAGENET_VAL, images, "imagenet_folder")
    return DatasetEntry(
        title=f"ImageNet val, classes of {shift}",
        classes=classes,
        prompts="imagenet",
        layout=Layout(imagenet.layout.folder, (split,)),
        citation=imagenet.citation,
        licence=imagenet.licence,
        obtain="as imagenet",
        scoring=Scoring(projection),
        notes=(
            f"the matched reference of {shift}, its axis for effective robustness and no shift: it"
            " is in no mean of shifts; predictions are among its classes alone",
        ),
    )


MATCHED_DATASETS: dict[str, DatasetEntry] = {
    "imagenet-r-val-classes": _matched("ImageNet-R", "imagenet-r", 10_000, "subset"),
    "imagenet-a-val-classes": _matched("ImageNet-A", "imagenet-a", 10_000, "subset"),
    "imagenet-objectnet-val-classes": _matched("ObjectNet", "objectnet", 6_250, "max"),
    "imagenet-vid-robust-val-classes": _matched("ImageNet-Vid-Robust", "vid-robust", 14_400, "max"),
    "imagenet-ytbb-robust-val-classes": _matched("YTBB-Robust", "ytbb-robust", 11_550, "max"),
}
"""Data set id -> facts: 50 images of each ImageNet class that is mapped."""

OBJECT_DATASETS: dict[str, DatasetEntry] = {
    "objectnet": DatasetEntry(
        title="ObjectNet, classes shared with ImageNet",
        classes="objectnet",
        prompts="imagenet",
        layout=Layout("objectnet-1.0", (Split("test", ("images",), 18_574),)),
        citation=Citation(
            "A. Barbu, D. Mayo, J. Alverio and others",
            "ObjectNet: A large-scale bias-controlled dataset for pushing the limits of object"
            " recognition models",
            "NeurIPS 2019",
            "https://objectnet.dev",
        ),
        licence="ObjectNet's own: https://objectnet.dev/download.html",
        obtain="https://objectnet.dev/downloads/objectnet-1.0.zip",
        scoring=Scoring("max"),
        reference="imagenet-objectnet-val-classes",
        border_px=2,
        notes=(
            "images has 313 folders, in the class list objectnet-folders; 113 overlap with "
            "ImageNet, and the label is the place among these, sorted",
            "the red border is cropped before anything is resized; the reference implementation "
            "never did it",
            "several of ImageNet's classes may count as one: chair is barber chair, folding chair "
            "and rocking chair",
        ),
        missing=("the text of the licence",),
    ),
    "vid-robust": DatasetEntry(
        title="ImageNet-Vid-Robust",
        classes="vid-robust",
        prompts="imagenet",
        layout=Layout(
            "imagenet_vid_ytbb_robust/imagenet-vid-robust",
            (Split("val", ("val",), 22_179, "video", "metadata/pmsets.json"),),
        ),
        citation=_ACROSS_TIME,
        licence="none stated; the frames are ImageNet VID's",
        obtain=_VIDEO_ARCHIVE,
        scoring=Scoring("max", ("pm0", "pm10")),
        reference="imagenet-vid-robust-val-classes",
        notes=(
            "metadata/pmsets.json: anchor -> the frames of its set, 1,109 anchors and 21,070 other "
            "frames; metadata/labels.json: frame -> the labels that count as right, one or more",
            "val has a folder for each video, not for each class",
        ),
    ),
    "ytbb-robust": DatasetEntry(
        title="YTBB-Robust",
        classes="ytbb-robust",
        prompts="imagenet",
        layout=Layout(
            "imagenet_vid_ytbb_robust/ytbb-robust",
            (
                Split(
                    "test",
                    ("ytbb_videos",),
                    35_718,
                    "reviewed_video",
                    "metadata/anchor_labels.json",
                    derived=True,
                ),
            ),
        ),
        citation=_ACROSS_TIME,
        licence="none stated; the frames are YouTube-BB's",
        obtain=f"{_VIDEO_ARCHIVE}; copy the reviewers' files, src/datasets/ytbb-robust_metadata of "
        "mlfoundations/wise-ft, to metadata beside ytbb_videos",
        scoring=Scoring("max", ("pm0", "pm10"), never=("none",)),
        reference="imagenet-ytbb-robust-val-classes",
        notes=(
            "the frames that count are those that reviewers called similar to a good anchor, in "
            "2,030 sets; the folder may hold more. metadata has anchor_labels.json, pmk_labels.json"
            " and ytbb_robustness_test_anchors_full.csv",
            "cow, giraffe, skateboard, toilet and none have no class of ImageNet's: their logit is "
            "0, and that of none is -1e10 whatever the head",
            "the first labels (ytbb_robustness_test_anchors_full.csv) have car and none, 22 and "
            "23, the other way round",
            "35,718 images and 2,030 sets are the paper's totals of both video sets (57,897 and "
            "3,139) less those of ImageNet-Vid-Robust; they were never counted",
        ),
    ),
}
"""Data set id -> facts."""
