import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.optim.decays import constant, cosine, exponential, inverse_time, polynomial, step_drops
from leadline.optim.multiplier import Schedule, set_rates
from leadline.optim.plateau import Plateau
from leadline.optim.schedules import SCHEDULES, make_schedule, one_cycle, warm_up

SHARES = st.floats(0, 1)
NEVER_RISING = [
    constant(),
    step_drops([0.2, 0.7], factor=0.3),
    exponential(0.01),
    inverse_time(4.0),
    polynomial(0.5),
    polynomial(3, end=0.1),
    cosine(),
    cosine(0.2),
]
TEXTS = [
    "constant",
    "step_drops",
    "step_drops([0.5, 0.75], factor=0.1) * warm_up(0.05)",
    "exponential(0.5)",
    "inverse_time(decay=3)",
    "polynomial(2, end=0.1)",
    "cosine * warm_up",
    "one_cycle(0.2, start=0.1)",
    "plateau(factor=0.5, patience=3, cooldown=1) * cosine(end=0.1) * warm_up(0.1)",
]


@given(SHARES)
def test_every_schedule_stays_within_zero_and_one(progress: float) -> None:
    for name in SCHEDULES:
        assert 0 <= make_schedule(name, warm_up_share=0.1)(progress) <= 1 + 1e-12


@given(SHARES, SHARES)
def test_decays_never_rise_and_a_warm_up_never_falls(one: float, other: float) -> None:
    first, second = sorted((one, other))
    for schedule in NEVER_RISING:
        assert schedule(first) >= schedule(second) - 1e-12
    assert warm_up(0.3)(first) <= warm_up(0.3)(second)


@given(st.floats(-10, 0), st.floats(1, 10))
def test_progress_outside_counts_as_the_nearer_end(before: float, after: float) -> None:
    for schedule in [*NEVER_RISING, one_cycle(), warm_up(0.1)]:
        assert schedule(before) == schedule(0.0)
        assert schedule(after) == schedule(1.0)


@given(SHARES)
def test_closed_forms(p: float) -> None:
    assert exponential(0.2)(p) == pytest.approx(math.exp(p * math.log(0.2)), rel=1e-12)
    assert inverse_time(3.0)(p) == pytest.approx(1 / (1 + 3 * p), rel=1e-12)
    assert polynomial(2, end=0.1)(p) == pytest.approx(0.1 + 0.9 * (1 - p) ** 2, rel=1e-12)
    assert cosine(0.3)(p) == pytest.approx(0.3 + 0.7 * math.cos(math.pi * p / 2) ** 2, rel=1e-9)


@given(SHARES)
def test_a_product_multiplies_and_associates(p: float) -> None:
    a, b, c = cosine(0.1), warm_up(0.2), exponential(0.3)
    assert (a * b)(p) == a(p) * b(p)
    assert ((a * b) * c)(p) == pytest.approx((a * (b * c))(p), rel=1e-12)
    assert make_schedule("cosine(0.1) * warm_up(0.2)")(p) == (a * b)(p)
    assert make_schedule("cosine(0.1)", warm_up_share=0.2)(p) == (a * b)(p)


Reference = Callable[[torch.optim.Optimizer], Any]
COUNTERPARTS: list[tuple[Schedule, Reference]] = [
    (exponential(0.9**20), lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.9)),
    (step_drops([5, 12], factor=0.5, epochs=20), lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [5, 12], gamma=0.5)),
    (polynomial(), lambda o: torch.optim.lr_scheduler.PolynomialLR(o, total_iters=20)),
    (polynomial(2.5), lambda o: torch.optim.lr_scheduler.PolynomialLR(o, total_iters=20, power=2.5)),
    (cosine(), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=20)),
    (cosine(0.2), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=20, eta_min=0.2)),
    (inverse_time(3.0), lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + 3 * step / 20))),
    (
        constant() * warm_up(0.5) * warm_up(0.25),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: max(0.01, min(1, step / 10)) * max(0.01, min(1, step / 5))),
    ),
]


@pytest.mark.parametrize(("ours", "reference"), COUNTERPARTS, ids=[str(ours) for ours, _ in COUNTERPARTS])
def test_equal_to_torch_on_its_grid(ours: Schedule, reference: Reference) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = reference(optimizer)
    for step in range(20):
        assert ours(step / 20) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        theirs.step()


def test_one_cycle_equals_torch() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    # torch counts the peak at 0.3 · total − 1 and the end at total − 1, and its final rate is relative to the initial one.
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=1001, pct_start=0.3, div_factor=25, final_div_factor=1e4 / 25, cycle_momentum=False
    )
    ours = one_cycle(rise=(0.3 * 1001 - 1) / 1000, start=0.04, end=1e-4)
    for step in range(1000):
        assert ours(step / 1000) == pytest.approx(reference.get_last_lr()[0], abs=1e-6)
        optimizer.step()
        reference.step()


