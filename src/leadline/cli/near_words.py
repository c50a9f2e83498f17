"""Words that are near, as `leadline similar RUN WORD…` prints them, and their vectors as a file for other programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leadline.cli.printing import labelled, paragraph, printable
from leadline.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from leadline.runs import Run


def tell_near_words(run: Run, words: Sequence[str], less: Sequence[str], top: int, *, as_json: bool) -> None:
    """Print the words nearest to each of some words; with `less` to all of them together, less those.

    Args:
        run: of the task words.
        words: as they were typed.
        less: whose directions are taken away.
        top: how many of each.
        as_json: one JSON object a line.

    Errors: `ArgumentError` for a single word that is not known, with those that are spelled alike; `DataError` where some of
    several are not, after all others were told.
    """
    asked = [tuple(words)] if less else [(word,) for word in words]
    bad = 0
    for together in asked:
        try:
            near = run.most_similar(together, less, top=top)
        except ArgumentError as error:
            if len(asked) == 1:
                raise
            bad += 1
            click.echo(paragraph(str(error)), err=True)
            continue
        name = " + ".join(together) + "".join(f" − {word}" for word in less)
        if as_json:
            similar = [
                {"rank": rank, "word": word, "similarity": round(cosine, 4)} for rank, (word, cosine) in enumerate(near, 1)
            ]
            click.echo(json.dumps({"id": name, "measure": "cosine", "similar": similar}))
            continue
        click.echo(labelled("word", name))
        column = max((len(printable(word)) for word, _ in near), default=0)
        for word, cosine in near:
            click.echo(f"  {printable(word):<{column}}  {cosine:.3f}")
    if bad:
        raise DataError(f"{bad} of {len(asked)} words are not known, as told above")


def save_word_vectors(run: Run, path: Path, *, as_json: bool) -> None:
    """Write the vectors of all words in word2vec's format, and say so.

    Args:
        run: of the task words.
        path: of the file; its ending says whether it is text or binary, and whether it is packed.
        as_json: one JSON object.

    Errors: what `text.write_vectors` raises.
    """
    from leadline.text.vector_files import write_vectors

    vectors = run.word_vectors
    write_vectors(vectors, path)
    if as_json:
        click.echo(json.dumps({"saved": str(path), "words": len(vectors), "width": vectors.width}))
    else:
        click.echo(labelled("saved", f"{path}: {len(vectors):,} words of {vectors.width:,} numbers each, in word2vec's format"))
