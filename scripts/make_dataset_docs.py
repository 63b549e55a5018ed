"""Write what follows from the tables of data sets: ``docs/datasets.md``, and a part of ``NOTICE``.

    python scripts/make_dataset_docs.py

A test holds the committed files against it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from wiseft_jax.clip.prompts import PROMPT_SETS
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.catalog_facts import (
    images_text,
    published_specs,
    reported_split,
    tfds_specs,
    where_text,
)
from wiseft_jax.data.catalog_transfer import EIGHT_TASKS
from wiseft_jax.data.class_lists import CLASS_LISTS
from wiseft_jax.data.doctor_report import KINDS, SAMPLE
from wiseft_jax.data.entry import DatasetEntry

ROOT = Path(__file__).resolve().parents[1]
NOTICE = ROOT / "NOTICE"
PAGE = ROOT / "docs" / "datasets.md"

_WIDTH = 104
_BEGIN = "wiseft_jax/data/class_lists/\n"
_END = "wiseft_jax/quickstart/model/\n"
_INTRODUCTION = """\
Names of classes, their order and which of ImageNet's classes count as each: facts, in tables of
this project's own form. They come from what these projects publish, each compared with another
where there is one: openai/CLIP, copyright (c) 2021 OpenAI; mlfoundations/wise-ft, copyright (c)
2021-2022 Mitchell Wortsman and others; hendrycks/imagenet-r (2020) and
hendrycks/natural-adv-examples (2019), copyright (c) Dan Hendrycks; modestyachts/imagenet-testbed,
copyright (c) 2020 Rohan Taori and others; p-lambda/wilds, copyright (c) 2020 WILDS team;
LAION-AI/CLIP_benchmark, copyright (c) 2022 Mehdi Cherti, all under the MIT licence; TensorFlow
Datasets, Apache-2.0; abarbu/objectnet-template-tensorflow and MadryLab/backgrounds_challenge,
which state none."""

_HEAD = """\
# Data sets

Made by `python scripts/make_dataset_docs.py` from the catalog (`wiseft_jax/data/catalog.py`);
don't edit it here. `wiseft data list` prints the table, `wiseft data info ID` what follows for one
of them; `--json` has the same with fixed ids. Nothing is downloaded: how to get each set is said,
and its images stay where you put them.

- Paths are below the root that you keep data in, or below the data set's own folder.
- `published:ID:SPLIT@ROOT` opens a set where it lies, wherever the program takes data:
  `wiseft evaluate --model merged --data published:objectnet@/data`. `@ROOT` may be left out where
  `WISEFT_DATA_ROOT` is set, `:SPLIT` where there is one split; a corrupted set is named with
  corruption and severity, as in `published:imagenet-c/fog/3@/data`. Names of classes are those of
  the class list, and labels count in its order; images of other classes, and counts that aren't
  the published ones, are told.
- "not recorded" is what no source at hand says; what is missing is listed with each set.
- A class list has the data set's classes in label order, with its source and checksum; a prompt
  set has the templates. `wiseft data info ID --classes` lists the classes: where images lie in
  folders of classes, the keys are what the folders are called.
- "against" is the axis that a shift's accuracy is compared with: images of the same classes, with
  predictions among them. `*-val-classes` are such matched references: given among `--data.shifts`
  or as `--data.matched_references`, they count in no mean of shifts.
"""
_PREPARE = """\
## Prepare for a pod

Millions of small files are slow to list, to copy and to read from a bucket. `wiseft data prepare`
turns any source into ArrayRecord, in the layout of TensorFlow Datasets and without TensorFlow:

```sh
wiseft data prepare folder:photos --out prepared    # folders train/ and val/, or of classes: train
wiseft data prepare photos.tar.gz --out prepared --name packed    # an archive, never unpacked
wiseft run custom/folder --data.train tfds:prepared/photos/1.0.0:train
wiseft data prepare published:objectnet@/data --out gs://bucket/prepared
wiseft data prepare published:cifar10.2@/data --out prepared    # both of its splits
wiseft data prepare backgrounds:bg_challenge --name imagenet9 --out prepared   # variants as splits
wiseft evaluate --model merged --data tfds:gs://bucket/prepared/objectnet/1.0.0:test
```

