"""Archives of NumPy: read whole, never unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leadline import data
from leadline.errors import DataError


def test_inputs_and_targets(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).standard_normal((40, 3))
    np.savez_compressed(tmp_path / "mine.npz", inputs=inputs, targets=np.arange(40) % 2)
    dataset = data.load(tmp_path / "mine.npz")
    assert dataset.name == "mine"
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) == 40
    row = int(dataset.test.ids[0].removeprefix("row:"))
    np.testing.assert_array_equal(dataset.test.inputs[0], inputs[row].astype(np.float32))


def test_its_own_parts_are_kept(tmp_path: Path) -> None:
    arrays = {
        part: np.random.default_rng(number).standard_normal((10, 2)) for number, part in enumerate(("train", "valid", "test"))
    }
    both: dict[str, Any] = arrays | {f"{part}_targets": np.arange(10) % 2 for part in arrays}
    np.savez(tmp_path / "a.npz", **both)
    dataset = data.load(tmp_path / "a.npz", seed=5)
    assert dataset.test.ids == [f"test:{row}" for row in range(10)]
    np.testing.assert_array_equal(dataset.valid.inputs, arrays["valid"].astype(np.float32))


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=np.array([{}, {}], dtype=object), targets=np.array([0, 1]))
    with pytest.raises(DataError, match="pickled Python objects, which are never loaded"):
        data.load(tmp_path / "a.npz")


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.95])
def test_a_damaged_archive(kept: float, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=np.zeros((40, 3)), targets=np.arange(40) % 2)
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=r"a\.npz is not a whole"):
        data.load(tmp_path / "a.npz")


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=np.zeros((400, 3)), targets=np.arange(400) % 2)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[1000] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz is not a whole"):
        data.load(tmp_path / "a.npz")
