"""PSNR and SSIM against their formulas, written out slowly in float64, and against Gaussian filters of SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from leadline import metrics
from leadline.errors import ArgumentError
from leadline.metrics.intervals import bootstrap_interval, paired_difference
from leadline.metrics.pictures import luminance, mean_score, psnr, psnr_of_each, ssim, ssim_of_each

Array = NDArray[np.float64]


def pictures(seed: int, *shape: int) -> torch.Tensor:
    """Two smooth pictures that differ a little, float64 [2, N, C, H, W] from 0 to 255."""
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.normal(size=shape), (0, 0, 2, 2)) * 300 + 120
    noisy = smooth + random.normal(size=shape) * 12
    return torch.from_numpy(np.stack([smooth, noisy]).clip(0, 255))


def direct_ssim(p: Array, t: Array, peak: float = 255.0) -> float:
    """One channel [H, W], window by window, as the paper states it."""
    away = np.arange(11) - 5
    window = np.exp(-(away[:, None] ** 2 + away[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    found = []
    for top in range(p.shape[0] - 10):
        for left in range(p.shape[1] - 10):
            x, y = p[top : top + 11, left : left + 11], t[top : top + 11, left : left + 11]
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            both = (window * (x - mx) * (y - my)).sum()
            found.append((2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(np.mean(found))


def filtered_ssim(p: Array, t: Array) -> float:
    """The same with SciPy's Gaussian, whose radius at truncate = 3.5 is 5 pixels."""

    def mean(x: Array) -> Array:
        return ndimage.gaussian_filter(x, 1.5, truncate=3.5)[5:-5, 5:-5]

    mp, mt = mean(p), mean(t)
    vp, vt, both = mean(p * p) - mp**2, mean(t * t) - mt**2, mean(p * t) - mp * mt
    c1, c2 = 2.55**2, 7.65**2
    return float(np.mean((2 * mp * mt + c1) * (2 * both + c2) / ((mp**2 + mt**2 + c1) * (vp + vt + c2))))


