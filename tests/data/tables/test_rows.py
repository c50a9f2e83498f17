"""Rows of tables in which nothing is left to learn from: one paragraph that says which columns are left out, and why."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from leadline.data import load
from leadline.errors import DataError

ROWS = 60
ANSWERS = ["yes" if row % 3 else "no" for row in range(ROWS)]
NAMES = [f"{row:05}-{(row * 7919) % 10007:05}" for row in range(ROWS)]


@pytest.mark.parametrize("columns", [("id",), ("id", "other id")])
def test_only_identifiers_beside_the_target(columns: tuple[str, ...], tmp_path: Path) -> None:
    frame = pl.DataFrame({**{name: [f"{name[0]}{each}" for each in NAMES] for name in columns}, "bought": ANSWERS})
    frame.write_csv(tmp_path / "rows.csv")
    for source in (tmp_path / "rows.csv", frame):
        with pytest.raises(DataError, match="No column is left to learn from") as caught:
            load(source, target="bought")
        assert "id: " in str(caught.value)


def test_nothing_beside_the_target(tmp_path: Path) -> None:
    pl.DataFrame({"bought": ANSWERS}).write_csv(tmp_path / "rows.csv")
    with pytest.raises(DataError, match="[Nn]o column|only column|one column") as caught:
        load(tmp_path / "rows.csv", target="bought")
    assert "differ in length" not in str(caught.value)


def test_nothing_beside_the_target_and_the_group(tmp_path: Path) -> None:
    pl.DataFrame({"farm": [f"farm {row // 6}" for row in range(ROWS)], "bought": ANSWERS}).write_csv(tmp_path / "rows.csv")
    with pytest.raises(DataError, match="No column is left to learn from. Expected at least one beside 'bought' and 'farm'"):
        load(tmp_path / "rows.csv", target="bought", group="farm")


def test_identifiers_that_a_person_wants_are_learned_from(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": [1000 + (row * 7) % ROWS for row in range(ROWS)], "bought": ANSWERS})
    with pytest.raises(DataError, match="No column is left to learn from. Got id: "):
        load(frame, target="bought")
    dataset = load(frame, target="bought", columns={"id": "number"})
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) == ROWS


def test_columns_that_are_all_left_out_by_choice() -> None:
    frame = pl.DataFrame({"size": [float(row % 9) for row in range(ROWS)], "bought": ANSWERS})
    with pytest.raises(DataError, match="No column is left to learn from. Got size: "):
        load(frame, target="bought", columns={"size": "leave out"})
