"""Where the configuration of a plan's model is: embedded, known, in a directory, on the hub."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.tiny import tiny_clip_directory
from tests.helpers.tiny_openclip import tiny_openclip_directory
from wiseft_jax.clip.architectures import ARCHITECTURES
from wiseft_jax.clip.hub import EMBEDDED_DIRECTORY
from wiseft_jax.core.errors import InputError
from wiseft_jax.planning.model_files import find_config


def test_what_is_known_has_none_and_the_rest_a_directory(tmp_path: Path):
    assert find_config("glyphclip") == EMBEDDED_DIRECTORY
    for name, architecture in ARCHITECTURES.items():
        assert find_config(name) is None
        assert not any(find_config(hub_id) for hub_id in architecture.hub_ids)
    directory = tiny_clip_directory(tmp_path / "clip")
    assert find_config(str(directory)) == Path(directory)
    openclip = tiny_openclip_directory(tmp_path / "openclip")
    assert find_config(str(openclip)) == openclip


def test_a_directory_without_a_configuration_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"config\.json: missing; give as --model\.name"):
        find_config(str(tmp_path))


def test_no_jax_is_needed_to_refuse_a_name():
    program = """
import sys
from wiseft_jax.planning.model_files import find_config
try:
    find_config("ViT-B/15")
except ValueError as error:
    print(error)
print("jax" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    said, imported = done.stdout.splitlines()
    assert "Did you mean 'ViT-B/16'?" in said
    assert imported == "False"
