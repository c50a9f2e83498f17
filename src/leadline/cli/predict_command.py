"""`leadline predict RUN INPUT…`: what a trained network makes of new inputs."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.enlarged_files import write_enlarged
from leadline.cli.forecast_rows import write_forecasts
from leadline.cli.inputs import check_inputs, frames_from, inputs_from
from leadline.cli.printing import labelled, paragraph, printable
from leadline.cli.step_rows import write_steps
from leadline.cli.told_rows import write_told
from leadline.errors import DataError, RunExistsError
from leadline.spelling import counted

if TYPE_CHECKING:
    from leadline.data import Table
    from leadline.data.dataset import Excluded
    from leadline.runs import Predictions, Run

_AT_ONCE = 64  # inputs in one go: few enough for the first answers to come soon, enough to keep the device busy


@click.command("predict", short_help="What a network makes of new inputs.", no_args_is_help=True)
@click.argument("run", metavar="RUN")
@click.argument("inputs", nargs=-1, metavar="INPUT…")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--csv", "as_csv", is_flag=True, help="A csv table with a column for each class.")
@click.option(
    "--features", is_flag=True, help="What the last layer sees of each input instead, as a parquet file for another classifier."
)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where --features goes; features.parquet when left out."
)
@click.option(
    "--samples", type=click.IntRange(min=2), metavar="S", help="The mean of S thinned networks (Monte-Carlo dropout)."
)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where enlarged pictures go, after a training on pairs; or pictures as they are told again.",
)
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Show the N likeliest classes (3 when left out).")
def command(
    run: str,
    inputs: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    features: bool,
    output: Path | None,
    samples: int | None,
    folder: Path | None,
    top: int | None,
) -> None:
    """Print what the network of RUN (a folder, or `last`) makes of each INPUT.

    An INPUT is a table file, after a training on a table; a text, a text file or a table of texts, after one on texts; a .ts
    file, one with a series in each line, or one with a line for each step, after one on series; after one on trees a tree in
    brackets, with labels or without, or a file of them; else a picture file, a folder of them, or an .npy or .npz file of rows.
    FILE:LINE stands for one line of a file of series or texts. With `-`, or with none, standard input is read: a csv table,
    one text or one path a line, or the bytes of one picture. An input that cannot be read is named, and the others go on.
    After a training on pairs each picture is enlarged into a file of the folder --out, never over another. After a training of
    forecasts the INPUTs are table files that together hold the series up to now, and what comes next is told with its dates.
    After a training with an answer for each step an INPUT is a sentence, a file of them, or a table of steps; each step stands
    on a line with its answer, and a blank line behind each row. After a training on inputs alone (--task reconstruct) it is
    said how odd each INPUT is, and with --out each picture is drawn beside what the network tells of it.
    """
    if as_json + as_csv + features > 1:
        raise click.UsageError("Give one of --json, --csv and --features.")
    if output is not None and not features:
        raise click.UsageError("--output is for --features; to keep answers, write them to a file with >.")
    if not inputs and sys.stdin.isatty():
        raise click.UsageError("Give at least one INPUT, or - to read paths from standard input.")
    from leadline import runs
    from leadline.data import Table
    from leadline.data.forecasts.windows import Windows
    from leadline.data.pictures.enlarging import SmallPictures
    from leadline.data.words.word_answers import CorpusWords

    opened, words = runs.open(run), inputs or ("-",)
    if isinstance(opened.schema.inputs, CorpusWords):
        raise click.UsageError(f"Word vectors answer nothing by themselves. Try: leadline similar {run} WORD")
    if opened.schema.task == "generate":
        raise click.UsageError(f"A network that draws answers nothing. Try: leadline generate {run}")
    check_inputs(words, run)
    opened = opened.sampled(samples) if samples else opened
    if isinstance(opened.schema.inputs, SmallPictures):
        if as_csv or features or top:
            raise click.UsageError("The network enlarges pictures, so --csv, --features and --top say nothing.")
        write_enlarged(opened, words, folder, as_json=as_json)
        return
    if isinstance(opened.schema.inputs, Windows):
        if features or top or folder is not None:
            raise click.UsageError("The network forecasts, so --features, --top and --out say nothing.")
        write_forecasts(opened, words, as_json=as_json, as_csv=as_csv)
        return
    if opened.schema.task == "sequence":
        if features or top or folder is not None:
            raise click.UsageError("The network answers each step, so --features, --top and --out say nothing.")
        write_steps(opened, words, as_json=as_json, as_csv=as_csv)
        return
    if opened.schema.task == "reconstruct" and not features:
        if top:
            raise click.UsageError("The network tells its inputs again, so --top says nothing.")
        write_told(opened, words, folder, as_json=as_json, as_csv=as_csv)
        return
    if folder is not None:
        raise click.UsageError("--out is for enlarged pictures; to keep answers, write them to a file with >.")
    if features:
        _write_features(opened, words, output or Path("features.parquet"))
        return
    table = opened.schema.inputs
    parts = _tables(opened, table, words) if isinstance(table, Table) else _parts(opened, words)
    answers = _told(parts)
    if as_json:
        for answer in answers:
            click.echo(json.dumps(_likeliest(answer, top)))
    elif as_csv:
        _write_csv(answers)
    else:
        for answer in answers:
            click.echo(_line(_likeliest(answer, top or 3)))


def _parts(run: Run, words: Sequence[str]) -> Iterator[Predictions]:
    """Answers for some inputs at a time."""
    notes: list[str] = []
    inputs = inputs_from(words, sys.stdin.buffer, run.schema, notes)
    while part := list(islice(inputs, _AT_ONCE)):
        said = run.predictor.many([raw for _, raw in part], [name for name, _ in part])
        said.notes += tuple(notes)
        notes.clear()
        yield said


def _tables(run: Run, table: Table, words: Sequence[str]) -> Iterator[Predictions]:
    """Answers for one table at a time."""
    for frame in frames_from(words, sys.stdin.buffer, table):
        yield run.predictor.rows(frame)


def _told(parts: Iterator[Predictions]) -> Iterator[dict[str, Any]]:
    """The answers as records, in order; inputs that cannot be used are named on standard error, and counted at the end."""
    excluded: list[Excluded] = []
    total = 0
    for predictions in parts:
        several = len(predictions) + len(predictions.excluded) > 1 or total > 0
        total += len(predictions) + len(predictions.excluded)
        for note in predictions.notes:
            click.echo(paragraph(note), err=True)
        yield from predictions.to_json()
        for row in predictions.excluded:
            excluded.append(row)
            if several:
                _name_excluded(row)
    if excluded:
        raise DataError(
            excluded[0].reason if total == 1 else f"{len(excluded)} of {total} inputs could not be used, as told above"
        )


def _write_features(run: Run, words: Sequence[str], path: Path) -> None:
    """One row an input: its id, what the network answers, and the numbers that its last layer sees."""
    from leadline.data import Table
    from leadline.runs.features import write_features

    if path.exists():
        raise RunExistsError(f"{path} exists already", do="Choose another with --output, or remove it first.")
    table = run.schema.inputs
    inputs: Iterator[Any] = (
        frames_from(words, sys.stdin.buffer, table)
        if isinstance(table, Table)
        else inputs_from(words, sys.stdin.buffer, run.schema)
    )
    written = write_features(run, inputs, path)
    for note in written.notes:
        click.echo(paragraph(note), err=True)
    for row in written.excluded:
        _name_excluded(row)
    click.echo(labelled("saved", f"{path}: {counted(written.rows, 'row')} of {counted(written.features, 'feature')}"))
    if written.excluded:
        raise DataError(f"{counted(len(written.excluded), 'input')} could not be used, as told above")


def _name_excluded(row: Excluded) -> None:
    click.echo(paragraph(row.reason if row.id in row.reason else f"{row.id}: {row.reason}"), err=True)


def _likeliest(answer: dict[str, Any], top: int | None) -> dict[str, Any]:
    """The same record with its probabilities in falling order, at most `top` of them."""
    falling = sorted(answer["probabilities"].items(), key=lambda item: -item[1])
    return {**answer, "probabilities": dict(falling[:top])}


def _line(answer: dict[str, Any]) -> str:
    said = answer["answer"]
    if isinstance(said, float):
        text = f"{said:.6g}"
    elif isinstance(said, dict):
        text = ", ".join(f"{name} {value:.6g}" for name, value in said.items())
    else:
        shares = answer["probabilities"].items()
        text = ", ".join(f"{name if name.strip() else repr(name)} ({100 * share:.1f} %)" for name, share in shares)
    if isinstance(said, list):
        text = f"{' + '.join(said) or 'none'}: {text}"
    line = printable(f"{answer['id']}  {text}")
    return line + ("\n    " + printable(answer["tree"]) if answer.get("tree") else "")


def _write_csv(answers: Iterator[dict[str, Any]]) -> None:
    table = csv.writer(sys.stdout, lineterminator="\n")
    for row, answer in enumerate(answers):
        said = answer["answer"]
        numbers = (
            said
            if isinstance(said, dict)
            else {"answer": ";".join(said) if isinstance(said, list) else said, **answer["probabilities"]}
        )
        if row == 0:
            table.writerow(["id", *numbers])
        table.writerow([answer["id"], *(f"{value:.6g}" if isinstance(value, float) else value for value in numbers.values())])
