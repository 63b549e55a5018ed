from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import requests
from huggingface_hub import constants, errors

from wiseft_jax.clip.hub import EMBEDDED_DIRECTORY, download_config, resolve_directory
from wiseft_jax.core.errors import InputError


class FakeHub:
    """A hub that has some files, one request a pattern list."""

    def __init__(self, directory: Path, files: list[str]) -> None:
        self.directory, self.files = directory, files
        self.requests: list[tuple[str, str | None, list[str]]] = []

    def __call__(self, repository: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        self.requests.append((repository, revision, allow_patterns))
        for name in self.files:
            if any(Path(name).match(pattern) for pattern in allow_patterns):
                (self.directory / name).touch()
        return str(self.directory)


def test_the_embedded_name_is_a_directory_of_the_package():
    assert resolve_directory("glyphclip") == EMBEDDED_DIRECTORY
    assert EMBEDDED_DIRECTORY.parts[-3:] == ("wiseft_jax", "quickstart", "model")


def test_a_directory_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert resolve_directory(tmp_path) == tmp_path
    assert resolve_directory(str(tmp_path)) == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    assert resolve_directory("~/model") == tmp_path / "model"


def test_a_local_directory_wins_over_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert resolve_directory("owner/name") == Path("owner/name")


@pytest.mark.parametrize(
    "name", ["/no/such", "./no", "a/b/c", "nothing", "owner/", "~/no", "", "a\\b"]
)
def test_what_is_no_hub_id_is_reported_as_a_missing_directory(name: str):
    with pytest.raises(
        InputError, match=r"no such directory \(looked at /.*not a hub id.*owner/name"
    ):
        resolve_directory(name)


def test_a_path_object_is_never_a_hub_id(tmp_path: Path):
    with pytest.raises(InputError, match="no such directory"):
        resolve_directory(Path("owner/name"))


def test_a_misspelt_name_gets_a_suggestion():
    with pytest.raises(InputError, match="Did you mean 'glyphclip'"):
        resolve_directory("glyphclp")


def test_a_file_is_refused(tmp_path: Path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InputError, match="this is a file; give a directory, or a"):
        resolve_directory(tmp_path / "model.safetensors")
    (tmp_path / "model.pt").touch()
    with pytest.raises(InputError, match=r"scripts/convert_torch\.py"):
        resolve_directory(tmp_path / "model.pt")


def test_offline_is_respected_and_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    # The real huggingface_hub: the test session sets HF_HUB_OFFLINE, and any connection fails it.
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set") as caught:
        resolve_directory("no-such-owner/no-such-model")
    assert "no directory /" in str(caught.value)
    assert "taken for a hub id" in str(caught.value)


@pytest.mark.parametrize(
    ("files", "requests"),
    [
        (["config.json", "model.safetensors", "flax_model.msgpack"], 2),
        (["model.safetensors.index.json", "model-00001-of-00001.safetensors"], 3),
        (["config.json", "flax_model.msgpack", "pytorch_model.bin"], 4),
        (["open_clip_config.json", "open_clip_model.safetensors"], 5),
        (["config.json", "pytorch_model.bin"], 5),
    ],
)
def test_only_the_weights_that_are_read_are_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], requests: int
):
    hub = FakeHub(tmp_path, files)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    assert resolve_directory("owner/name@v1.0") == tmp_path
    assert {request[:2] for request in hub.requests} == {("owner/name", "v1.0")}
    assert len(hub.requests) == requests
    assert not (tmp_path / "pytorch_model.bin").exists()
    if "model.safetensors" in files:
        assert not (tmp_path / "flax_model.msgpack").exists()


def response(status: int) -> Any:
    answer = requests.Response()
    answer.status_code = status
    return answer


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.LocalEntryNotFoundError("no"), "can't be reached.*Try again, or give a local"),
        (
            errors.RepositoryNotFoundError("404", response=response(404)),
            "no such model or revision",
        ),
        (errors.RevisionNotFoundError("404", response=response(404)), "no such model or revision"),
        (errors.GatedRepoError("403", response=response(403)), "access to it is gated"),
        (
            errors.EntryNotFoundError("404", response=response(404)),
            "no such file .404.*give a local",
        ),
        (errors.HfHubHTTPError("500", response=response(500)), "download failed"),
        (OSError("disk full"), "download failed .disk full"),
    ],
)
def test_the_hubs_failures_say_both_interpretations(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
):
    def fail(*args: Any, **options: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(InputError, match=message) as caught:
        resolve_directory("owner/name")
    assert "no directory" in str(caught.value)


def test_a_configuration_alone_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []

    def fetch(repository: str, file: str, *, revision: str | None) -> str:
        asked.append((repository, file, revision))
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    assert download_config("owner/name@v1", "") == tmp_path
    assert asked == [("owner/name", "config.json", "v1")]


def test_of_a_repository_of_openclip_its_own_configuration_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    there = {"open_clip_config.json"}

    def fetch(repository: str, file: str, *, revision: str | None) -> str:
        if file not in there:
            raise errors.LocalEntryNotFoundError(f"no {file}")
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    assert download_config("owner/name", "") == tmp_path
    there.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(InputError, match=r"no config\.json"):
        download_config("owner/name", "")
