"""Small images: CIFAR and its shifts, SVHN and MNIST.

Counts: TensorFlow Datasets 4.9.10 and its catalog, and the authors' pages. Layouts: the archives as
torchvision 0.29 reads them.
"""

from __future__ import annotations

from wiseft_jax.data.catalog_imagenet import CIFAR_C_VARIANTS, HENDRYCKS_CORRUPTIONS
from wiseft_jax.data.entry import Citation, DatasetEntry, Layout, Scoring, Split, TfdsNames

_CIFAR = Citation(
    "A. Krizhevsky",
    "Learning Multiple Layers of Features from Tiny Images",
    "University of Toronto, 2009",
    "https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf",
)
_BOTH = (("train", "train"), ("test", "test"))

SMALL_DATASETS: dict[str, DatasetEntry] = {
    "cifar10": DatasetEntry(
        title="CIFAR-10",
        classes="cifar10",
        prompts="cifar10",
        layout=Layout(
            "cifar-10-batches-bin",
            (
                Split("train", ("data_batch_*.bin",), 50_000, "arrays"),
                Split("test", ("test_batch.bin",), 10_000, "arrays"),
            ),
        ),
        citation=_CIFAR,
        licence="none stated",
        obtain="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        tfds=TfdsNames("cifar10", "3.0.2", _BOTH),
        notes=("a record of the binary version is a label and 3 x 32 x 32 bytes, channels first",),
    ),
    "cifar10.1": DatasetEntry(
        title="CIFAR-10.1 v6",
        classes="cifar10",
        prompts="cifar10",
        layout=Layout(
            "CIFAR-10.1",
            (
                Split(
                    "test", ("cifar10.1_v6_data.npy",), 2_000, "arrays", "cifar10.1_v6_labels.npy"
                ),
            ),
        ),
        citation=Citation(
            "B. Recht, R. Roelofs, L. Schmidt, V. Shankar",
            "Do CIFAR-10 Classifiers Generalize to CIFAR-10?",
            "2018",
            "https://arxiv.org/abs/1806.00451",
        ),
        licence="MIT (modestyachts/CIFAR-10.1)",
        obtain="https://github.com/modestyachts/CIFAR-10.1, folder datasets",
        tfds=TfdsNames("cifar10_1/v6", "1.1.0", (("test", "test"),), "numbers"),
        reference="cifar10",
        notes=("v4 has 2,021 images, not balanced; its authors recommend v6",),
    ),
    "cifar10.2": DatasetEntry(
        title="CIFAR-10.2",
        classes="cifar10",
        prompts="cifar10",
        layout=Layout(
            "CIFAR-10.2",
            (
                Split("train", ("cifar102_train.npz",), 10_000, "arrays", column="labels"),
                Split("test", ("cifar102_test.npz",), 2_000, "arrays", column="labels"),
            ),
        ),
        citation=Citation(
            "S. Lu, B. Nott, A. Olson, A. Todeschini, P. Vahabi, Y. Carmon, L. Schmidt",
            "Harder or Different? A Closer Look at Distribution Shift in Dataset Reproduction",
            "ICML 2020 workshop",
            "https://github.com/modestyachts/cifar-10.2",
        ),
        licence="none stated",
        obtain="https://github.com/modestyachts/cifar-10.2",
        reference="cifar10",
        notes=(
            "the .npy files of older commits are pickles and aren't read; the .npz files, which "
            "hold the same arrays under images and labels, are",
        ),
    ),
    "cifar100": DatasetEntry(
        title="CIFAR-100",
        classes="cifar100",
        prompts="cifar100",
        layout=Layout(
            "cifar-100-binary",
            (
                Split("train", ("train.bin",), 50_000, "arrays"),
                Split("test", ("test.bin",), 10_000, "arrays"),
            ),
        ),
        citation=_CIFAR,
        licence="none stated",
        obtain="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        tfds=TfdsNames("cifar100", "3.0.2", _BOTH),
        notes=("a record of the binary version begins with two labels: coarse, then fine",),
    ),
    "cifar10-c": DatasetEntry(
        title="CIFAR-10-C",
        classes="cifar10",
        prompts="cifar10",
        layout=Layout(
            "CIFAR-10-C", (Split("test", ("{corruption}.npy",), 10_000, "arrays", "labels.npy"),)
        ),
        citation=HENDRYCKS_CORRUPTIONS,
        licence="CC BY 4.0 (Zenodo record 2535967)",
        obtain="https://zenodo.org/record/2535967, CIFAR-10-C.tar",
        tfds=TfdsNames(
            "cifar10_corrupted/{corruption}_{severity}", "1.0.0", (("test", "test"),), "numbers"
        ),
        scoring=Scoring(metrics=("top1_mean_over_variants",)),
        reference="cifar10",
        variants=CIFAR_C_VARIANTS,
        notes=("each file has 50,000 images: 10,000 of severity 1, then of 2, to 5",),
    ),
    "svhn": DatasetEntry(
        title="Street View House Numbers, cropped digits",
        classes="digits",
        prompts="mnist",
        layout=Layout(
            "svhn",
            (
                Split("extra", ("extra_32x32.mat",), 531_131, "arrays", column="y", optional=True),
                Split("train", ("train_32x32.mat",), 73_257, "arrays", column="y"),
                Split("test", ("test_32x32.mat",), 26_032, "arrays", column="y"),
            ),
        ),
        citation=Citation(
            "Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Y. Ng",
            "Reading Digits in Natural Images with Unsupervised Feature Learning",
            "NIPS 2011 workshop",
            "http://ufldl.stanford.edu/housenumbers",
        ),
        licence="for non-commercial use",
        obtain="http://ufldl.stanford.edu/housenumbers: train_32x32.mat, test_32x32.mat, "
        "extra_32x32.mat",
        tfds=TfdsNames("svhn_cropped", "3.1.0", (*_BOTH, ("extra", "extra"))),
        notes=(
            "the files call the digit zero 10",
            "the papers on task arithmetic prompt it with mnist (mlfoundations/task_vectors); the "
            "prompt set svhn is LAION-AI/CLIP_benchmark's, whose classes are zero to nine",
        ),
    ),
    "mnist": DatasetEntry(
        title="MNIST",
        classes="digits",
        prompts="mnist",
        layout=Layout(
            "MNIST/raw",
            (
                Split(
                    "train",
                    ("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"),
                    60_000,
                    "arrays",
                    "train-labels-idx1-ubyte",
                ),
                Split(
                    "test",
                    ("t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"),
                    10_000,
                    "arrays",
                    "t10k-labels-idx1-ubyte",
                ),
            ),
        ),
        citation=Citation(
            "Y. LeCun, C. Cortes, C. J. C. Burges",
            "MNIST handwritten digit database",
            "2010",
            "http://yann.lecun.com/exdb/mnist",
        ),
        licence="none stated",
        obtain="https://storage.googleapis.com/cvdf-datasets/mnist",
        tfds=TfdsNames("mnist", "3.0.1", _BOTH),
        notes=("grey images of 28 x 28; the file of labels ends in .gz when that of images does",),
    ),
}
"""Data set id -> facts."""
