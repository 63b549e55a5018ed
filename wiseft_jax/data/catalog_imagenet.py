"""ImageNet, and what is measured with its classes.

Counts: TensorFlow Datasets' catalog (ImageNet), the authors' pages, and
modestyachts/imagenet-testbed, commit 0170eec. Folders: those that mlfoundations/wise-ft, commit
58b7a4b, reads.
"""

from __future__ import annotations

from wiseft_jax.data.entry import (
    Citation,
    DatasetEntry,
    Layout,
    Scoring,
    Split,
    TfdsNames,
    Variants,
)

IMAGENET_VAL = ("val_in_folder", "val")
"""Where the validation images lie, a folder for each class; the first that exists."""

_ILSVRC = Citation(
    "O. Russakovsky, J. Deng, H. Su and others",
    "ImageNet Large Scale Visual Recognition Challenge",
    "IJCV 2015",
    "https://arxiv.org/abs/1409.0575",
)
_CORRUPTIONS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur",
    "zoom_blur", "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate",
    "jpeg_compression",
)  # fmt: skip
_EXTRA_CORRUPTIONS = ("gaussian_blur", "saturate", "spatter", "speckle_noise")

HENDRYCKS_CORRUPTIONS = Citation(
    "D. Hendrycks, T. Dietterich",
    "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
    "ICLR 2019",
    "https://arxiv.org/abs/1903.12261",
)
IMAGENET_C_VARIANTS = Variants(_CORRUPTIONS, _EXTRA_CORRUPTIONS)
CIFAR_C_VARIANTS = Variants(
    _CORRUPTIONS,
    _EXTRA_CORRUPTIONS,
    renamed=(("elastic_transform", "elastic"), ("glass_blur", "frosted_glass_blur")),
)

