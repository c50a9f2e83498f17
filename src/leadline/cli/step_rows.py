"""Answers to each step, as `leadline predict` prints them: a line for each step for people, csv or JSON for programs."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.printing import paragraph, printable
from leadline.errors import DataError, LeadlineError

if TYPE_CHECKING:
    from leadline.runs import Run
    from leadline.runs.answering_steps import StepAnswer


def write_steps(run: Run, words: Sequence[str], *, as_json: bool, as_csv: bool) -> None:
    """Print the answer for each step of some inputs; one that cannot be read is named, and the others go on.

    Args:
        run: of answers to each step.
        words: sentences, files or folders; `-` is standard input, a sentence on each line, or a csv of steps.
        as_json: one object for each row.
        as_csv: a table with a line for each step.
    """
    failed: list[str] = []
    rows = _answered(run, words, failed)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row.to_json(), ensure_ascii=False))
    elif as_csv:
        _write_csv(rows)
    else:
        for number, row in enumerate(rows):
            for line in ([""] if number else []) + lines_of(row):
                click.echo(line)
    if failed:
        raise DataError(
            failed[0] if len(words) == 1 else f"{len(failed)} of {len(words)} inputs could not be used, as told above"
        )


def lines_of(row: StepAnswer) -> list[str]:
    """A line for each step: its word (or number), the answer, and how sure the network is.

    Args:
        row: with its answers.

    Example:
        >>> from leadline.runs.answering_steps import StepAnswer
        >>> for line in lines_of(StepAnswer("0", ("Ann", "ran"), ("NAME", "VERB"), (0.991, 0.8))):
        ...     print(line)
        Ann  NAME  99.1 %
        ran  VERB  80.0 %
    """
    first = [printable(word) for word in row.words] or [str(number) for number in range(1, len(row) + 1)]
    told = [printable(_text(answer)) for answer in row.answers]
    sure = [f"{100 * value:.1f} %" for value in row.probabilities] or [""] * len(told)
    widths = [max(map(len, column)) for column in (first, told, sure)]
    lines = [
        f"{one:<{widths[0]}}  {answer:<{widths[1]}}  {share:>{widths[2]}}".rstrip()
        for one, answer, share in zip(first, told, sure, strict=True)
    ]
    return lines if row.words else [f"# {printable(row.id)}", *lines]


def _answered(run: Run, words: Sequence[str], failed: list[str]) -> Iterator[StepAnswer]:
    for name, raw in _inputs(run, words):
        try:
            found: Any = run.predict(raw, [name] if isinstance(raw, str) else None)
        except LeadlineError as error:
            failed.append(str(error))
            if len(words) > 1:
                click.echo(paragraph(f"{name}: {error}"), err=True)
            continue
        yield from [found] if hasattr(found, "probabilities") else found
        for excluded in getattr(found, "excluded", ()):
            failed.append(excluded.reason)
            click.echo(paragraph(f"{excluded.id}: {excluded.reason}"), err=True)


def _inputs(run: Run, words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Each input with its name: what is a file or a folder as its path, what is not as a sentence."""
    sentences = run.schema.inputs.kind == "sentences"
    for word in words:
        if word != "-":
            yield word, Path(word) if not sentences or _exists(word) else word
        elif sentences:
            lines = [line.decode(errors="replace").strip() for line in sys.stdin.buffer]
            if not any(lines):
                raise DataError("Nothing came on standard input", expected="a sentence on each line")
            yield from ((f"line {number}", line) for number, line in enumerate(lines, 1) if line)
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "stdin.csv"
                path.write_bytes(sys.stdin.buffer.read())
                yield "-", path


def _exists(word: str) -> bool:
    try:
        return bool(word.strip()) and Path(word).exists()
    except OSError:  # a sentence that is too long for a name
        return False


def _write_csv(rows: Iterator[StepAnswer]) -> None:
    table = csv.writer(sys.stdout, lineterminator="\n")
    for number, row in enumerate(rows):
        several = isinstance(row.answers[0], dict)
        if number == 0:
            names = list(row.answers[0]) if several else ["answer"]
            table.writerow(
                ["id", "step", *(["word"] if row.words else []), *names, *(["probability"] if row.probabilities else [])]
            )
        for at, answer in enumerate(row.answers):
            told = list(answer.values()) if several else [answer]
            cells = [row.id, at + 1, *(row.words[at : at + 1]), *(_text(each) for each in told)]
            table.writerow([*cells, *(f"{value:.6g}" for value in row.probabilities[at : at + 1])])


def _text(answer: Any) -> str:
    if isinstance(answer, dict):
        return ", ".join(f"{name} {value:.6g}" for name, value in answer.items())
    return f"{answer:.6g}" if isinstance(answer, float) else str(answer)
