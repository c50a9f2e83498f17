"""`leadline write RUN "A beginning"`: text that a language model goes on with, as it is written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leadline.cli.printing import paragraph
from leadline.errors import ArgumentError

if TYPE_CHECKING:
    from leadline.runs.run import Run


@click.command("write", short_help="Text that a language model goes on with.", no_args_is_help=True)
@click.argument("run", metavar="RUN")
@click.argument("beginning", default="", metavar="[BEGINNING]")
@click.option("--length", type=click.IntRange(min=1), default=400, metavar="N", help="Characters or words to write (400).")
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=0.8,
    metavar="T",
    help="Below 1 the likely becomes likelier; 0 always takes the likeliest (0.8).",
)
@click.option(
    "--top-p",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=0.95,
    metavar="P",
    help="Draw from the fewest that have this probability together (0.95).",
)
@click.option("--top-k", type=click.IntRange(min=0), default=0, metavar="K", help="Draw from the K likeliest; 0 from all.")
@click.option("--seed", type=click.IntRange(min=0), default=0, metavar="N", help="Another seed writes another text.")
@click.option("--arpa", type=click.Path(dir_okay=False), metavar="FILE", help="Write an n-gram model itself, as an ARPA file.")
def command(
    run: str, beginning: str, length: int, temperature: float, top_p: float, top_k: int, seed: int, arpa: str | None
) -> None:
    """Write text that goes on from BEGINNING with the language model of RUN (a folder, or `last`), as it is written.

    Without BEGINNING a line is begun. The same seed writes the same text.
    """
    from leadline import runs
    from leadline.runs.tokens import tokens_of, unknown_tokens

    opened = runs.open(run)
    if arpa is not None:
        _write_arpa(opened, arpa)
        return
    tokens = tokens_of(opened.schema)
    if strange := unknown_tokens(tokens, beginning):
        shown = ", ".join(map(repr, strange[:10])) + (" …" if len(strange) > 10 else "")
        kind = "characters" if tokens.by_characters else "words"
        click.echo(paragraph(f"Note: it has never met these {kind} and reads them as unknown: {shown}."), err=True)
    pieces = opened.write(beginning, length=length, temperature=temperature, top_p=top_p, top_k=top_k, seed=seed)
    _show(beginning)
    for piece in pieces:
        _show(piece)
    click.echo()


def _write_arpa(opened: Run, path: str) -> None:
    """The n-gram model of a Run, for other programs to read; a file that is there already stays."""
    from leadline.language import NGramNetwork, write_arpa
    from leadline.runs.tokens import tokens_of

    if not isinstance(opened.model, NGramNetwork):
        raise ArgumentError(
            "Only an n-gram model can be written as an ARPA file",
            got=f"a model of the task {opened.schema.task!r}",
            do="Train one: leadline train TEXT.txt --task ngram.",
        )
    if Path(path).exists():
        raise ArgumentError(f"{path} is there already", do="Choose another name.")
    write_arpa(opened.model.counted, tokens_of(opened.schema).vocabulary, path)
    click.echo(path)


def _show(piece: str) -> None:
    """Text as it comes, without what could steer a terminal."""
    shown = "".join(letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in piece)
    click.echo(shown, nl=False)
    sys.stdout.flush()
