"""What the variational bound is made of: divergences and densities of independent normal units, and the bound of many draws.

A unit's distribution is given by its mean μ and the logarithm of its variance, log σ². N rows, D units, K draws.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.losses import checks


def gaussian_kl(mean: Tensor, log_variance: Tensor, *, reduction: str = "mean") -> Tensor:
    """How far normal units are from standard normal ones: the Kullback–Leibler divergence in closed form, summed over units.

    KL(N(μ, σ²) ‖ N(0, 1)) = ½ Σ_d μ_d² + σ_d² − 1 − log σ_d².

    Args:
        mean: μ, [N, D].
        log_variance: log σ², the same shape.
        reduction: "mean" → [], over the rows; "none" → [N].

    Returns:
        [] or [N], in nats, never below 0.

    Raises:
        ArgumentError: shapes that differ, or an empty batch.

    Example:
        >>> import torch
        >>> gaussian_kl(torch.tensor([[2.0, 0.0]]), torch.zeros(1, 2)).item()
        2.0

    Source: Kingma and Welling (2014), Auto-encoding variational Bayes, appendix B.
    """
    rows = gaussian_kl_of_each(mean, log_variance).flatten(1).sum(dim=1)
    return rows.mean() if checks.checked_reduction(reduction) == "mean" else rows


def gaussian_kl_of_each(mean: Tensor, log_variance: Tensor) -> Tensor:
    """The same unit by unit, [N, D]: a unit whose divergence is 0 for every row tells nothing of the input.

    KL_d = ½ (μ_d² + σ_d² − 1 − log σ_d²), computed as ½ μ_d² + ½ (expm1(log σ_d²) − log σ_d²).

    Args:
        mean: μ, [N, D].
        log_variance: log σ², the same shape.

    Raises:
        ArgumentError: what `gaussian_kl` raises.

    Example:
        >>> import torch
        >>> gaussian_kl_of_each(torch.tensor([[2.0, 0.0]]), torch.zeros(1, 2)).tolist()
        [[2.0, 0.0]]
    """
    mean, log_variance = checks.alike(mean, log_variance)
    # expm1 keeps the digits where σ² is near 1: there the divergence is a small difference of large terms.
    return 0.5 * (mean.square() + torch.expm1(log_variance) - log_variance)


def normal_log_density(z: Tensor, mean: Tensor | float, log_variance: Tensor | float) -> Tensor:
    """log N(z; μ, σ²) of independent normal units, summed over the last axis.

    log N = −½ Σ_d log 2π + log σ_d² + (z_d − μ_d)² / σ_d².

    Args:
        z: [..., D].
        mean: μ, a number or whatever broadcasts to z.
        log_variance: log σ², likewise.

    Returns:
        [...], in nats.

    Example:
        >>> import torch
        >>> round(normal_log_density(torch.zeros(1, 2), 0.0, 0.0).item(), 4)  # −log 2π
        -1.8379
    """
    scale = torch.exp(-log_variance) if isinstance(log_variance, Tensor) else math.exp(-log_variance)
    return -0.5 * ((z - mean).square() * scale + log_variance + math.log(2 * math.pi)).sum(dim=-1)


def importance_bound(log_weights: Tensor) -> Tensor:
    """A bound on log p(x) from K draws of the code, the tighter the more there are.

    L_K = log (1/K Σₖ wₖ), wₖ = p(x, zₖ) / q(zₖ | x). L_1 is the variational bound; E[L_K] never falls with K and goes to
    log p(x).

    Args:
        log_weights: log w, [N, K].

    Returns:
        [N], in nats.

    Raises:
        ArgumentError: another shape, or no draws.

    Example:
        >>> import torch
        >>> importance_bound(torch.tensor([[-90.0, -90.0]])).item()
        -90.0

    Source: Burda, Grosse and Salakhutdinov (2016), Importance weighted autoencoders.
    """
    if log_weights.ndim != 2 or log_weights.shape[1] == 0:
        raise ArgumentError("These are no weights of draws", expected="shape [N, K], K ≥ 1", got=list(log_weights.shape))
    return torch.logsumexp(log_weights, dim=1) - math.log(log_weights.shape[1])
