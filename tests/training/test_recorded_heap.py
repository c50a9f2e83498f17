"""Kept buffers: fewer pages fetched anew, counted by the system itself, in processes of their own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from leadline.training.recorded import keeping_buffers
from leadline.training.recorded.heap import _glibc

PROGRAM = """
import resource, sys, torch
from contextlib import nullcontext
from leadline.training.recorded import keeping_buffers
torch.set_num_threads(1)
def buffers():
    kept = [torch.ones(2**20) for _ in range(6)]  # 4 MiB each
def faults(context):
    with context as changed:
        for _ in range(3): buffers()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20): buffers()
        return changed, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(*faults(keeping_buffers() if sys.argv[1] == "kept" else nullcontext()))
"""

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")


def faults(kind: str, **environment: str) -> tuple[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    changed, count = done.stdout.split()
    return changed, int(count)


@glibc
def test_pages_are_not_fetched_anew() -> None:
    # Where the heap happens to end, glibc keeps the buffers by itself: in about every third process.
    usual = next((count for _ in range(10) if (count := faults("usual")[1]) > 1000), 0)
    changed, kept = faults("kept")
    assert changed == "True"
    assert usual > 1000  # or glibc no longer gives such buffers back, and the function has lost its purpose
    assert kept < usual / 20


@glibc
def test_thresholds_of_the_environment_stay() -> None:
    assert faults("kept", MALLOC_TRIM_THRESHOLD_="131072")[0] == "False"


def test_elsewhere_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert _glibc() is None
    with keeping_buffers() as changed:
        assert not changed


@glibc
def test_blocks_within_blocks_end_with_the_outermost(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []

    class Library:
        def mallopt(self, option: int, value: int) -> int:
            calls.append((option, value))
            return int(value != 2**30)  # as an older release

        def malloc_trim(self, pad: int) -> int:
            calls.append((0, pad))
            return 1

    monkeypatch.setattr("leadline.training.recorded.heap._glibc", Library)
    with keeping_buffers():
        opened = list(calls)
        with keeping_buffers():
            pass
        assert calls == opened == [(-3, 2**30), (-3, 2**25), (-1, 2**31 - 1)]
    assert calls[len(opened) :] == [(-3, 2**25), (-1, 2**26), (0, 0)]
