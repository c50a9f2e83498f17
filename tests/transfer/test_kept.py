"""Kept features: the same as live ones, found again, keyed by all that decides them, and never in the way."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from leadline.data import Classes, Pictures, Schema, Split
from leadline.data.pictures.augment import Augment
from leadline.errors import ArgumentError, DataError
from leadline.models import convnet
from leadline.transfer.cutting import cut
from leadline.transfer.extracting import Extraction
from leadline.transfer.freezing import freeze
from leadline.transfer.halving import Halving
from leadline.transfer.kept import check_features, keep_features

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.integers(0, 256, (70, 12, 12, 1)).astype(np.uint8)
SPLIT = Split(PICTURES, np.arange(70) % 3, [f"row:{row}" for row in range(70)])
SCHEMA = Schema(Pictures.learn(PICTURES), Classes(("a", "b", "c")))
SHAPE = (1, 12, 12)


def backbone(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return cut(convnet(SHAPE, 3, width=4, stages=2), "before 15", SHAPE)


def live(network: nn.Module, split: Split = SPLIT) -> Tensor:
    with torch.no_grad():
        return network.eval()(SCHEMA.inputs.preparer(torch.device("cpu"))(torch.from_numpy(split.inputs)))


def test_kept_features_are_the_live_ones_to_eleven_bits(tmp_path: Path) -> None:
    network = backbone()
    kept = keep_features(network, SPLIT, SCHEMA, cache=tmp_path)
    stored = kept.copies[0].stored
    assert stored.dtype == np.float16
    assert stored.shape == (70, 8)
    assert isinstance(stored, np.memmap)
    expected = live(network)
    assert float(((kept.rows() - expected).abs() / expected.std(0)).max()) < 4e-3  # eight deviations at 2⁻¹¹ each
    some = np.array([3, 60, 3])
    torch.testing.assert_close(kept.rows(some), kept.rows()[some], rtol=0, atol=0)
    assert check_features(network, kept, SPLIT, SCHEMA) < 4e-3


def test_the_second_start_computes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = keep_features(backbone(), SPLIT, SCHEMA, cache=tmp_path)

    def never(self: Extraction, *arguments: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(Extraction, "_computed", never)
    again = keep_features(freeze(backbone()), SPLIT, SCHEMA, cache=tmp_path)
    assert (first.reused, again.reused) == (False, True)
    assert torch.equal(first.rows(), again.rows())


CHANGED: dict[str, Any] = {
    "weights": lambda: (backbone(1), SPLIT, SCHEMA, {}),
    "running statistics": lambda: (_shifted(backbone()), SPLIT, SCHEMA, {}),
    "cut": lambda: (cut(backbone(), "network.5", SHAPE), SPLIT, SCHEMA, {}),
    "preprocessing": lambda: (backbone(), SPLIT, replace(SCHEMA, inputs=replace(SCHEMA.inputs, mean=(1.0,))), {}),
    "rows": lambda: (backbone(), SPLIT.take(np.arange(70)[::-1]), SCHEMA, {}),
    "copies": lambda: (backbone(), SPLIT, SCHEMA, {"copies": 2, "augment": Augment(flip=True)}),
}


def _shifted(network: nn.Module) -> nn.Module:
    next(each for name, each in network.named_buffers() if name.endswith("running_mean")).add_(0.1)
    return network


@pytest.mark.parametrize("what", CHANGED)
def test_another_key_for_whatever_decides_the_features(what: str, tmp_path: Path) -> None:
    keep_features(backbone(), SPLIT, SCHEMA, cache=tmp_path)
    network, split, schema, options = CHANGED[what]()
    assert not keep_features(network, split, schema, cache=tmp_path, **options).reused
    assert len(list((tmp_path / "features").glob("*.npy"))) == 2


def test_the_targets_and_a_new_head_do_not_make_it_compute_again(tmp_path: Path) -> None:
    keep_features(backbone(), SPLIT, SCHEMA, cache=tmp_path)
    other = Schema(SCHEMA.inputs, Classes(("x", "y")))
    assert keep_features(backbone(), replace(SPLIT, targets=np.zeros(70, np.int64)), other, cache=tmp_path).reused


def test_copies_are_of_the_augmented_rows(tmp_path: Path) -> None:
    augment, network = Augment(flip=True, shift=0.1), backbone()
    kept = keep_features(network, SPLIT, SCHEMA, augment=augment, copies=3, seed=5, cache=tmp_path)
    prepared = SCHEMA.inputs.preparer(torch.device("cpu"))(torch.from_numpy(PICTURES))
    for copy in (1, 2):
        with torch.no_grad():
            expected = network.eval()(augment(prepared, 5, copy, torch.arange(70)))
        torch.testing.assert_close(kept.rows(copy=copy), expected, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(kept.rows(), live(network), rtol=2e-3, atol=2e-3)
    features, targets = kept.all_copies(torch.from_numpy(SPLIT.targets))
    assert features.shape == (210, 8)
    assert torch.equal(features[70:140], kept.rows(copy=1))
    assert torch.equal(targets[70:140], torch.from_numpy(SPLIT.targets))


class Counted(nn.Module):
    """Counts the rows that pass through a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.rows = network, 0

    def forward(self, x: Tensor) -> Tensor:
        self.rows += len(x)
        return self.network(x)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """A network whose rows are counted; the two of noise that tell the shapes are not among them, nor is what times layouts."""
    network = Counted(backbone())
    monkeypatch.setattr("leadline.transfer.extracting.rows_at_once", lambda *arguments: 32)
    monkeypatch.setattr(Extraction, "_layout", lambda self: False)
    return network


