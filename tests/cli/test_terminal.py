"""What stands on a terminal that is none: plain lines, few of them, and a training that outlives its reader."""

from __future__ import annotations

import io
import sys

import pytest

from leadline.cli import terminal
from leadline.cli.pace import Pace, valid_score
from leadline.cli.terminal import Lines, watching


def test_the_pace_counts_from_the_first_step_seen() -> None:
    # Resumed at step 50 of 100, ten steps in two seconds: 40 left at 5 a second are 8 seconds.
    pace = Pace(100, "steps")
    pace.advance(50, now=100.0)
    assert str(pace) == " 50 %"
    pace.advance(60, now=102.0)
    assert pace.rate == pytest.approx(5.0)
    assert str(pace) == " 60 %  5 steps/s  0:08 left"


def test_the_pace_survives_an_empty_plan_and_a_clock_that_stands() -> None:
    assert str(Pace(0)) == "  0 %"
    pace = Pace(10)
    pace.advance(1, now=5.0)
    pace.advance(2, now=5.0)
    assert pace.share == pytest.approx(0.2)


def test_the_pace_keeps_the_last_score_there_was() -> None:
    pace = Pace(10)
    pace.log({"loss": 0.5, "valid_accuracy": 0.5})
    pace.log({"loss": 0.4})
    assert str(pace) == "  0 %  valid accuracy 50.0 %"


@pytest.mark.parametrize(
    ("steps", "text"),
    [(10, "all steps done, in 0:10, at last with valid loss 0.25"), (4, "stopped after 40 % of the steps, in 0:04")],
)
def test_the_pace_tells_how_it_ended(steps: int, text: str) -> None:
    pace = Pace(10)
    pace.advance(0, now=50.0)
    pace.advance(steps, now=50.0 + steps)
    pace.log({"valid_loss": 0.25} if steps == 10 else {})
    assert pace.ended() == text


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"loss": 1.0}, ""),
        ({"valid_loss": 0.25}, "valid loss 0.25"),
        ({"valid_loss": 0.25, "valid_accuracy": 0.5}, "valid accuracy 50.0 %"),
        ({"valid_loss": 0.25, "valid_average_precision": None, "valid_log_loss": 0.3}, "valid log loss 0.3"),
    ],
)
def test_the_score_is_the_headline_of_the_record(record: dict[str, float], text: str) -> None:
    assert valid_score(record) == text


def train(lines: Lines, epochs: int = 60, steps: int = 20) -> None:
    """The calls of a training whose epochs end in log points."""
    lines.begin(epochs * steps, steps)
    for epoch in range(epochs):
        for step in range(steps):
            lines.advance(epoch * steps + step + 1)
        lines.log({"step": (epoch + 1) * steps, "epoch": epoch + 1.0, "loss": 0.5, "valid_loss": 0.4, "valid_accuracy": 0.75})
    lines.end()


def test_a_long_training_is_about_ten_lines(capsys: pytest.CaptureFixture[str]) -> None:
    train(Lines())
    said = capsys.readouterr().out.splitlines()
    assert 9 <= len(said) <= 11
    assert all(line.startswith("training  ") and "valid accuracy 75.0 %" in line and len(line) <= 80 for line in said)
    assert "all steps done" in said[-1]


def test_a_short_training_is_a_line_for_each_log_point(capsys: pytest.CaptureFixture[str]) -> None:
    train(Lines(), epochs=2)
    first, last = capsys.readouterr().out.splitlines()
    assert " 50 %" in first
    assert "all steps done" in last


def test_a_training_that_stops_early_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.begin(100, 10)
    lines.advance(25)
    lines.end()
    assert "stopped after 25 % of the steps" in capsys.readouterr().out


def test_between_far_log_points_there_are_signs_of_life(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "_SILENCE", 0.0)
    lines = Lines()
    lines.begin(1000, 1000)
    for step in range(1000):
        lines.advance(step + 1)
    assert 5 <= len(capsys.readouterr().out.splitlines()) <= 10


def test_reading_for_long_gives_signs_of_life(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines()
    for done in range(11):
        lines.reading(done, 10)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(terminal, "_SILENCE", 0.0)
    for done in range(11):
        lines.reading(done, 100)
    said = capsys.readouterr().out.splitlines()
    assert all(line.startswith("reading ") and "left" in line and "/s" not in line for line in said[1:])
    assert len(said) >= 5


def test_no_control_codes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.note("data", "class \x1b[31mred\x1b[0m")
    train(lines)
    said = capsys.readouterr().out
    assert not {letter for letter in said if not letter.isprintable()} - {"\n"}


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_training_outlives_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Gone())
    lines = Lines()
    lines.note("data", "nobody reads this")
    train(lines)


def test_a_pipe_gets_lines_and_silence_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(silent=False) as observer:
        assert isinstance(observer, Lines)
    with watching(silent=True) as observer:
        observer.note("data", "unheard")
        observer.begin(10, 5)
        observer.advance(1)
        observer.log({"epoch": 1.0, "loss": 0.5})
        observer.end()
    assert capsys.readouterr().out == ""
