"""ObjectNet without its border, as the doctor sees it."""

from __future__ import annotations

from pathlib import Path

from tests.data.builders import encode, pixels
from tests.data.doctor_faults import check, of_kind, write
from wiseft_jax.data.doctor import check_dataset


def test_images_whose_border_somebody_cut_off_are_found(tmp_path: Path):
    write(tmp_path, "objectnet", "test")
    (path,) = (tmp_path / "objectnet-1.0" / "images" / "chair").iterdir()
    path.write_bytes(encode(pixels(5)))
    finding = of_kind(check(tmp_path, "objectnet", "test", 3), "cropped_border")
    assert (finding.severity, finding.where) == ("warning", (str(path),))
    assert finding.what.startswith("1 of 3 images that were looked at has no red border")
    assert "cuts 2 px off each side" in finding.fix


def test_where_no_image_is_opened_no_border_is_looked_at(tmp_path: Path):
    write(tmp_path, "objectnet", "test")
    (path,) = (tmp_path / "objectnet-1.0" / "images" / "chair").iterdir()
    path.write_bytes(encode(pixels(5)))
    found = check_dataset("objectnet", tmp_path, sample=0).findings
    assert "cropped_border" not in {finding.kind for finding in found}
