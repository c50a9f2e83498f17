"""Memory between steps: large buffers stay with the process, and need not be fetched page by page in every step."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 2**31 - 1
_MMAP_WITHIN = (2**30, 2**25)  # bytes; older releases of glibc refuse more than 32 MiB
_MMAP_AFTER, _TRIM_AFTER = 2**25, 2**26  # the largest that glibc's own adjusting reaches
_CHOSEN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_")

_depth = 0


@contextmanager
def keeping_buffers() -> Iterator[bool]:
    """Within the block the C library keeps the large buffers that are freed, instead of giving them back to the system.

    A convolutional network asks for the same tens of megabytes in each step. By its defaults glibc gives such buffers back, and
    the system clears every page anew when it is next touched: 2,000 to 20,000 page faults a step of the two convolutional
    networks in `benchmarks/small_networks.py`, and 6 to 34 % of their processor time, for 3 % more memory (one thread, 2 runs).
    At the end of the block what is free goes back, and the thresholds are the largest that glibc's own adjusting reaches.

    Yields whether anything was changed: not where there is no glibc (macOS, Windows, Alpine), nor where the environment sets
    malloc's thresholds already. Accelerators' memory is not concerned.

    Example:
        >>> import torch
        >>> with keeping_buffers():
        ...     float(torch.ones(1000, 1000).sum())
        1000000.0
    """
    global _depth
    library = _glibc()
    if library is None:
        yield False
        return
    _depth += 1
    if _depth == 1:
        next(size for size in _MMAP_WITHIN if library.mallopt(_MMAP_THRESHOLD, size))
        library.mallopt(_TRIM_THRESHOLD, _LARGEST)
    try:
        yield True
    finally:
        _depth -= 1
        if _depth == 0:
            library.mallopt(_MMAP_THRESHOLD, _MMAP_AFTER)
            library.mallopt(_TRIM_THRESHOLD, _TRIM_AFTER)
            library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return None
    if any(name in os.environ for name in _CHOSEN) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return None
    return ctypes.CDLL(None)
