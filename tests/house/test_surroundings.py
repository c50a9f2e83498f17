"""The tests see nothing of the person whose machine it is, and leave their settings as they were."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PERSONAL = ("LEADLINE_DATA", "LEADLINE_WEIGHTS", "TORCH_HOME")
AROUND = """
import os, socket, sys
import pytest
connect = socket.socket.connect
code = pytest.main([sys.argv[1], "-q", "-p", "no:cacheprovider", "-n", "0"])
print("exit", int(code), *(os.environ.get(name) for name in %r), os.environ.get("LEADLINE_CACHE"))
print("network", socket.socket.connect is connect)
"""


@pytest.mark.parametrize("name", PERSONAL)
def test_nothing_of_the_person_is_seen(name: str) -> None:
    assert name not in os.environ


def test_caches_are_those_of_the_session_and_there_is_no_network() -> None:
    assert "leadline-tests-" in os.environ["LEADLINE_CACHE"]
    with pytest.raises(OSError, match="no network"), socket.socket() as outside:
        outside.connect(("192.0.2.1", 80))


def test_a_program_that_calls_pytest_finds_its_settings_again(tmp_path: Path) -> None:
    environment = {**os.environ, **dict.fromkeys(PERSONAL, "/mine")}
    del environment["LEADLINE_CACHE"]
    inner = f"{Path(__file__)}::test_nothing_of_the_person_is_seen"
    done = subprocess.run(
        [sys.executable, "-c", AROUND % (PERSONAL,), inner], env=environment, capture_output=True, text=True, check=True
    )
    assert "exit 0 /mine /mine /mine None" in done.stdout, done.stdout
    assert "network True" in done.stdout
