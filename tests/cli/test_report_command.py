"""`leadline report`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

TypeIn = Callable[..., tuple[int, str, str]]


def test_it_writes_and_says_where(type_in: TypeIn, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def open_run(folder: str) -> SimpleNamespace:
        opened.append(folder)
        return SimpleNamespace(report=lambda path: path or Path(folder) / "report.html")

    monkeypatch.setattr("leadline.runs.open", open_run)
    assert type_in("report", "runs/a") == (0, "runs/a/report.html\n", "")
    assert type_in("report", "runs/a", "--output", "b.html") == (0, "b.html\n", "")
    assert opened == ["runs/a", "runs/a"]
