from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from scripts import convert_torch
from tests.helpers.tiny_openclip import VARIANTS, tiny_openclip_directory
from wiseft_jax.clip.export import load_classifier
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.reading import Reading

pytestmark = pytest.mark.torch
GOLDEN = Path(__file__).parent.parent / "golden" / "openclip_quick_gelu.npz"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The CLIP that was fine-tuned: of other weights than the golden's."""
    return tiny_openclip_directory(tmp_path / "base", seed=99, quick_gelu=True)


@pytest.fixture
def state(tmp_path: Path) -> dict[str, Any]:
    """What model-soups saves, with the golden's image tower."""
    import torch

    directory = tiny_openclip_directory(tmp_path / "golden", **VARIANTS["quick_gelu"])
    stored = load_file(directory / "open_clip_model.safetensors")
    kept = {n: t for n, t in stored.items() if not n.startswith("transformer.")}
    rng = np.random.default_rng(0)
    head = {"weight": rng.normal(size=(3, 20)), "bias": rng.normal(size=3)}
    return {
        **{f"model.{name}": torch.from_numpy(tensor) for name, tensor in kept.items()},
        **{f"classification_head.{n}": torch.tensor(t).float() for n, t in head.items()},
    }


def save(content: Any, path: Path) -> str:
    import torch

    torch.save(content, path)
    return str(path)


def test_a_soups_checkpoint_predicts_as_pytorch_does(
    state: dict[str, Any], base: Path, tmp_path: Path, capsys: Any
):
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    out = tmp_path / "out"
    options = ["--base", str(base), "--classes", str(tmp_path / "names.txt")]
    file = save({f"module.{n}": t for n, t in state.items()}, tmp_path / "soup.pt")
    assert convert_torch.main([file, "--out", str(out), *options]) == 0
    assert "the image tower; give a base" in capsys.readouterr().out
    classifier, theta = load_classifier(out)
    assert classifier.class_names == ("a", "b", "c")
    with np.load(GOLDEN, allow_pickle=False) as golden:
        images, features = golden["images"], golden["image_features"]
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    weight, bias = (state[f"classification_head.{n}"].numpy() for n in ("weight", "bias"))
    found = jax.jit(classifier.logits)(theta, images)
    np.testing.assert_allclose(found, unit @ weight.T + bias, atol=1e-4)


def test_plain_safetensors_are_loaded_on_a_base(state: dict[str, Any], base: Path, tmp_path: Path):
    out = tmp_path / "out"
    halves = {name: tensor.half() for name, tensor in state.items()}
    file = save({"epoch": 3, "state_dict": halves}, tmp_path / "soup.pt")
    assert convert_torch.main([file, "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "head.safetensors",
        "open_clip_model.safetensors",
    ]
    stored = load_file(out / "open_clip_model.safetensors")
    expected = state["model.visual.proj"].half().float().numpy()
    np.testing.assert_array_equal(stored["visual.proj"], expected)
    reading = Reading(base=str(base))
    assert load_clip(base).config.vision_config.num_attention_heads == 2
    (out / "open_clip_config.json").write_bytes((base / "open_clip_config.json").read_bytes())
    clip = load_clip(out, reading=reading)
    np.testing.assert_array_equal(clip.params["visual_projection"]["kernel"], expected)
    text = load_clip(base).params["text_projection"]["kernel"]
    np.testing.assert_array_equal(clip.params["text_projection"]["kernel"], text)


class Trap:
    """Stands for a pickled module; a file of it would write when it is opened."""

    path = ""

    def __reduce__(self) -> Any:
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_pickled_module_is_refused_and_runs_nothing(how: str, tmp_path: Path, capsys: Any):
    trap, file = Trap(), tmp_path / "model.pt"
    trap.path = str(tmp_path / "sprung")
    if how == "pickle":
        file.write_bytes(pickle.dumps(trap))
    else:
        save(trap, file)
    assert convert_torch.main([str(file), "--out", str(tmp_path / "out")]) == 2
    assert "wise-ft pickles whole modules" in capsys.readouterr().err
    assert not (tmp_path / "sprung").exists()
    assert not (tmp_path / "out").exists()


def test_what_is_unknown_is_fatal_unless_allowed(
    state: dict[str, Any], tmp_path: Path, capsys: Any
):
    file = save({**state, "ema.decay": state["model.logit_scale"]}, tmp_path / "soup.pt")
    out = ["--out", str(tmp_path / "out")]
    assert convert_torch.main([file, *out]) == 2
    assert "unknown: ema.decay. Leave them out with" in capsys.readouterr().err
    assert convert_torch.main([file, *out, "--allow-missing", "ema.*"]) == 0


@pytest.mark.parametrize(("content", "what"), [([1], "list"), ({"a": 1}, "dict")])
def test_no_state_dict_is_refused(content: Any, what: str, tmp_path: Path, capsys: Any):
    file = save(content, tmp_path / "x.pt")
    assert convert_torch.main([file, "--out", str(tmp_path / "out")]) == 2
    assert f"expected a state dict, found {what}" in capsys.readouterr().err


def test_a_pointer_of_git_lfs_is_named_as_one(tmp_path: Path, capsys: Any):
    (tmp_path / "x.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert convert_torch.main([str(tmp_path / "x.pt"), "--out", str(tmp_path / "out")]) == 2
    assert "x.pt: is a Git LFS pointer, not the weights" in capsys.readouterr().err


def test_a_missing_file_is_named(tmp_path: Path, capsys: Any):
    assert convert_torch.main([str(tmp_path / "no.pt"), "--out", str(tmp_path / "out")]) == 2
    assert "no such file" in capsys.readouterr().err
