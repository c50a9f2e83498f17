"""Which places each unit of a windowed layer reads, along one dimension."""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from torch import Tensor

from leadline.explain.reaching import NOTHING, Reads


def sliding(units: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Reads:
    """A convolution or a pool: unit u reads u·stride − padding + k·dilation for k = 0 … kernel − 1."""
    return Reads(_column(units) * stride - padding + torch.arange(kernel) * dilation, 1, stride)


def spread(units: int, kernel: int, stride: int, padding: int, dilation: int) -> Reads:
    """A transposed convolution: unit u reads (u + padding − k·dilation) / stride where that is whole."""
    reached = _column(units) + padding - torch.arange(kernel) * dilation
    return Reads(torch.where(reached % stride == 0, reached.div(stride, rounding_mode="floor"), -NOTHING), stride, 1)


def adaptive(units: int, size: int) -> Reads:
    """An adaptive pool: unit u reads ⌊u·size/units⌋ … ⌈(u + 1)·size/units⌉ − 1."""
    firsts = [unit * size // units for unit in range(units)]
    ends = [-(-(unit + 1) * size // units) for unit in range(units)]
    widest = max(end - first for first, end in zip(firsts, ends, strict=True))
    table = torch.tensor(firsts)[:, None] + torch.arange(widest)
    shared = math.gcd(units, size)
    return Reads(torch.where(table < torch.tensor(ends)[:, None], table, -NOTHING), units // shared, size // shared)


def enlarged(units: int, size: int, how: str, scale: float | None, align_corners: bool) -> Reads:
    """Interpolation: unit u stands at some point of the input and reads the places around it.

    Args:
        units: that come out.
        size: places that go in.
        how: "nearest", "nearest_exact", "linear" or "cubic".
        scale: the factor, where it was given; else units / size.
        align_corners: the first and the last unit stand at the first and the last place.
    """
    step = Fraction(size, units) if scale is None else 1 / Fraction(scale).limit_denominator(1000)
    half = Fraction(1, 2)
    if align_corners:
        step = Fraction(size - 1, units - 1) if units > 1 else Fraction(0)
    rows = []
    for unit in range(units):
        if how == "nearest":
            rows.append([math.floor(unit * step)])
            continue
        if how == "nearest_exact":
            rows.append([math.floor((unit + half) * step)])
            continue
        point = unit * step if align_corners else (unit + half) * step - half
        first, between = math.floor(point), point != math.floor(point)
        around = (0, 1) if how == "linear" else (-1, 0, 1, 2)
        rows.append([first + each if between or each == 0 else -NOTHING for each in around])
    table = torch.tensor(rows)
    # Beyond the border the last place is read again.
    here = torch.where(table == -NOTHING, table, table.clamp(0, size - 1))
    return Reads(here, step.denominator, step.numerator, endless=table)


def padded(units: int, size: int, before: int, how: str) -> Reads:
    """Padding: unit u reads u − before; outside stands nothing, the mirror image, or the place at the border."""
    table = torch.arange(units) - before
    here = table
    if how == "reflection":
        here = table.abs()
        here = torch.where(here >= size, 2 * (size - 1) - here, here)
    elif how == "replication":
        here = table.clamp(0, size - 1)
    return Reads(here[:, None], 1, 1, endless=table[:, None])


def sliced(units: int, first: int, step: int) -> Reads:
    """A slice: unit u is place first + u·step."""
    return Reads((first + torch.arange(units) * step)[:, None], 1, step)


def _column(units: int) -> Tensor:
    return torch.arange(units)[:, None]
