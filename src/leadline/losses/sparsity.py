"""Penalties for a code whose units are seldom on: of the share of rows that a unit is on for, or of its size in each row.

N rows, D units of the code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.losses import checks

_LEAST = 1e-6  # of the mean of a unit: one that is never on has a steep slope, but a finite one


def sparsity_kl(activations: Tensor, *, rho: float = 0.05) -> Tensor:
    """How far the mean of each unit over the batch is from the share ρ of rows for which it should be on, summed over units.

    Σ_j KL(ρ ‖ ρ̂_j) = Σ_j ρ log(ρ / ρ̂_j) + (1 − ρ) log((1 − ρ) / (1 − ρ̂_j)), ρ̂_j = 1/N Σᵢ hᵢⱼ. It is 0 where every unit
    is on for that share, and a single row may still switch on any of them. In a small batch ρ̂ is a rough estimate.

    Args:
        activations: h, [N, D], from 0 to 1.
        rho: ρ, between 0 and 1.

    Returns:
        [], in nats.

    Raises:
        ArgumentError: ρ out of range, an empty batch, or (on the CPU) activations outside [0, 1].

    Example:
        >>> import torch
        >>> round(sparsity_kl(torch.full((4, 3), 0.05)).item(), 6)
        0.0

    Source: Ng (2011), Sparse autoencoder, CS294A lecture notes.
    """
    if not 0 < rho < 1:
        raise ArgumentError("The share of rows for which a unit is on is out of range", expected="rho between 0 and 1", got=rho)
    activations = _rows_of_units(activations)
    _check_within(activations)
    mean = activations.mean(dim=0).clamp(_LEAST, 1 - _LEAST)
    wanted = torch.full_like(mean, rho)
    return (wanted * (wanted / mean).log() + (1 - wanted) * ((1 - wanted) / (1 - mean)).log()).sum()


def sparsity_l1(activations: Tensor) -> Tensor:
    """The size of the code, Σ_j |h_j|, its mean over the rows: what is hardly needed becomes 0, row by row.

    Args:
        activations: h, [N, D], any real numbers.

    Returns:
        [].

    Raises:
        ArgumentError: an empty batch, or another shape.

    Example:
        >>> import torch
        >>> sparsity_l1(torch.tensor([[1.0, -2.0], [0.0, 0.0]])).item()
        1.5
    """
    return _rows_of_units(activations).abs().sum(dim=1).mean()


def _rows_of_units(activations: Tensor) -> Tensor:
    if activations.ndim < 2 or activations.numel() == 0:
        raise ArgumentError("There is no code to be sparse", expected="shape [N, D]", got=list(activations.shape))
    return checks.single(activations.flatten(1), "activations")


def _check_within(activations: Tensor) -> None:
    if not activations.is_cpu or torch.compiler.is_compiling():
        return
    low, high = torch.aminmax(activations.detach())
    if float(low) < 0 or float(high) > 1:
        raise ArgumentError(
            "This code has no share of rows for which a unit is on",
            expected="units from 0 to 1",
            got=f"values from {float(low):g} to {float(high):g}",
            do="Take code_activation = sigmoid, or the penalty l1.",
        )
