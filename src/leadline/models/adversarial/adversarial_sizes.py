"""Which sizes of pictures can be grown from a small map by doubling it, and shrunk to one by halving."""

from __future__ import annotations

import math
from collections.abc import Sequence

from leadline.errors import ArgumentError

# A map of 4 to 7 pixels is doubled again and again: side → (the map it begins with, doublings).
SIDES = {
    start << doublings: (start, doublings) for doublings in range(1, 6) for start in range(4, 8) if start << doublings <= 128
}
_CHANNELS = (1, 2, 3, 4)


def doubled_map(network: str, shape: Sequence[int]) -> tuple[tuple[int, int], int]:
    """The map (height, width) that a picture is grown from, and how often it is doubled.

    The shorter side decides how often: until a map of 4 to 7 pixels is left. The longer one must be a multiple of as many twos.

    Args:
        network: its name, for the error.
        shape: (C, H, W) of one picture.

    Errors: `ArgumentError` for a shape of another kind, and for a size that cannot be made, with those that can.

    Example:
        >>> doubled_map("dcgan", (1, 28, 28)), doubled_map("dcgan", (3, 64, 96))
        (((7, 7), 2), ((4, 6), 4))
        >>> doubled_map("dcgan", (3, 30, 30))
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: Pictures of 30 × 30 pixels cannot be made by dcgan. Expected sides of 8, 10, 12, 14, 16,
        20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112 or 128 pixels. Scale or crop them to 28 × 28 or 32 × 32, for square ones by
        data.size = 28.
    """
    if len(shape) != 3 or not all(isinstance(size, int) and size >= 1 for size in shape) or shape[0] not in _CHANNELS:
        raise ArgumentError(
            f"The network {network} makes pictures",
            expected="a shape (channels, height, width) with 1 to 4 channels",
            got=tuple(shape),
        )
    height, width = shape[1:]
    doublings = _doublings(min(height, width))
    times = 2**doublings
    if min(height, width) < min(SIDES) or max(height, width) > max(SIDES) or height % times or width % times:
        near = dict.fromkeys(_rounded(height, width, up) for up in (False, True))
        fits = " or ".join(f"{rows} × {columns}" for rows, columns in near)
        *sides, last = sorted(SIDES)
        raise ArgumentError(
            f"Pictures of {height} × {width} pixels cannot be made by {network}",
            expected=f"sides of {', '.join(map(str, sides))} or {last} pixels"
            + ("" if height == width else ", or a longer one that is a multiple of as many twos as the shorter"),
            do=f"Scale or crop them to {fits}, for square ones by data.size = {min(next(iter(near)))}.",
        )
    return (height // times, width // times), doublings


def _doublings(side: int) -> int:
    """How often a map of 4 to 7 pixels must be doubled, at least once, to be as long as the side, or nearly."""
    return min(5, max(1, int(math.log2(max(side, 8) / 4))))


def _rounded(height: int, width: int, up: bool) -> tuple[int, int]:
    """The nearest size that can be made, with both sides shorter or both longer, within what can be made at all."""
    sides = (height, width)
    for _ in range(2):  # a side made longer may ask for one doubling more
        times = 2 ** _doublings(min(sides))
        sides = tuple(-(-side // times) * times if up else side // times * times for side in sides)
        sides = (min(max(sides[0], min(SIDES)), max(SIDES)), min(max(sides[1], min(SIDES)), max(SIDES)))
    return sides
