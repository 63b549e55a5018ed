"""``wiseft plan``: what a run needs of devices that needn't be there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.inputs import experiment_data
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.presets import load_config
from wiseft_jax.core.errors import EXIT_DONE, EXIT_FAULTS_FOUND, InputError
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.planning.faults import memory_limit
from wiseft_jax.planning.model_files import find_config
from wiseft_jax.planning.plan import PlanOptions, RunPlan, hours_text, make_plan
from wiseft_jax.planning.process import choose_method
from wiseft_jax.planning.roofline import EFFICIENCY
from wiseft_jax.planning.suggest import Suggestion
from wiseft_jax.planning.topology import FORMS, parse_topology
from wiseft_jax.training.config import TWO_TOWER_RECIPES

USAGE = (
    "usage: wiseft plan PRESET_OR_FILE --topology CHIP:SIZE [options]   |   wiseft plan --help\n"
    f"topologies: {FORMS}"
)


_SHOWN_COLLECTIVES = 8
_STEP_NAMES = {"train": "train step", "heads": "head of an alpha", "sweep": "sweep step"}


@dataclasses.dataclass(frozen=True)
class PlanArgs:
    """Plan a run before its devices are paid for: memory, FLOPs, collectives, time, what breaks.

    The real train and sweep steps are compiled for TPUs that needn't be there (with the extra
    `tpu`); for GPUs and CPUs they are estimated. Only the model's config.json is read. Times are
    predictions. Exit code 3: the run can't work as it is configured.
    """

    config: Annotated[ExperimentConfig, tyro.conf.arg(name="")]
    topology: str = ""
    """The devices: v5e:8x8, v4:2x2x4, h100:8, h200:2x8, cpu:8."""
    images: int | None = None
    """Training images; counted from data.train when not given."""
    classes: int | None = None
    """Classes; counted from data.train when not given."""
    test_images: int | None = None
    """Images that the sweep reads; counted, or a tenth of --images, when not given."""
    tokens: int | None = None
    """Of the longest prompt or caption, with its two ends, where the recipe trains the text tower;
    as many as the model reads when not given, which is an upper bound."""
    method: Literal["auto", "compile", "abstract"] = "auto"
    """`compile` (TPU with libtpu, CPU), `abstract` (estimates), `auto` says which and why."""
    efficiency: float = EFFICIENCY
    """Share of the peak that matrix products are assumed to reach."""
    verify: bool = False
    """Compile the first suggestion too."""
    peak_tflops: float | None = None
    """bfloat16 TFLOP/s of a device, in place of the table's."""
    memory_gib: float | None = None
    """Memory of a device in GiB, in place of the table's."""
    bandwidth_gbs: float | None = None
    """Memory bandwidth of a device in GB/s, in place of the table's."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    if not argv or argv[0].startswith("-"):
        if {"-h", "--help"} & set(argv):
            print(USAGE + "\n")
            default = PlanArgs(ExperimentConfig())
            parse(PlanArgs, ["--help"], "plan PRESET_OR_FILE", default=default)
        raise InputError(f"no preset or file is named\n{USAGE}")
    name, *rest = argv
    args = parse(PlanArgs, rest, f"plan {name}", default=PlanArgs(load_config(name)))
    args.common.apply()
    plan = make_plan(args.config, plan_options(args))
    if args.common.json:
        print_json(plan.to_json())
    else:
        print_plan(plan)
    return EXIT_DONE if plan.works else EXIT_FAULTS_FOUND


def plan_options(args: PlanArgs) -> PlanOptions:
    """Return the options of a plan; images and classes are counted when they aren't given.

    Raises:
      InputError: If there is no topology, no such model, or nothing to count.
    """
    from wiseft_jax.training.sampling import training_images

    _check(args)
    images, classes, evaluated = args.images, args.classes, args.test_images
    if images is None or classes is None:
        data = experiment_data(args.config)
        if images is None:
            images = len(training_images(data.train, args.config.training))
        classes = len(data.class_names) if classes is None else classes
        if evaluated is None:
            evaluated = sum(len(each) for each in (data.validation, *data.tests))
    return PlanOptions(
        topology=args.topology,
        num_images=images,
        num_classes=classes,
        num_evaluated=max(images // 10, 1) if evaluated is None else evaluated,
        method=args.method,
        efficiency=args.efficiency,
        peak_tflops=args.peak_tflops,
        memory_gib=args.memory_gib,
        bandwidth_gbs=args.bandwidth_gbs,
        verify=args.verify,
        num_tokens=args.tokens,
    )


def _check(args: PlanArgs) -> None:
    """Refuse what can be seen to be wrong before an image is read or a step is traced."""
    if not args.topology:
        raise InputError(f"--topology is not given; expected CHIP:SIZE, for example {FORMS}")
    topology = parse_topology(args.topology)
    args.config.mesh.sizes(topology.num_devices)
    choose_method(args.method, topology)
    if None in (args.images, args.classes) and not args.config.data.train:
        raise InputError("no images to count: give --images N and --classes K, or --data.train")
    if args.tokens is not None and not args.config.trains_text:
        raise InputError(
            f"--tokens: expected with a training.recipe that trains the text tower"
            f" ({', '.join(TWO_TOWER_RECIPES)}), found {args.config.training.recipe}; leave it out"
        )
    find_config(args.config.model.name)


def print_plan(plan: RunPlan) -> None:
    """Print a plan as tables."""
    value = plan.to_json()
    topology = value["topology"]
    print(
        f"{value['config']} on {topology['name']}: {topology['devices']} x"
        f" {topology['description']}, {topology['hosts']} host(s);"
        f" mesh {' x '.join(f'{name} {size}' for name, size in value['mesh'].items())}"
    )
    print(f"method: {value['steps']['train']['method']} ({value['why']})")
    names = list(value["steps"])
    rows = [_step_rows(name, value["steps"][name]) for name in names]
    labels = [label for label, _ in rows[0]]
    cells = [dict(column) for column in rows]
    print_table(
        "predicted, for one device",
        ("", *(_STEP_NAMES[name] for name in names)),
        [(label, *(column[label] for column in cells)) for label in labels],
    )
    _print_texts(plan)
    _print_sweep(value["steps"]["sweep"])
    print_table(
        f"memory of one device, limit {_size(value['memory_limit_bytes'])}",
        ("step", "part", "size"),
        [
            (name, part, _size(size))
            for name in names
            for part, size in value["steps"][name]["memory"].items()
        ],
    )
    collectives = [
        (
            name,
            each["kind"],
            str(each["group_size"]),
            _size(each["num_bytes"]),
            f"{each['count']:g}",
        )
        for name in names
        for each in value["steps"][name]["counts"]["collectives"][:_SHOWN_COLLECTIVES]
    ]
    if collectives:
        header = ("step", "kind", "devices", "size", "times")
        print_table("largest collectives of a step", header, collectives)
    _print_advice(plan)
    efficiency = value["assumptions"]["efficiency"]
    print(
        f"Times are predictions by the roofline model: matrix products at {efficiency:.0%} of the"
        " peak (--efficiency); the first time hides all collectives, the second none."
    )


def _print_advice(plan: RunPlan) -> None:
    for fault in plan.faults:
        print(f"{'BREAKS' if fault.breaks else 'warning'}: {fault.what}\n  {fault.fix}")
    if plan.works and memory_limit(plan.topology) is None:
        print("memory limit not known: give --memory-gib, or whether a step fits isn't checked")
    elif plan.works:
        print("nothing breaks")
    also = "also " if plan.works else ""
    if plan.configured is not None and plan.suggestions:
        print(f"train step as configured, estimated as below: {_estimates(plan.configured)}")
    for each in plan.suggestions:
        print(f"{also}fits: {each.options}\n  predicted {_estimates(each)}")
    if plan.works and not plan.suggestions:
        print("no other layout of the train step is predicted to fit")
    if plan.tightest is not None:
        print(
            f"nothing fits: the least is {_size(plan.tightest.memory_bytes)} a device with"
            f" {plan.tightest.options}"
        )
        if plan.largest is None:
            print("not even one image a device is predicted to fit: use more devices")
        else:
            print(
                f"use more devices, or {plan.largest.batch_size:,} images a step, the most that fit"
                f" (another batch gives another result): {plan.largest.options}\n"
                f"  predicted {_estimates(plan.largest)}"
            )
    if plan.verified is not None:
        needed = "refused" if plan.verified.too_large else _size(plan.verified.memory_bytes)
        print(f"the first suggestion, compiled: {needed} a device")


def _estimates(suggestion: Suggestion) -> str:
    secs = "" if suggestion.seconds is None else f", {suggestion.seconds:.3g} s a step"
    return f"{_size(suggestion.memory_bytes)} a device{secs}"


def _step_rows(name: str, step: dict[str, Any]) -> list[tuple[str, str]]:
    secs = step["secs"]
    rates, hours = step["images_per_sec"], step["hours"]
    counts = step["counts"]
    return [
        ("images a step", f"{step['images']:,}{' prompts' if name == 'heads' else ''}"),
        ("steps", f"{step['steps']:,}"),
        ("forward passes an image", _span(step["passes_per_image"])),
        ("memory", _size(step["memory_bytes"])),
        ("GFLOP", f"{counts['flops'] / 1e9:,.1f}"),
        ("memory traffic", _size(counts["bytes"])),
        ("time of products", _secs(secs["math"])),
        ("time of memory", _secs(secs["memory"])),
        ("time of collectives", _secs(secs["network"])),
        ("time of a step", f"{_secs(secs['overlapped'])} to {_secs(secs['exposed'])}"),
        ("bound by", step["bound"] or "not known"),
        ("images/s", f"{_number(rates['exposed'])} to {_number(rates['overlapped'])}"),
        ("hours", hours_text(hours)),
    ]


def _span(passes: dict[str, float]) -> str:
    low, high = f"{passes['low']:.3g}", f"{passes['high']:.3g}"
    return low if low == high else f"{low} to {high}"


def _print_texts(plan: RunPlan) -> None:
    if not plan.config.trains_text:
        return
    tokens = plan.options.num_tokens
    length = (
        "as many tokens as the model reads (--tokens)" if tokens is None else f"{tokens} tokens"
    )
    print(
        f"texts: {length}; heads are made of the text tower in float32, one for each alpha, on one"
        " device, before the sweep"
    )


def _print_sweep(step: dict[str, Any]) -> None:
    print(f"sweep: back-end {step['backend']} ({step['reason']})")
    curve = step["curve"]
    if curve is None:
        return
    least, most = curve["nodes"]
    nodes = f"{least}" if least == most else f"{least} to {most}"
    print(
        f"  {nodes} nodes a batch, with the audit and direct evaluation of what is uncertain"
        f" {_span(step['passes_per_image'])} forward passes an image while that is at most"
        f" {curve['uncertain_share']:.0%} of the predictions, which hours and images/s assume, and"
        f" up to {curve['rough']:.3g} where it is more or not smooth; the sweep step is that of"
        f" the first {step['passes']} passes; finding crossings on the host isn't counted"
    )


def _size(num_bytes: float | None) -> str:
    if num_bytes is None:
        return "not known"
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if num_bytes >= unit:
            return f"{num_bytes / unit:.2f} {name}"
    return f"{num_bytes:.0f} B"


def _secs(secs: float | None) -> str:
    return "not known" if secs is None else f"{secs * 1e3:,.2f} ms"


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:,.0f}"
