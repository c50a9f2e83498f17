"""Distances of samples against closed forms, a matrix root, a double loop, and what an unbiased number must do."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.metrics.sample_distances import frechet_distance, kernel_distance


def draw(rows: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_moments(rows: int, mean: torch.Tensor, deviations: torch.Tensor, seed: int) -> torch.Tensor:
    """Rows whose sample mean and covariance are exactly these, the covariance diagonal."""
    x = draw(rows, len(mean), seed)
    x = x - x.mean(dim=0)
    white = torch.linalg.qr(x).Q * (rows - 1) ** 0.5
    return white * deviations + mean


def test_two_normal_distributions_with_diagonal_covariances() -> None:
    """d² = Σ (μ − ν)² + (σ − τ)²."""
    mean, other_mean = torch.tensor([1.0, -2.0, 0.0]).double(), torch.tensor([0.5, 0.0, 3.0]).double()
    deviations, others = torch.tensor([1.0, 2.0, 0.1]).double(), torch.tensor([3.0, 2.0, 0.5]).double()
    found = frechet_distance(with_moments(50, mean, deviations, 0), with_moments(80, other_mean, others, 1))
    expected = (mean - other_mean).square().sum() + (deviations - others).square().sum()
    assert found.item() == pytest.approx(expected.item(), rel=1e-10)


@pytest.mark.parametrize(("rows", "others", "width"), [(300, 200, 8), (40, 30, 12)])
def test_the_root_of_the_product_by_scipy(rows: int, others: int, width: int) -> None:
    x, y = draw(rows, width) @ draw(width, width, 2), 0.5 * draw(others, width, 1) + 1
    covariances = [np.cov(each.numpy(), rowvar=False) for each in (x, y)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    shift = (x.mean(0) - y.mean(0)).square().sum().item()
    expected = shift + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(x, y).item() == pytest.approx(expected, rel=1e-8)


@given(seed=st.integers(0, 1000), rows=st.integers(2, 30), width=st.integers(1, 12))
def test_laws_of_the_frechet_distance(seed: int, rows: int, width: int) -> None:
    """It is symmetric, 0 from a set to itself, and unchanged by a rotation, also with fewer rows than features."""
    x, y = draw(rows, width, seed), 2 * draw(rows + 3, width, seed + 1) + 0.5
    turn = torch.linalg.qr(draw(width, width, seed + 2)).Q
    found = frechet_distance(x, y).item()
    assert found >= 0
    assert frechet_distance(y, x).item() == pytest.approx(found, rel=1e-9, abs=1e-9)
    assert frechet_distance(x @ turn, y @ turn).item() == pytest.approx(found, rel=1e-9, abs=1e-9)
    assert frechet_distance(x, x).item() == pytest.approx(0, abs=1e-9)
    assert frechet_distance(3 * x, 3 * y).item() == pytest.approx(9 * found, rel=1e-9, abs=1e-9)


def test_the_kernel_distance_of_one_block_is_a_double_loop() -> None:
    x, y = draw(8, 3), draw(6, 3, 1) + 0.3

    def kernel(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a @ b) / 3 + 1) ** 3

    found = kernel_distance(x, y, blocks=2, seed=4)
    generator = torch.Generator().manual_seed(4)
    left, right = torch.randperm(8, generator=generator), torch.randperm(6, generator=generator)
    values = []
    for block in range(2):
        a, b = x[left[4 * block : 4 * block + 4]], y[right[3 * block : 3 * block + 3]]
        within = [np.mean([kernel(p, q) for i, p in enumerate(s) for j, q in enumerate(s) if i != j]) for s in (a, b)]
        values.append(sum(within) - 2 * np.mean([kernel(p, q) for p in a for q in b]))
    assert found.value.item() == pytest.approx(np.mean(values), rel=1e-10)
    assert found.standard_error.item() == pytest.approx(np.std(values, ddof=1) / 2**0.5, rel=1e-10)


def test_the_kernel_distance_is_unbiased_and_knows_its_error() -> None:
    """Over many draws of one distribution its mean is 0, and its deviation what it says; so too at a true distance."""
    for shift in (0.0, 0.5):
        found = [kernel_distance(draw(100, 4, 2 * s), draw(100, 4, 2 * s + 1) + shift) for s in range(200)]
        values = torch.stack([each.value for each in found])
        errors = torch.stack([each.standard_error for each in found])
        # k(a, b) = (a·b/D + 1)³ expands to moments: here from a million pairs of its own draws.
        x, y = draw(200_000, 4, 10_000), draw(200_000, 4, 10_001) + shift
        one, other = draw(200_000, 4, 10_002), draw(200_000, 4, 10_003) + shift
        pairs = [((a * b).sum(1) / 4 + 1) ** 3 for a, b in ((x, one), (y, other), (x, y))]
        true = (pairs[0] + pairs[1] - 2 * pairs[2]).mean().item()
        noise = (pairs[0] + pairs[1] - 2 * pairs[2]).std().item() / 200_000**0.5
        assert abs(values.mean().item() - true) < 4 * (values.std().item() / 200**0.5 + noise)
        assert errors.square().mean().sqrt().item() == pytest.approx(values.std().item(), rel=0.2)


def test_distances_rise_with_the_difference() -> None:
    real = draw(400, 6, 1)
    frechet = [frechet_distance(draw(400, 6) + shift, real).item() for shift in (0, 0.3, 1.0)]
    kernel = [kernel_distance(draw(400, 6) + shift, real).value.item() for shift in (0, 0.3, 1.0)]
    assert frechet == sorted(frechet)
    assert kernel == sorted(kernel)


def test_half_precision_features_are_reckoned_in_double() -> None:
    x, y = draw(100, 4).bfloat16(), draw(100, 4, 1).bfloat16()
    assert frechet_distance(x, y).item() == frechet_distance(x.double(), y.double()).item()
    assert kernel_distance(x, y).value.dtype == torch.float64


def test_what_cannot_be_compared_is_refused() -> None:
    x = draw(30, 4)
    with pytest.raises(ArgumentError, match="same features"):
        frechet_distance(x, draw(30, 5))
    with pytest.raises(ArgumentError, match="at least 2 of each; got 1 and 30"):
        frechet_distance(x[:1], x)
    with pytest.raises(ArgumentError, match="at least 20 of each"):
        kernel_distance(x[:19], x)
    with pytest.raises(ArgumentError, match="at least 2"):
        kernel_distance(x, x, blocks=1)
    broken = x.clone()
    broken[3, 2] = torch.nan
    with pytest.raises(ArgumentError, match="drawn pictures hold NaN"):
        frechet_distance(broken, x)
    with pytest.raises(ArgumentError, match="real pictures hold NaN"):
        kernel_distance(x, broken)
