"""`leadline explain` after a training on inputs alone: inputs beside what is told of them, or codes and filters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.kept_figures import keep_figures
from leadline.cli.printing import paragraph
from leadline.cli.told_rows import write_told
from leadline.errors import LeadlineError

if TYPE_CHECKING:
    from leadline.runs import Run


def show_codes(run: Run, words: tuple[str, ...], *, source: str | None, out: Path | None, as_json: bool) -> None:
    """With inputs, a sheet for each and how odd it is; without, the figures of the network itself.

    Args:
        run: of the task reconstruct.
        words: pictures, folders or tables.
        source: rows to draw on; those of the training when left out.
        out: where the pictures go.
        as_json: one JSON object an input or figure.
    """
    from leadline.data import Pictures

    folder = out if out is not None else run.folder / "explained"
    if words:
        pictures = isinstance(run.schema.inputs, Pictures)
        write_told(run, words, folder if pictures else None, as_json=as_json, as_csv=False)
        return
    from leadline.runs.reconstructing.code_figures import CodeFigures

    keep_figures(CodeFigures(run.predictor, _rows(run, source)), folder, as_json=as_json)


def _rows(run: Run, source: str | None) -> Any:
    """The rows to draw on: those of a source, or the test rows of the training."""
    from leadline import data
    from leadline.errors import ArgumentError
    from leadline.runs.reloading import load_for

    if source is not None:
        return data.read(source, run.schema)
    try:
        dataset = load_for(run.plan)
    except LeadlineError as error:
        raise ArgumentError(
            "The rows of the training are needed to draw on, and cannot be had",
            got=str(error).rstrip("."),
            do="Give others: --source SOURCE.",
        ) from error
    if dataset.fingerprint() != run.plan.data.hash:
        note = "The data have changed since the training, so what is drawn as its test split may be another."
        click.echo(paragraph(note), err=True)
    return dataset.test
