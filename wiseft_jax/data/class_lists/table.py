"""The table of class lists: facts that others published, each with source, licence and checksum.

``<name>.tsv`` beside this file has a line for each class, in label order: what the data set's
authors call it (a folder, mostly), what a prompt says, and, where ImageNet's classes are mapped to
it, their indices.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class ClassList:
    """What is known of a list.

    Attributes:
      count: How many classes it has.
      sha256: Of its file.
      source: Where it was published.
      licence: The source's licence.
      note: What a reader should know of its order or its names.
      repeats: Names that the published list itself has more than once.
      mapped: How many of ImageNet's classes are mapped to one of its classes.
    """

    count: int
    sha256: str
    source: str
    licence: str
    note: str = ""
    repeats: tuple[str, ...] = ()
    mapped: int = 0


CLASS_LISTS: dict[str, ClassList] = {
    "cars": ClassList(
        196,
        "6252dbe8ea5e1c721a577d423719e6fee925e61e93b902296948a2c3217fdc7b",
        source=(
            "openai/CLIP, data/prompts.md (StanfordCars), commit d05afc4; TensorFlow "
            "Datasets 4.9.10, cars196 (the order of the devkit)"
        ),
        licence="MIT",
        note="keys are names: the devkit counts the classes from 1 in this order",
    ),
    "cifar10": ClassList(
        10,
        "a3da9106e0dd1cb22cd7280d140c27f7afadbdb822b64541e7cb3efd659f9ac7",
        source="openai/CLIP, data/prompts.md (CIFAR10), commit d05afc4",
        licence="MIT",
    ),
    "cifar100": ClassList(
        100,
        "e770931fa30a0d1cf4335854a29f4a0827eebc78fbf829178eb0771d93c072df",
        source="openai/CLIP, data/prompts.md (CIFAR100), commit d05afc4",
        licence="MIT",
        note="keys are the fine labels, with underscores",
    ),
    "digits": ClassList(
        10,
        "4dcc5e1f407cf242dbfadd9646a8787a341243d49517acf1046527fa6370e8b0",
        source="openai/CLIP, data/prompts.md (MNIST), commit d05afc4",
        licence="MIT",
        note="of MNIST and of SVHN, whose files call the digit zero 10",
    ),
    "dtd": ClassList(
        47,
        "c4beaf10c5d62de22378ebe69c8c1bbac9b9ddef040ebc29154b379d80807813",
        source=(
            "openai/CLIP, data/prompts.md (DescribableTextures), commit d05afc4; TensorFlow"
            " Datasets 4.9.10, dtd"
        ),
        licence="MIT",
    ),
    "eurosat": ClassList(
        10,
        "1d99f1009e1076d71364805e9ecc38f2c0c56eacc12e7810480970bcfe94dfc2",
        source=(
            "openai/CLIP, data/prompts.md (EuroSAT), commit d05afc4 for names; TensorFlow "
            "Datasets 4.9.10, eurosat, for folders; LAION-AI/CLIP_benchmark 1.6.2 for which"
            " is which"
        ),
        licence="MIT",
        note="prompts.md has the same names in another order",
    ),
    "fmow": ClassList(
        62,
        "39af64f67f766da95792550fdf4ecb9089437928b5a1ff3fba5bf44b889e706f",
        source=(
            "p-lambda/wilds, wilds/datasets/fmow_dataset.py, commit 4726775; "
            "mlfoundations/wise-ft, commit 58b7a4b"
        ),
        licence="MIT",
        note=(
            "names are the categories themselves, underscores and all, as WiSE-FT prompted "
            "with them"
        ),
    ),
    "food101": ClassList(
        101,
        "ff5eb5d798f0dbfa041ea7b23bdfad35b4fe7fe97f65f2d52d8ec6fbc74b982d",
        source=(
            "openai/CLIP, data/prompts.md (Food101), commit d05afc4; TensorFlow Datasets "
            "4.9.10, food101"
        ),
        licence="MIT",
        note="sorted folders; TFDS has cheesecake before cheese_plate",
    ),
    "gtsrb": ClassList(
        43,
        "fada80bd22a757be90d46a451b12271e089ca43f86364173dd9c4c7cf447b896",
        source="openai/CLIP, data/prompts.md (GTSRB), commit d05afc4",
        licence="MIT",
    ),
    "imagenet": ClassList(
        1000,
        "2bcfd63349c6beee07f8007783362c0c681d15943b5a9a5dd93c3e113c60d8b2",
        source=(
            "openai/CLIP, notebooks/Prompt_Engineering_for_ImageNet.ipynb, commit d05afc4 "
            "(names); TensorFlow Datasets 4.9.10, imagenet2012 (WordNet ids)"
        ),
        licence="MIT; Apache-2.0",
        repeats=("missile", "sunglasses"),
    ),
    "imagenet-9": ClassList(
        9,
        "67f768187d25d1c33410ecd5060f064851fb2dd3adf17984ef92cf09b4306d0a",
        source="MadryLab/backgrounds_challenge, in_to_in9.json, commit 46d224b",
        licence="none stated",
        mapped=370,
    ),
    "imagenet-a": ClassList(
        200,
        "b3cb646055802d55dee7e36406fcf1324cb7434b932530310e241d01cb1b38fe",
        source="hendrycks/natural-adv-examples, eval.py, commit 0777070",
        licence="MIT",
        note="names are those of imagenet",
        mapped=200,
    ),
    "imagenet-r": ClassList(
        200,
        "811f8d19b0a7f286890569eafb7fb31f73122fe5a21f5b2042b1599e4c047b0e",
        source="hendrycks/imagenet-r, eval.py, commit 3131cac",
        licence="MIT",
        note="names are those of imagenet",
        mapped=200,
    ),
    "iwildcam": ClassList(
        182,
        "d26dc5386d83a9cd0dba3f5c7e6aa343c4ed4c459ba4bed01f6e1f4594c3cafa",
        source="mlfoundations/wise-ft, src/datasets/iwildcam_metadata, commit 58b7a4b",
        licence="MIT",
        note="English names in lower case; keys are the y of metadata.csv",
        repeats=("central american red brocket", "jaguarundi", "lowland paca", "unknown bird"),
    ),
    "objectnet": ClassList(
        113,
        "7b6dfe4793bd56c8986b28a802f258aeb837625839db9d16ad7a2a06643a1e91",
        source=(
            "abarbu/objectnet-template-tensorflow, mapping_files, commit ec2a852; "
            "mlfoundations/wise-ft, commit 58b7a4b"
        ),
        licence="none stated; MIT",
        note=(
            "the classes that overlap with ImageNet, in the order of their folders; names "
            "in lower case"
        ),
        mapped=125,
    ),
    "objectnet-folders": ClassList(
        313,
        "31e76d00df71e48651512f769045e560589f66638ecb006ab5b7c1179c6461f7",
        source=(
            "abarbu/objectnet-template-tensorflow, mapping_files, commit ec2a852; "
            "modestyachts/imagenet-testbed, commit 0170eec"
        ),
        licence="none stated; MIT",
        note="all folders of the release",
    ),
    "resisc45": ClassList(
        45,
        "85b8478bf9429fbe5c14ca8792cd4531d5ae36d05a779b40095e5f50f4721986",
        source=(
            "openai/CLIP, data/prompts.md (RESISC45), commit d05afc4; TensorFlow Datasets "
            "4.9.10, resisc45"
        ),
        licence="MIT",
    ),
    "sun397": ClassList(
        397,
        "26503a798631981c0a8995461c4a2b839fde3c0c78d06087f0ae32b076afab3d",
        source=(
            "openai/CLIP, data/prompts.md (SUN397), commit d05afc4; TensorFlow Datasets "
            "4.9.10, sun397"
        ),
        licence="MIT",
        note="sorted paths, as TFDS; prompts.md has jail cell before jail indoor",
    ),
    "vid-robust": ClassList(
        30,
        "b1387683b384306ef71a1de9889bc3895c60c672e32a62234b1745145b63ae58",
        source=(
            "modestyachts/imagenet-testbed, src/eval_settings/imagenet-vid-robust_metadata,"
            " commit 0170eec (the map); duanzhiihao/myDetection, "
            "datasets/imagenet/class_map.py (names)"
        ),
        licence="MIT",
        note="keys are the WordNet ids of ImageNet VID",
        mapped=288,
    ),
    "ytbb-robust": ClassList(
        24,
        "bf6d51c9726ced886c65e24945d9fab93408331f38619bade1b10a310e01581f",
        source="mlfoundations/wise-ft, src/datasets/ytbb-robust_metadata, commit 58b7a4b",
        licence="MIT",
        mapped=231,
    ),
}
