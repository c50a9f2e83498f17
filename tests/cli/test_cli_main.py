"""What every verb shares: help, the exit status, one paragraph for an error, and quiet when the reader has gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import leadline
from leadline.errors import DataError, LeadlineError, TrainingError

TypeIn = Callable[..., tuple[int, str, str]]


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make every `leadline report` fail in this way."""

    def fail(folder: object) -> None:
        raise error

    monkeypatch.setattr("leadline.runs.open", fail)


def test_without_a_verb_it_shows_what_there_is(type_in: TypeIn) -> None:
    status, out, err = type_in()
    assert status == 2  # nothing was asked for, so nothing was done
    assert "train" in out + err


def test_the_version(type_in: TypeIn) -> None:
    assert type_in("--version")[:2] == (0, f"leadline {leadline.__version__}\n")


@pytest.mark.parametrize("verb", ["train", "plan", "resume", "predict", "evaluate", "report", "info"])
def test_every_verb_has_help_within_80_columns(verb: str, type_in: TypeIn) -> None:
    status, out, _ = type_in(verb, "--help")
    assert status == 0
    assert out.startswith(f"Usage: leadline {verb}")
    assert max(map(len, out.splitlines())) <= 80


def test_an_unknown_verb_names_the_nearest(type_in: TypeIn) -> None:
    status, out, err = type_in("trian", "digits")
    assert (status, out) == (2, "")
    assert "Did you mean 'train'?" in err


def test_an_unknown_option_is_a_mistake(type_in: TypeIn) -> None:
    status, out, err = type_in("train", "digits", "--sead", "3")
    assert (status, out) == (2, "")
    assert "--seed" in err


@pytest.mark.parametrize(
    ("error", "status"),
    [(DataError("The folder is empty"), 2), (TrainingError("The loss is not a number"), 1)],
)
def test_an_error_is_one_paragraph_and_its_status(
    error: LeadlineError, status: int, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, error)
    assert type_in("report", "last") == (status, "", f"Error: {error}\n")


def test_a_long_error_is_wrapped_and_harmless(type_in: TypeIn, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, DataError("\x1b[2J" + "many words " * 30, do="Mend it."))
    _, _, err = type_in("report", "last")
    assert "\x1b" not in err
    assert max(map(len, err.splitlines())) <= 80
    assert err.endswith("Mend it.\n")


def test_control_c_outside_a_training_is_130(type_in: TypeIn, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    status, out, err = type_in("report", "last")
    assert (status, out, err.strip()) == (130, "", "Interrupted.")


def test_a_file_that_may_not_be_read_is_no_bug(type_in: TypeIn, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, PermissionError(13, "Permission denied", "/root/secret"))
    assert type_in("report", "last") == (2, "", "Error: You may not read or write /root/secret.\n")


def test_a_bug_shows_its_traceback_and_what_to_report(type_in: TypeIn, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ZeroDivisionError("whoops"))
    status, out, err = type_in("report", "last")
    assert (status, out) == (1, "")
    assert "Traceback" in err
    assert "ZeroDivisionError: whoops" in err
    assert "`leadline info`" in err


def test_a_reader_that_has_gone_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "leadline", "info"], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_terminal_without_utf_8_gets_no_traceback() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "leadline", "train", "no-such-source"], env=environment, capture_output=True, check=False
    )
    assert b"UnicodeEncodeError" not in done.stderr
    assert done.stdout.startswith(b"leadline")
