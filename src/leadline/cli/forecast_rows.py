"""What comes next, as `leadline predict` prints it: a table for people, csv or JSON for programs."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.printing import paragraph, printable

if TYPE_CHECKING:
    from leadline.runs import DatedForecasts, Run


def write_forecasts(run: Run, words: Sequence[str], *, as_json: bool, as_csv: bool) -> None:
    """Print what comes after the end of the series in some files, a row for each step of each series.

    Args:
        run: of forecasts.
        words: table files that are read as one table; `-` is a csv on standard input.
        as_json: one object a line.
        as_csv: a csv table.
    """
    found = _foreseen(run, words)
    for note in found.notes:
        click.echo(paragraph(note), err=True)
    if as_json:
        for row in found:
            click.echo(json.dumps(row, ensure_ascii=False))
    elif as_csv:
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(found.columns)
        table.writerows([f"{value:.10g}" if isinstance(value, float) else value for value in row.values()] for row in found)
    else:
        for line in aligned(found.columns, found.rows):
            click.echo(line)


def aligned(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[str]:
    """Rows below the names of their columns, numbers to the right.

    Example:
        >>> for line in aligned(["day", "sold"], [{"day": "2024-03-01", "sold": 4.25}, {"day": "2024-03-02", "sold": 12.0}]):
        ...     print(line)
        day         sold
        2024-03-01  4.25
        2024-03-02    12
    """
    numeric = [bool(rows) and isinstance(rows[0][name], float) for name in columns]
    cells = [[printable(name) for name in columns], *([_shown(row[name]) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in cells
    ]


def _shown(value: Any) -> str:
    if not isinstance(value, float):
        return printable(str(value))
    return f"{value:,.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"


def _foreseen(run: Run, words: Sequence[str]) -> DatedForecasts:
    if "-" not in words:
        return _dated(run, "\n".join(words))
    if len(words) > 1:
        raise click.UsageError("Standard input is a table of its own; give either - or files.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stdin.csv"
        path.write_bytes(sys.stdin.buffer.read())
        return _dated(run, str(path))


def _dated(run: Run, source: str) -> DatedForecasts:
    found: Any = run.predict(source)
    dated: DatedForecasts = found
    return dated
