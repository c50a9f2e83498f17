"""`leadline evaluate RUN SOURCE`: how well a trained network does on other labelled data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from leadline.cli.printing import labelled, number, opening


@click.command("evaluate", short_help="How well a network does on other data.", no_args_is_help=True)
@click.argument("run", metavar="RUN")
@click.argument("source")
@click.option(
    "--samples", type=click.IntRange(min=2), metavar="S", help="The mean of S thinned networks (Monte-Carlo dropout)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(run: str, source: str, samples: int | None, as_json: bool) -> None:
    """Score the network of RUN (a folder, or `last`) on SOURCE: its test part where it has one, else all of it."""
    if not as_json:
        opening(f"evaluating {run} on {source}")
    from leadline import runs

    opened = runs.open(run)
    result = (opened.sampled(samples) if samples else opened).evaluate(source)
    click.echo(json.dumps(result) if as_json else "\n".join(_lines(result)))


def _lines(result: dict[str, Any]) -> Iterator[str]:
    yield (
        labelled("text", f"{result['rows']:,} {result['unit']}")
        if "unit" in result
        else labelled("rows", f"{result['rows']:,}")
    )
    known = {metric: score for metric, score in result["scores"].items() if score["value"] is not None}
    column = max((len(score["title"]) for score in known.values()), default=0)
    for metric, score in known.items():
        yield f"{score['title']:<{column}}{number(score['value'], metric):>9}{_interval(metric, score)}"
    for baseline in result.get("baselines", []):
        yield labelled("beside it", _beside(result, baseline))
    if bands := result.get("bands"):
        from leadline.runs.forecasts import bands_text

        yield labelled("bands", bands_text(bands))
    for text in _confusions(result.get("confusion", []), result["classes"]):
        yield labelled("confused", text)
    if result["note"]:
        yield labelled("note", result["note"])


def _beside(result: dict[str, Any], baseline: dict[str, Any]) -> str:
    from leadline.runs.forecasts import naive_text
    from leadline.runs.pairs import beside_text

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
