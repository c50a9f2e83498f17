"""Figures of a network that a verb keeps in a folder, each told in a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from leadline.cli.printing import paragraph

if TYPE_CHECKING:
    from leadline.runs.network_figures import Figure


class Figures(Protocol):
    """Figures that are drawn one after the other, and what could not be drawn."""

    notes: list[str]

    def names(self) -> list[str]: ...
    def __iter__(self) -> Iterator[Figure]: ...


def keep_figures(figures: Figures, folder: Path, *, as_json: bool) -> None:
    """Write each figure into the folder, once no file of somebody else's would be written over, and tell it.

    Args:
        figures: to draw.
        folder: where they go.
        as_json: one JSON object a figure.
    """
    from leadline.runs.keeping_pictures import check_own, keep_png

    for name in figures.names():
        check_own(folder / name)
    for figure in figures:
        path = keep_png(folder / figure.name, figure.png)
        click.echo(json.dumps({"file": str(path), "says": figure.says}) if as_json else paragraph(f"{path}  {figure.says}"))
    for note in figures.notes:
        click.echo(paragraph(note), err=as_json)
