"""A competitor in a process of its own, which waits while others are timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any


class Process:
    """A process of its own: one line in, the seconds of one epoch out."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        folder = os.path.dirname(os.path.abspath(__file__))
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(folder, arguments[0]), *arguments[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **environment},
        )

    def epoch(self) -> float:
        return float(self.ask("epoch"))

    def ask(self, question: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