- It writes `OUT/NAME[/CONFIG]/1.0.0`: `dataset_info.json`, `features.json`, `label.labels.txt`, and
  `NAME-SPLIT.array_record-00000-of-0000N`, each of about `--shard-mib` (256). `tfds:` takes the
  directory, or `NAME` where `TFDS_DATA_DIR` is `OUT`; so does `tfds.builder_from_directory`.
  `NAME` means TFDS's default configuration first, where its own set of that name has any and it
  lies there (`eurosat/rgb`); `NAME:1.0.0` is the one without.
- A folder or an archive has splits where its folders are called `train`, `val`, `test` and the
  like. Any others beside them (`sketches`) are splits too if they hold the same class folders; if
  they don't, nothing is prepared until `--split` says which ones are meant.
- A split that is called `all` (EuroSAT's) becomes `train`, as TFDS has it; beside others (RESISC45)
  it is their sum, and left out. `--split NAME` calls a single one otherwise.
- Records (`image`, `label`, `file_name`) keep the order of the source; training shuffles them by
  random access. JPEG and PNG files keep their bytes; anything else (arrays, WebP, ObjectNet without
  its border) becomes a PNG of its pixels. Labels, their order and class names are the source's; a
  name that is repeated (ImageNet's missile) is told apart in TFDS's list alone.
- Interrupted? SIGINT and SIGTERM exit with 42, and the same command goes on, also after a kill:
  finished shards are verified by SHA-256 and kept, one at most is lost, and the result is the same
  to the byte as in one go. `wiseft_manifest.json` has the source's fingerprint, options, class
  names, and each shard's checksum and counts. Given again, a finished command verifies everything,
  and writes anew what was damaged since; a reader names the shard that it can't read.
- A source, an option, or a version of Pillow or array_record that has changed is refused;
  `--overwrite` begins again. What the command didn't write it never removes.
- Each image is decoded once. One that can't be is named and stops the command;
  `--skip-unreadable` leaves such images out, and the report lists them.
- Archives: `.tar`, `.tar.gz` (`.tgz`), `.tar.bz2`, `.tar.xz` and `.zip`. A name that leads outside
  of the archive refuses it; links are passed over. A compressed tar needs room for its content in
  `TMPDIR` while it is read.
- `gs://` needs the extra `gcs`: shards are written on this machine and uploaded whole, and read by
  range. Going on, finished shards are downloaded once, for their checksums.
"""
_LABELS = """\
How an image gets its label:

| rule | label |
|---|---|
| `folder` | its folder is a key of the class list; other folders are passed over |
| `imagenet_folder` | its folder is a WordNet id; the label is what ImageNet's class counts as |
| `integer_folder` | its folder's name is the label, as a number |
| `table` | a table has a label for each file |
| `arrays` | arrays hold images and labels |
| `video` | JSON files have sets of frames and their labels |
| `reviewed_video` | the sets are made from what reviewers said of frames |

How the 1000 logits of ImageNet become those of the data set's classes:

| rule | logits |
|---|---|
| `none` | they are its classes, or it has a head of its own |
| `subset` | the logit of each class's one ImageNet class |
| `max` | the greatest of the logits of all ImageNet classes that count as it |
| `argmax` | the prediction is made among the 1000, and mapped; outside of the map it is wrong |

A set is projected so when its spec is `published:` (or `tfds:`, by a name that the catalog knows)
and the classifier's classes are ImageNet's 1000 in their order, as the class list's names or as
WordNet ids: those of a run on `published:imagenet:train` or `tfds:imagenet2012:train`, and of a
model exported from it. Every way of evaluating uses it, at every alpha: one model or several,
sweeps by any back-end, continuous curves and their flips, races, rules. Margins are between the
greatest logit and that of the best other class, a swap between two of ImageNet's classes that count
as one is no flip, and stored labels and predictions count the set's classes (-2: none of them).
Nothing is trained on such a set, nor is it a validation set.

- Other classifiers are matched by name, and predict among all their classes: a line says so. One of
  the set's own classes, in their order, has nothing to map.
- A class that no class of ImageNet counts as has the logit 0, whatever the head; one that is never
  predicted has -1e10.
- Two of ImageNet's names stand for two classes each, four of iWildCam's too: classes of a published
  list are told apart by their places. Their zero-shot logits are equal, and the first is predicted.

What a set is scored by, each a row of `results.jsonl` beside that of `top1`:

| metric | value, its n and 95 % interval |
|---|---|
| `top1` | accuracy; exact (Clopper-Pearson) |
| `worst_region` | the lowest accuracy of a group, with its n and name; exact (Bonferroni) |
| `macro_f1` | the mean F1 of the classes that occur in the labels; bootstrap over images |
| `pm0` | accuracy on anchors; n counts sets of frames; exact |
| `pm10` | accuracy on anchors whose whole sets are right; as `pm0` |

Where an image has several right labels any counts, and is stored as the first of them. A set of
which a frame can't be read counts in neither `pm0` nor `pm10`, and a line says how many.
`top1_mean_over_variants` is no row: each corruption at each severity is a set with its own `top1`,
and given as shifts the mean of shifts is their mean.

On a continuous curve that isn't `--sweep.curve.exact` these rows have a band as `top1` has, except
`macro_f1`, which may fall when a prediction turns right: there is no row of it at an alpha where a
prediction is uncertain, and a line says so. Alpha is chosen by `top1`.
"""
_CHECK = f"""\
## Check a download

```
wiseft data check imagenet-r --root /data          # every split that is there
wiseft data check imagenet --root /data --split val
wiseft data check imagenet-c --root /data --deep   # opens every image
```

It lists the images with the reader that `published:` uses, counts images and classes against this
page, decodes a seeded sample ({SAMPLE:,} of each split; `--sample`, `--seed`) or all (`--deep`),
and compares the content of all images by hash, within a split and between those that must have
none in common. For each thing that is wrong it says where, what was expected and found, and what to
do. Nothing is changed.

- It exits with 0 when nothing is wrong, with 3 when something is, with 2 when there is no such data
  set, split or root.
- An error is what can't be read, or isn't what was published. A warning can be read; look at it. A
  note is no fault: a split that isn't there while another is, unless `--split` asks for it; an
  archive that is left over; images that are doubled in a set of the published size, which is how
  its authors ship it.
- Where no count is recorded, the number is shown and isn't judged. One that is marked as derived
  was never counted (YTBB-Robust's): another number is a note.
- The order of classes is checked by name for `cifar10`, `cifar100` and `cars` alone: they ship
  their classes' names in label order (`batches.meta.txt`, `fine_label_names.txt`,
  `devkit/cars_meta.mat`; without that file nothing is compared). Of other numbers only the range
  is checked: folders that count from 1 instead of 0 (`imagenet-v2`), and labels in tables
  and arrays that are no class's (`svhn`, `mnist`, `cifar10.1`, `cifar10.2`, `cifar10-c`,
  `wilds-fmow`, `wilds-iwildcam`). Two numbers that are swapped are not found there. Folders that
  are called after classes are matched by name; two of them with each other's images are not found
  either, unless the images' names say so.
- Archives: of a tar the headers are read, so that one that is cut off is found; of `.tar.bz2`,
  `.tar.xz` and `.zip` the end. A `.tar.gz` ends with the size of its content, which must be whole
  blocks, and is read where it isn't; cuts that leave such a size by chance are found by `--deep`,
  which reads all, and the finding says that it wasn't. `.rar` and `.7z` aren't read.
- ObjectNet's images have a red border, which the reader cuts off. Of a few images it is looked at
  whether they have it: a copy that somebody cropped would lose a part of the picture. The reader
  warns of such a copy too.
- Of corruptions, each severity is checked, and those that lack are listed; one that is a copy of
  another is found. The sample is of all together.
- Good images are remembered by path, size and time: a second check is quick. `--no-cache`
  opens them again.
- `--json` has `id`, `root`, `splits`, `findings` (`kind`, `severity`, `split`, `what`, `where`,
  `expected`, `found`, `fix`) and `counts`, with a schema version; `where` has every file. Kinds are
  fixed:
"""


def page() -> str:
    """Return the text of ``docs/datasets.md``."""
    blocks = [_HEAD, _overview(), _LABELS, _check(), _PREPARE]
    blocks += ["## The sets\n", *(_section(name, entry) for name, entry in DATASETS.items())]
    blocks += [_class_lists(), _prompt_sets()]
    return "\n".join(blocks)


def _check() -> str:
    rows = [(f"`{kind}`", meaning) for kind, meaning in KINDS.items()]
    return f"{_CHECK}\n{_table(('kind', 'what it means'), rows)}"


def _overview() -> str:
    rows = [
        (
            f"[`{name}`](#{_anchor(name)})", entry.title, CLASS_LISTS[entry.classes].count,
            images_text(reported_split(entry).images, derived=reported_split(entry).derived),
            reported_split(entry).name,
            ", ".join(entry.scoring.metrics), entry.scoring.projection,
            f"`{entry.reference}`" if entry.reference else "",
        )
        for name, entry in DATASETS.items()
    ]  # fmt: skip
    header = ("id", "data set", "classes", "images", "of", "scored by", "logits", "against")
    tasks = ", ".join(f"`{name}`" for name in EIGHT_TASKS)
    return _table(header, rows) + f"\nThe eight tasks of the papers on merging: {tasks}.\n"


def _section(name: str, entry: DatasetEntry) -> str:
    specs = tfds_specs(entry)
    rows = [
        (
            split.name, images_text(split.images, derived=split.derived),
            f"`{where_text(entry.layout, split)}`",
            f"`{split.labels}`", f"`{specs[split.name]}`" if split.name in specs else "",
        )
        for split in entry.layout.splits
    ]  # fmt: skip
    table = _table(("split", "images", "below the root", "labels", "TFDS"), rows)
    published = ", ".join(f"`{spec}`" for spec in published_specs(name).values())
    opened = f"open it: {published or 'as `table:FILE`; the labels must be listed first'}"
    lines = "\n".join(f"- {line}" for line in (opened, *_lines(entry)))
    return f"### {name}\n\n{entry.title}.\n\n{table}\n{lines}\n"


def _lines(entry: DatasetEntry) -> Iterator[str]:
    scoring, citation = entry.scoring, entry.citation
    yield f"classes `{entry.classes}`, prompts `{entry.prompts}`"
    if entry.tfds is not None:
        order = {
            "same": "",
            "imagenet": ", with ImageNet's 1000 labels",
            "by_name": ", in another order",
            "numbers": ", where classes are called 0, 1, 2 and so on",
        }
        yield f"TFDS version {entry.tfds.version}{order[entry.tfds.labels]}"
    if scoring.groups is not None:
        groups = scoring.groups
        yield f"groups by {groups.column}: {', '.join(groups.values)} ({groups.source})"
    if scoring.never:
        yield f"never predicted: {', '.join(scoring.never)}"
    if entry.variants is not None:
        yield f"corruptions: {', '.join(entry.variants.corruptions)}"
        yield f"beside the benchmark: {', '.join(entry.variants.extra)}"
        renamed = [f"`{theirs}` for `{ours}`" for ours, theirs in entry.variants.renamed]
        if renamed:
            yield f"TFDS says {' and '.join(renamed)}"
    if entry.border_px:
        yield f"a border of {entry.border_px} pixels is cropped off first"
    yield from entry.notes
    yield f"licence: {entry.licence}"
    yield f"get it: {entry.obtain}"
    yield f"cite: {citation.authors}, *{citation.title}*, {citation.venue}, {citation.url}"
    yield from (f"**missing**: {text}" for text in entry.missing)


def _class_lists() -> str:
    rows = []
    for name, facts in CLASS_LISTS.items():
        notes = [facts.note] if facts.note else []
        if facts.repeats:
            notes.append(f"names that the published list repeats: {', '.join(facts.repeats)}")
        row = (f"`{name}`", facts.count, facts.mapped or "", facts.source, facts.licence)
        rows.append((*row, "; ".join(notes)))
    header = ("list", "classes", "ImageNet classes mapped", "source", "licence", "notes")
    return "## Class lists\n\n" + _table(header, rows)


def _prompt_sets() -> str:
    used = {entry.prompts for entry in DATASETS.values()}
    rows = [
        (f"`{name}`", len(facts.templates), facts.source, facts.licence)
        for name, facts in PROMPT_SETS.items()
        if name in used | {"svhn"}
    ]
    return "## Prompt sets\n\n" + _table(("set", "templates", "source", "licence"), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _anchor(name: str) -> str:
    return name.replace(".", "")


def notice_section() -> str:
    """Return NOTICE's section on the class lists: each file's source, licence and checksum."""
    blocks = [_wrapped(_INTRODUCTION)]
    for name, facts in CLASS_LISTS.items():
        blocks.append(
            _wrapped(f"{name}.tsv: {facts.count} classes. {facts.source}. {facts.licence}.")
            + f"\n  SHA-256 {facts.sha256}"
        )
    return _BEGIN + "\n".join(blocks) + "\n\n"


def with_section(notice: str) -> str:
    """Return the text of NOTICE with its section on the class lists made anew.

    Args:
      notice: The text as it is.
    """
    before, _, rest = notice.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + notice_section() + _END + after


def _wrapped(text: str) -> str:
    return textwrap.fill(
        " ".join(text.split()),
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def main() -> None:
    """Write the files."""
    PAGE.write_text(page(), encoding="utf-8")
    NOTICE.write_text(with_section(NOTICE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
