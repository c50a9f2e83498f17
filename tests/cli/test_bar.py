"""The progress bar of a terminal."""

from __future__ import annotations

import io
import re
import sys

import pytest
from rich.console import Console

from leadline.cli import bar as bar_module
from leadline.cli.bar import Bar
from leadline.cli.terminal import watching


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setattr(bar_module, "_REFRESH", 0.0)
    return io.StringIO()


def bar_on(screen: io.StringIO, width: int = 80) -> Bar:
    return Bar(Console(file=screen, force_terminal=True, width=width, highlight=False, color_system=None))


def frames(screen: io.StringIO) -> list[str]:
    """What each drawing showed, without the codes that move the cursor."""
    return [frame.strip() for frame in re.split(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n", screen.getvalue()) if frame.strip()]


def test_the_bar_shows_share_speed_time_left_and_score(screen: io.StringIO) -> None:
    with bar_on(screen) as bar:
        bar.begin(100, 10)
        for step in range(1, 51):
            bar.advance(step)
        bar.log({"epoch": 5.0, "loss": 0.3, "valid_loss": 0.2, "valid_accuracy": 0.985})
        bar.log({"epoch": 5.1, "loss": 0.3})
        bar.advance(51)
    last = frames(screen)[-1]
    assert last.startswith("training")
    assert " 51 %" in last
    assert "steps/s" in last
    assert "left" in last
    assert "valid accuracy 98.5 %" in last
    assert max(map(len, frames(screen))) <= 80


def test_a_narrow_terminal_is_not_overrun(screen: io.StringIO) -> None:
    with bar_on(screen, width=40) as bar:
        bar.begin(100, 10)
        for step in range(1, 20):
            bar.advance(step)
        bar.log({"epoch": 5.0, "loss": 0.3, "valid_balanced_accuracy": 0.985})
        bar.advance(20)
    assert max(map(len, frames(screen))) <= 40


def test_notes_and_bars_do_not_disturb_each_other(screen: io.StringIO) -> None:
    with bar_on(screen) as bar:
        bar.note("data", "[bold]flowers[/bold] :rose: " + "word " * 30)
        for done in range(4):
            bar.reading(done + 1, 4)
        bar.note("plan", "a small network")
        bar.begin(10, 5)
        bar.advance(1)
        bar.note("time", "soon")
        bar.advance(2)
        bar.end()
        bar.note("result", "fine")
    shown = frames(screen)
    assert any(frame.startswith("reading") and " 75 %" in frame for frame in shown)
    assert "data      [bold]flowers[/bold] :rose:" in screen.getvalue()
    assert [frame for frame in shown if frame.split()[0] in ("plan", "time", "result")] == [
        "plan      a small network",
        "time      soon",
        "result    fine",
    ]


def test_an_error_gives_the_cursor_back(screen: io.StringIO) -> None:
    def fail() -> None:
        with bar_on(screen) as bar:
            bar.begin(10, 5)
            bar.advance(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    hide, show = "\x1b[?25l", "\x1b[?25h"
    assert screen.getvalue().count(hide) == screen.getvalue().count(show) == 1


def test_drawing_is_rare() -> None:
    screen = io.StringIO()
    with bar_on(screen) as bar:
        bar.begin(20_000, 100)
        before = len(screen.getvalue())
        for step in range(1, 20_001):
            bar.advance(step)
        drawn = len(frames(screen)) if len(screen.getvalue()) > before else 0
    assert drawn < 100


def test_a_terminal_gets_a_bar_unless_it_is_dumb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with watching(silent=False) as observer:
        assert isinstance(observer, Bar)
    monkeypatch.setenv("TERM", "dumb")
    with watching(silent=False) as observer:
        assert not isinstance(observer, Bar)
