import errno
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import RunError, StorageError
from leadline.training import checkpoints

LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), st.text(max_size=5))
STATES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
        st.dictionaries(st.integers(0, 9), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(STATES)
def test_plain_values_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.mktemp("state") / "checkpoint"
    checkpoints.save(path, {"value": value})
    assert checkpoints.load(path) == {"value": value}


def test_tensors_come_back_to_the_bit_with_their_layout(tmp_path: Path) -> None:
    filters = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    shared = torch.randn(5)
    state = {
        "filters": filters,
        "twice": [shared, shared],
        "whole": torch.tensor(3),
        "empty": torch.zeros(0),
        "halves": shared.bfloat16(),
    }
    checkpoints.save(tmp_path / "c", state)
    back = checkpoints.load(tmp_path / "c")
    assert torch.equal(back["filters"], filters)
    assert back["filters"].stride() == filters.stride()
    assert torch.equal(back["twice"][1], shared)
    assert back["whole"].shape == ()
    assert torch.equal(back["halves"], state["halves"])


def test_optimizer_state_round_trip(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    checkpoints.save(tmp_path / "c", optimizer.state_dict())
    other = torch.optim.AdamW(model.parameters(), fused=True)
    other.load_state_dict(checkpoints.load(tmp_path / "c"))
    for parameter in model.parameters():
        assert torch.equal(optimizer.state[parameter]["exp_avg"], other.state[parameter]["exp_avg"])
    assert other.param_groups[0]["betas"] == (0.9, 0.999)


@pytest.mark.parametrize(
    "damage", [lambda content: content[: len(content) // 2], lambda content: b"no checkpoint", lambda content: b""]
)
def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "c"
    checkpoints.save(path, {"a": torch.ones(10)})
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(RunError, match="damaged"):
        checkpoints.load(path)


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c"
    checkpoints.save(path, {"a": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        checkpoints.save(path, {"a": 2})
    monkeypatch.undo()
    assert checkpoints.load(path) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["c"]


def test_tensors_lie_in_memory_of_their_own(tmp_path: Path) -> None:
    # On the file's memory they would begin anywhere, and a product of vectors that begin elsewhere has other last bits.
    checkpoints.save(tmp_path / "state", {"tensors": [torch.zeros(count) for count in (3, 50, 51, 7)]})
    assert {tensor.data_ptr() % 64 for tensor in checkpoints.load(tmp_path / "state")["tensors"]} == {0}
