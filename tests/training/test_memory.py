import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from leadline.errors import ArgumentError, TrainingError
from leadline.optim.averaging import ExponentialAverage
from leadline.optim.clipping import ClipPercentile
from leadline.training import Supervised
from leadline.training.memory import (
    _free_in_groups,
    fitting_rows,
    free_bytes,
    held_bytes,
    largest_fitting,
    peak_bytes,
)

CPU = torch.device("cpu")
SIZES = st.integers(0, 10**6)


class Fake:
    """A step that takes fixed + each·rows^power bytes and runs out beyond the limit."""

    def __init__(self, fixed: int, each: float, power: float, limit: int, *, raises: bool = False) -> None:
        self.fixed, self.each, self.power, self.limit, self.raises = fixed, each, power, limit, raises
        self.tried: list[int] = []

    def bytes(self, rows: int) -> int:
        return math.ceil(self.fixed + self.each * rows**self.power)

    def __call__(self, rows: int) -> int | None:
        self.tried.append(rows)
        if self.bytes(rows) <= self.limit:
            return self.bytes(rows)
        if self.raises:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return None


@given(st.integers(1, 2000), SIZES, st.integers(1, 10**4), st.floats(0.3, 1), SIZES, st.floats(0.5, 1), st.booleans())
def test_it_never_tries_more_than_it_may_use(
    rows: int, fixed: int, each: int, power: float, room: int, margin: float, told: bool
) -> None:
    first = min(2, rows)
    limit = math.ceil((fixed + each * first**power + room + 1) / margin)
    step = Fake(fixed, each, power, limit)
    found = largest_fitting(step, rows, limit, margin=margin, fixed_bytes=fixed if told else 0)
    assert all(step.bytes(tried) <= margin * limit + 2 for tried in step.tried)
    assert all(later <= 2 * max(step.tried[:place]) for place, later in enumerate(step.tried) if place)
    assert step.bytes(found) <= margin * limit + 2
    assert found <= max(step.tried)
    assert len(step.tried) <= 2 + 2 * math.log2(rows + 1)


@given(st.integers(2, 2000), SIZES, st.integers(1, 10**4), SIZES, st.booleans())
def test_of_what_fits_it_takes_nearly_all(rows: int, fixed: int, each: int, room: int, told: bool) -> None:
    limit = fixed + 2 * each + room
    step = Fake(fixed, each, 1.0, limit)
    found = largest_fitting(step, rows, limit, margin=1.0, fixed_bytes=fixed if told else 0)
    best = min(rows, 2 + room // each)
    if not told and fixed + 2 * each > limit / 2:
        return  # two rows take more than half of it, and whether that is for the rows nobody knows
    parts, fewest = math.ceil(rows / found), math.ceil(rows / best)
    assert parts <= 2 * math.ceil(fewest * 1.05 + 1)
    assert found == rows or best < rows


@given(st.integers(1, 500), SIZES, st.floats(0.1, 1000), st.floats(1, 2.5), SIZES, st.booleans())
def test_it_survives_running_out(rows: int, fixed: int, each: float, power: float, room: int, raises: bool) -> None:
    limit = math.ceil(fixed + each * 2**power) + room
    step = Fake(fixed, each, power, limit, raises=raises)
    found = largest_fitting(step, rows, limit, margin=0.9)
    assert step.bytes(found) <= limit
    assert found >= min(2, rows)
    assert found == min(2, rows) or step.bytes(found) <= 0.9 * limit


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_parts_are_equal_where_possible(rows: int, capacity: int) -> None:
    found = largest_fitting(lambda count: count, rows, capacity, margin=1.0, smallest=1)
    parts = math.ceil(rows / found)
    sizes = [len(part) for part in torch.arange(rows).tensor_split(parts)]
    assert max(sizes) <= found <= capacity
    assert max(sizes) - min(sizes) <= 1
    exact = [size for size in range(1, min(rows, capacity) + 1) if rows % size == 0]
    if 2 * max(exact) >= min(rows, capacity):
        assert rows % found == 0


@pytest.mark.parametrize(
    ("rows", "capacity", "expected"), [(128, 100, 64), (100, 34, 25), (97, 50, 49), (256, 1000, 256), (6, 5, 3), (1, 9, 1)]
)
def test_cases(rows: int, capacity: int, expected: int) -> None:
    assert largest_fitting(lambda count: count, rows, capacity, margin=1.0, smallest=1) == expected


def test_where_no_line_tells_the_end_is_found_by_halving() -> None:
    assert largest_fitting(lambda rows: 100 if rows <= 40 else None, 1000, 10**6) == 40


def test_no_step_is_tried_for_a_few_rows_more() -> None:
    step = Fake(0, 1, 1.0, 66)
    assert largest_fitting(step, 1000, 66, margin=1.0) == 50
    assert step.tried == [2, 4, 8, 16, 32, 64]


def test_a_step_that_does_not_fit_at_all() -> None:
    for give in (lambda rows: None, lambda rows: 200):
        with pytest.raises(TrainingError, match="2 rows does not fit"):
            largest_fitting(give, 64, 100)


def test_other_errors_of_the_step_are_not_hidden() -> None:
    def broken(rows: int) -> int:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="multiplied"):
        largest_fitting(broken, 64, 100)


