"""`leadline explain RUN INPUT…`: what an answer depends on; without inputs, what the network itself is like."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leadline.cli.inputs import inputs_from
from leadline.cli.kept_figures import keep_figures
from leadline.cli.printing import labelled, paragraph, printable, width
from leadline.errors import ArgumentError, DataError, LeadlineError
from leadline.spelling import counted

if TYPE_CHECKING:
    from leadline.runs import Run
    from leadline.runs.explaining import Seen

_SOURCES = {".npz", ".csv", ".tsv", ".parquet", ".gz"}  # what holds data, and never one picture
_LEAST = 32  # columns beside a picture's name; with less room what is said of it stands below


@click.command("explain", short_help="What an answer depends on: places, words, stretches.", no_args_is_help=True)
@click.argument("run", metavar="RUN")
@click.argument("inputs", nargs=-1, metavar="INPUT…")
@click.option(
    "--method", "methods", metavar="NAMES", help="Of pictures: gradcam, cam, occlusion, saliency, with commas between."
)
@click.option("--layer", metavar="NAME", help="Whose map, or whose gates: the last layer with one when left out.")
@click.option("--class", "classes", multiple=True, metavar="NAME", help="Explain this class; the likeliest when left out.")
@click.option("--top", type=click.IntRange(min=1), help="How many of the likeliest classes: 3 of a picture, else 1.")
@click.option("--window", type=click.IntRange(min=1), metavar="STEPS", help="Of series: steps that are covered together.")
@click.option(
    "--unit", "units", type=click.IntRange(min=0), multiple=True, metavar="N", help="Of recurrent networks: draw this unit."
)
@click.option("--source", metavar="SOURCE", help="Without an INPUT: draw on these data, not on those of the training.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PLACE",
    help="A folder for the pictures (explained/ in the Run when left out); also one .html, or for texts and series one .png.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object an input or figure.")
def command(
    run: str,
    inputs: tuple[str, ...],
    methods: str | None,
    layer: str | None,
    classes: tuple[str, ...],
    top: int | None,
    window: int | None,
    units: tuple[int, ...],
    source: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Show what the network of RUN (a folder, or `last`) decides by in each INPUT.

    After a training on pictures an INPUT is a file, a folder of them, or an .npy array of one a row. For each a sheet is
    written as PNG: Grad-CAM (what in the last layer's map raises the class), occlusion (without what the class is less likely)
    and saliency (which pixels would change it most). The table gives the box that Grad-CAM puts around the place, in pixels of
    the file. Without an INPUT the network itself is drawn: its first filters, or the templates of a linear model; the maps of
    its layers; the patches that excite a filter most; and a map of the test pictures by class and by error.

    After a training on texts it is a text, a text file, a folder of them, or - for one text a line: each is printed with what
    its words are worth to the answer, and drawn. After one on series it is a file as `leadline predict` takes it: the stretches
    that decided are named and drawn. Of recurrent networks the gates and some single units are drawn, too. After one on trees
    it is a tree in brackets, or a file of them: each is drawn with what is said of every node, here and on a page. After one on
    inputs alone each picture is drawn beside what is told of it, and without an INPUT the codes: as a map, a walk, number by
    number, and the filters.
    """
    if not inputs and (methods or classes or units or window):
        raise click.UsageError("--method, --class, --window and --unit are for inputs; name at least one INPUT.")
    if inputs and source:
        raise click.UsageError("--source is for the figures of the network itself; leave the inputs out.")
    from leadline import runs

    opened = runs.open(run)
    if opened.schema.task == "words":
        raise click.UsageError(f"Word vectors decide nothing that could be explained. Try: leadline similar {run} WORD")
    if opened.schema.task == "reconstruct":
        if methods or classes or top or layer or units or window:
            raise click.UsageError("The network tells its inputs again, so only --source, --out and --json say something.")
        from leadline.cli.explain_codes import show_codes

        show_codes(opened, inputs, source=source, out=out, as_json=as_json)
        return
    if opened.schema.task == "sequence":
        from leadline.runs.explaining_answers import answers_each_step

        raise answers_each_step(opened)
    if opened.schema.inputs.kind in ("texts", "series"):
        if methods or source:
            raise click.UsageError("--method and --source are for pictures, and the network was trained on something else.")
        from leadline.cli.explain_sequences import Wanted, show_deciding

        show_deciding(opened, run, inputs, Wanted(classes, top or 1, layer, units, window, out, as_json))
        return
    if opened.schema.task == "trees":
        if methods or source or classes or top or layer or units or window:
            raise click.UsageError("After a training on trees only --out and --json say something.")
        from leadline.cli.explain_trees import show_trees

        show_trees(opened, run, inputs, out=out, as_json=as_json)
        return
    if units or window:
        raise click.UsageError("--unit and --window are for texts and series, and the network was trained on something else.")
    _check_pictures(inputs, run)
    folder = out if out is not None else opened.folder / "explained"
    if inputs:
        words = [each.strip() for each in methods.split(",")] if methods else None
        _explain(opened, inputs, folder, words, layer, classes, top or 3, as_json)
    else:
        from leadline.runs.network_figures import NetworkFigures

        keep_figures(NetworkFigures(opened, source=source, layer=layer), folder, as_json=as_json)


