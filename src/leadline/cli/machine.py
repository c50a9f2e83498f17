"""The machine and what is installed on it, as labels and texts. Nothing here may fail: it is read when things are broken."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from leadline import __version__

GIBI = 2**30


def facts() -> Iterator[tuple[str, str]]:
    """What a bug report needs; what takes a moment (importing torch) comes last."""
    yield "leadline", f"{__version__} in {Path(__file__).parents[1]}"
    yield "python", f"{platform.python_version()} ({platform.python_implementation()}) in {sys.prefix}"
    yield "packages", ", ".join(packages())
    yield "platform", platform.platform()
    yield "cpu", f"{cpu_name()}, {cores()}"
    yield "memory", main_memory()
    yield from places()
    yield from torch_facts()


def packages() -> list[str]:
    """Everything that Leadline depends on, with the version that is installed."""
    try:
        needed = importlib.metadata.requires("leadline") or []
    except importlib.metadata.PackageNotFoundError:
        return ["leadline is not installed"]
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in needed if "extra ==" not in line]
    return [f"{name} {version(name)}" for name in names]


def version(package: str) -> str:
    """The installed version, or "missing"."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def cpu_name() -> str:
    """The processor by its trade name, where the system tells it."""
    try:
        if sys.platform == "linux":
            found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
            return found.group(1) if found else platform.machine()
        if sys.platform == "darwin":
            answer = subprocess.run(
                ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, timeout=5, check=False
            )
            return answer.stdout.strip() or platform.machine()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> str:
    """How many cores there are, and how many this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = _control_group("cpu.max").split()
    quota = (
        f", limited to {int(limit[0]) / int(limit[1]):.3g} by its container" if len(limit) == 2 and limit[0].isdigit() else ""
    )
    return f"{os.cpu_count()} cores, {usable} usable{quota}"


def main_memory() -> str:
    """Installed and free memory, and the container's limit if there is one."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        text = f"{sizes['MemTotal'] / GIBI:.1f} GiB, {sizes['MemAvailable'] / GIBI:.1f} GiB free"
    except (OSError, KeyError, ValueError, IndexError):
        try:
            text = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / GIBI:.1f} GiB"
        except (AttributeError, ValueError, OSError):
            text = "unknown"
    limit = _control_group("memory.max").strip()
    return f"{text}, limited to {int(limit) / GIBI:.1f} GiB by its container" if limit.isdigit() else text


def places() -> Iterator[tuple[str, str]]:
    """Where data are looked for and kept, and how much room there is."""
    import platformdirs

    cache = Path(os.environ.get("LEADLINE_CACHE") or platformdirs.user_cache_dir("leadline"))
    yield "cache", f"{cache} ({free(cache)})"
    yield "data", os.environ.get("LEADLINE_DATA") or "LEADLINE_DATA is not set"
    yield "here", f"{Path.cwd()} ({free(Path.cwd())})"


def free(path: Path) -> str:
    """The free space where `path` is or would be."""
    existing = next((folder for folder in (path, *path.parents) if folder.exists()), Path.cwd())
    try:
        return f"{shutil.disk_usage(existing).free / GIBI:.1f} GiB free"
    except OSError as error:
        return str(error)


def torch_facts() -> Iterator[tuple[str, str]]:
    """What torch makes of this machine, or why it cannot be imported."""
    try:
        torch = importlib.import_module("torch")
    except Exception as error:  # a broken installation is what a bug report is often about
        yield "torch", f"cannot be imported: {error!r}"
        return
    yield "threads", f"{torch.get_num_threads()} (torch), {torch.backends.cpu.get_cpu_capability()}"
    yield "cuda", _cuda(torch)


def _cuda(torch: ModuleType) -> str:
    built = f"torch built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch built without CUDA"
    if torch.backends.mps.is_available():
        return f"none; Apple's GPU (mps); {built}"
    if not torch.cuda.is_available():
        return f"none; {built}"
    cards = (torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count()))
    return "; ".join(f"{card.name}, {card.total_memory / GIBI:.0f} GiB" for card in cards) + f"; {built}"


def _control_group(name: str) -> str:
    try:
        return (Path("/sys/fs/cgroup") / name).read_text()
    except OSError:
        return ""