IMAGENET_DATASETS: dict[str, DatasetEntry] = {
    "imagenet": DatasetEntry(
        title="ImageNet (ILSVRC 2012)",
        classes="imagenet",
        prompts="imagenet",
        layout=Layout(
            "imagenet",
            (Split("train", ("train",), 1_281_167), Split("val", IMAGENET_VAL, 50_000)),
        ),
        citation=_ILSVRC,
        licence="ImageNet's terms: non-commercial research and education",
        obtain="register at https://image-net.org, download ILSVRC2012_img_train.tar and "
        "ILSVRC2012_img_val.tar, and put the images of each class in a folder of its WordNet id",
        tfds=TfdsNames("imagenet2012", "5.1.0", (("train", "train"), ("validation", "val"))),
        notes=(
            "the archive of validation images is flat: its folders are made by the user",
            "WiSE-FT's few-shot sets are k images a class of train, k in 1, 2, 4, 8, 16, 25, "
            "32, 50, 64, 128, 600, drawn at random",
            "two names stand for two classes each: missile and sunglasses",
        ),
    ),
    "imagenet-v2": DatasetEntry(
        title="ImageNet-V2, matched frequency",
        classes="imagenet",
        prompts="imagenet",
        layout=Layout(
            "imagenetv2-matched-frequency-format-val",
            (Split("test", (".",), 10_000, "integer_folder"),),
        ),
        citation=Citation(
            "B. Recht, R. Roelofs, L. Schmidt, V. Shankar",
            "Do ImageNet Classifiers Generalize to ImageNet?",
            "ICML 2019",
            "https://arxiv.org/abs/1902.10811",
        ),
        licence="MIT (modestyachts/ImageNetV2)",
        obtain="https://huggingface.co/datasets/vaishaal/ImageNetV2, "
        "imagenetv2-matched-frequency.tar.gz",
        tfds=TfdsNames("imagenet_v2/matched-frequency", "3.0.0", (("test", "test"),)),
        reference="imagenet",
        notes=(
            "folders are called 0 to 999: the name is the label as a number; sorted as text, 10 "
            "comes before 2",
        ),
    ),
    "imagenet-r": DatasetEntry(
        title="ImageNet-R(endition)",
        classes="imagenet-r",
        prompts="imagenet",
        layout=Layout("imagenet-r", (Split("test", (".",), 30_000),)),
        citation=Citation(
            "D. Hendrycks, S. Basart, N. Mu and others",
            "The Many Faces of Robustness: A Critical Analysis of Out-of-Distribution"
            " Generalization",
            "ICCV 2021",
            "https://arxiv.org/abs/2006.16241",
        ),
        licence="MIT (hendrycks/imagenet-r)",
        obtain="https://people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar",
        tfds=TfdsNames("imagenet_r", "0.2.0", (("test", "test"),), "imagenet"),
        scoring=Scoring("subset"),
        reference="imagenet-r-val-classes",
        notes=("TFDS labels count ImageNet's 1000 classes, the folders 200",),
    ),
    "imagenet-a": DatasetEntry(
        title="ImageNet-A",
        classes="imagenet-a",
        prompts="imagenet",
        layout=Layout("imagenet-a", (Split("test", (".",), 7_500),)),
        citation=Citation(
            "D. Hendrycks, K. Zhao, S. Basart, J. Steinhardt, D. Song",
            "Natural Adversarial Examples",
            "CVPR 2021",
            "https://arxiv.org/abs/1907.07174",
        ),
        licence="MIT (hendrycks/natural-adv-examples)",
        obtain="https://people.eecs.berkeley.edu/~hendrycks/imagenet-a.tar",
        tfds=TfdsNames("imagenet_a", "0.1.0", (("test", "test"),), "imagenet"),
        scoring=Scoring("subset"),
        reference="imagenet-a-val-classes",
        notes=("TFDS labels count ImageNet's 1000 classes, the folders 200",),
    ),
    "imagenet-sketch": DatasetEntry(
        title="ImageNet-Sketch",
        classes="imagenet",
        prompts="imagenet",
        layout=Layout("sketch", (Split("test", (".",), 50_889),)),
        citation=Citation(
            "H. Wang, S. Ge, Z. Lipton, E. P. Xing",
            "Learning Robust Global Representations by Penalizing Local Predictive Power",
            "NeurIPS 2019",
            "https://arxiv.org/abs/1905.13549",
        ),
        licence="MIT (HaohanWang/ImageNet-Sketch)",
        obtain="https://github.com/HaohanWang/ImageNet-Sketch links to the archive, 7.8 GB",
        tfds=TfdsNames("imagenet_sketch", "1.0.0", (("test", "test"),)),
        reference="imagenet",
        notes=("its page says 50,000 images, 50 a class; the archive has 50,889",),
    ),
    "imagenet-c": DatasetEntry(
        title="ImageNet-C",
        classes="imagenet",
        prompts="imagenet",
        layout=Layout("ImageNet-C", (Split("test", ("{corruption}/{severity}",), 50_000),)),
        citation=HENDRYCKS_CORRUPTIONS,
        licence="not recorded",
        obtain="https://zenodo.org/record/2235448: blur, digital, extra, noise and weather .tar",
        tfds=TfdsNames(
            "imagenet2012_corrupted/{corruption}_{severity}", "3.1.0", (("validation", "test"),)
        ),
        scoring=Scoring(metrics=("top1_mean_over_variants",)),
        reference="imagenet",
        variants=IMAGENET_C_VARIANTS,
        notes=(
            "the images are 224 x 224 JPEGs, already cropped; count and order of images are those "
            "of ImageNet's validation set at each corruption and severity",
            "TFDS makes its corruptions itself: its images aren't the published ones",
        ),
        missing=("the licence of the Zenodo record",),
    ),
    "imagenet-9": DatasetEntry(
        title="ImageNet-9 (Noise or Signal)",
        classes="imagenet-9",
        prompts="imagenet",
        layout=Layout("bg_challenge", (Split("val", ("original/val",), 4_050),)),
        citation=Citation(
            "K. Xiao, L. Engstrom, A. Ilyas, A. Madry",
            "Noise or Signal: The Role of Image Backgrounds in Object Recognition",
            "ICLR 2021",
            "https://arxiv.org/abs/2006.09994",
        ),
        licence="none stated (MadryLab/backgrounds_challenge); the images are ImageNet's",
        obtain="https://github.com/MadryLab/backgrounds_challenge/releases",
        scoring=Scoring("argmax"),
        notes=(
            "a folder for each of the eight variants; wiseft backgrounds evaluates them together",
            "an argmax among all 1000 classes comes first: a prediction outside of the nine is "
            "wrong",
        ),
    ),
}
"""Data set id -> facts."""
