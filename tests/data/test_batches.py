import numpy as np
import pytest
import torch

from leadline.data import Batches, Classes, Numbers, Pictures, Schema, Split, Vectors
from leadline.data.pictures.augment import Augment
from leadline.errors import ArgumentError


def pictures(count: int = 23) -> tuple[Split, Schema]:
    generator = np.random.default_rng(0)
    inputs = generator.integers(0, 256, (count, 6, 5, 3), dtype=np.uint8)
    targets = np.arange(count, dtype=np.int64) % 4
    split = Split(inputs, targets, [str(at) for at in range(count)])
    return split, Schema(Pictures.learn(inputs), Classes(("a", "b", "c", "d")))


def test_an_epoch_holds_every_row_once_in_the_promised_order() -> None:
    split, schema = pictures()
    batches = Batches(split, schema, 8, seed=3, shuffle=True)
    order = torch.randperm(23, generator=torch.Generator().manual_seed(3 * 1_000_003 + 2))
    targets = torch.cat([targets for _, targets in batches.epoch(2)])
    assert torch.equal(targets, torch.from_numpy(split.targets)[order])
    assert len(batches) == 3
    assert not torch.equal(batches.order(1), batches.order(2))


def test_an_epoch_can_be_entered_at_any_batch() -> None:
    split, schema = pictures()
    batches = Batches(split, schema, 4, shuffle=True, augment=Augment(flip=True, shift=0.2))
    whole = list(batches.epoch(5))
    for first in range(len(batches)):
        for (inputs, _), (expected, _) in zip(batches.epoch(5, first), whole[first:], strict=True):
            assert torch.equal(inputs, expected)


