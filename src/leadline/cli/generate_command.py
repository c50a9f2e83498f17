"""`leadline generate RUN`: pictures that a network makes up, on one sheet or as files; or rows of a table."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from leadline.cli.printing import labelled
from leadline.errors import ArgumentError, RunExistsError
from leadline.spelling import counted

if TYPE_CHECKING:
    from leadline.runs.run import Run

_SHEETS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_TABLES = (".csv", ".npy")  # for rows of numbers; of a table with words in it the first
_PIXELS, _JPEG_SIDE = 170_000_000, 65_500  # of a sheet: larger ones many programs refuse to open, and JPEG cannot hold


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
    from leadline.runs.making_up import file_names, free_files, made_up_parts

    opened = runs.open(run)
    drawn = isinstance(opened.schema.inputs, Pictures)
    parts: Iterator[Any] = made_up_parts(opened.model, opened.schema, number, seed=seed, classes=classes, steps=steps)
    path = out if out is not None else Path("sheet.png" if drawn else "rows.csv")
    single = drawn and (path.is_dir() or not path.suffix)
    if (single or not drawn) and (columns or scale):
        instead = "--out is a folder" if single else "these are rows"
        raise click.UsageError(f"--columns and --scale are for a sheet, and {instead}.")
    if not drawn:
        _check_rows(path, opened)
    elif single:
        names = classes or (opened.schema.answers.names if getattr(opened.model, "classes", 0) else ())
        paths = free_files(path, file_names(number, names))
    else:
        known = len(classes) or int(getattr(opened.model, "classes", 0))
        columns = columns or (known if 1 < known <= 16 else 0)  # so that a column holds one class
        _check_sheet(path, number, opened, columns, scale or 0)
    # Steps that there are none of are told with the first part, and before a folder is made.
    parts = itertools.chain([next(parts)], parts)
    if not drawn:
        _save_rows(parts, path)
    elif single:
        _save_files(parts, opened, paths)
    else:
        _save_sheet(parts, opened, path, columns or 0, scale or 0)
    made = counted(number, "picture" if drawn else "row")
    if as_json:
        click.echo(json.dumps({"number": number, "seed": seed, "classes": list(classes), "path": str(path)}))
    else:
        click.echo(labelled("saved", f"{made} in {path}" if single else f"{path}: {made}"))


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


def _save_rows(parts: Iterator[Any], path: Path) -> None:
    """Rows of numbers, or of a table with its columns above."""
    import csv
    import io

    import numpy as np

    with _written(path) as file:
        if path.suffix.casefold() == ".npy":
            np.save(file, np.concatenate(list(parts)))
            return
        for at, rows in enumerate(parts):
            # As text in their own precision: 0.3 as a number of Python's would be 0.30000001192092896.
            lines = [list(row.values()) for row in rows] if isinstance(rows, list) else rows.astype(str).tolist()
            if at == 0 and isinstance(rows, list):
                lines.insert(0, list(rows[0]))
            text = io.StringIO(newline="")
            csv.writer(text, lineterminator="\n").writerows(lines)
            file.write(text.getvalue().encode())


def _check_sheet(path: Path, number: int, opened: Run, columns: int, scale: int) -> None:
    """Before anything is made up: whether there can be such a sheet."""
    from leadline.explain.samples.sample_sheets import sheet_size

    kind = _SHEETS.get(path.suffix.casefold())
    if kind is None:
        raise ArgumentError(
            f"A sheet cannot be written as {path.suffix}", expected="FILE.png or FILE.jpg, or a folder for single files"
        )
    if path.exists():
        raise RunExistsError(f"{path} exists already", do="Choose another with --out, or remove it first.")
    _, high, wide = opened.schema.inputs.shape
    height, width = sheet_size(number, high, wide, columns=columns, scale=scale)
    if height * width > _PIXELS or (kind == "JPEG" and max(height, width) > _JPEG_SIDE):
        raise ArgumentError(
            f"There can be no such sheet: it would have {width:,} × {height:,} pixels",
            expected=f"at most {_PIXELS:,} pixels" + (f", and {_JPEG_SIDE:,} a side" if kind == "JPEG" else ""),
            do="Give a folder, --out DIR, or fewer; --columns and --scale make another sheet.",
        )


def _save_sheet(parts: Iterator[Any], opened: Run, path: Path, columns: int, scale: int) -> None:
    import numpy as np
    from PIL import Image

    from leadline.explain.samples.sample_sheets import sample_sheet
    from leadline.runs.making_up import shown_bytes

    pictures = np.concatenate([shown_bytes(part, opened.schema) for part in parts])
    sheet = Image.fromarray(sample_sheet(pictures, columns=columns, scale=scale))
    kind = _SHEETS[path.suffix.casefold()]
    with _written(path) as file:
        sheet.save(file, kind, **({"optimize": True} if kind == "PNG" else {}))


def _save_files(parts: Iterator[Any], opened: Run, paths: list[Path]) -> None:
    from leadline.runs.making_up import png_bytes, shown_bytes

    pictures = (picture for part in parts for picture in shown_bytes(part, opened.schema))
    for path, picture in zip(paths, pictures, strict=True):
        with _written(path) as file:
            file.write(png_bytes(picture))


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    """A new file, and its folder where there is none."""
    from leadline import files

    files.make_folder(path.parent)
    with files.writing(path) as file:
        yield file
