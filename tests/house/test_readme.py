"""The Python in the README runs, from top to bottom, in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[int, str]]:
    """The Python blocks of the README, each with the number of its first line."""
    text = README.read_text(encoding="utf-8")
    return [(text[: match.start(1)].count("\n") + 1, match.group(1)) for match in FENCE.finditer(text)]


def test_the_readme_has_an_example() -> None:
    assert blocks()


def test_the_examples_of_the_readme_run(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"__name__": "readme"}
    for line, code in blocks():
        # Empty lines before the code make a traceback point at the line in the README.
        exec(compile("\n" * (line - 1) + code, str(README), "exec"), names)
