"""Fast dropout: the distribution of dropout, to the last of its 65536 steps, from torch's own generator."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.layers import fast_dropout
from leadline.layers.fast_dropout import FastDropout


@pytest.mark.parametrize("p", [1e-4, 0.1, 0.3, 0.5, 0.75, 0.999, 0.9999999])
def test_of_all_values_that_sixteen_bits_have_the_right_number_is_kept(p: float, monkeypatch: pytest.MonkeyPatch) -> None:
    every = torch.arange(-(2**15), 2**15, dtype=torch.int16)
    monkeypatch.setattr(fast_dropout, "_random_bits", lambda like, count: every[:count])
    y = FastDropout(p)(torch.ones(2**16, dtype=torch.float64))
    kept = int((y != 0).sum())
    assert kept == max(2**16 - round(p * 2**16), 1)
    assert abs(kept / 2**16 - (1 - p)) <= 2**-16
    assert y.mean().item() == pytest.approx(1, rel=1e-12)  # divided by what is kept, not by what was asked for


@given(st.integers(0, 9), st.integers(0, 2**31))
def test_every_bit_of_a_draw_is_as_often_zero_as_one(rest: int, seed: int) -> None:
    torch.manual_seed(seed)
    count = 4 * 4096 + rest
    bits = fast_dropout._random_bits(torch.zeros(1), count)
    assert bits.shape == (count,)
    for lane in range(4):  # each draw of 64 bits makes four values; a draw of 63 would show in the highest bit
        values = bits[lane::4].int()
        for place in range(16):
            ones = (values >> place & 1).double().mean().item()
            assert abs(ones - 0.5) < 6 * 0.5 / math.sqrt(len(values))


@pytest.mark.parametrize("shift", [1, 2, 3, 4, 7, 400])
def test_whether_one_is_dropped_says_nothing_of_another(shift: int) -> None:
    torch.manual_seed(shift)
    p = 0.3
    dropped = (FastDropout(p)(torch.ones(500, 401)).flatten() == 0).double()
    both = (dropped[shift:] * dropped[:-shift]).mean().item()
    assert abs(both - p * p) < 6 * math.sqrt(p * p * (1 - p * p) / len(dropped))


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_the_share_the_mean_and_the_spread_are_those_of_dropout(p: float) -> None:
    torch.manual_seed(0)
    x = torch.full((1000, 301), 2.0)
    for layer in (FastDropout(p), torch.nn.Dropout(p)):
        y = layer(x)
        error = math.sqrt(p * (1 - p) / y.numel())
        assert abs((y == 0).double().mean().item() - p) < 6 * error
        assert y.double().var().item() == pytest.approx(4 * p / (1 - p), rel=0.05)


def test_the_gradient_has_the_same_mask() -> None:
    torch.manual_seed(0)
    x = torch.ones(7, 5, requires_grad=True)
    y = FastDropout(0.5)(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


def test_a_seed_repeats_it_and_the_next_draw_is_another() -> None:
    layer, x = FastDropout(0.5), torch.ones(50)
    torch.manual_seed(5)
    first, second = layer(x), layer(x)
    torch.manual_seed(5)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


def test_in_evaluation_nothing_happens() -> None:
    x = torch.randn(4, 3)
    assert FastDropout(0.9).eval()(x) is x
    assert FastDropout(0.0)(x) is x


def test_many_networks_at_once_draw_each_for_themselves() -> None:
    torch.manual_seed(0)
    y = torch.func.vmap(FastDropout(0.5), randomness="different")(torch.ones(2, 2000))
    assert 0.4 < (y[0] == y[1]).float().mean().item() < 0.6
    same = torch.func.vmap(FastDropout(0.5), randomness="same")(torch.ones(2, 2000))
    assert torch.equal(same[0], same[1])
