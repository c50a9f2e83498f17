"""Features learned from the pictures themselves: of their classes, or of how they were turned; kept and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from leadline import data
from leadline.errors import ArgumentError, RunError
from leadline.metrics import frechet_distance
from leadline.training import checkpoints
from leadline.transfer.own_features import TURNS, OwnFeatures, learn_own_features, turned


def bars(rows: int, seed: int = 0, height: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """A bright bar near the top, wide or narrow: two classes, and a way up."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 60, (rows, height, 12, 1), dtype=np.uint8)
    classes = random.integers(0, 2, rows)
    for picture, wide in zip(pictures, classes, strict=True):
        picture[1:3, 1 : 11 if wide else 5] = random.integers(150, 255)
    return pictures, classes


def learned(classes: bool, height: int = 12) -> tuple[OwnFeatures, data.Dataset]:
    pictures, targets = bars(300, height=height)
    dataset = data.load(pictures, targets if classes else None, task="generate")
    few = dataset.train.take(np.arange(len(dataset.train)))
    return learn_own_features(few, dataset.valid, dataset.schema, classes=2 if classes else 0), dataset


def test_classes_are_told_where_there_are_some() -> None:
    own, dataset = learned(classes=True)
    assert own.accuracy > 0.95
    assert own.words.startswith("a network that tells the 2 classes of these pictures (")
    pictures = dataset.schema.inputs.preparer(torch.device("cpu"))(torch.from_numpy(np.asarray(dataset.test.inputs)))
    rows = own(pictures)
    assert rows.shape[0] == len(dataset.test)
    one, other = (rows[torch.from_numpy(dataset.test.targets == number)] for number in (0, 1))
    half = len(one) // 2
    assert frechet_distance(one, other) > 4 * frechet_distance(one[:half], one[half:])


@pytest.mark.parametrize(("height", "turns"), [(12, 4), (8, 2)])
def test_without_classes_it_tells_which_way_up_they_are(height: int, turns: int) -> None:
    own, _ = learned(classes=False, height=height)
    assert (own.told, own.outputs) == (TURNS, turns)
    assert own.accuracy > 0.95
    assert "which way up" in own.words


def test_it_is_the_same_for_the_same_seed_and_kept_to_the_bit(tmp_path: Path) -> None:
    own, _ = learned(classes=False)
    again, _ = learned(classes=False)
    pictures = torch.rand(7, 1, 12, 12) * 2 - 1
    assert torch.equal(own(pictures), again(pictures))
    checkpoints.save(tmp_path / "features.safetensors", own.state())
    read = OwnFeatures.from_state(checkpoints.load(tmp_path / "features.safetensors"), torch.device("cpu"))
    torch.testing.assert_close(read(pictures), own(pictures), rtol=1e-5, atol=1e-6)
    assert (read.told, read.outputs, read.accuracy, read.shape) == (own.told, own.outputs, own.accuracy, own.shape)
    with pytest.raises(RunError, match="damaged"):
        OwnFeatures.from_state({"shape": [1, 12, 12], "outputs": 3}, torch.device("cpu"))


def test_a_quarter_turn_is_numpys() -> None:
    pictures = torch.rand(3, 2, 5, 5)
    rows, numbers = turned(pictures, 4)
    for row, number in zip(rows, numbers.tolist(), strict=True):
        at = [int(each) for each in range(3) if np.allclose(np.rot90(pictures[each].numpy(), number, (1, 2)), row.numpy())]
        assert len(at) == 1
    flipped, which = turned(torch.rand(2, 1, 4, 6), 2)
    assert which.tolist() == [0, 0, 1, 1]
    assert torch.equal(flipped[2:], flipped[:2].flip(2, 3))


def test_nothing_to_learn_from() -> None:
    _, dataset = learned(classes=True)
    with pytest.raises(ArgumentError, match="nothing to learn features from"):
        learn_own_features(dataset.train.take(np.arange(0)), dataset.valid, dataset.schema)
