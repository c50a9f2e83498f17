"""Functions in machine code, kept for the next time where there is a place for it, and working where there is none."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any


def compiled(function: Callable[..., Any], arguments: Sequence[str] = ()) -> Any:
    """The function as numba compiles it; it holds no lock of Python's, so that several threads can run it side by side.

    Code is kept for the next time. Where no folder can be written to, the disk is full, or what was kept cannot be read, it is
    compiled anew each time, and nothing else changes.

    Args:
        function: in Python.
        arguments: the type of each, for a function that is compiled at once and for these alone; arrays have "r" before it
            where they are only read, and may then be mapped from a file, "w" otherwise. Without them it is compiled when it
            is called, for whatever it is called with.

    Example:
        >>> def double(number: int) -> int:
        ...     return 2 * number
        >>> compiled(double, ["int64"])(21)
        42
    """
    from numba import njit

    kernel: Any = njit(nogil=True)(function)
    if kernel is function:  # numba was told not to compile
        return function
    with suppress(RuntimeError):  # no folder that the code could be kept in
        kernel._cache = _kept_code()(function)
    if arguments:
        # For these types alone, so that what is in memory and what is mapped share one code.
        kernel.compile(tuple(map(_type, arguments)))
        kernel.disable_compile()
    return kernel


@functools.cache
def _kept_code() -> type:
    """numba's cache of a function, which takes a disk that fails for one that has nothing."""
    from numba.core.caching import FunctionCache

    class KeptCode(FunctionCache):
        def load_overload(self, *args: Any) -> Any:
            with suppress(OSError):
                return super().load_overload(*args)  # type: ignore[no-untyped-call]
            return None

        def save_overload(self, *args: Any) -> None:
            with suppress(OSError):
                super().save_overload(*args)  # type: ignore[no-untyped-call]

    return KeptCode


def _type(spelled: str) -> Any:
    """What numba calls "int64", or "r int64" and "w int64" for arrays."""
    from numba import types

    kind, _, name = spelled.rpartition(" ")
    return types.Array(getattr(types, name), 1, "C", readonly=kind == "r") if kind else getattr(types, name)
