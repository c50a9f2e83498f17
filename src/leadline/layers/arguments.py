"""What layers ask of their arguments and inputs, and the one sentence in which they refuse them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NoReturn

import torch
from torch import Tensor

from leadline.errors import ArgumentError


def check_whole(layer: str, numbers: Mapping[str, object], *, least: int = 1) -> None:
    """Each of the numbers is a whole one and at least `least`.

    Errors: `ArgumentError` that names the layer and the first argument that is not.

    Example:
        >>> check_whole("Maxout", {"pieces": 0})
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: Maxout cannot be built: pieces is out of range. Expected a whole number ≥ 1; got 0.
    """
    for name, value in numbers.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ArgumentError(
                f"{layer} cannot be built: {name} is out of range", expected=f"a whole number ≥ {least}", got=repr(value)
            )


def check_above_zero(layer: str, numbers: Mapping[str, object]) -> None:
    """Each of the numbers is finite and above 0.

    Errors: `ArgumentError` that names the layer and the first argument that is not.

    Example:
        >>> check_above_zero("Softmax", {"temperature": 0})
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: Softmax cannot be built: temperature is out of range. Expected a number above 0; got 0.
    """
    for name, value in numbers.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value <= 0:
            raise ArgumentError(
                f"{layer} cannot be built: {name} is out of range", expected="a number above 0", got=repr(value)
            )


def check_dropped(layer: str, p: object, *, name: str = "p") -> None:
    """The probability of being dropped is in [0, 1): at 1 nothing would be left to learn from.

    Errors: `ArgumentError` that names the layer.

    Example:
        >>> check_dropped("DropPath", 1.0)
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: DropPath cannot be built: p is out of range. Expected a probability in [0, 1); got 1.0.
    """
    if not isinstance(p, int | float) or isinstance(p, bool) or not 0 <= p < 1:
        raise ArgumentError(f"{layer} cannot be built: {name} is out of range", expected="a probability in [0, 1)", got=repr(p))


def pair_of(layer: str, name: str, value: int | tuple[int, int]) -> tuple[int, int]:
    """One number for both axes of a picture, or two: always two, each a whole number of at least 1.

    Errors: `ArgumentError` that names the layer and the argument.

    Example:
        >>> pair_of("SameConv2d", "stride", 2), pair_of("SameConv2d", "kernel_size", (3, 1))
        ((2, 2), (3, 1))
    """
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2:
        raise ArgumentError(
            f"{layer} cannot be built: {name} is not one number or two", expected="such as 3 or (3, 1)", got=value
        )
    check_whole(layer, {name: both[0]})
    check_whole(layer, {name: both[1]})
    return both


def check_float(layer: str, x: Tensor) -> None:
    """The inputs are floating-point numbers.

    Errors: `ArgumentError` that names the layer, the type and the shape.

    Example:
        >>> check_float("Sign", torch.zeros(2, 3))
    """
    if not x.is_floating_point():
        refuse(layer, x, "floating-point numbers")


def check_shape(layer: str, x: Tensor, shape: tuple[int | str, ...], weight: Tensor | None = None) -> None:
    """The inputs have this shape and the type of the weight; a letter is any size of at least 1, a first "..." any axes.

    Under autocast the type is torch's business.

    Errors: `ArgumentError` that names the layer, the type and the shape.

    Example:
        >>> check_shape("LocallyConnected2d", torch.zeros(2, 3, 8), ("B", 3, "H", "W"))
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: LocallyConnected2d cannot take these inputs. Expected shape [B, 3, H, W]; got float32 of
        shape [2, 3, 8].
    """
    last = shape[1:] if shape[0] == "..." else shape
    many = x.ndim >= len(last) and x.numel() > 0 if last is not shape else x.ndim == len(last)
    fits = many and all(
        size > 0 if isinstance(wanted, str) else size == wanted
        for size, wanted in zip(x.shape[x.ndim - len(last) :], last, strict=True)
    )
    if not fits:
        refuse(layer, x, f"shape [{', '.join(map(str, shape))}]")
    if weight is not None and x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        refuse(layer, x, f"{str(weight.dtype).removeprefix('torch.')}, the type of the weights")


def check_axis(layer: str, x: Tensor, dim: int, parts: int) -> None:
    """The inputs are floating-point numbers whose axis `dim` exists and is a multiple of `parts`.

    Errors: `ArgumentError` that names the layer, the type and the shape.

    Example:
        >>> check_axis("Maxout", torch.zeros(2, 7), -1, 2)
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: Maxout cannot take these inputs. Expected a multiple of 2 along axis -1; got float32 of
        shape [2, 7].
    """
    check_float(layer, x)
    if not -x.ndim <= dim < x.ndim or x.shape[dim] % parts:
        refuse(layer, x, f"a multiple of {parts} along axis {dim}")


def refuse(layer: str, x: Tensor, expected: str) -> NoReturn:
    """Raise the error for inputs that a layer cannot take."""
    got = f"{str(x.dtype).removeprefix('torch.')} of shape {list(x.shape)}"
    raise ArgumentError(f"{layer} cannot take these inputs", expected=expected, got=got)
