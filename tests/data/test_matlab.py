from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.matlab import read_matlab


def test_variables_come_in_the_order_asked_for(tmp_path: Path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"x": np.arange(6).reshape(1, 6), "y": np.eye(2)})
    y, x = read_matlab(path, "y", "x")
    assert (y.tolist(), x.shape) == ([[1, 0], [0, 1]], (1, 6))
    assert read_matlab(path, "x", squeeze=True)[0].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_missing_variable_and_what_there_is_are_named(tmp_path: Path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"y": np.eye(2)})
    with pytest.raises(InputError, match="no variable 'x'; the file has y"):
        read_matlab(path, "x")


@pytest.mark.parametrize("content", [b"", b"<html>404</html>" * 40, b"\x89HDF\r\n\x1a\n" * 40])
def test_other_files_are_refused(content: bytes, tmp_path: Path):
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(InputError, match="can't be read as a MATLAB file"):
        read_matlab(path, "x")
