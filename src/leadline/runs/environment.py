"""What a Run was made with: versions, machine, device."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import torch

_PACKAGES = ("leadline", "torch", "numpy", "safetensors", "pillow", "polars", "scikit-learn")


def describe_environment(device: torch.device, nondeterministic: Sequence[str] = ()) -> dict[str, Any]:
    """Versions, machine and device, and what torch said of kernels that have no deterministic form."""
    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
        "device": str(device),
        "accelerator": accelerator,
        "threads": torch.get_num_threads(),
        "nondeterministic": list(nondeterministic),
    }


def processor() -> str:
    """The name of the CPU."""
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
