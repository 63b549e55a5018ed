"""Transfer sets: cars, textures, scenes, food, signs, and pictures from above.

Counts: TensorFlow Datasets 4.9.10 and its catalog, and the authors' pages. Layouts: the archives as
torchvision 0.29 and TensorFlow Datasets read them; GTSRB's first phase is counted by the card of
tanganke/gtsrb. With SVHN and MNIST, six of these are the eight tasks of Ilharco et al. 2023 (arXiv
2212.04089; mlfoundations/task_vectors, commit 826a64c).
"""

from __future__ import annotations

from wiseft_jax.data.entry import Citation, DatasetEntry, Layout, Split, TfdsNames

EIGHT_TASKS = ("sun397", "cars", "resisc45", "eurosat", "svhn", "gtsrb", "mnist", "dtd")
"""The suite of the papers on merging, in their order."""

TRANSFER_DATASETS: dict[str, DatasetEntry] = {
    "cars": DatasetEntry(
        title="Stanford Cars",
        classes="cars",
        prompts="cars",
        layout=Layout(
            "stanford_cars",
            (
                Split(
                    "train",
                    ("cars_train",),
                    8_144,
                    "table",
                    "devkit/cars_train_annos.mat",
                    "class",
                    first_label=1,
                ),
                Split(
                    "test",
                    ("cars_test",),
                    8_041,
                    "table",
                    "cars_test_annos_withlabels.mat",
                    "class",
                    first_label=1,
                ),
            ),
        ),
        citation=Citation(
            "J. Krause, M. Stark, J. Deng, L. Fei-Fei",
            "3D Object Representations for Fine-Grained Categorization",
            "3dRR 2013",
            "https://ai.stanford.edu/~jkrause/cars/car_dataset.html",
        ),
        licence="none stated",
        obtain="the authors' page is no longer there; copies exist, but their folders may be "
        "sorted otherwise than the devkit's classes",
        tfds=TfdsNames("cars196", "2.1.0", (("train", "train"), ("test", "test"))),
        notes=("the devkit counts classes from 1, not in sorted order",),
    ),
    "dtd": DatasetEntry(
        title="Describable Textures, first partition",
        classes="dtd",
        prompts="dtd",
        layout=Layout(
            "dtd",
            (
                Split("train", ("images",), 1_880, index="labels/train1.txt"),
                Split("val", ("images",), 1_880, index="labels/val1.txt"),
                Split("test", ("images",), 1_880, index="labels/test1.txt"),
            ),
        ),
        citation=Citation(
            "M. Cimpoi, S. Maji, I. Kokkinos, S. Mohamed, A. Vedaldi",
            "Describing Textures in the Wild",
            "CVPR 2014",
            "https://arxiv.org/abs/1311.3618",
        ),
        licence="for research purposes",
        obtain="https://www.robots.ox.ac.uk/~vgg/data/dtd, dtd-r1.0.1.tar.gz",
        tfds=TfdsNames(
            "dtd", "3.0.1", (("train", "train"), ("validation", "val"), ("test", "test"))
        ),
        notes=(
            "ten partitions are published: the first is used, as TFDS does; train and val together "
            "are the 3,760 images that many papers train on",
        ),
        missing=("which images mlfoundations/task_vectors put into its folders train and val",),
    ),
    "sun397": DatasetEntry(
        title="SUN397, first partition",
        classes="sun397",
        prompts="sun397",
        layout=Layout(
            "SUN397",
            (
                Split("train", (".",), 19_850, index="Partitions/Training_01.txt"),
                Split("test", (".",), 19_850, index="Partitions/Testing_01.txt"),
            ),
        ),
        citation=Citation(
            "J. Xiao, J. Hays, K. A. Ehinger, A. Oliva, A. Torralba",
            "SUN Database: Large-scale Scene Recognition from Abbey to Zoo",
            "CVPR 2010",
            "https://vision.princeton.edu/projects/2010/SUN",
        ),
        licence="none stated",
        obtain="https://vision.princeton.edu/projects/2010/SUN: SUN397.tar.gz and Partitions.zip",
        tfds=TfdsNames(
            "sun397/standard-part1-120k", "4.0.0", (("train", "train"), ("test", "test"))
        ),
        notes=(
            "ten partitions are published, of 50 images a class and split; tfds:sun397/tfds is "
            "another: all 108,753 images, 76,128 to train, 10,875 to validate, 21,750 to test",
            "a class is a path of two or three folders; keys begin with /, as in the partitions",
            "openai/CLIP has jail cell before jail indoor, sorted paths the other way round",
            "files called .jpg hold JPEG, PNG, GIF and BMP; TFDS's images are of 120,000 pixels at "
            "most, compressed again",
        ),
        missing=(
            "which images mlfoundations/task_vectors put into its folders train and val",
            "the folder of the partitions: Partitions.zip has none of its own in TFDS's reading",
        ),
    ),
    "food101": DatasetEntry(
        title="Food-101",
        classes="food101",
        prompts="food101",
        layout=Layout(
            "food-101",
            (
                Split("train", ("images",), 75_750, index="meta/train.json"),
                Split("test", ("images",), 25_250, index="meta/test.json"),
            ),
        ),
        citation=Citation(
            "L. Bossard, M. Guillaumin, L. Van Gool",
            "Food-101: Mining Discriminative Components with Random Forests",
            "ECCV 2014",
            "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101",
        ),
        licence="none stated",
        obtain="http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
        tfds=TfdsNames("food101", "2.0.0", (("train", "train"), ("validation", "test")), "by_name"),
        notes=(
            "TFDS numbers cheesecake before cheese_plate, sorted folders the other way round",
            "training images were not cleaned: some labels are wrong",
        ),
    ),
    "resisc45": DatasetEntry(
        title="NWPU-RESISC45",
        classes="resisc45",
        prompts="resisc45",
        layout=Layout(
            "NWPU-RESISC45",
            (
                Split("all", (".",), 31_500),
                Split("train", (".",), None, index="resisc45-train.txt"),
                Split("val", (".",), None, index="resisc45-val.txt"),
                Split("test", (".",), None, index="resisc45-test.txt"),
            ),
        ),
        citation=Citation(
            "G. Cheng, J. Han, X. Lu",
            "Remote Sensing Image Scene Classification: Benchmark and State of the Art",
            "Proceedings of the IEEE 2017",
            "https://arxiv.org/abs/1703.00121",
        ),
        licence="none stated",
        obtain="https://1drv.ms/u/s!AmgKYzARBl5ca3HNaHIlzp_IXjs, NWPU-RESISC45.rar; lists of "
        "splits: https://storage.googleapis.com/remote_sensing_representations/resisc45-train.txt, "
        "-val, -test",
        tfds=TfdsNames("resisc45", "3.0.0", (("train", "all"),)),
        notes=(
            "700 images a class; its authors publish no split: those of Neumann et al. 2019 (arXiv "
            "1911.06721) are used, which list names of files",
        ),
        missing=("the exact number of images of the three splits: about 60, 20 and 20 %",),
    ),
    "eurosat": DatasetEntry(
        title="EuroSAT, RGB",
        classes="eurosat",
        prompts="eurosat",
        layout=Layout("2750", (Split("all", (".",), 27_000),)),
        citation=Citation(
            "P. Helber, B. Bischke, A. Dengel, D. Borth",
            "EuroSAT: A Novel Dataset and Deep Learning Benchmark for Land Use and Land Cover"
            " Classification",
            "IEEE JSTARS 2019",
            "https://arxiv.org/abs/1709.00029",
        ),
        licence="MIT (phelber/EuroSAT)",
        obtain="https://zenodo.org/record/7711810; before that, EuroSAT.zip",
        tfds=TfdsNames("eurosat/rgb", "2.0.0", (("train", "all"),)),
        notes=(
            "no split is published: wiseft holds one out by its seed",
            "openai/CLIP lists the classes in another order than the sorted folders",
        ),
        missing=(
            "the split of mlfoundations/task_vectors (EuroSAT_splits)",
            "the folder in Zenodo's archive; 2750 is that of EuroSAT.zip",
        ),
    ),
    "gtsrb": DatasetEntry(
        title="German Traffic Sign Recognition Benchmark",
        classes="gtsrb",
        prompts="gtsrb",
        layout=Layout(
            "gtsrb",
            (
                Split("train", ("GTSRB/Final_Training/Images",), 39_209),
                Split("train_online", ("GTSRB/Training",), 26_640, optional=True),
                Split(
                    "test",
                    ("GTSRB/Final_Test/Images",),
                    12_630,
                    "table",
                    "GT-final_test.csv",
                    "ClassId",
                ),
            ),
        ),
        citation=Citation(
            "J. Stallkamp, M. Schlipsing, J. Salmen, C. Igel",
            "The German Traffic Sign Recognition Benchmark: A multi-class classification "
            "competition",
            "IJCNN 2011",
            "https://benchmark.ini.rub.de",
        ),
        licence="none stated",
        obtain="https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370: "
        "GTSRB_Final_Training_Images.zip, GTSRB_Final_Test_Images.zip, GTSRB_Final_Test_GT.zip; "
        "train_online: GTSRB-Training_fixed.zip",
        notes=(
            "train_online is GTSRB-Training_fixed.zip, the first phase's, which torchvision and "
            "mlfoundations/task_vectors train on",
            "training images come in tracks of one sign: a random held-out set has its neighbours",
            "images are PPM; tables are separated by semicolons, and a folder of training images "
            "has a table too",
        ),
    ),
}
"""Data set id -> facts."""
