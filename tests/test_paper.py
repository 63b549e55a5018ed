"""The papers' experiments name what the catalog has: sets, splits, prompt sets, tasks."""

from __future__ import annotations

import pytest

from wiseft_jax import paper
from wiseft_jax.cli.presets import all_presets
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.catalog_transfer import EIGHT_TASKS
from wiseft_jax.data.config import DataConfig
from wiseft_jax.data.matched_references import published_reference
from wiseft_jax.data.specs import parse_spec, parse_specs
from wiseft_jax.experiment import ExperimentConfig

PRESETS = {
    name: config
    for name, preset in all_presets().items()
    if (config := preset.load()).data.train.startswith("published:")
}


def specs_of(data: DataConfig) -> list[str]:
    given = (data.train, data.validation, data.test, *data.shifts, *data.matched_references)
    return [text for text in given if text]


def test_every_experiment_of_the_papers_has_a_preset():
    models = ("vit_b32", "vit_b16", "vit_l14", "vit_l14_336")
    wanted = {f"imagenet/{m}{kind}" for m in models for kind in ("", "_linear", "_few_shot")}
    wanted |= {"imagenet/vit_b16_lp_ft", "imagenet/vit_b16_flyp", "cifar10/vit_b16"}
    wanted |= {f"transfer/{name}" for name in ("cifar100", "cars", "dtd", "sun397", "food101")}
    wanted |= {"wilds/fmow", "wilds/iwildcam", *(f"paint/{task}" for task in EIGHT_TASKS)}
    assert wanted == PRESETS.keys()


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_set_and_split_is_in_the_catalog(name: str):
    texts = specs_of(PRESETS[name].data)
    assert len(parse_specs(texts)) == len(texts)  # under names of their own
    for spec in map(parse_spec, texts):
        assert spec.root == ""  # the user's to say
        assert spec.split in [split.name for split in DATASETS[spec.target].layout.splits]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_shift_of_fewer_classes_comes_with_its_matched_reference(name: str):
    data = PRESETS[name].data
    wanted = [published_reference(parse_spec(shift).target) for shift in data.shifts]
    assert [parse_spec(each).target for each in data.matched_references] == [*filter(None, wanted)]
    assert len(data.matched_references) == (3 if name.startswith("imagenet/") else 0)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_head_is_made_of_the_prompts_of_its_data_set(name: str):
    config = PRESETS[name]
    simple = config.training.recipe == "flyp"  # its head is made again at each alpha
    prompts = DATASETS[parse_spec(config.data.train).target].prompts
    assert config.model.templates == ("simple" if simple else prompts)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_run_is_known_by_the_name_of_its_preset(name: str):
    assert PRESETS[name].name == name


def test_every_task_of_the_suite_can_be_patched():
    assert tuple(paper.PATCH_EPOCHS) == EIGHT_TASKS


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_no_run_stays_in_warm_up(name: str):
    config = PRESETS[name]
    images = num_images(config)
    if images is not None:
        plan = config.training.plan(images)
        assert plan.warmup_steps < plan.total_steps


def num_images(config: ExperimentConfig) -> int | None:
    """Return how many images are trained on, by the catalog; None: not recorded."""
    train = parse_spec(config.data.train)
    splits = {split.name: split.images for split in DATASETS[train.target].layout.splits}
    count = splits[train.split]
    if config.training.recipe == "few_shot":
        return 1000 * config.training.options.shots
    held = config.data.validation_fraction * (config.data.validation is None)
    held += config.data.test_fraction * (config.data.test is None)
    return None if count is None else round(count * (1 - held))
