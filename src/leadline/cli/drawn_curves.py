"""A curve as a small picture made of letters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

_ROWS, _LEFT = 8, 8


def curve_lines(points: Sequence[tuple[float, float]], marks: Mapping[str, float], *, columns: int = 60) -> list[str]:
    """The values over the logarithm of what they belong to, with a scale of powers of ten and marks below it.

    What lies far above the first value is drawn at the upper edge.

    Args:
        points: (x, y), x above 0.
        marks: what to write below the scale, and at which x.
        columns: of the whole picture.

    Example:
        >>> print(chr(10).join(curve_lines([(10.0**at, 4.0 - at) for at in range(-3, 4)], {"here": 1.0}, columns=30)))
              7 |••
                |  •••
                |     •••
                |        ••••
                |
                |            •••
                |               •••
              1 |                  ••
                +^---------^--------^
                 1e-3      1        1e3
                           ^ here
    """
    wide = columns - _LEFT - 2
    low, high = math.log10(points[0][0]), math.log10(points[-1][0])
    span = max(high - low, 1e-9)

    def place(x: float) -> int:
        return max(0, min(wide - 1, round((math.log10(x) - low) / span * (wide - 1))))

    bottom, top = _bounds([y for _, y in points])
    rows = [[" "] * wide for _ in range(_ROWS)]
    for column in range(wide):
        y = _at(points, low + span * column / max(1, wide - 1))
        share = (min(max(y, bottom), top) - bottom) / (top - bottom)
        rows[_ROWS - 1 - round(share * (_ROWS - 1))][column] = "•"
    lines = []
    for number, row in enumerate(rows):
        label = {0: f"{top:.3g}", _ROWS - 1: f"{bottom:.3g}"}.get(number, "")
        lines.append(f"{label:>{_LEFT - 1}} |{''.join(row)}".rstrip())
    return [*lines, *_scale(low, high, wide, place), *(_mark(name, place(x), wide) for name, x in marks.items())]


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    first, bottom = values[0], min(values)
    top = max(first, min(max(values), first + 0.5 * abs(first - bottom)))
    return bottom, top if top > bottom else bottom + 1.0


def _at(points: Sequence[tuple[float, float]], power: float) -> float:
    """The value of the nearest point."""
    return min(points, key=lambda point: abs(math.log10(point[0]) - power))[1]


def _scale(low: float, high: float, wide: int, place: Callable[[float], int]) -> list[str]:
    powers = list(range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1))
    step = max(1, math.ceil(len(powers) * 7 / wide))
    line, names = ["-"] * wide, [" "] * (wide + 6)
    for power in powers[::step]:
        at = place(10.0**power)
        line[at] = "^"
        name = f"{10.0**power:g}" if -2 < power < 3 else f"1e{power}"
        names[at : at + len(name)] = name
    return [f"{'':>{_LEFT}}+{''.join(line)}", f"{'':>{_LEFT + 1}}{''.join(names).rstrip()}"]


def _mark(name: str, at: int, wide: int) -> str:
    text = f"^ {name}" if at + len(name) + 2 <= wide else ""
    return f"{'':>{_LEFT + 1 + at}}{text}" if text else f"{name + ' ^':>{_LEFT + 2 + at}}"