@pytest.mark.parametrize("channels_last", [False, True])
def test_inputs_are_standardized_channel_by_channel(channels_last: bool) -> None:
    split, schema = pictures()
    inputs = torch.cat([inputs for inputs, _ in Batches(split, schema, 23, channels_last=channels_last)])
    raw = torch.from_numpy(split.inputs).double().permute(0, 3, 1, 2)
    expected = (raw - raw.mean((0, 2, 3), keepdim=True)) / raw.std((0, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(inputs.double(), expected, atol=1e-5, rtol=0)
    assert inputs.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def test_a_single_last_row_is_left_out_of_training_only() -> None:
    split, schema = pictures(17)
    training = Batches(split, schema, 8, shuffle=True)
    assert [len(targets) for _, targets in training.epoch(0)] == [8, 8]
    assert len(training) == 2
    judging = Batches(split, schema, 8)
    assert [len(targets) for _, targets in judging] == [8, 8, 1]
    one, _ = pictures(1)
    assert len(list(Batches(one, schema, 8, shuffle=True).epoch(0))) == 1


def test_what_does_not_fit_the_device_is_gathered_ahead_and_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    split, schema = pictures()
    resident = list(Batches(split, schema, 4, shuffle=True).epoch(1))
    monkeypatch.setattr("leadline.data.batches._fits", lambda inputs, device: False)
    gathered = list(Batches(split, schema, 4, shuffle=True).epoch(1))
    for (one, first), (other, second) in zip(resident, gathered, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(first, second)


def test_a_memory_mapped_array_is_not_copied(tmp_path: object) -> None:
    path = f"{tmp_path}/pictures.npy"
    np.save(path, np.zeros((10, 4, 4, 1), np.uint8))
    mapped = np.load(path, mmap_mode="r")
    split = Split(mapped, np.zeros(10, np.int64), list("abcdefghij"))
    schema = Schema(Pictures(4, 4, 1, "uint8", (0.0,), (1.0,)), Classes(("a",)))
    batches = Batches(split, schema, 4)
    assert batches.stored.data_ptr() == mapped.__array_interface__["data"][0]
    assert sum(len(targets) for _, targets in batches) == 10


def test_vectors_are_standardized_and_still_features_become_zero() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(5, [1, 10, 0, 1e-3], (50, 4)).astype(np.float32)
    split = Split(rows, np.zeros(50, np.int64), [str(at) for at in range(50)])
    schema = Schema(Vectors.learn(rows), Classes(("a",)))
    inputs = torch.cat([inputs for inputs, _ in Batches(split, schema, 7)])
    torch.testing.assert_close(inputs.std(0, correction=0), torch.tensor([1.0, 1.0, 0.0, 1.0]), atol=2e-3, rtol=0)
    torch.testing.assert_close(inputs.mean(0), torch.zeros(4), atol=2e-3, rtol=0)


def mixing(batch_size: int = 8) -> Batches:
    split, schema = pictures()
    return Batches(split, schema, batch_size, seed=2, shuffle=True, augment=Augment(flip="alternating", mixup=0.5, cutmix=1.0))


def test_mixed_targets_are_shares_of_the_picture_and_of_the_one_before_it_in_the_batch() -> None:
    split, _ = pictures()
    batches = mixing()
    order = batches.order(3)
    seen = 0
    for number, (_, targets) in enumerate(batches.epoch(3)):
        rows = order[8 * number : 8 * number + 8]
        assert targets.shape == (len(rows), 4)
        torch.testing.assert_close(targets.sum(1), torch.ones(len(rows)))
        for place, row in enumerate(rows):
            allowed = {int(split.targets[row]), int(split.targets[rows[place - 1]])}
            assert set(targets[place].nonzero().flatten().tolist()) <= allowed
            seen += int((targets[place] > 0).sum()) == 2
    assert seen > 8


def test_a_mixed_epoch_can_be_entered_at_any_batch_and_comes_out_the_same_again() -> None:
    whole = list(mixing().epoch(5))
    for first in range(len(whole)):
        for one, other in zip(mixing().epoch(5, first), whole[first:], strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_other_epochs_mix_otherwise() -> None:
    one, other = (torch.cat([targets for _, targets in mixing(23).epoch(epoch)]) for epoch in (0, 1))
    assert not torch.equal(one[mixing(23).order(0).argsort()], other[mixing(23).order(1).argsort()])


@pytest.mark.parametrize("channels_last", [False, True])
def test_augmented_pictures_keep_their_layout(channels_last: bool) -> None:
    """A recorded step plays its tape for one layout, and a convolution is fastest in its own."""
    split, schema = pictures()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    every = Augment(flip=True, shift=0.2, brightness=0.2, contrast=0.2, saturation=0.2, cutout=0.3, mixup=0.5, cutmix=1.0)
    for augment in (Augment(shift=0.2), Augment(cutout=0.5), every, Augment(mixup=1.0), Augment(cutmix=1.0)):
        batches = Batches(split, schema, 8, shuffle=True, augment=augment, channels_last=channels_last)
        assert all(inputs.is_contiguous(memory_format=layout) for inputs, _ in batches)


def test_numbers_are_mixed_as_numbers() -> None:
    split, schema = pictures()
    numbers = np.arange(23, dtype=np.float64)[:, None]
    schema = Schema(schema.inputs, Numbers(("y",), (0.0,), (1.0,), (0.0,)))
    split = Split(split.inputs, numbers, split.ids)
    batches = Batches(split, schema, 23, shuffle=True, augment=Augment(mixup=1.0))
    ((_, targets),) = list(batches.epoch(1))
    own = torch.from_numpy(numbers)[batches.order(1)].float()
    low, high = torch.minimum(own, own.roll(1, 0)), torch.maximum(own, own.roll(1, 0))
    assert ((low - 1e-5 <= targets) & (targets <= high + 1e-5)).all()
    assert ((low + 0.01 < targets) & (targets < high - 0.01)).sum() > 12


@pytest.mark.parametrize(
    ("augment", "words"),
    [(Augment(saturation=0.2), "colour pictures only.*Expected 3 channels; got 1 channel, which is grey"), (Augment(), "")],
)
def test_grey_pictures_have_no_saturation(augment: Augment, words: str) -> None:
    inputs = np.zeros((4, 5, 5, 1), np.uint8)
    split, schema = Split(inputs, np.zeros(4, np.int64), list("abcd")), Schema(Pictures.learn(inputs), Classes(("a",)))
    if not words:
        Batches(split, schema, 2, augment=augment)
        return
    with pytest.raises(ArgumentError, match=words):
        Batches(split, schema, 2, augment=augment)


def test_only_pictures_are_augmented() -> None:
    rows = np.ones((4, 3), np.float32)
    split, schema = Split(rows, np.zeros(4, np.int64), list("abcd")), Schema(Vectors.learn(rows), Classes(("a",)))
    with pytest.raises(ArgumentError, match="Only pictures can be augmented"):
        Batches(split, schema, 2, augment=Augment(shift=0.2))
