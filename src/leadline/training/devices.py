"""Which device, and what arithmetic it has."""

from __future__ import annotations

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
        torch.backends.cudnn.deterministic = True
