"""``wiseft data check`` through the program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.data.doctor_faults import entry_of, write_eurosat
from tests.data.published_miniatures import write_miniature
from wiseft_jax.cli.main import main
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.doctor_report import KINDS


@pytest.fixture
def eurosat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole EuroSAT of twenty images, which is what the catalog expects; its folder."""
    monkeypatch.setitem(DATASETS, "eurosat", entry_of("eurosat", "all", 20))
    return write_eurosat(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["data", "check", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_nothing_wrong_ends_with_0(eurosat: Path, capsys):
    code, out, err = run(capsys, "eurosat", "--root", eurosat.parent)
    assert (code, err) == (0, "")
    assert out.startswith(f"eurosat: EuroSAT, RGB\nroot: {eurosat.parent}\n")
    assert out.endswith("nothing is wrong; every image was opened\n")
    assert "get it" not in out


def test_a_fault_ends_with_3_and_says_what_where_and_the_fix(eurosat: Path, capsys):
    (eurosat / "River/River_1.jpg").write_bytes(b"")
    (eurosat / "SeaLake").rename(eurosat / "Sea Lake")
    code, out, _ = run(capsys, "eurosat", "--root", eurosat.parent)
    assert code == 3
    assert (
        "error    all: 1 of 18 files is empty [empty_file]\n         2750/River/River_1.jpg" in out
    )
    assert "  fix    remove what is empty, and unpack or download it again\n" in out
    assert f"rename it:\n         mv '{eurosat}/Sea Lake' {eurosat}/SeaLake\n" in out
    assert f"\nget it   {DATASETS['eurosat'].obtain}\n" in out
    assert out.endswith("3 errors; every image was opened\n")


def test_a_note_is_no_fault(eurosat: Path, capsys):
    (eurosat / "River/list.txt").write_text("x")
    code, out, _ = run(capsys, "eurosat", "--root", eurosat.parent, "--sample", "3")
    assert code == 0
    assert out.endswith("nothing is wrong, 1 note; a sample was opened: --deep opens all\n")


def test_json_has_a_fixed_form(eurosat: Path, capsys):
    (eurosat / "River/River_1.jpg").write_bytes(b"")
    code, out, err = run(capsys, "eurosat", "--root", eurosat.parent, "--json", "--deep")
    facts = json.loads(out)
    assert (code, err) == (3, "")
    assert (facts["schema"], facts["id"], facts["root"]) == (1, "eurosat", str(eurosat.parent))
    assert facts["folder"] == str(eurosat)
    assert facts["counts"] == {"error": 1, "warning": 0, "note": 0}
    assert facts["splits"] == [
        {
            "name": "all", "variant": "", "state": "checked", "images": 20, "expected_images": 20,
            "classes": 10, "expected_classes": 10, "opened": 19, "bad": 1,
        }
    ]  # fmt: skip
    (finding,) = facts["findings"]
    assert finding.keys() == {
        "kind", "severity", "split", "what", "where", "expected", "found", "fix",
    }  # fmt: skip
    assert finding["kind"] in KINDS
    assert finding["where"] == [str(eurosat / "River/River_1.jpg")]


def test_a_count_that_is_not_recorded_is_said_to_be_so(tmp_path: Path, capsys):
    write_miniature(tmp_path, "wilds-fmow", "val")
    code, out, _ = run(capsys, "wilds-fmow", "--root", tmp_path, "--split", "val")
    assert code == 0
    assert "not recorded" in out


def test_variants_that_look_alike_share_a_line(tmp_path: Path, capsys):
    write_miniature(tmp_path, "imagenet-c", "test")
    code, out, _ = run(capsys, "imagenet-c", "--root", tmp_path)
    assert code == 3
    assert " test, 92 variants " in out
    assert " test zoom_blur/4 " in out


def test_the_root_may_come_from_the_environment(eurosat: Path, monkeypatch, capsys):
    monkeypatch.delenv("WISEFT_DATA_ROOT", raising=False)
    code, _, err = run(capsys, "eurosat")
    assert code == 2
    assert "Give --root ROOT, or set WISEFT_DATA_ROOT" in err
    monkeypatch.setenv("WISEFT_DATA_ROOT", str(eurosat))
    assert run(capsys, "eurosat")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("eurosta", "--root", "."), "unknown data set 'eurosta'. Did you mean 'eurosat'?"),
        (("eurosat", "--root", "no/such"), "no/such: no such folder"),
        (("eurosat", "--root", ".", "--split", "al"), "unknown split of eurosat 'al'"),
        (("eurosat", "--root", ".", "--sample", "-1"), "--sample: expected at least 0, found -1"),
        (("eurosat", "--root", ".", "--sample", "9", "--deep"), "no meaning with --deep"),
    ],
)
def test_bad_input_ends_with_2(arguments: tuple[str, ...], said: str, capsys):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_relative_root_is_left_out_like_an_absolute_one(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "data/gtsrb/GTSRB/Final_Test").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    said = {}
    for root in (tmp_path / "data", Path("data"), Path("data/gtsrb")):
        code, out, _ = run(capsys, "gtsrb", "--split", "train", "--root", root)
        assert code == 3
        said[root] = out.partition("\n")[2].partition("\n")[2]
    absolute, relative, own = said.values()
    assert relative == absolute
    assert "[missing_split]\n         gtsrb/GTSRB/Final_Training/Images\n" in absolute
    assert "; found: gtsrb/GTSRB has Final_Test\n" in absolute
    assert "[missing_split]\n         GTSRB/Final_Training/Images\n" in own
    assert "; found: GTSRB has Final_Test\n" in own
