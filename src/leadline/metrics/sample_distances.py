"""How far drawn samples are from real ones, as distributions of given features: by two moments, and by a kernel.

Which features these are decides what the numbers mean. Only on those of one published Inception network would the first be
called FID and the second KID; on features of any other classifier they compare generators of the same data with each other.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.metrics.weighting import exact


def frechet_distance(samples: Tensor, real: Tensor) -> Tensor:
    """The distance of two normal distributions with the means and covariances of two sets of features, squared.

    d² = ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½). With Σ = RᵀR by a QR decomposition of the centred rows over √(n − 1), the trace
    of the root is the sum of the singular values of R₁R₂ᵀ, which keeps twice the digits of a root of the product and needs no
    inverse, so that fewer rows than features will do.

    It is too large for few rows, by about a constant over their number: compare only figures of equal counts.

    Args:
        samples: features of drawn pictures [N, D], N of at least 2.
        real: features of real pictures [M, D], M of at least 2.

    Returns:
        [], float64, 0 or more.

    Errors: `ArgumentError` for other shapes, too few rows, or numbers that are not finite.

    Example:
        >>> rows = torch.randn(100, 4)
        >>> frechet_distance(rows + 2, rows).round(decimals=6).item()  # the means differ by 2 along 4 axes
        16.0

    Source: Dowson and Landau (1982), The Fréchet distance between multivariate normal distributions; used for generators by
    Heusel et al. (2017), GANs trained by a two time-scale update rule, on features of Inception.
    """
    one, other = _features(samples, real, least=2)
    first, second = one.mean(dim=0), other.mean(dim=0)
    roots = [_root(rows - mean) for rows, mean in ((one, first), (other, second))]
    traces = [root.square().sum() for root in roots]
    common = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    distance: Tensor = (first - second).square().sum() + traces[0] + traces[1] - 2 * common
    return distance.clamp_min(0)


class KernelDistance(NamedTuple):
    """A squared kernel distance, unbiased, so that it may be below 0, with its standard error; float64 scalars.

    Example:
        >>> KernelDistance(torch.tensor(0.5), torch.tensor(0.1)).value.item()
        0.5
    """

    value: Tensor
    standard_error: Tensor


def kernel_distance(samples: Tensor, real: Tensor, *, blocks: int = 10, seed: int = 0) -> KernelDistance:
    """The squared maximum mean discrepancy of two sets of features under the polynomial kernel of degree 3, unbiased.

    MMD² = mean over i ≠ j of k(xᵢ, xⱼ) + mean over i ≠ j of k(yᵢ, yⱼ) − 2 · mean of k(xᵢ, yⱼ), k(a, b) = (a·b / D + 1)³. Both
    sets are cut into blocks at random; the value is the mean over the blocks, and its standard error their deviation over
    √blocks. Unlike the Fréchet distance it is not larger for fewer rows, and compares three moments.

    Args:
        samples: features of drawn pictures [N, D].
        real: features of real pictures [M, D].
        blocks: at least 2; each must get 2 rows or more of each set. Rows that are left over are left out.
        seed: of the cut.

    Returns:
        Value and standard error.

    Errors: `ArgumentError` for other shapes, too few rows, fewer than 2 blocks, or numbers that are not finite.

    Example:
        >>> rows = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
        >>> found = kernel_distance(rows[:200] + 1, rows[200:])
        >>> bool(found.value > 5 * found.standard_error)
        True

    Source: Gretton et al. (2012), A kernel two-sample test; Bińkowski et al. (2018), Demystifying MMD GANs, for the kernel.
    """
    if not isinstance(blocks, int) or blocks < 2:
        raise ArgumentError("The kernel distance needs blocks to tell its error", expected="at least 2", got=blocks)
    one, other = _features(samples, real, least=2 * blocks)
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for rows in (one, other):
        size = len(rows) // blocks
        order = torch.randperm(len(rows), generator=generator)[: size * blocks].to(rows.device)
        parts.append(rows[order].reshape(blocks, size, -1))
    x, y = parts
    values = _off_diagonal_mean(_cubic(x, x)) + _off_diagonal_mean(_cubic(y, y)) - 2 * _cubic(x, y).mean((1, 2))
    return KernelDistance(values.mean(), values.std() / math.sqrt(blocks))


def _cubic(x: Tensor, y: Tensor) -> Tensor:
    products: Tensor = x @ y.mT / x.shape[2]
    return (products + 1).pow(3)


def _off_diagonal_mean(kernel: Tensor) -> Tensor:
    """The mean over pairs of different rows: [blocks, n, n] → [blocks]."""
    count = kernel.shape[1]
    own = kernel.diagonal(dim1=1, dim2=2).sum(1)
    return (kernel.sum((1, 2)) - own) / (count * (count - 1))


def _root(centred: Tensor) -> Tensor:
    """R with RᵀR the covariance of centred rows, [min(n, D), D]."""
    root: Tensor = torch.linalg.qr(centred, mode="r").R
    return root / math.sqrt(len(centred) - 1)


def _features(samples: Tensor, real: Tensor, *, least: int) -> tuple[Tensor, Tensor]:
    """Both sets in float64, once they are known to be rows of the same features.

    Errors: `ArgumentError` where they are not.
    """
    check_feature_rows(samples, real, least=least)
    return exact(samples.detach()), exact(real.detach())


def check_feature_rows(samples: Tensor, real: Tensor, *, least: int) -> None:
    """Both are matrices of finite numbers, of the same width, with enough rows.

    Args:
        samples: [N, D].
        real: [M, D].
        least: rows that either must have.

    Errors: `ArgumentError` where they are not.

    Example:
        >>> check_feature_rows(torch.zeros(3, 2), torch.zeros(5, 2), least=2)
    """
    if samples.ndim != 2 or real.ndim != 2 or samples.shape[1] != real.shape[1] or not samples.shape[1]:
        raise ArgumentError(
            "These are no two sets of the same features",
            expected="[N, D] and [M, D]",
            got=f"{list(samples.shape)} and {list(real.shape)}",
        )
    if min(len(samples), len(real)) < least:
        raise ArgumentError(
            "There are too few rows to compare distributions",
            expected=f"at least {least} of each",
            got=f"{len(samples)} and {len(real)}",
        )
    for name, rows in (("drawn", samples), ("real", real)):
        if not bool(torch.isfinite(rows).all()):
            raise ArgumentError(f"The features of the {name} pictures hold NaN or infinity", expected="finite numbers")
