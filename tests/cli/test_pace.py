"""Time left: right from the first steps on where they all cost the same, and where the later ones are known to cost more."""

from __future__ import annotations

import pytest

from leadline.cli.pace import Pace


def work(share: float) -> float:
    """Steps of the first third cost half as much as the others."""
    return (min(share, 1 / 3) + 2 * max(0.0, share - 1 / 3)) / (5 / 3)


@pytest.mark.parametrize("first", [0, 50, 250])
def test_time_left_does_not_grow_while_steps_get_slower(first: int) -> None:
    pace, told = Pace(300, "steps", work), []
    assert pace.left is None
    for step in range(first, 301):
        pace.advance(step, now=1000 + 100 * (work(step / 300) - work(first / 300)))
        if step > first:
            told.append(pace.left)
            assert pace.left == pytest.approx(100 * (1 - work(step / 300)), abs=1e-6)
    assert told[-1] == pytest.approx(0)


def test_without_knowing_it_grows() -> None:
    pace = Pace(300, "steps")
    ends = []
    for step in range(301):
        pace.advance(step, now=100 * work(step / 300))
        if pace.left is not None:
            ends.append(pace.now + pace.left)
    assert ends[50] < 0.7 * ends[-1]


def test_equal_steps_need_no_telling() -> None:
    pace = Pace(10, "steps")
    pace.advance(0, now=5.0)
    assert "left" not in str(pace)
    pace.advance(4, now=7.0)
    assert pace.left == pytest.approx(3.0)
    assert str(pace).split("  ") == [" 40 %", "2 steps/s", "0:03 left"]
    pace.advance(10, now=10.0)
    assert pace.left == 0


def test_a_spread_that_has_not_begun_says_nothing() -> None:
    pace = Pace(10, "steps", lambda share: max(0.0, share - 0.5))
    pace.advance(0, now=0.0)
    pace.advance(3, now=1.0)
    assert pace.left is None
    assert "left" not in str(pace)
