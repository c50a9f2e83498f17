"""What stands on a terminal that is none: plain lines, few of them, and a training that outlives its reader."""

from __future__ import annotations

import io
import sys

import pytest

from leadline.cli import terminal
from leadline.cli.terminal import Lines, Pace, valid_score, watching


def test_the_pace_counts_from_the_first_step_seen() -> None:
    # Resumed at step 50 of 100, ten steps in two seconds: 40 left at 5 a second are 8 seconds.
    pace = Pace(100)
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


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"loss": 1.0}, ""),
        ({"valid_loss": 0.25}, "loss 0.25"),
        ({"valid_loss": 0.25, "valid_accuracy": 0.5}, "accuracy 50.0 %"),
        ({"valid_loss": 0.25, "valid_average_precision": None, "valid_log_loss": 0.3}, "log loss 0.3"),
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
    assert "100 %" in said[-1]


def test_a_short_training_is_a_line_for_each_log_point(capsys: pytest.CaptureFixture[str]) -> None:
    train(Lines(), epochs=2)
    assert [line.split("epoch ")[1][0] for line in capsys.readouterr().out.splitlines() if "epoch" in line] == ["1", "2"]


def test_between_far_log_points_there_are_signs_of_life(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "_SILENCE", 0.0)
    lines = Lines()
    lines.begin(1000, 1000)
    for step in range(1000):
        lines.advance(step + 1)
    lines.log({"epoch": 1.0, "loss": 0.5, "valid_accuracy": 0.9})
    assert 5 <= len(said := capsys.readouterr().out.splitlines()) <= 12
    assert said[-1].endswith("epoch 1  valid accuracy 90.0 %")


def test_no_control_codes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.note("data", "class \x1b[31mred\x1b[0m")
    lines.reading(1, 2)
    lines.reading(2, 2)
    train(lines)
    said = capsys.readouterr().out
    assert "2 files" in said
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
