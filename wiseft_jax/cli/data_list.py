"""``wiseft data list``: every data set of the catalog."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.parse import parse
from wiseft_jax.core.errors import EXIT_DONE
from wiseft_jax.data.catalog_facts import images_text, list_facts


@dataclasses.dataclass(frozen=True)
class ListArgs:
    """List the published data sets that have a name here; `--json` has their fixed ids,
    metrics, licences and names in TensorFlow Datasets.
    """

    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    args = parse(ListArgs, argv, "data list")
    args.common.apply()
    facts = list_facts()
    if args.common.json:
        print_json(facts)
        return EXIT_DONE
    rows = [
        (row["id"], row["title"], str(row["classes"]), row["split"], images_text(row["images"]))
        for row in facts["datasets"]
    ]
    header = ("id", "data set", "classes", "split", "images")
    print_table(f"{len(rows)} data sets", header, rows)
    print(
        "wiseft data info ID says all that is known of one; --json has metrics, licences and more"
    )
    return EXIT_DONE