@pytest.mark.parametrize("shape", [(11, 11), (17, 23)])
def test_ssim_is_that_of_the_paper(shape: tuple[int, int]) -> None:
    p, t = pictures(0, 3, 1, *shape)
    expected = [direct_ssim(a[0].numpy(), b[0].numpy()) for a, b in zip(p, t, strict=True)]
    np.testing.assert_allclose(ssim_of_each(p, t).numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(ssim_of_each(p.float(), t.float()).numpy(), expected, atol=2e-5)


def test_ssim_agrees_with_scipy_on_a_large_picture() -> None:
    p, t = pictures(1, 1, 1, 90, 120)
    assert ssim_of_each(p, t).item() == pytest.approx(filtered_ssim(p[0, 0].numpy(), t[0, 0].numpy()), rel=1e-10)


def test_ssim_in_float32_keeps_its_digits_on_a_flat_bright_picture() -> None:
    t = torch.full((1, 1, 32, 32), 250.0, dtype=torch.float64)
    p = t + torch.linspace(-0.5, 0.5, 32, dtype=torch.float64)
    assert ssim_of_each(p.float(), t.float()).item() == pytest.approx(ssim_of_each(p, t).item(), abs=1e-5)


def test_psnr_is_the_logarithm_of_the_squared_error() -> None:
    p, t = pictures(2, 4, 3, 12, 15)
    expected = [10 * math.log10(255**2 / np.mean((a.numpy() - b.numpy()) ** 2)) for a, b in zip(p, t, strict=True)]
    np.testing.assert_allclose(psnr_of_each(p, t).numpy(), expected, rtol=1e-12)
    assert psnr(p, t).item() == pytest.approx(np.mean(expected))


def test_equal_pictures_have_the_largest_scores_there_are() -> None:
    p, _ = pictures(3, 2, 1, 20, 20)
    assert psnr_of_each(p, p).tolist() == [100.0, 100.0]
    assert ssim_of_each(p, p).tolist() == pytest.approx([1.0, 1.0], abs=1e-12)


@given(seed=st.integers(0, 10_000), peak=st.sampled_from([1.0, 2.0, 255.0, 65535.0]))
def test_scores_know_neither_which_is_which_nor_the_unit(seed: int, peak: float) -> None:
    p, t = pictures(seed, 1, 1, 16, 14)
    scaled = (
        psnr_of_each(p * (peak / 255), t * (peak / 255), peak=peak),
        ssim_of_each(p * (peak / 255), t * (peak / 255), peak=peak),
    )
    for found, other, same in zip(
        scaled, (psnr_of_each(t, p), ssim_of_each(t, p)), (psnr_of_each(p, t), ssim_of_each(p, t)), strict=True
    ):
        assert found.item() == pytest.approx(same.item(), rel=1e-6)
        assert other.item() == pytest.approx(same.item(), rel=1e-9)


@given(seed=st.integers(0, 10_000))
def test_more_noise_never_gains(seed: int) -> None:
    _, t = pictures(seed, 1, 1, 24, 24)
    noise = torch.from_numpy(np.random.default_rng(seed).normal(size=t.shape))
    for score in (psnr, ssim):
        falling = [score(t + level * noise, t).item() for level in (1, 4, 16)]
        assert falling == sorted(falling, reverse=True)
        assert falling[0] - falling[2] > 0.01


def test_luminance_is_that_of_rec_601() -> None:
    # The corners of the colour cube in the 8-bit form of the standard.
    colours = {(0, 0, 0): 16.0, (255, 255, 255): 235.0, (255, 0, 0): 81.481, (0, 255, 0): 144.553, (0, 0, 255): 40.966}
    for colour, expected in colours.items():
        picture = torch.tensor(colour, dtype=torch.float64).reshape(1, 3, 1, 1)
        assert luminance(picture).item() == pytest.approx(expected, abs=1e-3)
    grey = torch.full((1, 1, 2, 2), 100.0)
    torch.testing.assert_close(luminance(grey), luminance(grey.expand(1, 3, 2, 2)))


def test_full_range_luminance_costs_the_decibels_that_are_documented() -> None:
    p, t = pictures(4, 1, 1, 20, 20)
    gained = psnr(luminance(p), luminance(t)).item() - psnr(p, t).item()
    assert gained == pytest.approx(20 * math.log10(255 / 219), abs=1e-9)


def test_weights_count_pictures_and_scores_once_taken_serve_for_them() -> None:
    p, t = pictures(5, 3, 1, 16, 16)
    weights = torch.tensor([[1.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    each = psnr_of_each(p, t)
    torch.testing.assert_close(psnr(p, t, weights=weights), torch.stack([each[0], (each * weights[1]).sum() / 6]))
    torch.testing.assert_close(mean_score(each[:, None], t, weights=weights), psnr(p, t, weights=weights))
    torch.testing.assert_close(ssim(p, t, weights=weights)[0], ssim_of_each(p, t)[0])


def test_the_table_has_both_and_redraws_work_on_them() -> None:
    table = metrics.for_task("pairs", 1)
    assert list(table) == ["psnr", "ssim"]
    t, p = pictures(6, 8, 1, 16, 16)
    worse = t + 2 * (p - t)
    low, high = bootstrap_interval(table["psnr"], p, t, resamples=50)
    assert low < psnr(p, t).item() < high
    ahead = paired_difference(table["psnr"], p, worse, t, resamples=50)
    assert ahead["value"] == pytest.approx(20 * math.log10(2), abs=1e-6)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: psnr(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5)), "the same shape"),
        (lambda: psnr(torch.zeros(4, 4), torch.zeros(4, 4)), "two pictures"),
        (lambda: psnr(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), peak=0), "peak"),
        (lambda: ssim(torch.zeros(1, 1, 10, 40), torch.zeros(1, 1, 10, 40)), "11 × 11"),
        (lambda: luminance(torch.zeros(1, 2, 4, 4)), "luminance"),
    ],
)
def test_what_cannot_be_compared_is_refused(call: object, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        call()  # type: ignore[operator]
