"""Walks through the space of codes: straight and along an arc, and a sheet of all that two units can say.

D units of the code.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_whole


def linear_path(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Codes at equal distances on the straight line from one to another: z(t) = (1 − t) a + t b.

    Args:
        start: a, [D].
        end: b, [D].
        steps: how many, both ends among them, at least 2.

    Returns:
        [steps, D].

    Errors: `ArgumentError` for codes of different shapes, or fewer than 2 steps.

    Example:
        >>> linear_path(torch.zeros(2), torch.tensor([1.0, 2.0]), 3).tolist()
        [[0.0, 0.0], [0.5, 1.0], [1.0, 2.0]]
    """
    t = _times(start, end, steps)
    return torch.lerp(start, end, t)


def spherical_path(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Codes along the arc from one to another, which stays where normal codes lie; the middle of a straight line does not.

    z(t) = sin((1 − t) Ω)/sin Ω · a + sin(t Ω)/sin Ω · b, Ω being the angle between a and b. In D units nearly all codes of
    the prior have a length near √D, and the mean of two of them one near √(D/2). Where a and b point to the same or to
    opposite sides, or one is 0, there is no one arc, and the straight line is taken.

    Args:
        start: a, [D].
        end: b, [D].
        steps: how many, both ends among them, at least 2.

    Returns:
        [steps, D].

    Errors: `ArgumentError` for codes of different shapes, or fewer than 2 steps.

    Example:
        >>> arc = spherical_path(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 3)
        >>> arc.norm(dim=1).round(decimals=4).tolist()
        [1.0, 1.0, 1.0]

    Source: Shoemake (1985), Animating rotation with quaternion curves; for codes: White (2016), Sampling generative networks.
    """
    t = _times(start, end, steps)
    a, b = (torch.nn.functional.normalize(each.double(), dim=0) for each in (start, end))
    # By atan2 the angle keeps its digits near 0 and π, where the arc cosine loses them.
    angle = 2 * torch.atan2((a - b).norm(), (a + b).norm())
    if float(angle.sin()) < 1e-6 or not bool(start.any() and end.any()):
        return torch.lerp(start, end, t)
    t = t.double()
    arc = (torch.sin((1 - t) * angle) * start.double() + torch.sin(t * angle) * end.double()) / torch.sin(angle)
    arc[0], arc[-1] = start, end
    return arc.to(start.dtype)


def path_through(codes: Tensor, steps: int, *, spherical: bool = True) -> Tensor:
    """A walk from each code to the next, and through all of them.

    Args:
        codes: the stations, [M, D], M at least 2.
        steps: from one to the next, both among them, at least 2.
        spherical: along arcs, or straight.

    Returns:
        [(M − 1)(steps − 1) + 1, D].

    Errors: `ArgumentError` for fewer than 2 stations or steps.

    Example:
        >>> path_through(torch.eye(3), 5).shape
        torch.Size([9, 3])
    """
    if codes.ndim != 2 or len(codes) < 2:
        raise ArgumentError("A walk needs somewhere to go", expected="at least 2 codes, [M, D]", got=list(codes.shape))
    path = spherical_path if spherical else linear_path
    legs = [path(a, b, steps)[:-1] for a, b in itertools.pairwise(codes)]
    return torch.cat([*legs, codes[-1:]])


def latent_grid(side: int, *, units: Sequence[int] = (0, 1), width: int = 2, around: Tensor | None = None) -> Tensor:
    """Codes in a square, row by row, between which lie equal shares of the prior: the sheet of all that two units can say.

    The places along a side are Φ⁻¹((i + ½)/n), Φ being the normal distribution function: dense in the middle, as codes are. The
    first unit grows to the right, the second upwards.

    Args:
        side: n, at least 1.
        units: the two that vary.
        width: D, where nothing is given to stand around.
        around: the code whose other units are kept, [D]; None is 0.

    Returns:
        [n², D].

    Errors: `ArgumentError` for a side below 1, or units that the code does not have.

    Example:
        >>> latent_grid(2)
        tensor([[-0.6745,  0.6745],
                [ 0.6745,  0.6745],
                [-0.6745, -0.6745],
                [ 0.6745, -0.6745]])

    Source: Kingma and Welling (2014), Auto-encoding variational Bayes, appendix A.
    """
    check_whole("The sheet of codes", {"side": side})
    middle = torch.zeros(width) if around is None else around
    if len(units) != 2 or units[0] == units[1] or not all(0 <= unit < len(middle) for unit in units):
        raise ArgumentError("A sheet has two axes", expected=f"2 different units of 0 to {len(middle) - 1}", got=tuple(units))
    places = torch.special.ndtri((torch.arange(side, dtype=torch.float64) + 0.5) / side).to(middle)
    codes = middle.repeat(side * side, 1)
    codes[:, units[0]] = places.repeat(side)
    codes[:, units[1]] = places.flip(0).repeat_interleave(side)
    return codes


def _times(start: Tensor, end: Tensor, steps: int) -> Tensor:
    if start.ndim != 1 or start.shape != end.shape:
        raise ArgumentError(
            "These are not two codes to go between", expected="both of shape [D]", got=f"{list(start.shape)}, {list(end.shape)}"
        )
    check_whole("The walk", {"steps": steps}, least=2)
    return torch.linspace(0, 1, steps, dtype=start.dtype, device=start.device)[:, None]
