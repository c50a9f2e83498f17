"""Rows that cannot be used are set aside and counted; a hash knows every row."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from leadline.data.raw import Raw, digest_of, set_aside
from leadline.errors import DataError


def raw() -> Raw:
    return Raw(
        "a", np.arange(6.0).reshape(3, 2), np.array(["x", "y", "x"]), ["0", "1", "2"], np.array(["train", "train", "test"])
    )


def test_the_hash_knows_inputs_targets_and_parts() -> None:
    assert raw().hash() == raw().hash()
    others = [
        dataclasses.replace(raw(), inputs=raw().inputs + np.array([[0, 0], [0, 0], [0, 1]])),
        dataclasses.replace(raw(), targets=np.array(["x", "y", "y"])),
        dataclasses.replace(raw(), parts=np.array(["train", "test", "test"])),
        dataclasses.replace(raw(), parts=None),
    ]
    assert len({raw().hash(), *(other.hash() for other in others)}) == 5


def test_a_digest_knows_shape_and_type() -> None:
    values = np.zeros(4)
    assert (
        len({digest_of(values), digest_of(values.reshape(2, 2)), digest_of(values.astype(np.int64)), digest_of(values[:3])})
        == 4
    )
    assert digest_of(np.array(["a", None], dtype=object)) == digest_of(np.array(["a", None], dtype=object))


def test_rows_are_set_aside_with_their_reason() -> None:
    rows, excluded = set_aside([str(row) for row in range(40)], {7: "odd", 3: "worse"})
    assert rows.tolist() == [row for row in range(40) if row not in (3, 7)]
    assert [(row.id, row.reason) for row in excluded] == [("3", "worse"), ("7", "odd")]


def test_more_than_five_percent_stop_the_job_with_the_list() -> None:
    ids = [f"r{row}" for row in range(100)]
    assert len(set_aside(ids, dict.fromkeys(range(5), "odd"))[1]) == 5
    with pytest.raises(DataError, match=r"6 of 100 rows cannot be used: r0 \(odd\).*at most 5 %.*got 6.0%"):
        set_aside(ids, dict.fromkeys(range(6), "odd"))
    with pytest.raises(DataError, match="and 20 more"):
        set_aside(ids, dict.fromkeys(range(30), "odd"))


def test_lengths_must_agree() -> None:
    with pytest.raises(DataError, match="3 inputs and 2 targets"):
        dataclasses.replace(raw(), targets=np.array([1, 2]))
