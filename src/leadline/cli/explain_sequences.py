"""`leadline explain` after a training on texts or series: words with what they are worth, stretches that decided, and files."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from leadline.cli.explained_parts import said, stretches_line, text_notes, words_line
from leadline.cli.inputs import check_inputs, inputs_from
from leadline.cli.printing import labelled, paragraph, printable, width
from leadline.errors import ArgumentError, DataError, LeadlineError, SourceNotFoundError
from leadline.spelling import counted

if TYPE_CHECKING:
    from leadline.runs import Run
    from leadline.runs.explaining_gates import ReadingPicture
    from leadline.runs.explaining_series import SeenSeries
    from leadline.runs.explaining_texts import SeenText

_TABLES = {".csv", ".tsv", ".parquet", ".npz", ".npy"}  # what holds many texts
_TEXTS = {".txt", ".text", ".md"}
_MOST = 20  # series of a file that are drawn: each takes a second or so, and nobody looks at thousands


class Wanted(NamedTuple):
    """What was asked for on the command line."""

    classes: tuple[str, ...]
    top: int
    layer: str | None
    units: tuple[int, ...]
    window: int | None
    out: Path | None
    as_json: bool


def show_deciding(run: Run, typed: str, words: Sequence[str], wanted: Wanted) -> None:
    """Explain each input: print what counted, and keep pictures or one page of it.

    Args:
        run: trained on texts or series.
        typed: the Run as it was typed.
        words: the inputs as they were typed.
        wanted: the options.
    """
    texts = run.schema.inputs.kind == "texts"
    if not words:
        what = '"a text"' if texts else "a.csv"
        raise ArgumentError(
            "Nothing was named to explain", expected="at least one text" if texts else "at least one file of a series",
            do=f"For instance: leadline explain {typed} {what}. What the network does on its test split stands in its report.",
        )  # fmt: skip
    if texts:
        _check_texts(words)
    else:
        check_inputs(words, typed)
    explainer = _Explainer(run, wanted)
    inputs = _named(_read(words, run))
    if (more := len(inputs) - _MOST) > 0 and not texts:
        click.echo(
            paragraph(f"The first {_MOST} of {len(inputs):,} series are explained; a line of a file is named FILE:LINE."),
            err=True,
        )
        del inputs[-more:]
    keeper = _Keeper(run, wanted, [name for name, _ in inputs])
    bad = 0
    for (name, raw), stem in zip(inputs, keeper.stems, strict=True):
        try:
            if isinstance(raw, LeadlineError):  # a line of a file that cannot be read
                raise raw
            seen, pictures = explainer(raw, name)
        except LeadlineError as error:
            if len(inputs) == 1:
                raise
            bad += 1
            click.echo(paragraph(str(error) if name in str(error) else f"{name}: {error}"), err=True)
            continue
        files = keeper.keep(stem, seen, pictures)
        if wanted.as_json:
            click.echo(json.dumps({**seen.to_json(), "files": [str(path) for path in files]}))
        else:
            explainer.tell(seen)
    keeper.finish()
    if bad:
        raise DataError(f"{bad} of {len(inputs)} inputs could not be used, as told above")


class _Explainer:
    """Explains inputs of one kind, and says what was found."""

    def __init__(self, run: Run, wanted: Wanted) -> None:
        from leadline.runs.explaining import members_of
        from leadline.runs.explaining_gates import GateDrawer, recurrent_layers
        from leadline.runs.explaining_series import SeriesExplainer
        from leadline.runs.explaining_texts import TextExplainer

        self.run, self.texts = run, run.schema.inputs.kind == "texts"
        self.numbers = run.schema.task == "number"
        self.characters = self.texts and getattr(run.schema.inputs, "unit", "") == "characters"
        classes = wanted.classes or None
        self.of_texts = TextExplainer(run, classes=classes, top=wanted.top) if self.texts else None
        self.of_series = None if self.texts else SeriesExplainer(run, classes=classes, top=wanted.top, window=wanted.window)
        if self.texts and wanted.window:
            raise ArgumentError("--window is for series", do="Leave it out: words are left out one by one.")
        # Whoever names a layer or a unit is told where there is none.
        gated = recurrent_layers(members_of(run.model)[0]) or wanted.layer is not None or wanted.units
        self.drawer = GateDrawer(run, layer=wanted.layer, units=wanted.units) if gated else None
        self._told = False

    def __call__(self, raw: Any, name: str) -> tuple[SeenText | SeenSeries, list[ReadingPicture]]:
        import torch

        from leadline.runs.explaining_texts import written

        if self.of_texts is not None:
            text = self.of_texts(raw, name)
            if self.drawer is None:
                return text, []
            ids = torch.from_numpy(self.of_texts.inputs.encode(written(raw))).long()
            return text, self.drawer.text(ids, text.pieces, text.gaps)
        assert self.of_series is not None
        series = self.of_series(raw, name)
        if self.drawer is None:
            return series, []
        return series, self.drawer.series(self.of_series.prepared(series.series), series.series, series.channels)

    def tell(self, seen: SeenText | SeenSeries) -> None:
        """Print what was found in one input."""
        from leadline.runs.explaining_texts import SeenText

        if not self._told:
            self._told = True
            click.echo(paragraph(self._legend()) + "\n")
        click.echo(paragraph(f"{seen.id}  {said(seen)}"))
        for at in range(len(seen.classes)):
            if isinstance(seen, SeenText):
                self._text(seen, at)
            line = words_line(seen, at, self.numbers) if isinstance(seen, SeenText) else stretches_line(seen, at, self.numbers)
            click.echo(_indented(line))
        if isinstance(seen, SeenText):
            for note in text_notes(seen, self.characters):
                click.echo(_indented(note))
        click.echo()

    def _legend(self) -> str:
        part = ("letter" if self.characters else "word") if self.texts else "stretch"
        how = "left out" if self.texts else "replaced by a straight line"
        if self.numbers:
            return f"The number behind a {part} says how far the answer falls when it is {how}."
        return f"×2 behind a {part}: with it {how}, the odds of the answer are half of what they were; ÷2: twice."

    def _text(self, seen: SeenText, at: int) -> None:
        from rich.console import Console

        from leadline.cli.colored_words import colored_lines

        console = Console(width=width(), highlight=False, emoji=False, markup=False)
        lines = colored_lines(
            seen.pieces,
            seen.gaps,
            seen.worth[at].tolist(),
            width=width() - 4,
            colors=console.color_system is not None and not console.no_color,
        )
        for line in lines:
            line.pad_left(4)
            console.print(line, soft_wrap=True)


class _Keeper:
    """Writes what was found: pictures into a folder, or one page."""

    def __init__(self, run: Run, wanted: Wanted, names: Sequence[str]) -> None:
        from leadline.runs.explaining_pages import check_own_page
        from leadline.runs.keeping_pictures import check_own, free_names

        self.run, self.wanted, self.rows, self.files = run, wanted, list[dict[str, Any]](), list[Path]()
        out = wanted.out if wanted.out is not None else run.folder / "explained"
        ending = out.suffix.lower() if wanted.out is not None and not out.is_dir() else ""
        self.page = check_own_page(out) if ending in (".html", ".htm") else None
        if ending == ".png":
            if len(names) != 1:
                raise click.UsageError("--out names one picture, but there are several inputs; name a folder or an .html page.")
            self.folder, self.stems = out.parent, [out.stem]
        else:
            self.folder, self.stems = out, free_names(names)
        if self.page is None:
            for stem in self.stems:
                check_own(self.folder / f"{stem}.png")

    def keep(self, stem: str, seen: SeenText | SeenSeries, pictures: Sequence[ReadingPicture]) -> list[Path]:
        """Write the pictures of one input, or gather it for the page."""
        from leadline.runs.explaining_pages import page_row, seen_picture
        from leadline.runs.keeping_pictures import keep_png

        if self.page is not None:
            row = page_row(self.run, seen)
            row["pictures"] = [{"says": each.says, "source": _uri(each.png)} for each in pictures]
            self.rows.append(row)
            return [self.page]
        written = [keep_png(self.folder / f"{stem}.png", seen_picture(self.run, seen))]
        written += [keep_png(self.folder / f"{stem}-{each.name}.png", each.png) for each in pictures]
        self.files += written
        return written

    def finish(self) -> None:
        """Write the page, and say where everything lies."""
        from leadline.runs.explaining_pages import keep_page

        if self.page is not None and self.rows:
            self.files.append(keep_page(self.page, self.run, self.rows))
        if self.files and not self.wanted.as_json:
            few = ", ".join(path.name for path in self.files[:3])
            place = self.files[0].parent
            where = str(self.files[0]) if len(self.files) == 1 else f"{counted(len(self.files), 'picture')} in {place}"
            click.echo(labelled("saved", where if len(self.files) == 1 or len(self.files) > 3 else f"{where}: {few}"))


def _check_texts(words: Sequence[str]) -> None:
    """A file that is not there, or that holds many texts, must not be read as one text."""
    for word in words:
        path = Path(word)
        ending = path.suffix.lower()
        if ending in _TABLES and not any(each.isspace() for each in word):
            if not path.exists():
                raise SourceNotFoundError(f"There is no file {word}", expected="a text, a text file or a folder of them")
            raise ArgumentError(
                f"{printable(word)} is a file of data, not one text",
                expected="a text, a text file, a folder of them, or - for one text a line on standard input",
                do="Give the texts in it one by one, or one a line.",
            )
        if ending in _TEXTS and not any(each.isspace() for each in word) and not path.exists():
            raise SourceNotFoundError(
                f"There is no file {word}", expected="a text, a text file or a folder of them", do="Check the path."
            )


def _read(words: Sequence[str], run: Run) -> Iterator[tuple[str, Any]]:
    """Each input with its name; an empty text is one, and not the current folder."""
    for word in words:
        if word.strip() or run.schema.inputs.kind != "texts":
            yield from inputs_from([word], sys.stdin.buffer, run.schema)
        else:
            yield word, word


def _named(inputs: Iterator[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Texts that were typed get numbers in place of themselves as names."""
    found = list(inputs)
    typed = [at for at, (name, raw) in enumerate(found) if isinstance(raw, str) and name == raw]
    numbers = {at: "text" if len(typed) == 1 else f"text {number}" for number, at in enumerate(typed, start=1)}
    return [(numbers.get(at, name), raw) for at, (name, raw) in enumerate(found)]


def _indented(text: str) -> str:
    import textwrap

    return textwrap.fill(
        printable(text),
        width(),
        initial_indent="    ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
