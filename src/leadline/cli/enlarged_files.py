"""What `leadline predict --out FOLDER` writes after a training on pairs: each picture enlarged, in a file of its own."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.inputs import inputs_from
from leadline.cli.printing import paragraph, printable
from leadline.errors import ArgumentError, DataError, LeadlineError, RunExistsError, StorageError

if TYPE_CHECKING:
    from leadline.runs import Run

_ROW = re.compile(r"(.+)\.npy:(\d+)", re.IGNORECASE)


def write_enlarged(run: Run, words: Sequence[str], folder: Path | None, *, as_json: bool) -> None:
    """Enlarge every input and say where each result lies; what cannot be read, or is there already, is named.

    Errors: `ArgumentError` without a folder; `DataError` in the end where an input could not be used.
    """
    if folder is None:
        raise ArgumentError(
            "The network enlarges pictures, which a terminal cannot show", expected="a folder for them", do="Give --out FOLDER."
        )
    if folder.exists() and not folder.is_dir():
        raise RunExistsError(f"{folder} is a file", expected="a folder for the enlarged pictures", do="Give another --out.")
    failed, total = 0, 0
    for name, raw, place in _places(words):
        total += 1
        try:
            height, width, path = _enlarge(run, name, raw, folder / place)
        except StorageError:
            raise  # no other picture would fit either
        except LeadlineError as error:
            failed += 1
            told = str(error)
            click.echo(paragraph(told if name in told else f"{name}: {told}"), err=True)
            continue
        if as_json:
            click.echo(json.dumps({"id": name, "path": str(path), "height": height, "width": width}))
        else:
            click.echo(printable(f"{name}  {width:,} × {height:,} pixels in {path}"))
    if failed:
        raise DataError(f"{failed} of {total} pictures could not be enlarged, as told above")


def _enlarge(run: Run, name: str, raw: Any, path: Path) -> tuple[int, int, Path]:
    from leadline import files

    # Before the work: a large picture takes a minute.
    if path.exists():
        raise RunExistsError(f"{path} exists already", do="Choose another folder with --out, or remove it first.")
    picture = run.predict(raw, [name])
    files.make_folder(path.parent)
    return (*picture.pixels.shape[:2], picture.save(path))  # type: ignore[union-attr]


def _places(words: Sequence[str]) -> Iterator[tuple[str, Any, Path]]:
    """Each input with its id, and the file that its result goes to, below the folder: sub-folders stay as they are.

    Of inputs that differ in their endings or folders alone, the second gets a -2 behind its name.
    """
    taken: set[str] = set()
    for word in words:
        for name, raw in inputs_from([word], sys.stdin.buffer):
            place = Path(name).relative_to(word) if Path(word).is_dir() else Path(Path(name).name)
            row = _ROW.fullmatch(place.name)
            stem, number = "picture" if name == "-" else f"{row[1]}-{row[2]}" if row else place.stem, 1
            place = place.with_name(f"{stem}.png")
            while str(place).casefold() in taken:  # some disks know no capitals
                number += 1
                place = place.with_name(f"{stem}-{number}.png")
            taken.add(str(place).casefold())
            yield name, raw, place
