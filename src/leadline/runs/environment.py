"""What a Run was made with: versions, machine, device."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

import torch

_PACKAGES = ("leadline", "torch", "numpy", "safetensors", "pillow", "scikit-learn")


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Versions, machine and device, and where sums may differ in their last bits from one run to the next."""
    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
        "device": str(device),
        "accelerator": accelerator,
        "threads": torch.get_num_threads(),
        "deterministic": device.type == "cpu"
        or "cuDNN kernels; torch's own CUDA kernels with atomic sums may differ in the last bits",
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
