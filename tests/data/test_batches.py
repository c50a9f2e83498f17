import numpy as np
import pytest
import torch

from leadline.data import Batches, Classes, Pictures, Schema, Split, Vectors
from leadline.data.augment import Augment


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
    assert batches._inputs.data_ptr() == mapped.__array_interface__["data"][0]
    assert sum(len(targets) for _, targets in batches) == 10


def test_vectors_are_standardized_and_still_features_become_zero() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(5, [1, 10, 0, 1e-3], (50, 4)).astype(np.float32)
    split = Split(rows, np.zeros(50, np.int64), [str(at) for at in range(50)])
    schema = Schema(Vectors.learn(rows), Classes(("a",)))
    inputs = torch.cat([inputs for inputs, _ in Batches(split, schema, 7)])
    torch.testing.assert_close(inputs.std(0, correction=0), torch.tensor([1.0, 1.0, 0.0, 1.0]), atol=2e-3, rtol=0)
    torch.testing.assert_close(inputs.mean(0), torch.zeros(4), atol=2e-3, rtol=0)
