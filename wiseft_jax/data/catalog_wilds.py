"""WILDS: satellite images over time and regions, camera traps in other places.

Source: p-lambda/wilds, commit 4726775 (splits, groups, scores), mlfoundations/wise-ft, commit
58b7a4b.
"""

from __future__ import annotations

from wiseft_jax.data.entry import Citation, DatasetEntry, Groups, Layout, Scoring, Split

_FMOW = ("table", "rgb_metadata.csv", "category")
_IWILDCAM = ("table", "metadata.csv", "y")
_WILDS = "P. W. Koh, S. Sagawa, H. Marklund and others"

WILDS_DATASETS: dict[str, DatasetEntry] = {
    "wilds-fmow": DatasetEntry(
        title="WILDS-FMoW: Functional Map of the World",
        classes="fmow",
        prompts="fmow",
        layout=Layout(
            "fmow_v1.1",
            (
                Split(
                    "train",
                    ("images",),
                    None,
                    *_FMOW,
                    where="split is train, timestamp before 2013",
                ),
                Split(
                    "id_val", ("images",), None, *_FMOW, where="split is val, timestamp before 2013"
                ),
                Split(
                    "id_test",
                    ("images",),
                    None,
                    *_FMOW,
                    where="split is test, timestamp before 2013",
                ),
                Split(
                    "val",
                    ("images",),
                    None,
                    *_FMOW,
                    where="split is val, timestamp from 2013 and before 2016",
                ),
                Split(
                    "test", ("images",), None, *_FMOW, where="split is test, timestamp from 2016"
                ),
            ),
        ),
        citation=Citation(
            f"{_WILDS}; G. Christie, N. Fendley, J. Wilson, R. Mukherjee",
            "WILDS: A Benchmark of in-the-Wild Distribution Shifts; Functional Map of the World",
            "ICML 2021; CVPR 2018",
            "https://arxiv.org/abs/2012.07421",
        ),
        licence="FMoW Challenge Public License",
        obtain="https://wilds.stanford.edu (the package wilds downloads it: 54 GB)",
        scoring=Scoring(
            metrics=("top1", "worst_region"),
            groups=Groups(
                "region",
                ("Africa", "Americas", "Asia", "Europe", "Oceania"),
                ("Other",),
                "country_code_mapping.csv: alpha-3 of a row's country_code -> region; Other where "
                "there is none",
            ),
        ),
        notes=(
            "the label is the place of category among the classes; row i of rgb_metadata.csv is "
            "images/rgb_img_<i>.png; rows whose split is seq are left out",
            "id_test is scored by accuracy, test by the accuracy of the worst region; a region "
            "without images doesn't count, nor does Other",
        ),
        missing=("the number of images of each split (the appendix of the WILDS paper has them)",),
    ),
    "wilds-iwildcam": DatasetEntry(
        title="WILDS-iWildCam 2020",
        classes="iwildcam",
        prompts="iwildcam",
        layout=Layout(
            "iwildcam_v2.0",
            (
                Split("train", ("train",), 129_809, *_IWILDCAM, where="split is train"),
                Split("id_val", ("train",), 7_314, *_IWILDCAM, where="split is id_val"),
                Split("id_test", ("train",), 8_154, *_IWILDCAM, where="split is id_test"),
                Split("val", ("train",), 14_961, *_IWILDCAM, where="split is val"),
                Split("test", ("train",), 42_791, *_IWILDCAM, where="split is test"),
            ),
        ),
        citation=Citation(
            f"{_WILDS}; S. Beery, E. Cole, A. Gjoka",
            "WILDS: A Benchmark of in-the-Wild Distribution Shifts; The iWildCam 2020 Competition"
            " Dataset",
            "ICML 2021; 2020",
            "https://arxiv.org/abs/2012.07421",
        ),
        licence="Community Data License Agreement, Permissive, 1.0",
        obtain="https://wilds.stanford.edu (the package wilds downloads it: 12 GB)",
        scoring=Scoring(metrics=("macro_f1", "top1")),
        notes=(
            "images of all splits lie in train; the column filename names them",
            "class 0 is empty: no animal; four English names stand for two classes each",
        ),
    ),
}
"""Data set id -> facts."""
