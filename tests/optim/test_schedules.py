import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline import optim
from leadline.errors import ArgumentError


@given(st.floats(0, 1))
def test_every_schedule_stays_within_zero_and_one(progress: float) -> None:
    for name in optim.SCHEDULES:
        assert 0 <= optim.make_schedule(name, warm_up_share=0.1)(progress) <= 1 + 1e-12


def test_cosine_equals_torch() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    for step in range(20):
        assert optim.cosine(step / 20) == pytest.approx(reference.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        reference.step()


def test_one_cycle_equals_torch() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    # torch counts the peak at 0.3 · total − 1 and the end at total − 1, and its final rate is relative to the initial one.
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=1001, pct_start=0.3, div_factor=25, final_div_factor=1e4 / 25, cycle_momentum=False
    )
    ours = optim.one_cycle(rise=(0.3 * 1001 - 1) / 1000, start=0.04, end=1e-4)
    for step in range(1000):
        assert ours(step / 1000) == pytest.approx(reference.get_last_lr()[0], abs=1e-6)
        optimizer.step()
        reference.step()


def test_step_drops_equal_torch_milestones() -> None:
    drops = optim.step_drops((0.3, 0.6), factor=0.5)
    assert [drops(step / 10) for step in range(10)] == [1.0] * 3 + [0.5] * 3 + [0.25] * 4


def test_warm_up_multiplies() -> None:
    both = optim.make_schedule("cosine", warm_up_share=0.2)
    assert both(0.1) == pytest.approx(0.5 * 0.5 * (1 + math.cos(0.1 * math.pi)))
    assert both(0.5) == optim.cosine(0.5)
    assert both(0.0) > 0, "the first step must not be wasted"


@pytest.mark.parametrize(
    "make", [lambda: optim.warm_up(1.0), lambda: optim.one_cycle(rise=0), lambda: optim.step_drops((2.0,))]
)
def test_out_of_range(make: object) -> None:
    with pytest.raises(ArgumentError, match="out of range"):
        make()  # type: ignore[operator]


def test_unknown_schedule_names_the_nearest() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'cosine'"):
        optim.make_schedule("cosin")
