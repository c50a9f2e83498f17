"""`leadline similar RUN PICTURE… --among FOLDER`: the pictures of a folder that look most alike to a network; or near words."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.near_words import save_word_vectors, tell_near_words
from leadline.cli.picture_copies import tell_copies, tell_excluded
from leadline.cli.printing import labelled, opening, paragraph, printable, width
from leadline.errors import ArgumentError, DataError, LeadlineError, RunExistsError, StorageError

if TYPE_CHECKING:
    from leadline.explain.look_alikes import PairCosines
    from leadline.runs import Run
    from leadline.runs.similar_index import SimilarIndex

_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}  # of the file that a sheet is written to
_SIDE = 320  # pixels of the larger side of a picture on the sheet


@dataclass(frozen=True)
class _Found:
    rank: int
    name: str
    file: Path
    cosine: float
    answer: str


@click.command("similar", short_help="Pictures that look alike to a network, or words that are near.", no_args_is_help=True)
@click.argument("run", metavar="RUN")
@click.argument("pictures", nargs=-1, metavar="[PICTURE|WORD]…")
@click.option("--among", type=click.Path(path_type=Path), metavar="FOLDER", help="Where to look for pictures, at any depth.")
@click.option("--less", multiple=True, metavar="WORD", help="Of words: all WORDs together, less this one; repeatable.")
@click.option("--top", type=click.IntRange(min=1), default=12, show_default=True, metavar="N", help="How many of each.")
@click.option(
    "--out",
    "--sheet",
    "sheet",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the contact sheet goes, as PNG or JPEG; beside the Run else.",
)
@click.option("--no-sheet", is_flag=True, help="Draw none.")
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Of words: write all vectors in word2vec's format, as text, or binary where FILE ends in .bin; gzip where in .gz.",
)
@click.option("--duplicates", is_flag=True, help="Instead: groups of copies and near-copies within the folder.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(
    run: str,
    pictures: tuple[str, ...],
    among: Path | None,
    less: tuple[str, ...],
    top: int,
    sheet: Path | None,
    no_sheet: bool,
    save: Path | None,
    duplicates: bool,
    as_json: bool,
) -> None:
    """Find the pictures in FOLDER that look most like each PICTURE to the network of RUN (a folder, or `last`).

    After a training on words the ones nearest to each WORD are found: `leadline similar last king woman --less man` asks what
    is to woman as king is to man, and `leadline similar last --save vectors.bin` writes all vectors for other programs.

    What the network sees of the folder is kept beside the Run, and only new and changed pictures are read the next time.
    """
    if duplicates and pictures:
        raise click.UsageError("--duplicates looks within the folder and takes no PICTURE.")
    if not duplicates and not pictures and save is None:
        raise click.UsageError("Give at least one PICTURE or WORD, or --duplicates to look for copies within the folder.")
    if sheet is not None:
        _check_sheet(sheet, no_sheet=no_sheet, single=not duplicates and len(pictures) == 1)
    if save is not None and save.exists():
        raise RunExistsError(f"{save} exists already", do="Choose another with --save, or remove it first.")
    if among is not None and not as_json:
        opening(f"looking for {'copies' if duplicates else 'look-alikes'} in {among}")
    from leadline import runs

    opened = runs.open(run)
    if opened.schema.task == "words":
        if among is not None or duplicates or sheet is not None:
            raise click.UsageError(f"{run} knows words, so --among, --duplicates and --out say nothing.")
        if save is not None:
            save_word_vectors(opened, save, as_json=as_json)
        if pictures or less:
            tell_near_words(opened, pictures, less, top, as_json=as_json)
        return
    if less or save is not None:
        raise click.UsageError(f"{'--less' if less else '--save'} is for words.")
    if among is None:
        raise click.UsageError("Missing option '--among': the folder to look in.")
    if duplicates:
        tell_copies(among, as_json=as_json)
        return
    index = _indexed(opened, among, as_json)
    typical = index.typical()
    bad = 0
    for picture in pictures:
        try:
            _one(index, typical, picture, top, as_json, sheet, draw=sheet is not None or not (no_sheet or as_json))
        except LeadlineError as error:
            if len(pictures) == 1:
                raise
            bad += 1
            click.echo(paragraph(str(error)), err=True)
    if bad:
        raise DataError(f"{bad} of {len(pictures)} pictures could not be used, as told above")


def _check_sheet(sheet: Path, *, no_sheet: bool, single: bool) -> None:
    """Before the work: the index of a large folder takes minutes."""
    if no_sheet:
        raise click.UsageError("--out and --no-sheet exclude each other.")
    if not single:
        raise click.UsageError("--out is for one PICTURE.")
    if sheet.suffix.lower() not in _KINDS:
        raise ArgumentError(f"{sheet} is no name for a sheet", expected="a file that ends in .png or .jpg")
    if sheet.exists():
        raise RunExistsError(f"{sheet} exists already", do="Choose another with --out, or remove it first.")


def _indexed(run: Run, among: Path, as_json: bool) -> SimilarIndex:
    from leadline.cli.terminal import watching
    from leadline.runs.similar_index import index_of

    with watching(silent=as_json) as observer:
        index = index_of(run, among, progress=observer.reading)
    for note in index.notes:
        click.echo(paragraph(note), err=True)
    tell_excluded(index.excluded)
    if not as_json:
        where = f", kept in {index.path}" if index.path is not None else ""
        click.echo(labelled("index", f"{len(index):,} pictures, {index.features.shape[1]:,} features each{where}"))
    return index


def _one(
    index: SimilarIndex,
    typical: PairCosines | None,
    picture: str,
    top: int,
    as_json: bool,
    sheet: Path | None,
    *,
    draw: bool,
) -> None:
    path = Path(picture)
    own = index.name_of_file(path)
    found = [pair for pair in index.nearest(path, top + (own is not None)) if pair[0] != own][:top]
    answers = _answers(index.run, [path, *(index.folder / name for name, _ in found)])
    rows = [
        _Found(rank, name, index.folder / name, cosine, answer)
        for rank, ((name, cosine), answer) in enumerate(zip(found, answers[1:], strict=True), 1)
    ]
    drawn = _draw(index, path, [answers[0], *_scale(typical)], rows, sheet) if draw else None
    unsure = _unsure(rows, typical)
    if as_json:
        similar = [
            {"rank": row.rank, "file": str(row.file), "similarity": round(row.cosine, 4), "answer": row.answer} for row in rows
        ]
        measured: dict[str, Any] = {"measure": "cosine", "typical_pair": None, "unsure": bool(unsure)}
        if typical is not None:
            measured["typical_pair"] = {name: round(value, 4) for name, value in typical._asdict().items()}
        record = {"id": picture, "answer": answers[0], **measured, "similar": similar}
        click.echo(json.dumps({**record, "sheet": None if drawn is None else str(drawn)}))
        return
    click.echo(labelled("picture", f"{picture}  {answers[0]}" + (" (itself left out)" if own is not None else "")))
    for line in _table(rows):
        click.echo(line)
    if typical is not None:
        click.echo(labelled("measure", _measure(typical)))
    if unsure:
        click.echo(labelled("unsure", unsure))
    if drawn is not None:
        click.echo(labelled("sheet", str(drawn)))


def _measure(typical: PairCosines) -> str:
    return (
        "the cosine of what the last layer sees: 1 for the same, 0 for nothing in common; two pictures of this folder drawn "
        f"at random have {typical.median:.3f} (eight of ten pairs {typical.low:.3f} to {typical.high:.3f})"
    )


def _scale(typical: PairCosines | None) -> list[str]:
    return [] if typical is None else ["the numbers are cosines;", f"a pair at random has {typical.median:.3f}"]


def _unsure(rows: Sequence[_Found], typical: PairCosines | None) -> str:
    """Why the best of what was found is no look-alike; empty where it may be one."""
    if not rows or typical is None or rows[0].cosine > typical.high:
        return ""
    best = f"the nearest picture, at {rows[0].cosine:.3f}, is"
    if rows[0].cosine <= typical.median:
        return f"{best} no nearer than two pictures of this folder drawn at random: nothing here looks like it to this network"
    return f"{best} hardly nearer than two pictures of this folder drawn at random, and at least 1 such pair in 10 is as near"


def _answers(run: Run, paths: Sequence[Path]) -> list[str]:
    """What the network makes of each file, in words; "gone" for one that cannot be read any more."""
    answers = {one.id: one.answer for one in run.predictor.many(paths, [str(path) for path in paths])}
    return [_words(answers[str(path)]) if str(path) in answers else "gone" for path in paths]


def _words(answer: Any) -> str:
    if isinstance(answer, list):
        return " + ".join(answer) or "none"
    if isinstance(answer, dict):
        return ", ".join(f"{name} {value:.4g}" for name, value in answer.items())
    return f"{answer:.4g}" if isinstance(answer, float) else str(answer)


def _table(rows: Sequence[_Found]) -> list[str]:
    """Rank, similarity, answer and name in columns; names that are too long lose their beginning."""
    wide = max(len("answer"), min(max((len(row.answer) for row in rows), default=0), 24))
    room = max(width() - wide - 20, 16)
    lines = [f"{'rank':>4}  {'cosine':>10}  {'answer':<{wide}}  file"]
    for row in rows:
        answer, name = printable(row.answer), printable(row.name)
        answer = answer if len(answer) <= wide else answer[: wide - 1] + "…"
        name = name if len(name) <= room else "…" + name[1 - room :]
        lines.append(f"{row.rank:>4}  {row.cosine:>10.3f}  {answer:<{wide}}  {name}")
    return lines


def _draw(index: SimilarIndex, query: Path, said: Sequence[str], rows: Sequence[_Found], sheet: Path | None) -> Path | None:
    """Write the contact sheet to the file asked for, or beside the Run; None where that may not be written to."""
    import io

    from PIL import Image

    from leadline import files
    from leadline.explain.contact_sheets import contact_sheet

    target = sheet or index.run.folder / "similar" / f"{query.stem}-{_short_hash(query)}.png"
    captions = [[f"{row.rank}   {row.cosine:.3f}", row.answer, row.file.name] for row in rows]
    small = [_scaled(row.file) for row in rows]
    shown = contact_sheet(_scaled(query), small, captions, title=[query.name, *said])
    content = io.BytesIO()
    Image.fromarray(shown).save(content, _KINDS[target.suffix.lower()])
    try:
        if sheet is None:
            with files.storage(target):
                target.parent.mkdir(parents=True, exist_ok=True)
        with files.writing(target) as file:
            file.write(content.getbuffer())
    except StorageError:
        if sheet is not None:
            raise
        click.echo(paragraph(f"No sheet was drawn: {target.parent} may not be written to. Give a place with --out."), err=True)
        return None
    return target


def _short_hash(path: Path) -> str:
    """Tells pictures of one name in several folders apart."""
    return f"{zlib.crc32(os.fsencode(path.absolute())):08x}"


def _scaled(path: Path) -> Any:
    """The picture upright, its larger side 320 pixels or less; None where it cannot be read any more."""
    from leadline.data.pictures import decoding

    measure = decoding.measure(path)
    if isinstance(measure, str):
        return None
    height, width, _ = measure
    scale = min(1.0, _SIDE / max(height, width))
    picture = decoding.attempt(path, max(1, round(height * scale)), max(1, round(width * scale)), 3)
    return None if isinstance(picture, str) else picture
