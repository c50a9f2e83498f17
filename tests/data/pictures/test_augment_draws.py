import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from leadline.data.pictures.augment_draws import symmetric_beta, uniform


def split_mix(value: int) -> int:
    """SplitMix64 in Python's own unbounded integers."""
    mask = (1 << 64) - 1
    value = (value + 0x9E3779B97F4A7C15) & mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return value ^ (value >> 31)


@given(seed=st.integers(0, 2**31 - 1), epoch=st.integers(0, 10**6), row=st.integers(0, 2**40), lane=st.integers(0, 20))
def test_draws_equal_the_hash_in_plain_integers(seed: int, epoch: int, row: int, lane: int) -> None:
    state = split_mix((split_mix((split_mix(seed) + epoch) % 2**64) + row) % 2**64)
    expected = (split_mix((state + lane) % 2**64) >> 40) / 2**24
    assert uniform(seed, epoch, torch.tensor([row]), lane + 1)[0, lane].item() == expected


def test_draws_are_uniform_and_uncorrelated() -> None:
    draws = uniform(0, 1, torch.arange(20_000), 21).double()
    assert (draws.mean(0) - 0.5).abs().max() < 0.01
    assert (draws.var(0) * 12 - 1).abs().max() < 0.03
    assert (torch.corrcoef(draws.T) - torch.eye(21)).abs().max() < 0.03
    assert 0 <= draws.min() <= draws.max() < 1


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.4, 1.0, 2.0, 8.0])
def test_mixtures_follow_the_beta_distribution(alpha: float) -> None:
    """The greatest distance of 20,000 draws from scipy's distribution function: 0.0115 is exceeded once in 100."""
    draws = uniform(3, 1, torch.arange(20_000), 2)
    found = symmetric_beta(alpha, draws[:, 0], draws[:, 1]).double().numpy()
    points = np.linspace(0.0005, 0.9995, 1000)  # float32 rounds what is nearer to 0 or 1, and no mixture shows it
    below = np.searchsorted(np.sort(found), points) / len(found)
    assert np.abs(below - stats.beta(alpha, alpha).cdf(points)).max() < 0.0115
    assert found.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)


# What `uniform` can give.
draws_of_24_bits = st.integers(0, 2**24 - 1).map(lambda bits: bits / 2**24)


@given(alpha=st.floats(1e-4, 1e4), length=draws_of_24_bits, angle=draws_of_24_bits)
def test_every_draw_gives_a_share(alpha: float, length: float, angle: float) -> None:
    found = symmetric_beta(alpha, torch.tensor([length]), torch.tensor([angle])).item()
    assert 0 <= found <= 1
    assert not math.isnan(found)


def test_corner_draws_are_shares_too() -> None:
    corners = torch.tensor([0.0, 0.25, 0.5, 0.75, 1 - 2**-24])
    length, angle = (each.flatten() for each in torch.meshgrid(corners, corners, indexing="ij"))
    for alpha in (1e-4, 0.2, 1.0, 1e4):
        found = symmetric_beta(alpha, length, angle).numpy()
        assert np.isfinite(found).all()
        assert found.min() >= 0
        assert found.max() <= 1
