"""Which device, and what arithmetic it has."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from leadline.errors import ArgumentError


def choose_device(name: str = "auto") -> torch.device:
    """The device of this name; "auto" is the first GPU, else Apple's, else the CPU.

    Errors: `ArgumentError` when there is no such device on this machine.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ArgumentError(
            f"There is no device {name!r} on this machine",
            expected="auto, cpu, cuda, cuda:N or mps",
            do="'leadline info' shows what there is.",
        ) from error
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware itself computes in bfloat16: emulated, it is slower than float32."""
    if device.type != "cuda":
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


def settle(device: torch.device, *, seed: int, threads: int | None = None) -> None:
    """Seed torch and choose deterministic kernels where they exist, so that the same plan gives the same weights."""
    if threads is not None and threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)


@contextmanager
def preserved() -> Iterator[None]:
    """After the block torch's threads, random state and choice of kernels are as they were before it."""
    threads, random = torch.get_num_threads(), torch.get_rng_state()
    random_cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    benchmark = torch.backends.cudnn.benchmark
    deterministic, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(random)
        if random_cuda:
            torch.cuda.set_rng_state_all(random_cuda)
        torch.backends.cudnn.benchmark = benchmark
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)


@contextmanager
def noting_nondeterminism() -> Iterator[list[str]]:
    """After the block the list holds what torch said of kernels without a deterministic form; other warnings pass."""
    noted: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield noted
        finally:
            said = [(str(warning.message), warning) for warning in caught]
            noted += sorted({text.split(".")[0] for text, _ in said if "deterministic" in text})
    for text, warning in said:
        if "deterministic" not in text:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