def _check_pictures(words: Sequence[str], run: str) -> None:
    """A source of data in the place of a picture gets the option that takes one."""
    from leadline.data.sources import KNOWN

    for word in words:
        named = word in KNOWN and not Path(word).exists()
        if named or (Path(word).suffix.lower() in _SOURCES and Path(word).is_file()):
            instead = f"leadline explain {shlex.quote(run)} --source {shlex.quote(word)}"
            raise ArgumentError(
                f"{printable(word)} is {'the name of a data set' if named else 'a file of data'}, not of a picture",
                expected="pictures to look at: files, folders, or an .npy array of one a row",
                do=f"To draw the network itself on these data: {instead}.",
            )


def _explain(
    run: Run,
    words: tuple[str, ...],
    folder: Path,
    methods: list[str] | None,
    layer: str | None,
    classes: tuple[str, ...],
    top: int,
    as_json: bool,
) -> None:
    from leadline.runs.explaining import Explainer
    from leadline.runs.keeping_pictures import check_own, free_names, keep_png
    from leadline.runs.seen_sheets import seen_png

    explainer = Explainer(run, methods=methods, layer=layer, classes=classes or None, top=top)
    inputs = list(inputs_from(words, sys.stdin.buffer))
    paths = [check_own(folder / f"{name}.png") for name in free_names([name for name, _ in inputs])]
    column = max((len(printable(name)) for name, _ in inputs), default=0)
    bad = 0
    for (name, raw), path in zip(inputs, paths, strict=True):
        try:
            seen = explainer(raw, name)
        except LeadlineError as error:
            if len(inputs) == 1:
                raise
            bad += 1
            click.echo(paragraph(str(error) if name in str(error) else f"{name}: {error}"), err=True)
            continue
        keep_png(path, seen_png(seen))
        click.echo(json.dumps({**seen.to_json(), "file": str(path)}) if as_json else _line(seen, column))
    if not as_json and (count := len(inputs) - bad):
        click.echo(labelled("saved", str(paths[0]) if len(inputs) == 1 else f"{counted(count, 'sheet')} in {folder}"))
    if bad:
        raise DataError(f"{bad} of {len(inputs)} pictures could not be used, as told above")


def _line(seen: Seen, column: int) -> str:
    """One row of the table: picture, classes with their probabilities, box; below the picture where that has a long name."""
    said = [
        f"{name} {100 * value:.1f} %" if seen.prediction.probabilities else f"{name} {value:.5g}"
        for name, value in zip(seen.classes, seen.values, strict=True)
    ]
    parts = [*(f"{each}," for each in said[:-1]), said[-1]]
    if (box := seen.box_in_file) is not None:
        parts.append(f" box {box.left:.0f},{box.top:.0f} – {box.right:.0f},{box.bottom:.0f}")
    beside = column + 2 + _LEAST <= width()
    room = width() - (column + 2 if beside else 4)
    # A class is not parted from its number, unless it is longer than a line.
    whole = [printable(part) for part in parts]
    words = " ".join(part if len(part) > room else part.replace(" ", "\N{NO-BREAK SPACE}") for part in whole)
    lines = [line.replace("\N{NO-BREAK SPACE}", " ") for line in textwrap.wrap(words, room, break_on_hyphens=False)]
    name = printable(seen.id)
    first = [f"{name:<{column}}  {lines.pop(0)}"] if beside else [name]
    return "\n".join([*first, *(" " * (column + 2 if beside else 4) + line.strip() for line in lines)])
