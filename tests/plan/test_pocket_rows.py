"""The rows by which the pocket of a perceptron is judged: all of them, in order, as evaluation would see them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from leadline.data import Dataset, load
from leadline.models.rosenblatt import PerceptronRule
from leadline.plan import Built, build, propose
from leadline.training import run_loop

VARIED = {"training.augment.shift": 0.3, "training.augment.flip": True}


def pictures(rows: int) -> Dataset:
    generator = np.random.default_rng(0)
    inputs = generator.integers(0, 256, (rows, 6, 6, 1), dtype=np.uint8)
    # Right against left: what mirroring turns into its opposite.
    return load(inputs, (inputs[:, :, :3].mean((1, 2, 3)) > inputs[:, :, 3:].mean((1, 2, 3))).astype(np.int64))


def built(dataset: Dataset, **changes: object) -> Built:
    settled = {"model": "perceptron", "training.device": "cpu", "training.threads": 1, **VARIED}
    return build(propose(dataset, settled | {key.replace("__", "."): value for key, value in changes.items()}), dataset)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("batch", [16, 69])  # of 70 rows: the second leaves one alone, which a shuffled epoch leaves out
def test_they_are_the_training_rows_themselves(batch: int, layout: str) -> None:
    dataset = pictures(100)
    assert len(dataset.train) == 70
    made = built(dataset, training__batch=batch, training__layout=layout)
    assert isinstance(made.step, PerceptronRule)
    assert made.step.rows is not None
    inputs, targets = made.step.rows
    expected = dataset.schema.inputs.preparer(torch.device("cpu"))(torch.from_numpy(dataset.train.inputs))
    assert torch.equal(inputs, expected)
    assert torch.equal(targets, torch.from_numpy(dataset.train.targets))
    # The training itself goes on as it did: shuffled and augmented.
    first, _ = next(iter(made.batches))
    assert not torch.equal(first, expected[made.batches.order(0)[: len(first)]])


def test_what_the_pocket_has_right_is_counted_on_them() -> None:
    dataset = pictures(100)
    made = built(dataset, training__augment__flip=False, training__epochs=4)
    run_loop(made.step, made.batches, epochs=4, evaluate=made.evaluate)
    step = made.step
    assert isinstance(step, PerceptronRule)
    weight, bias = (tensor.double().numpy() for tensor in step.pocket)
    pixels = dataset.schema.inputs.preparer(torch.device("cpu"))(torch.from_numpy(dataset.train.inputs))
    scores = pixels.double().numpy().reshape(len(dataset.train), -1) @ weight.T + bias
    assert step.right == int((scores.argmax(1) == dataset.train.targets).sum())
