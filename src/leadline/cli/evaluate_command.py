"""`leadline evaluate RUN SOURCE`: how well a trained network does on other labelled data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.printing import labelled, number, opening, printable
from leadline.errors import DataError

if TYPE_CHECKING:
    from leadline.language import NGramModel
    from leadline.runs.run import Run


_NOTHING = 0.005  # a weight below it is 0 in two digits


@click.command("evaluate", short_help="How well a network does on other data.", no_args_is_help=True)
@click.argument("run", metavar="RUN")
@click.argument("source")
@click.option(
    "--samples", type=click.IntRange(min=2), metavar="S", help="The mean of S thinned networks (Monte-Carlo dropout)."
)
@click.option(
    "--mix",
    "others",
    multiple=True,
    metavar="RUN",
    help="Also together with another language model: a Run on the same text, or an ARPA file. May be given several times.",
)
@click.option("--cache", is_flag=True, help="Also together with a cache of the words that were just read.")
@click.option("--usual", metavar="CLASS", help="After --task reconstruct: the classes that are not odd, a,b.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    run: str,
    source: str,
    samples: int | None,
    others: tuple[str, ...],
    cache: bool,
    usual: str | None,
    as_json: bool,
) -> None:
    """Score the network of RUN (a folder, or `last`) on SOURCE: its test part where it has one, else all of it.

    With --mix and --cache language models are judged alone and together, each apart; the weights are those that suit the
    validation text of RUN best.
    """
    if not as_json:
        opening(f"evaluating {run} on {source}")
    from leadline import runs

    opened = runs.open(run)
    if others or cache:
        if samples:
            raise click.UsageError("--samples is not for language models, which --mix and --cache are for.")
        result = runs.evaluate_mixed(opened, [_other(opened, path) for path in others], source, cache=cache)
    else:
        judged = opened.sampled(samples) if samples else opened
        result = judged.evaluate(source, usual=usual) if usual else judged.evaluate(source)
    click.echo(json.dumps(result) if as_json else "\n".join(_lines(result)))


def _other(opened: Run, path: str) -> Run | NGramModel:
    """The model to be mixed in: that of a Run, or of an ARPA file."""
    if not Path(path).is_file() and ".arpa" not in Path(path).suffixes:
        from leadline import runs

        return runs.open(path)
    from leadline.language import read_arpa
    from leadline.runs.tokens import tokens_of

    tokens = tokens_of(opened.schema)
    try:
        return read_arpa(path, tokens.vocabulary).model
    except DataError as error:
        if "is no ARPA file" not in error.what:
            raise
        raise DataError(
            f"{printable(path)} is no language model to be mixed in",
            expected="a Run of the task tokens or ngram (its folder), or an ARPA file",
            got="a file of another kind",
            do="To count one in a text: leadline train TEXT --task ngram.",
        ) from error


def _lines(result: dict[str, Any]) -> Iterator[str]:
    yield (
        labelled("asked" if result["task"] == "words" else "text", f"{result['rows']:,} {result['unit']}")
        if "unit" in result
        else labelled("rows", f"{result['rows']:,}")
    )
    if mixtures := result.get("mixtures", []):
        yield labelled("alone", mixtures[0]["names"][0])
    known = {metric: score for metric, score in result["scores"].items() if score["value"] is not None}
    column = max((len(score["title"]) for score in known.values()), default=0)
    for metric, score in known.items():
        yield f"{score['title']:<{column}}{number(score['value'], metric):>9}{_interval(metric, score)}"
    for baseline in result.get("baselines", []):
        yield labelled("beside it", _beside(result, baseline))
    if "oddness" in result:
        from leadline.runs.reconstructing.finishing_rows import oddness_sentence

        yield labelled("odd", oddness_sentence(result))
    for row in mixtures[1:]:
        yield labelled("mixed" if len(row["names"]) > 1 else "beside it", _mixed(row, result["headline"]))
    if cache := result.get("cache"):
        yield labelled("cache", f"the last {cache['size']:,} {result['unit']}, θ = {cache['flatness']:g}")
    if bands := result.get("bands"):
        from leadline.runs.forecasts import bands_text

        yield labelled("bands", bands_text(bands))
    for text in _confusions(result.get("confusion", []), result["classes"]):
        yield labelled("confused", text)
    sections = {name: pair for name, pair in (result.get("sections") or {}).items() if name and pair[1]}
    column = max(map(len, map(printable, sections)), default=0)
    for name, (right, asked) in sections.items():
        yield f"  {printable(name):<{column}}  {number(right / asked, 'accuracy'):>7} of {asked:,}"
    if result["note"]:
        yield labelled("note", result["note"])


def _mixed(row: dict[str, Any], headline: str) -> str:
    """The score of another language model, or of several together with their weights."""
    score = row["scores"][headline]
    if row["ruled_out"]:
        tokens = "a token" if row["ruled_out"] == 1 else f"{row['ruled_out']:,} tokens"
        return f"{' + '.join(row['names'])}: {score['title'].lower()} infinite, as it rules out {tokens} of the text"
    low, high = (f"{score[end]:.4g}" if score[end] is not None else "" for end in ("low", "high"))
    weights = dict(zip(row["names"], row["weights"], strict=True))
    some = [f"{weight:.2f} {name}" for name, weight in weights.items() if weight >= _NOTHING]
    none = [name for name, weight in weights.items() if weight < _NOTHING]
    who = " + ".join(some) + (f" and nothing of {' and '.join(none)}" if none else "") if len(weights) > 1 else row["names"][0]
    who += ", by what is known at each token" if row.get("gated") else ""
    return f"{who}: {score['title'].lower()} {score['value']:.4g}" + (f" ({low} to {high})" if low else "")


def _beside(result: dict[str, Any], baseline: dict[str, Any]) -> str:
    from leadline.runs.forecasts import naive_text
    from leadline.runs.pairs import beside_text

    if result["task"] == "reconstruct":
        from leadline.runs.reconstructing.finishing_rows import baseline_sentence

        return baseline_sentence(baseline)
    return naive_text(baseline, result["headline"]) if result["task"] == "forecast" else beside_text(baseline)


def _interval(metric: str, score: dict[str, Any]) -> str:
    if score["low"] is None or score["high"] is None:
        return ""
    return f"  (95 % interval: {number(score['low'], metric)} to {number(score['high'], metric)})"


def _confusions(matrix: list[list[int]], names: list[str], most: int = 3) -> list[str]:
    """The commonest mistakes; the rows of the matrix are the truth."""
    cells = [
        (row[answer], f"{names[truth]} taken for {names[answer]}: {row[answer]:,} of {sum(row):,}")
        for truth, row in enumerate(matrix)
        for answer in range(len(row))
        if truth != answer and row[answer]
    ]
    return [text for _, text in sorted(cells, key=lambda cell: -cell[0])[:most]]