@pytest.mark.parametrize("rows", [1, 31, 70, 512, 513, 1300])
def test_every_row_passes_once(rows: int, counted: Counted, tmp_path: Path) -> None:
    pictures = RANDOM.integers(0, 256, (rows, *PICTURES.shape[1:])).astype(np.uint8)
    split = Split(pictures, np.zeros(rows, np.int64), [str(row) for row in range(rows)])
    kept = keep_features(counted, split, SCHEMA, cache=tmp_path)
    assert counted.rows == rows
    torch.testing.assert_close(kept.rows(), live(counted.network, split), rtol=4e-3, atol=4e-3)


def test_turning_augmentation_on_or_off_computes_only_what_is_new(counted: Counted, tmp_path: Path) -> None:
    augment = Augment(flip=True, shift=0.1)

    def passed(**options: Any) -> int:
        counted.rows = 0
        kept = keep_features(counted, SPLIT, SCHEMA, cache=tmp_path, **options)
        assert kept.reused == (counted.rows == 0)
        assert len(kept.copies) == options.get("copies", 1)
        return counted.rows

    assert passed() == 70
    assert passed(copies=3, augment=augment) == 140  # the plain one is there
    assert passed() == passed(copies=2, augment=augment) == 0
    assert passed(copies=4, augment=augment) == 70
    assert passed(copies=2, augment=augment, seed=1) == passed(copies=2, augment=Augment(flip=True)) == 70
    for path in (tmp_path / "features").glob("*"):
        path.unlink()
    assert passed(copies=2, augment=augment) == 140
    assert passed() == 0


def test_changed_copies_of_few_and_of_many_rows_are_those_of_their_row_numbers(counted: Counted, tmp_path: Path) -> None:
    augment = Augment(shift=0.2)
    pictures = RANDOM.integers(0, 256, (600, *PICTURES.shape[1:])).astype(np.uint8)
    split = Split(pictures, np.zeros(600, np.int64), [str(row) for row in range(600)])
    kept = keep_features(counted, split, SCHEMA, augment=augment, copies=2, cache=tmp_path)
    prepared = SCHEMA.inputs.preparer(torch.device("cpu"))(torch.from_numpy(pictures))
    with torch.no_grad():
        expected = counted.network.eval()(augment(prepared, 0, 1, torch.arange(600)))
    torch.testing.assert_close(kept.rows(copy=1), expected, rtol=4e-3, atol=4e-3)


