"""Random numbers of augmentation: hashed from (seed, epoch, row), so none depends on what was drawn before."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_GOLDEN = -0x61C8864680B583EB  # 2⁶⁴ / golden ratio as a signed 64-bit number: SplitMix64's increment
_MIX1, _MIX2 = -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15  # SplitMix64's two multipliers


def uniform(seed: int, epoch: int, rows: Tensor, lanes: int) -> Tensor:
    """Numbers in [0, 1), float32 [B, lanes], that depend on nothing but (seed, epoch, row, lane).

    The counter is hashed by SplitMix64 (Steele, Lea and Flood 2014), whose top 24 bits become the number.

    Example:
        >>> draws = uniform(0, 3, torch.tensor([7, 8]), 2)
        >>> torch.equal(draws[1], uniform(0, 3, torch.tensor([8]), 2)[0])
        True
    """
    lane = torch.arange(lanes, device=rows.device, dtype=torch.int64)
    # Seed and epoch are hashed in Python: a tensor made from them would make the device wait, batch after batch.
    start = _mix_number(_mix_number(seed % 2**64) + epoch)
    state = _mix(rows.to(torch.int64) + (start - 2**64 if start >= 2**63 else start))
    return (_mix(state[:, None] + lane) >> 40).bitwise_and(0xFFFFFF).to(torch.float32) / 2**24


def symmetric_beta(alpha: float, length: Tensor, angle: Tensor) -> Tensor:
    """Numbers distributed as Beta(α, α), each from two uniform ones, without rejection.

    Bailey's polar method makes T = √(2α w) of the sign of cos 2πv, with w = (u^(−1/α) − 1) cos² 2πv, which is distributed as
    Student's t with 2α degrees of freedom; then ½ + ½ T / √(2α + T²) = ½ ± ½ √(w / (1 + w)) is Beta(α, α).

    Args:
        alpha: above 0; below 1 most numbers are near 0 or 1, at 1 they are uniform, above it they gather at ½.
        length: u, uniform in [0, 1), any shape.
        angle: v, uniform in [0, 1), the same shape.

    Returns:
        Numbers in [0, 1] of that shape.

    Example:
        >>> draws = uniform(0, 0, torch.arange(100_000), 2)
        >>> beta = symmetric_beta(0.2, draws[:, 0], draws[:, 1])
        >>> round(beta.mean().item(), 2), round(beta.var().item(), 2)  # ½ and 1 / (4 (2α + 1))
        (0.5, 0.18)

    Source: Bailey (1994), Polar generation of random variates with the t-distribution.
    """
    side = torch.cos(2 * math.pi * angle)
    # 1 − u is never 0, and 1 / w may be infinite: both ends come out as numbers.
    squared = torch.expm1(torch.log1p(-length) * (-1 / alpha)) * side.square()
    return 0.5 + 0.5 * torch.sign(side) * torch.rsqrt(1 + 1 / squared)


def _mix(value: Tensor) -> Tensor:
    value = value + _GOLDEN
    value = (value ^ _shifted(value, 30)) * _MIX1
    value = (value ^ _shifted(value, 27)) * _MIX2
    return value ^ _shifted(value, 31)


def _mix_number(value: int) -> int:
    value = (value + _GOLDEN) % 2**64
    value = ((value ^ (value >> 30)) * _MIX1) % 2**64
    value = ((value ^ (value >> 27)) * _MIX2) % 2**64
    return value ^ (value >> 31)


def _shifted(value: Tensor, bits: int) -> Tensor:
    """A logical right shift: torch's own keeps the sign."""
    return (value >> bits).bitwise_and((1 << (64 - bits)) - 1)