def test_the_main_memory_running_out_is_seen() -> None:
    def greedy(rows: int) -> int:
        return torch.empty(1 << 60, dtype=torch.uint8).numel() if rows > 4 else rows

    assert largest_fitting(greedy, 64, 10**9) == 4


@pytest.mark.parametrize("values", [{"rows": 0}, {"margin": 0.0}, {"margin": 1.1}, {"fixed_bytes": -1}, {"smallest": 0}])
def test_out_of_range(values: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="cannot be sought"):
        largest_fitting(lambda rows: rows, **{"rows": 8, "limit_bytes": 100, **values})


def wide() -> tuple[nn.Module, Supervised]:
    """Per row 0.6 MB of activations and their gradients, and few weights."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 50_000), nn.Tanh(), nn.Linear(50_000, 2), nn.Dropout(0.1))
    adam = torch.optim.Adam(model.parameters())
    return model, Supervised(model, nn.functional.cross_entropy, adam, clip=ClipPercentile(90))


def batch_of(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ones(rows, 2), torch.zeros(rows, dtype=torch.long)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the highest mark cannot be reset")
def test_the_peak_grows_with_the_rows_and_can_shrink_again() -> None:
    _, step = wide()
    step(batch_of(64), None)  # what torch loads at a first step is no memory of ours
    peaks = {rows: peak_bytes(lambda rows=rows: step(batch_of(rows), None), CPU) for rows in (512, 256, 32)}
    # The tanhs and their gradients are there together, of 4 bytes each, less what malloc had kept; at most two more such.
    assert 0.5 * 8 < (peaks[512] - peaks[32]) / (480 * 50_000) < 1.1 * 16
    # malloc may keep 64 MiB of what was freed, more than which a hundred and more rows take.
    assert peaks[32] < peaks[256] < peaks[512]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the highest mark cannot be reset")
def test_real_steps_find_what_fits_and_leave_no_trace() -> None:
    _, other = wide()
    other(batch_of(64), None)  # what torch loads at a first step is no memory of ours
    model, inner = wide()
    step = ExponentialAverage(inner)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.get_rng_state()
    limit = held_bytes(CPU) + 200_000_000
    found = fitting_rows(step, batch_of, 1024, CPU, margin=1.0, limit_bytes=limit)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert not inner.optimizer.state_dict()["state"]
    assert step.count == 0
    assert all(weight.grad is None for weight in model.parameters())
    assert 1024 % found == 0
    assert 32 <= found <= 512
    # The allocator of the system keeps a hole here and there.
    assert peak_bytes(lambda: [step(batch_of(found), None) for _ in range(2)], CPU) < limit + 50_000_000
    assert peak_bytes(lambda: step(batch_of(found * 5 // 2), None), CPU) > limit


class Counting:
    """A step that keeps the rows of its batches."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, batch: torch.Tensor, progress: Any) -> dict[str, torch.Tensor]:
        self.seen.append(len(batch))
        return {}

    def state(self) -> dict[str, Any]:
        return {"seen": torch.tensor(7), "pair": (1, [None])}

    def load(self, state: dict[str, Any]) -> None:
        self.loaded = state

    def modules(self) -> dict[str, nn.Module]:
        return {}

    def evaluating(self) -> Any:
        raise AssertionError


def test_the_second_step_of_a_trial_has_the_state_of_the_optimizer() -> None:
    step = Counting()
    assert fitting_rows(step, torch.zeros, 8, CPU, limit_bytes=1 << 50) == 8
    assert step.seen == [2, 2, 4, 4, 8, 8]
    assert step.loaded == {"seen": torch.tensor(7), "pair": (1, [None])}


def test_what_is_free_is_less_than_the_machine_has() -> None:
    assert held_bytes(CPU) > 10_000_000
    assert 0 < free_bytes(CPU) < 1 << 50


def group(folder: Path, files: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(f"{content}\n")


def test_control_groups_of_both_versions(tmp_path: Path) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text("0::/box/job\n")
    group(root, {})
    group(root / "box", {"memory.max": 1000, "memory.current": 700, "memory.stat": "anon 600\ninactive_file 100"})
    group(root / "box/job", {"memory.max": "max", "memory.current": 500, "memory.stat": "inactive_file 0"})
    assert list(_free_in_groups(membership, root)) == [400]

    membership.write_text("5:cpu,cpuacct:/\n4:hugetlb,memory:/box\n0::/\n")
    group(root / "memory/box", {"memory.limit_in_bytes": 900, "memory.usage_in_bytes": 950, "memory.stat": ""})
    group(
        root / "memory", {"memory.limit_in_bytes": 5000, "memory.usage_in_bytes": 1000, "memory.stat": "total_inactive_file 10"}
    )
    assert list(_free_in_groups(membership, root)) == [0, 4010]

    assert list(_free_in_groups(tmp_path / "nowhere", root)) == []


def test_a_device_that_does_not_tell() -> None:
    for ask in (held_bytes, free_bytes, lambda device: peak_bytes(lambda: None, device)):
        with pytest.raises(ArgumentError, match="cannot be measured"):
            ask(torch.device("meta"))