def test_a_damaged_file_is_computed_anew(tmp_path: Path) -> None:
    kept = keep_features(backbone(), SPLIT, SCHEMA, cache=tmp_path)
    right, path = kept.rows(), kept.path
    assert path is not None
    content = bytearray(path.read_bytes())
    content[-40:] = bytes(40)
    for damaged in (bytes(content), bytes(content[:-10]), b""):
        path.write_bytes(damaged)
        again = keep_features(backbone(), SPLIT, SCHEMA, cache=tmp_path)
        assert not again.reused
        assert torch.equal(again.rows(), right)
    path.with_suffix(".json").write_text("[]")
    assert not keep_features(backbone(), SPLIT, SCHEMA, cache=tmp_path).reused


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_full_disk_is_told_and_the_work_goes_on(when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if when == "before":
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    else:

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
    kept = keep_features(backbone(), SPLIT, SCHEMA, cache=tmp_path)
    assert kept.path is None
    assert "could not be kept" in kept.note
    assert "each start computes them anew" in kept.note
    torch.testing.assert_close(kept.rows(), live(backbone()), rtol=2e-3, atol=2e-3)
    assert list((tmp_path / "features").glob("*")) == []


def test_features_that_half_precision_cannot_hold_are_kept_in_single(tmp_path: Path) -> None:
    class Jumps(nn.Module):
        """Large for one row alone, which is not among the first that centre and scale are learned from."""

        def forward(self, x: Tensor) -> Tensor:
            return torch.exp(x[:, 0])

    inputs = RANDOM.normal(size=(2000, 1)).astype(np.float32)
    first = np.unique(np.linspace(0, 1999, 512).astype(np.int64))
    strange = int(np.setdiff1d(np.arange(2000), first)[500])
    inputs[strange] = 30
    from leadline.data import Vectors

    schema = Schema(Vectors((0.0,), (1.0,)), Classes(("a", "b")))
    split = Split(inputs, np.zeros(2000, np.int64), [str(row) for row in range(2000)])
    network = nn.Sequential(Jumps(), nn.Unflatten(0, (-1, 1)))
    kept = keep_features(network, split, schema, cache=tmp_path)
    assert kept.copies[0].stored.dtype == np.float32
    assert "single precision" in kept.note
    torch.testing.assert_close(kept.rows()[:, 0], torch.exp(torch.from_numpy(inputs[:, 0])))
    assert keep_features(network, split, schema, cache=tmp_path).reused


@given(
    arrays(np.float32, (40, 3), elements=st.floats(-1, 1, width=32)),
    st.floats(-1e6, 1e6),
    st.floats(1e-6, 1e6),
)
def test_halving_errs_by_a_small_share_of_the_spread(values: Any, centre: float, scale: float) -> None:
    features = (values * np.float32(scale) + np.float32(centre)).astype(np.float32)
    halving = Halving.learn(features)
    stored = halving.store(features)
    assert stored is not None
    error = np.abs(halving.read(stored) - features).max(0)
    spread = np.abs(features - features.mean(0)).max(0)
    rounding = np.abs(features).max(0) * 2.0**-22  # what float32 itself loses
    assert (error <= 0.02 * spread + 2 * rounding + 1e-30).all()


def test_what_is_not_a_number_is_told_with_its_row(tmp_path: Path) -> None:
    from leadline.data import Vectors

    class Divides(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1 / x

    inputs = np.ones((30, 2), np.float32)
    inputs[17, 1] = 0
    split = Split(inputs, np.zeros(30, np.int64), [f"flower{row}.jpg" for row in range(30)])
    with pytest.raises(DataError, match=r"flower17\.jpg"):
        keep_features(Divides(), split, Schema(Vectors((0.0, 0.0), (1.0, 1.0)), Classes(("a", "b"))), cache=tmp_path)


def test_a_mixed_up_cache_is_noticed(tmp_path: Path) -> None:
    kept = keep_features(backbone(), SPLIT, SCHEMA, cache=tmp_path)
    head = nn.Linear(8, 3)
    assert check_features(backbone(), kept, SPLIT, SCHEMA, head=head) < 4e-3
    with pytest.raises(DataError, match="not those that the network gives now"):
        check_features(backbone(1), kept, SPLIT, SCHEMA)


def test_the_cache_forgets_what_was_not_used_for_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [keep_features(backbone(seed), SPLIT, SCHEMA, cache=tmp_path) for seed in range(3)]
    for at, each in enumerate(kept):
        assert each.path is not None
        os.utime(each.path, (1000 + at, 1000 + at))
    keep_features(backbone(0), SPLIT, SCHEMA, cache=tmp_path)  # used again
    size = kept[0].path.stat().st_size  # type: ignore[union-attr]
    monkeypatch.setattr("leadline.transfer.kept_copies._MOST_KEPT", 2 * size)
    keep_features(backbone(7), SPLIT, SCHEMA, cache=tmp_path)
    there = [each.path.exists() for each in kept]  # type: ignore[union-attr]
    assert there == [True, False, True]
    assert json.loads(kept[0].path.with_suffix(".json").read_text())["shape"] == [70, 8]  # type: ignore[union-attr]


def test_careless_arguments(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="copies of each row"):
        keep_features(backbone(), SPLIT, SCHEMA, copies=2, cache=tmp_path)
    with pytest.raises(ArgumentError, match="copies of each row"):
        keep_features(backbone(), SPLIT, SCHEMA, copies=2, augment=Augment(), cache=tmp_path)
    with pytest.raises(ArgumentError, match="one row of features for each input"):
        keep_features(nn.Conv2d(1, 2, 3), SPLIT, SCHEMA, cache=tmp_path)
    with pytest.raises(ArgumentError, match="no rows"):
        keep_features(backbone(), SPLIT.take(np.array([], np.int64)), SCHEMA, cache=tmp_path)
