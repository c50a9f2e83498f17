"""One torch thread for each test process, caches that vanish with the session, and no network."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
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
_connect = socket.socket.connect
_surroundings = pytest.MonkeyPatch()


def _connect_nearby(self: socket.socket, address: Any) -> None:
    if self.family != getattr(socket, "AF_UNIX", None) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"the tests use no network, and this one wanted {address}")
    _connect(self, address)


def pytest_configure(config: pytest.Config) -> None:
    """The same surroundings on every machine, from before the first test file is imported until after the last test.

    A fixture of the session would come too late for what test files look up when they are collected, and would not hold for
    the examples in the docstrings, which lie outside of this folder.
    """
    # The data and weights that a person keeps must not change what is proposed, found or left to be fetched.
    for name in ("LEADLINE_DATA", "LEADLINE_WEIGHTS", "TORCH_HOME"):
        _surroundings.delenv(name, raising=False)
    # A terminal of a known width; click and rich read it.
    _surroundings.setenv("COLUMNS", "80")
    cache = Path(tempfile.mkdtemp(prefix="leadline-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(cache, ignore_errors=True))
    _surroundings.setenv("LEADLINE_CACHE", str(cache))
    _surroundings.setenv("XDG_CACHE_HOME", str(cache / "xdg"))  # where torch keeps the weights it has fetched
    _surroundings.setattr(socket.socket, "connect", _connect_nearby)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Everything as it was: pytest may have been called from a program that goes on."""
    _surroundings.undo()


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is also the current one, for what writes to `runs/`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def undrawn() -> Iterator[Callable[..., str]]:
    """Figures of a report stay empty under their titles: to draw them takes longer than a short training."""
    from leadline.report import drawing

    with pytest.MonkeyPatch.context() as patch:
        painted = drawing._painted
        patch.setattr(drawing, "_painted", lambda *_: '<svg xmlns="http://www.w3.org/2000/svg"></svg>')
        yield painted


@pytest.fixture
def drawn(undrawn: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures as they are, for one test of a file whose others leave them empty."""
    from leadline.report import drawing

    monkeypatch.setattr(drawing, "_painted", undrawn)


@pytest.fixture(scope="module")
def brief(undrawn: Callable[..., str]) -> Iterator[None]:
    """What follows a training is short: empty figures, one setting of each baseline in place of all that 20 seconds allow."""
    from leadline.runs import finishing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finishing, "_BASELINE_LEAST", 0.001)
        yield


@pytest.fixture(scope="module", autouse=True)
def commands_are_brief(request: pytest.FixtureRequest) -> None:
    """The trainings of `tests/cli`; `tests/report` and `tests/baselines` see to what is left out."""
    if request.path.parent == Path(__file__).parent / "cli":
        request.getfixturevalue("brief")


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
