"""`leadline generate RUN`: pictures that a network makes up, on one sheet or as files; or rows of a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.printing import labelled
from leadline.errors import ArgumentError, RunExistsError
from leadline.spelling import counted

if TYPE_CHECKING:
    from leadline.runs.run import Run

_SHEETS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_TABLES = (".csv", ".npy")  # for rows of numbers; of a table with words in it the first
_MOST = 10_000  # pictures on a sheet, of which each is some thousand pixels


@click.command("generate", short_help="Pictures or rows that a network makes up.", no_args_is_help=True)
@click.argument("run", metavar="RUN")
@click.option("--number", type=click.IntRange(min=1), default=64, metavar="N", help="How many (64).")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="A sheet as PNG or JPEG (sheet.png), or a folder for a file each; of rows a .csv (rows.csv) or .npy.",
)
@click.option(
    "--class", "classes", multiple=True, metavar="NAME", help="Only of this class; repeatable. All of them in turn otherwise."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, metavar="N", help="Another seed makes other pictures.")
@click.option("--columns", type=click.IntRange(min=1), metavar="N", help="Pictures in a row of the sheet.")
@click.option("--scale", type=click.IntRange(min=1), metavar="N", help="How many times as large the sheet shows each.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Of a Boltzmann machine: steps of its chains (1000).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    run: str,
    number: int,
    out: Path | None,
    classes: tuple[str, ...],
    seed: int,
    columns: int | None,
    scale: int | None,
    steps: int | None,
    as_json: bool,
) -> None:
    """Let the network of RUN (a folder, or `last`) make up pictures: one trained with --task generate, a variational
    autoencoder, a Boltzmann machine or a deep belief net. After a training on a table or on rows of numbers it makes up rows.

    The same seed makes the same pictures. Nothing that is there is written over.
    """
    from leadline import runs
    from leadline.data import Pictures

    opened = runs.open(run)
    drawn = isinstance(opened.schema.inputs, Pictures)
    path = out if out is not None else Path("sheet.png" if drawn else "rows.csv")
    single = drawn and (path.is_dir() or not path.suffix)
    if (single or not drawn) and (columns or scale):
        instead = "--out is a folder" if single else "these are rows"
        raise click.UsageError(f"--columns and --scale are for a sheet, and {instead}.")
    if not drawn:
        _check_rows(path, opened)
    elif not single:
        _check_sheet(path, number)
    made: Any = opened.generate(number, classes=classes, seed=seed, steps=steps)
    if not drawn:
        saved = _save_rows(made, path)
    elif single:
        saved = _save_files(opened, made, path, classes)
    else:
        saved = _save_sheet(opened, made, path, columns, scale, classes)
    if as_json:
        click.echo(json.dumps({"number": number, "seed": seed, "classes": list(classes), "path": str(path)}))
    else:
        click.echo(labelled("saved", saved))


def _check_rows(path: Path, opened: Run) -> None:
    """Before anything is made up: whether rows can be written so."""
    fitting = _TABLES[:1] if opened.schema.inputs.kind == "table" else _TABLES
    if path.suffix.casefold() not in fitting:
        raise ArgumentError(
            f"Made-up rows of {opened.schema.inputs.describe()} cannot be written as {path}",
            expected=" or ".join(f"FILE{ending}" for ending in fitting),
        )
    if path.exists():
        raise RunExistsError(f"{path} exists already", do="Choose another with --out, or remove it first.")


def _save_rows(rows: Any, path: Path) -> str:
    """Rows of numbers, or of a table with its columns above."""
    import csv
    import io

    import numpy as np

    from leadline import files

    buffer = io.BytesIO()
    if path.suffix.casefold() == ".npy":
        np.save(buffer, rows)
    else:
        # As text in their own precision: 0.3 as a number of Python's would be 0.30000001192092896.
        lines = [list(rows[0]), *(list(row.values()) for row in rows)] if isinstance(rows, list) else rows.astype(str).tolist()
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(lines)
        buffer.write(text.getvalue().encode())
    with files.storage(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with files.writing(path) as file:
        file.write(buffer.getvalue())
    return f"{path}: {counted(len(rows), 'row')}"


def _check_sheet(path: Path, number: int) -> None:
    """Before anything is made up: whether there can be such a sheet."""
    if path.suffix.casefold() not in _SHEETS:
        raise ArgumentError(
            f"A sheet cannot be written as {path.suffix}", expected="FILE.png or FILE.jpg, or a folder for single files"
        )
    if path.exists():
        raise RunExistsError(f"{path} exists already", do="Choose another with --out, or remove it first.")
    if number > _MOST:
        raise ArgumentError(
            "So many pictures make no sheet", expected=f"at most {_MOST:,}", got=number, do="Give a folder: --out DIR."
        )


def _save_sheet(
    opened: Run, pictures: Any, path: Path, columns: int | None, scale: int | None, classes: tuple[str, ...]
) -> str:
    import io

    from PIL import Image

    from leadline import files
    from leadline.explain.samples.sample_sheets import sample_sheet
    from leadline.runs.making_up import shown_bytes

    known = len(classes) or int(getattr(opened.model, "classes", 0))
    columns = columns or (known if 1 < known <= 16 else 0)  # so that a column holds one class
    sheet = sample_sheet(shown_bytes(pictures, opened.schema), columns=columns, scale=scale or 0)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(
        buffer, _SHEETS[path.suffix.casefold()], **({"optimize": True} if path.suffix == ".png" else {})
    )
    with files.storage(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with files.writing(path) as file:
        file.write(buffer.getvalue())
    return f"{path}: {counted(len(pictures), 'picture')}"


def _save_files(opened: Run, pictures: Any, folder: Path, classes: tuple[str, ...]) -> str:
    from leadline.runs.making_up import file_names, save_one_by_one, shown_bytes

    names = classes or (opened.schema.answers.names if getattr(opened.model, "classes", 0) else ())
    save_one_by_one(shown_bytes(pictures, opened.schema), list(file_names(len(pictures), names)), folder)
    return f"{counted(len(pictures), 'picture')} in {folder}"