@given(st.integers(1, 50), st.integers(1, 20), st.data())
def test_a_drop_at_an_epoch_is_on_its_first_step(epochs: int, steps: int, data: st.DataObject) -> None:
    drop = data.draw(st.integers(1, epochs))
    schedule = step_drops([drop, epochs + 1], epochs=epochs + 1)  # the second one makes all of them epochs
    total = steps * (epochs + 1)
    assert schedule(drop * steps / total) == pytest.approx(0.1)
    assert schedule((drop * steps - 1) / total) == 1.0


def test_shares_and_epochs_are_told_apart() -> None:
    assert make_schedule("step_drops([1, 2])", epochs=4)(0.25) == 0.1, "a list with 2 in it counts epochs, its 1 too"
    assert make_schedule("step_drops([0.25, 1])", epochs=4)(0.3) == 0.1, "a list up to 1 counts shares"
    with pytest.raises(ArgumentError, match="unknown"):
        make_schedule("step_drops([30, 60])")
    with pytest.raises(ArgumentError, match="mixes"):
        step_drops([0.5, 30], epochs=40)
    with pytest.raises(ArgumentError, match="after the end"):
        step_drops([30, 60], epochs=40)


def test_warm_up_wastes_no_step_and_leaves_the_rest_alone() -> None:
    both = make_schedule("cosine", warm_up_share=0.2)
    assert both(0.1) == pytest.approx(0.5 * 0.5 * (1 + math.cos(0.1 * math.pi)))
    assert both(0.5) == cosine()(0.5)
    assert both(0.0) > 0
    assert warm_up(0.0)(0.0) == 1.0


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_printed_can_be_read_back(text: str) -> None:
    schedule = make_schedule(text)
    again = make_schedule(repr(schedule))
    assert repr(again) == repr(schedule)
    assert all(schedule(step / 64) == again(step / 64) for step in range(65))
    for each in (schedule, again):
        if isinstance(each, Plateau):
            for _ in range(9):
                each.update(1.0)
    assert schedule(0.5) == again(0.5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: warm_up(1.0),
        lambda: warm_up(math.nan),
        lambda: one_cycle(rise=0),
        lambda: one_cycle(start=2.0),
        lambda: step_drops((-0.1,)),
        lambda: step_drops((math.nan,)),
        lambda: step_drops(factor=0.0),
        lambda: exponential(0.0),
        lambda: inverse_time(-1.0),
        lambda: inverse_time(math.inf),
        lambda: polynomial(0.0),
        lambda: polynomial(end=1.5),
        lambda: cosine(-0.1),
    ],
)
def test_out_of_range(make: Callable[[], Schedule]) -> None:
    with pytest.raises(ArgumentError, match="out of range"):
        make()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosin", "Did you mean 'cosine'"),
        ("cosine * warmup(0.1)", "Did you mean 'warm_up'"),
        ("cosine(ends=0.1)", "Did you mean 'end'"),
        ("cosine(end='low')", "'end' .* Expected a number; got 'low'"),
        ("step_drops('ab')", "'at' .* Expected a list of numbers; got 'ab'"),
        ("step_drops(0.5)", "'at' .* Expected a list of numbers; got 0.5"),
        ("constant(1)", "do not fit"),
        ("cosine + warm_up(0.1)", "cannot be read"),
        ("plateau * plateau", "cannot be multiplied"),
    ],
)
def test_a_text_that_is_no_schedule(text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make_schedule(text)


def test_only_schedules_multiply() -> None:
    with pytest.raises(TypeError):
        cosine() * 2.0  # type: ignore[operator]
    with pytest.raises(TypeError):
        Plateau() * 2.0  # type: ignore[operator]


def test_rates_are_those_before_any_schedule_times_its_multiplier() -> None:
    held = torch.tensor(0.5, dtype=torch.float64)
    groups = [{"params": [torch.zeros(1)], "lr": 0.2}, {"params": [torch.zeros(1)], "lr": held}]
    optimizer = torch.optim.SGD(groups)
    for multiplier in (0.5, 0.1):
        set_rates(optimizer, [0.2, 0.5], multiplier)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.02)
    assert optimizer.param_groups[1]["lr"] is held, "a captured graph reads it where it is"
    assert held.item() == pytest.approx(0.05)
    with pytest.raises(ValueError, match="zip"):
        set_rates(optimizer, [0.2], 1.0)
