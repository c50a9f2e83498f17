"""Inputs that a network tells again, as `leadline predict` prints them: how odd each is, and by which column of a table."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.inputs import frames_from, inputs_from
from leadline.cli.printing import labelled, paragraph, printable
from leadline.errors import ArgumentError, DataError, RunExistsError
from leadline.spelling import counted

if TYPE_CHECKING:
    from leadline.runs import Run
    from leadline.runs.reconstructing.telling_again import ToldAgain, ToldRows

_AT_ONCE = 64


def write_told(run: Run, words: Sequence[str], folder: Path | None, *, as_json: bool, as_csv: bool) -> None:
    """Print how odd each input is; with a folder, write each picture beside what is told of it.

    Args:
        run: of the task reconstruct.
        words: files or folders; `-` is standard input.
        folder: where sheets of pictures go.
        as_json: one object for each input.
        as_csv: a table with a line for each input.

    Errors: `ArgumentError` for a folder where nothing can be drawn; `DataError` in the end where an input could not be used.
    """
    from leadline.data import Pictures

    if folder is not None and not isinstance(run.schema.inputs, Pictures):
        raise ArgumentError("Only pictures can be drawn", got=run.schema.inputs.describe(), do="Leave --out out.")
    if folder is not None and folder.exists() and not folder.is_dir():
        raise RunExistsError(f"{folder} is a file", expected="a folder for the pictures", do="Give another --out.")
    failed: list[str] = []
    rows = _told(run, words, folder, failed)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row.to_json(), ensure_ascii=False))
    elif as_csv:
        _write_csv(rows)
    else:
        for row in rows:
            for line in told_lines(row):
                click.echo(line)
    if folder is not None and not (as_json or as_csv):
        click.echo(labelled("saved", f"each picture beside what is told of it, in {folder}"))
    if failed:
        raise DataError(
            failed[0]
            if len(words) == 1 and len(failed) == 1
            else f"{counted(len(failed), 'input')} could not be used, as told above"
        )


def told_lines(row: ToldAgain) -> list[str]:
    """How odd an input is, and below an odd row of a table the columns that others contradict.

    Args:
        row: as `Run.predict` gives it.

    Example:
        >>> from leadline.runs.reconstructing.telling_again import OddColumn, ToldAgain
        >>> columns = (OddColumn("age", "7", "41", 12.5),)
        >>> for line in told_lines(ToldAgain("rows.csv:9", 31.25, threshold=12.0, rarity=0.005, told={}, columns=columns)):
        ...     print(line)
        rows.csv:9  odd    31.25, above 12; of usual rows 1 in 200 is as odd
            age is 7; the others would have 41
    """
    said = f"{'odd' if row.odd else 'usual':<5}  {row.score:.4g}, {'above' if row.odd else 'not above'} {row.threshold:.4g}"
    if row.odd and row.rarity > 0:
        said += f"; of usual rows 1 in {round(1 / row.rarity):,} is as odd"
    lines = [printable(f"{row.id}  {said}")]
    if row.odd:
        lines += [printable(f"    {each.name} is {each.value}; the others would have {each.told}") for each in row.columns]
    return lines


def _told(run: Run, words: Sequence[str], folder: Path | None, failed: list[str]) -> Iterator[ToldAgain]:
    for part in _parts(run, words, folder):
        for note in part.notes:
            click.echo(paragraph(note), err=True)
        yield from part
        for row in part.excluded:
            text = row.reason if row.id in row.reason else f"{row.id}: {row.reason}"
            failed.append(text)
            click.echo(paragraph(text), err=True)


def _parts(run: Run, words: Sequence[str], folder: Path | None) -> Iterator[ToldRows]:
    from leadline.data import Table
    from leadline.runs.reconstructing.telling_again import tell_frame_again, tell_several_again

    if isinstance(table := run.schema.inputs, Table):
        for frame in frames_from(words, sys.stdin.buffer, table):
            yield tell_frame_again(run.predictor, frame)
        return
    inputs = inputs_from(words, sys.stdin.buffer, run.schema)
    taken: set[str] = set()
    while part := list(islice(inputs, _AT_ONCE)):
        raws, names = [raw for _, raw in part], [name for name, _ in part]
        told = tell_several_again(run.predictor, raws, names)
        if folder is not None:
            _draw(run, told, dict(zip(names, raws, strict=True)), folder, taken)
        yield told


def _draw(run: Run, told: ToldRows, raws: dict[str, Any], folder: Path, taken: set[str]) -> None:
    """Each picture, what is told of it, and where the two differ, as one sheet."""
    from leadline.runs.keeping_pictures import free_names, keep_png
    from leadline.runs.reconstructing.code_figures import told_sheet

    for row in told:
        (name,) = free_names([row.id])
        place, number = name, 1
        while place.casefold() in taken:
            number += 1
            place = f"{name}-{number}"
        taken.add(place.casefold())
        keep_png(folder / f"{place}.png", told_sheet(run.predictor, run.predictor.encode(raws[row.id]), row.id, row.score))


def _write_csv(rows: Iterator[ToldAgain]) -> None:
    table = csv.writer(sys.stdout, lineterminator="\n")
    for number, row in enumerate(rows):
        if number == 0:
            table.writerow(["id", "odd", "score", "threshold", "rarity", "column", "holds", "told"])
        first = [row.columns[0].name, row.columns[0].value, row.columns[0].told] if row.columns else ["", "", ""]
        figures = [f"{value:.6g}" for value in (row.score, row.threshold, row.rarity)]
        table.writerow([row.id, "yes" if row.odd else "no", *figures, *first])
