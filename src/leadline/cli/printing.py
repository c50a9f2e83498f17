"""Lines for people: a short label, text wrapped beside it, nothing that could steer a terminal."""

from __future__ import annotations

import shutil
import textwrap

import click

from leadline import __version__

LABEL = 10  # the width of the column in which the labels (data, plan, result …) stand


def width() -> int:
    """Columns to write in: those of the terminal, at most 100, and 80 where there is no terminal."""
    return min(shutil.get_terminal_size((80, 24)).columns, 100)


def printable(text: str) -> str:
    """`text` on one line with every control character, and every byte of a file name that is no text, replaced.

    Example:
        >>> printable("rose" + chr(27) + "[2J.jpg")
        'rose�[2J.jpg'
    """
    return "".join(letter if letter.isprintable() else " " if letter in "\n\t" else "�" for letter in text)


def paragraph(text: str) -> str:
    """`text` wrapped to the terminal; words that are too long, such as paths, stay whole."""
    return textwrap.fill(printable(text), width(), break_long_words=False, break_on_hyphens=False)


def labelled(label: str, text: str) -> str:
    """`text` wrapped beside its label.

    Example:
        >>> print(labelled("data", "1,797 pictures"))
        data      1,797 pictures
    """
    return textwrap.fill(
        printable(text),
        max(width(), 2 * LABEL),
        initial_indent=f"{label:<{LABEL}}",
        subsequent_indent=" " * LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def opening(doing: str) -> None:
    """The first line of a long job: printed before anything heavy is imported."""
    click.echo(paragraph(f"leadline {__version__} · {doing}"))


def number(value: float, metric: str = "") -> str:
    """A score as people read it: shares in percent, everything else with four figures.

    Example:
        >>> number(0.98765, "accuracy"), number(0.0456, "log_loss")
        ('98.8 %', '0.0456')
    """
    if metric.split("_")[-1] in _SHARES:
        return f"{100 * value:.1f} %"
    if metric.split("_")[-1] == "psnr":
        return f"{value:.2f} dB"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


_SHARES = {"accuracy", "f1", "auroc", "precision", "recall", "match", "explained"}


def clock(seconds: float) -> str:
    """A duration as minutes and seconds, or hours, minutes and seconds.

    Example:
        >>> clock(7.6), clock(3700)
        ('0:08', '1:01:40')
    """
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
