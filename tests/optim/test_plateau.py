import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.optim.decays import cosine
from leadline.optim.plateau import Plateau
from leadline.optim.schedules import make_schedule, warm_up

VALUES = st.lists(st.floats(0, 1).map(lambda value: round(value, 1)), min_size=1, max_size=60)


@given(VALUES, st.integers(1, 4), st.sampled_from([0.0, 0.1, 0.25]), st.integers(0, 3), st.booleans())
def test_equal_to_torch(values: list[float], patience: int, min_change: float, cooldown: int, higher: bool) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode="max" if higher else "min",
        factor=0.5,
        patience=patience - 1,  # torch counts those that are tolerated, we those after which it drops
        threshold=min_change,
        threshold_mode="abs",
        cooldown=cooldown,
        min_lr=0.1,
        eps=0.0,
    )
    ours = Plateau(0.5, patience, min_change=min_change, cooldown=cooldown, least=0.1)
    for value in values:
        theirs.step(value)
        ours.update(value, higher_is_better=higher)
        assert ours(0.3) == optimizer.param_groups[0]["lr"]


@given(VALUES, VALUES)
def test_a_state_goes_on_as_if_nothing_had_happened(before: list[float], after: list[float]) -> None:
    whole, resumed = Plateau(0.5, 2, cooldown=1), Plateau(0.5, 2, cooldown=1)
    for value in before:
        whole.update(value)
    resumed.load(json.loads(json.dumps(whole.state())))
    for value in after:
        whole.update(value)
        resumed.update(value)
        assert resumed(0.0) == whole(0.0)


def test_a_fresh_state_can_be_kept_too() -> None:
    resumed = Plateau(0.5, 1)
    resumed.load(json.loads(json.dumps(Plateau(0.5, 1).state())))
    resumed.update(3.0)
    assert resumed(0.0) == 1.0, "the first value is the best so far"


def test_what_is_not_a_number_is_not_better() -> None:
    schedule = Plateau(0.5, 2)
    for value in (math.nan, 1.0, math.nan, math.nan):
        assert schedule(0.0) == 1.0
        schedule.update(value)
    assert schedule(0.0) == 0.5
    schedule.update(0.9)
    schedule.update(math.inf)
    assert schedule(0.0) == 0.5


def test_a_product_with_pure_schedules_on_either_side() -> None:
    for schedule in (
        Plateau(0.5, 1) * cosine() * warm_up(0.5),
        cosine() * warm_up(0.5) * Plateau(0.5, 1),
        make_schedule("cosine * plateau(0.5, patience=1)", warm_up_share=0.5),
    ):
        assert isinstance(schedule, Plateau)
        assert schedule(0.25) == pytest.approx(cosine()(0.25) * 0.5)
        schedule.update(1.0)
        schedule.update(1.0)
        assert schedule(0.25) == pytest.approx(cosine()(0.25) * 0.25)


def test_a_product_goes_on_where_its_factor_was() -> None:
    schedule = Plateau(0.5, 1)
    schedule.update(1.0)
    schedule.update(1.0)
    product = schedule * cosine()
    assert product(0.0) == 0.5
    product.update(0.9)
    assert product(0.0) == 0.5, "0.9 is better than what the factor had seen"


@pytest.mark.parametrize(
    "values",
    [{"factor": 1.0}, {"factor": 0.0}, {"patience": 0}, {"min_change": math.nan}, {"cooldown": -1}, {"least": 2.0}],
)
def test_out_of_range(values: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match="out of range"):
        Plateau(**values)  # type: ignore[arg-type]
