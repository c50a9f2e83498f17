"""From raw targets to what a loss compares, and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from leadline.data.answers import Classes, Labels, Numbers, answers_from_json, as_text
from leadline.errors import DataError, RunError


@pytest.mark.parametrize(
    "raw", [["3", "1"], [3, 1], [3.0, 1.0], np.array([3, 1]), np.array([3.0, 1.0]), np.array(["3", "1"], dtype=object)]
)
def test_classes_however_they_are_written(raw: object) -> None:
    encoded = Classes(("1", "2", "3")).encode(raw)  # type: ignore[arg-type]
    assert encoded.tolist() == [2, 0]
    assert encoded.dtype == np.int64


def test_an_unknown_class_names_the_nearest() -> None:
    with pytest.raises(DataError, match=r"1 class name was not among those of the training: roze.*Did you mean 'rose'"):
        Classes(("rose", "tulip")).encode(["roze", "rose"])


def test_a_million_classes_are_encoded_by_their_values() -> None:
    raw = np.random.default_rng(0).integers(0, 50, 100_000)
    np.testing.assert_array_equal(Classes(tuple(str(number) for number in range(50))).encode(raw), raw)


def test_labels_must_be_columns_of_zeros_and_ones() -> None:
    labels = Labels(("a", "b"))
    assert labels.encode([[0, 1]]).dtype == np.float32
    for wrong in ([[0, 1, 1]], [0, 1], [[0, 2]], [["x", "y"]]):
        with pytest.raises(DataError):
            labels.encode(wrong)


def test_numbers_come_back_in_their_units() -> None:
    numbers = Numbers(("kg", "m"), (10.0, 1.0), (2.0, 0.5))
    targets = torch.tensor([[12.0, 0.0], [8.0, 1.5]])
    torch.testing.assert_close(numbers.prepare(targets), torch.tensor([[1.0, -2.0], [-1.0, 1.0]]))
    torch.testing.assert_close(numbers.values(numbers.prepare(targets)), targets.double())
    assert Numbers(("kg",), (0.0,), (1.0,)).encode([1, 2]).shape == (2, 1)
    for wrong in (["x"], [[1, 2]]):
        with pytest.raises(DataError):
            Numbers(("kg",), (0.0,), (1.0,)).encode(wrong)


def test_probabilities() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5]])
    torch.testing.assert_close(Classes(("a", "b", "c")).probabilities(logits), logits.exp() / logits.exp().sum())
    torch.testing.assert_close(Labels(("a", "b", "c")).probabilities(logits), 1 / (1 + (-logits).exp()))


def test_a_task_of_a_newer_version() -> None:
    with pytest.raises(RunError, match="no task 'ranks'"):
        answers_from_json({"task": "ranks", "names": ["a"]})


def test_classes_as_text() -> None:
    assert [as_text(value) for value in (3, 3.0, np.int64(3), np.float32(3), 2.5, True, "x")] == ["3"] * 4 + [
        "2.5",
        "True",
        "x",
    ]


def test_a_skewed_number_is_learned_as_arsinh_and_told_in_its_units() -> None:
    answers = Numbers(("income", "age"), mean=(2.0, 40.0), std=(1.5, 10.0), units=(1000.0, 0.0))
    targets = torch.tensor([[0.0, 20.0], [-5000.0, 40.0], [3e7, 60.0]])
    prepared = answers.prepare(targets)
    expected = np.column_stack([(np.arcsinh(targets[:, 0].numpy() / 1000) - 2) / 1.5, (targets[:, 1].numpy() - 40) / 10])
    np.testing.assert_allclose(prepared.numpy(), expected, rtol=1e-5)
    torch.testing.assert_close(answers.values(prepared), targets.double(), rtol=1e-4, atol=1e-2)
    assert torch.isfinite(answers.values(torch.tensor([[1e6, 0.0]]))).all()
