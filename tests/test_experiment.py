"""The stages of an experiment: what isn't covered by running whole ones in ``end_to_end``."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from wiseft_jax.clip.config import ModelConfig, load_model
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.experiment import ExperimentConfig, load_endpoints


@pytest.mark.parametrize(("templates", "said"), [("simple", True), ("digits", False)])
def test_the_embedded_model_warns_of_what_it_does_not_know(
    templates: str, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        classifier, theta_0 = load_model(ModelConfig(templates=templates), ("one", "two"))
    assert ("knows rendered digits and letters only" in caplog.text) == said
    assert "--model" not in caplog.text  # an option of some verbs, and of explain another
    assert classifier.class_names == ("one", "two")
    assert theta_0["head"]["kernel"].shape[1] == 2


def test_ends_of_an_unfinished_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fine-tuning isn't complete"):
        load_endpoints(ExperimentConfig(), RunDirectory(tmp_path))
