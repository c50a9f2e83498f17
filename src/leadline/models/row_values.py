"""What the options of a row may be, and how rows, shapes and mistakes are written for a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from leadline.errors import ArgumentError, unknown

Shape = tuple[int, ...]  # of one sample: (features,) or (channels, height, width)

# By task: activations at the end of a network that its losses contain.
CONTAINED: dict[str, tuple[str, ...]] = {"classes": ("softmax", "log_softmax"), "labels": ("sigmoid",)}

_LARGEST = 65_536  # of a kernel, a stride, a window: no picture is larger, and torch's kernels overflow much further on
_LONGEST = 80  # characters of a row that an error repeats
_UNFIT = object()


class Kind(NamedTuple):
    """What a value of a row must be: in words, and as a function that gives the value read, or `_UNFIT`."""

    expected: str
    read: Callable[[Any], Any]
    choices: tuple[str, ...] = ()


class RowError(ArgumentError):
    """A row of a network cannot be used; the message names the row and the shape that arrives there."""


@dataclass(frozen=True)
class Row:
    """A row that was read: its word, the word's value, its options, and where it stands.

    Example:
        >>> Row("row 2", "pool", (2, 2), {"kind": "max"})["kind"]
        'max'
    """

    path: str
    word: str
    value: Any
    options: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.options[name]


def read_value(name: str, value: Any, kind: Kind) -> Any:
    """The value as its kind reads it.

    Errors: `ArgumentError` with what was expected, and the nearest right word where there are words to choose from.

    Example:
        >>> read_value("kernel", 3, PAIR)
        (3, 3)
    """
    read = kind.read(value)
    if read is not _UNFIT:
        return read
    if kind.choices and isinstance(value, str):
        unknown(name, value, kind.choices)
    raise ArgumentError(f"{name} cannot be {written(value)}", expected=kind.expected)


def written(value: Any) -> str:
    """A value as TOML writes it; rows within a row only by their number.

    Example:
        >>> written({"residual": [{"conv": 8}, {"batch_norm": True}], "activation": "relu"})
        '{residual = [2 rows], activation = "relu"}'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and value and all(isinstance(item, Mapping) for item in value):
        return f"[{len(value)} row{'s' if len(value) > 1 else ''}]"
    return repr(list(value)) if isinstance(value, tuple) else repr(value)


def row_error(path: str, row: Any, error: Exception, shape: Shape | None = None) -> RowError:
    """The error of a row, told with the row itself and the shape that arrives there.

    Example:
        >>> print(row_error("row 2", {"pool": 9}, ArgumentError("The window is too large"), (3, 8, 8)))
        Row 2, {pool = 9}, cannot be used where [3, 8, 8] arrives. The window is too large.
    """
    text = written(row)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    arrives = "" if shape is None else f" where {list(shape)} arrives"
    message = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return RowError(f"{path[:1].upper()}{path[1:]}, {text}, cannot be used{arrives}", do=message)


def _whole(value: Any) -> Any:
    """A whole number; 3.0 is one, true is not."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or value != value
        or value in (float("inf"), -float("inf"))
    ):
        return _UNFIT
    return int(value) if value == int(value) else _UNFIT


def _count(value: Any) -> Any:
    whole = _whole(value)
    return whole if whole is not _UNFIT and 1 <= whole < 2**31 else _UNFIT


def _pair(value: Any, least: int = 1) -> Any:
    sides = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value, value]
    wholes = [_whole(side) for side in sides]
    fits = len(wholes) == 2 and all(side is not _UNFIT and least <= side <= _LARGEST for side in wholes)
    return (wholes[0], wholes[1]) if fits else _UNFIT


def _padding(value: Any) -> Any:
    if isinstance(value, str):
        return value if value in ("same", "valid") else _UNFIT
    return _pair(value, least=0)


def _number(value: Any) -> Any:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")
    return float(value) if fits else _UNFIT


def _share(value: Any) -> Any:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1
    return float(value) if fits else _UNFIT


def one_of(*choices: str, by_itself: str = "") -> Kind:
    """One of some words; `true` stands for the one that goes by itself.

    Example:
        >>> read_value("global_pool", True, one_of("average", "max", by_itself="average"))
        'average'
    """

    def read(value: Any) -> Any:
        if value is True and by_itself:
            return by_itself
        return value if isinstance(value, str) and value in choices else _UNFIT

    return Kind("one of " + ", ".join(f'"{choice}"' for choice in choices), read, choices)


COUNT = Kind("a whole number, at least 1", _count)
PAIR = Kind(f"a whole number or [height, width], from 1 to {_LARGEST:,}", _pair)
PADDING = Kind('"same", "valid", a whole number or [height, width]', _padding, ("same", "valid"))
NUMBER = Kind("a number above 0", _number)
SHARE = Kind("a number in [0, 1)", _share)
FLAG = Kind("true or false", lambda value: value if isinstance(value, bool) else _UNFIT)
PRESENT = Kind("true; leave the row out where the layer is not wanted", lambda value: True if value is True else _UNFIT)
TEXT = Kind('the name of an activation, for instance "relu"', lambda value: value if isinstance(value, str) else _UNFIT)
SIDES = one_of("same", "valid")
LOCAL_BIAS = Kind(
    '"filter" or true, "unit", "none" or false',
    lambda value: (
        {True: "filter", False: "none"}.get(value, _UNFIT)
        if isinstance(value, bool)
        else (value if value in ("filter", "unit", "none") else _UNFIT)
    ),
    ("filter", "unit", "none"),
)
MULTIPLIER = Kind("a whole number, at least 1, or true for 1", lambda value: 1 if value is True else _count(value))


def is_rows(value: Any) -> bool:
    """Whether this is a list, whatever is in it.

    Example:
        >>> is_rows([{"conv": 8}]), is_rows("conv")
        (True, False)
    """
    return isinstance(value, Sequence) and not isinstance(value, str)


ROWS = Kind("a list with at least one row", lambda value: value if is_rows(value) and len(value) else _UNFIT)
SHORTCUT = Kind(
    '"identity", "project", "pad" or a list of rows',
    lambda value: value if value in ("identity", "project", "pad") or (is_rows(value) and len(value)) else _UNFIT,
    ("identity", "project", "pad"),
)
