"""One torch thread for each test process, caches that vanish with the session, and no network."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says more of the machine than of the code.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

# Before anything imports torch or numpy: two xdist workers with two threads each would be four threads on two cores.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
# What the person at this machine has set must not change what the tests see.
for variable in ("LEADLINE_DATA", "LEADLINE_WEIGHTS", "TORCH_HOME"):
    os.environ.pop(variable, None)
# A terminal of a known width; click and rich read it.
os.environ["COLUMNS"] = "80"

_CACHE = Path(tempfile.mkdtemp(prefix="leadline-tests-"))
os.environ["LEADLINE_CACHE"] = str(_CACHE)
os.environ["XDG_CACHE_HOME"] = str(_CACHE / "xdg")  # where torch keeps the weights it has fetched
_connect = socket.socket.connect


def _connect_nearby(self: socket.socket, address: Any) -> None:
    if self.family != getattr(socket, "AF_UNIX", None) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"the tests use no network, and this one wanted {address}")
    _connect(self, address)


def pytest_configure(config: pytest.Config) -> None:
    socket.socket.connect = _connect_nearby  # type: ignore[method-assign,assignment]


def pytest_unconfigure(config: pytest.Config) -> None:
    socket.socket.connect = _connect  # type: ignore[method-assign]
    shutil.rmtree(_CACHE, ignore_errors=True)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is also the current one, for what writes to `runs/`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def type_in(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Type words after `leadline` in this process: exit status, what stood on stdout, what stood on stderr."""

    def type_words(*words: object) -> tuple[int, str, str]:
        from leadline.cli import main

        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return type_words
