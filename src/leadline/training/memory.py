"""The largest micro-batch that fits into memory, found by real steps, and not by running out of it."""

from __future__ import annotations

import contextlib
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leadline.errors import ArgumentError, TrainingError
from leadline.training.devices import preserved
from leadline.training.steps import BEGINNING, Step

_WORTH_TRYING = 1.05  # a gain below 5 % is not worth another step


def largest_fitting(
    try_rows: Callable[[int], int | None],
    rows: int,
    limit_bytes: int,
    *,
    margin: float = 0.9,
    fixed_bytes: int = 0,
    smallest: int = 2,
) -> int:
    """The most rows whose step fits into memory, so that a batch is cut into equal parts.

    Memory grows about linearly with the rows: u(n) ≈ u(m) + (n − m)·Δ, with Δ from the two largest steps tried. From `smallest`
    on the rows are doubled, but never beyond what this line says fits into margin · limit. Of what fits, the largest divisor of
    the batch is taken; where that is less than half of the best, the parts are equal but for one row.

    Args:
        try_rows: rows → the bytes in use at the peak of a step with so many, or None if it ran out of memory, which it may also
            raise (`torch.OutOfMemoryError`).
        rows: of the whole batch, at least 1.
        limit_bytes: what is there, `fixed_bytes` included.
        margin: the share of the limit that may be used, in (0, 1].
        fixed_bytes: known to be in use whatever the rows; until two steps were tried, all else is taken to grow with them.
        smallest: rows of the first step; 2, as a single row has no variance for batch normalization.

    Errors: `TrainingError` where not even the first step fits; `ArgumentError` for a value out of range.

    Example:
        >>> largest_fitting(lambda rows: 1000 + 50 * rows, 256, limit_bytes=5000)  # 4500 bytes would do for 70
        64
    """
    if rows < 1 or smallest < 1 or not 0 < margin <= 1 or fixed_bytes < 0:
        raise ArgumentError(
            "The rows that fit into memory cannot be sought",
            expected="rows and smallest ≥ 1, margin in (0, 1] and fixed_bytes ≥ 0",
            got=(rows, smallest, margin, fixed_bytes),
        )
    fits, allowed = min(smallest, rows), margin * limit_bytes
    used = _attempt(try_rows, fits)
    if used is None or used > limit_bytes:
        raise TrainingError(
            f"A step with {fits} rows does not fit into memory",
            expected=f"at most {limit_bytes:,} bytes",
            got="more than there are" if used is None else f"{used:,}",
            do="Take a smaller network or smaller inputs.",
        )
    known, refused = {fits: used}, rows + 1
    while fits < rows:
        room = (allowed - known[fits]) / max(_growth(known, fixed_bytes), 1e-9)
        wanted = min(2 * fits, rows, refused - 1, math.floor(fits + min(room, rows)))
        if refused <= rows:
            wanted = min(wanted, (fits + refused) // 2)
        if wanted <= fits or (wanted < rows and wanted < _WORTH_TRYING * fits):
            break
        used = _attempt(try_rows, wanted)
        if used is not None:
            known[wanted] = used
        if used is None or used > allowed:
            refused = wanted
        else:
            fits = wanted
    return _equal_parts(rows, fits, min(smallest, rows))


def _attempt(try_rows: Callable[[int], int | None], rows: int) -> int | None:
    try:
        return try_rows(rows)
    except MemoryError:
        return None
    except RuntimeError as error:  # torch has a class of its own for this on a GPU alone
        if isinstance(error, torch.OutOfMemoryError) or re.search("allocate memory|not enough memory", str(error)):
            return None
        raise


def _growth(known: dict[int, int], fixed_bytes: int) -> float:
    """Bytes more for a row more."""
    *_, last = sorted(known)
    if len(known) == 1:
        return (known[last] - fixed_bytes) / last
    before = sorted(known)[-2]
    return (known[last] - known[before]) / (last - before)


def _equal_parts(rows: int, fits: int, smallest: int) -> int:
    nearly = math.ceil(rows / math.ceil(rows / fits))
    exactly = max(size for size in range(1, fits + 1) if rows % size == 0)
    return exactly if exactly >= max(smallest, nearly / 2) else nearly


def fitting_rows(
    step: Step, batch_of: Callable[[int], Any], rows: int, device: torch.device, *, margin: float = 0.9, limit_bytes: int = 0
) -> int:
    """The largest micro-batch with which real steps of this training fit: forward, backward and the optimizer's state.

    Each trial takes two steps, as only the second has the optimizer's state in memory while it goes forward. Afterwards the
    weights, the optimizer and the random numbers are as they were; they wait in the main memory meanwhile.

    Args:
        step: of the training, before it has begun or at any point of it.
        batch_of: rows → a batch of so many, on the device.
        rows: of the whole batch.
        device: where the step runs.
        margin: the share of the memory that may be used.
        limit_bytes: the memory there is; 0 asks the device.

    Errors: `TrainingError` where not even two rows fit; `ArgumentError` for a device whose memory cannot be measured.

    Example:
        >>> from torch import nn
        >>> from leadline.training import Supervised
        >>> model = nn.Linear(4, 3)
        >>> step = Supervised(model, nn.functional.cross_entropy, torch.optim.Adam(model.parameters()))
        >>> fitting_rows(step, lambda rows: (torch.ones(rows, 4), torch.zeros(rows).long()), 64, torch.device("cpu"))
        64
    """
    with preserved():
        before = _on_host(step.state())
        gradients = [(weight, weight.grad) for module in step.modules().values() for weight in module.parameters()]

        def two_steps(count: int) -> None:
            for _ in range(2):
                step(batch_of(count), BEGINNING)

        def try_rows(count: int) -> int:
            return peak_bytes(lambda: two_steps(count), device)

        try:
            fixed = held_bytes(device)  # before a first step has grown it: less is the safe side
            limit = limit_bytes or fixed + free_bytes(device)
            return largest_fitting(try_rows, rows, limit, margin=margin, fixed_bytes=min(fixed, limit))
        finally:
            for weight, gradient in gradients:
                weight.grad = gradient
            step.load(before)
            if device.type == "cuda":
                torch.cuda.empty_cache()


def _on_host(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _on_host(item) for key, item in value.items()}
    return type(value)(map(_on_host, value)) if type(value) in (list, tuple) else value


def peak_bytes(action: Callable[[], object], device: torch.device) -> int:
    """The most bytes that this process holds on a device at any moment of an action, those it held before included.

    On a GPU that is what torch has reserved, which is more than what tensors fill. On a CPU it is the resident memory of the
    process: on Linux its highest mark since the action began; elsewhere, or where that mark cannot be reset, since the process
    began.

    Errors: `ArgumentError` for a device, or a system, that does not tell.

    Example:
        >>> device = torch.device("cpu")
        >>> more = peak_bytes(lambda: torch.ones(25_000_000), device) - held_bytes(device)
        >>> more > 90_000_000
        True
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        action()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_reserved(device)
    if device.type == "mps":
        action()
        return torch.mps.driver_allocated_memory()  # which keeps what it once took
    _check_cpu(device)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    action()
    return _of_status("VmHWM") or _highest_ever()


def held_bytes(device: torch.device) -> int:
    """The bytes that this process holds on a device now: tensors on a GPU, all resident memory on a CPU.

    Errors: `ArgumentError` for a device, or a system, that does not tell.

    Example:
        >>> held_bytes(torch.device("cpu")) > 10_000_000
        True
    """
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    _check_cpu(device)
    return _of_status("VmRSS") or _highest_ever()


def free_bytes(device: torch.device) -> int:
    """The bytes that this process may yet take on a device: what is free, and on Linux no more than its control groups allow.

    Errors: `ArgumentError` for a device, or a system, that does not tell.

    Example:
        >>> free_bytes(torch.device("cpu")) > 10_000_000
        True
    """
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    _check_cpu(device)
    available = _number_after("MemAvailable:", Path("/proc/meminfo"))
    if available is not None:
        return min(available, *_free_in_groups(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")))
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(0, physical // 2 - _highest_ever())  # the other half is for the system and its programs


def _check_cpu(device: torch.device) -> None:
    if device.type != "cpu" or sys.platform == "win32":
        raise ArgumentError(
            "The memory in use cannot be measured",
            expected="a CUDA or Apple GPU, or the CPU of Linux or macOS",
            got=f"{device} on {sys.platform}",
            do="Say yourself into how many micro-batches a batch is cut (training.accumulate).",
        )


def _highest_ever() -> int:
    import resource  # which Windows lacks

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _of_status(name: str) -> int | None:
    return _number_after(name + ":", Path("/proc/self/status"))


def _number_after(name: str, path: Path) -> int | None:
    """Bytes from a line like "VmRSS:  123 kB" or "inactive_file 123"."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            words = line.split()
            if words and words[0] == name:
                return int(words[1]) * (1024 if words[-1] == "kB" else 1)
    return None


def _free_in_groups(membership: Path, root: Path) -> Iterator[int]:
    """What each control group around this process leaves, of either version; pages of files count as free."""
    names = (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    with contextlib.suppress(OSError):
        for line in membership.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            top = root / "memory" if controllers else root
            here = top / group.lstrip("/")
            limit, used, cached = names[1] if controllers else names[0]
            for folder in [here, *here.parents]:
                with contextlib.suppress(OSError, ValueError):
                    taken = int((folder / used).read_text()) - (_number_after(cached, folder / "memory.stat") or 0)
                    yield max(0, int((folder / limit).read_text()) - taken)  # "max" is no number, and no limit
                if folder == top:
                    break
