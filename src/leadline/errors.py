"""Every error a person can cause, in one grammar: what was wrong, what was expected, what came, what to do.

Each class is a `LeadlineError` and the builtin it resembles, so `except ValueError` keeps working. On the command line such an
error is one paragraph and an exit status; anything else that escapes is a bug in Leadline.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NoReturn


class LeadlineError(Exception):
    """The base of every error a person can cause.

    Args:
        what: what was wrong, one sentence without its full stop.
        expected: what would have been right.
        got: what came instead.
        do: what to do about it, one sentence.

    Example:
        >>> print(ArgumentError("The learning rate is negative", expected="a number above 0", got=-0.1, do="Try 0.001."))
        The learning rate is negative. Expected a number above 0; got -0.1. Try 0.001.
    """

    exit_status = 2

    def __init__(self, what: str, *, expected: object = None, got: object = None, do: str | None = None) -> None:
        self.what = what
        super().__init__(_paragraph(what, expected, got, do))


class ArgumentError(LeadlineError, ValueError):
    """An argument has a value, type or shape that the call cannot use."""


class DataError(LeadlineError, ValueError):
    """The data themselves cannot be used as they are."""


class EmptyTextError(DataError):
    """A text holds nothing, or nothing but white space."""


class NoTokenError(DataError):
    """Of all tokens of a text none comes often enough to be known."""


class SourceNotFoundError(LeadlineError, FileNotFoundError):
    """A path or a name leads nowhere."""


class DownloadError(LeadlineError, ConnectionError):
    """A named data set could not be fetched."""


class PlanError(LeadlineError, ValueError):
    """A plan has an unknown key or a value of the wrong kind."""


class RunError(LeadlineError, ValueError):
    """A folder is not a Run that can be used: not one, damaged, unfinished, or from a newer version."""


class RunExistsError(LeadlineError, FileExistsError):
    """A training was about to write where something already lies."""


class StorageError(LeadlineError, OSError):
    """The disk is full, or the place is not writable."""


class TrainingError(LeadlineError, RuntimeError):
    """The training itself failed, for instance because the loss is no longer a number."""

    exit_status = 1


class Interrupted(LeadlineError, RuntimeError):  # noqa: N818 - a wish, not an error
    """The training was stopped from outside (Ctrl-C, SIGTERM) after saving a checkpoint."""

    exit_status = 130


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that looks most like `word`, capitals passed over, or None when none does.

    Example:
        >>> nearest("learing_rate", ["batch", "learning_rate"]), nearest("AGE", ["age", "wage"])
        ('learning_rate', 'age')
    """
    lowered = {choice.casefold(): choice for choice in choices}
    matches = difflib.get_close_matches(word.casefold(), list(lowered), n=1, cutoff=0.5)
    return lowered[matches[0]] if matches else None


def unknown(kind: str, word: str, choices: Iterable[str], error: type[LeadlineError] = ArgumentError) -> NoReturn:
    """Raise `error` for a name that is not among `choices`, naming the nearest right one.

    Example:
        >>> unknown("optimizer", "adamm", ["adam", "sgd"])
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: There is no optimizer 'adamm'. Expected one of adam, sgd. Did you mean 'adam'?
    """
    names = sorted(choices)
    close = nearest(word, names) if isinstance(word, str) else None  # a number came in the place of a name
    raise error(
        f"There is no {kind} {word!r}", expected="one of " + ", ".join(names), do=f"Did you mean {close!r}?" if close else None
    )


def _paragraph(what: str, expected: object, got: object, do: str | None) -> str:
    sentences = [what if what.endswith("?") else what.rstrip(".") + "."]
    if expected is not None and got is not None:
        sentences.append(f"Expected {expected}; got {got}.")
    elif expected is not None:
        sentences.append(f"Expected {expected}.")
    elif got is not None:
        sentences.append(f"Got {got}.")
    if do:
        sentences.append(do)
    return " ".join(sentences)
