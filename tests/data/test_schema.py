"""A Schema is the same after it has been written down."""

from __future__ import annotations

import json

import numpy as np
import pytest

from leadline import data
from leadline.data.answers import Classes, Labels, Numbers
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Schema
from leadline.data.vectors import Vectors
from leadline.errors import RunError

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    "inputs", [Vectors.learn(RANDOM.random((9, 3))), Pictures.learn(RANDOM.random((9, 5, 4, 2)).astype(np.float32))]
)
@pytest.mark.parametrize("answers", [Classes(("a", "ü")), Labels(("a",)), Numbers(("kg",), (1 / 3,), (0.1,))])
def test_written_and_read_it_is_the_same(inputs: Pictures | Vectors, answers: Classes | Labels | Numbers) -> None:
    schema = Schema(inputs, answers)
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    assert schema.task == answers.task


def test_it_is_learned_from_the_training_rows_alone() -> None:
    inputs = RANDOM.random((30, 2))
    parts = {"train": inputs[:10], "valid": inputs[10:20] * 100, "test": inputs[20:] * 1000}
    dataset = data.load(parts | {f"{part}_targets": np.arange(10) % 2 for part in parts})
    assert dataset.schema.inputs == Vectors.learn(inputs[:10].astype(np.float32))


@pytest.mark.parametrize(
    "record", [{}, {"inputs": {"kind": "vectors"}}, {"inputs": {"kind": "sounds"}, "answers": {}}, {"inputs": 3}]
)
def test_a_schema_of_another_version(record: dict[str, object]) -> None:
    with pytest.raises(RunError):
        Schema.from_json(record)
