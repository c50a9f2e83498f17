"""`leadline evaluate RUN SOURCE`: how well a trained network does on other labelled data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from leadline.cli.printing import labelled, number, opening, printable


@click.command("evaluate", short_help="How well a network does on other data.", no_args_is_help=True)
@click.argument("run", metavar="RUN")
@click.argument("source")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(run: str, source: str, as_json: bool) -> None:
    """Score the network of RUN (a folder, or `last`) on SOURCE: its test part where it has one, else all of it."""
    if not as_json:
        opening(f"reading {run} and {source}")
    from leadline import runs

    result = runs.open(run).evaluate(source)
    click.echo(json.dumps(result) if as_json else "\n".join(_lines(result)))


def _lines(result: dict[str, Any]) -> Iterator[str]:
    yield labelled("rows", f"{result['rows']:,}")
    for metric, score in result["scores"].items():
        if score is not None and score["value"] is not None:
            yield _score(metric, score)
    for share, confused in _confusions(result.get("confusion"), result.get("classes", [])):
        yield labelled("confused", f"{confused} ({share:,} times)")
    if result.get("note"):
        yield labelled("note", result["note"])


def _score(metric: str, score: dict[str, Any]) -> str:
    between = ""
    if score.get("low") is not None and score.get("high") is not None:
        between = f"  (95 % interval: {number(score['low'], metric)} to {number(score['high'], metric)})"
    return f"{printable(score.get('title', metric)):<22}{number(score['value'], metric):>9}{between}"


def _confusions(matrix: list[list[int]] | None, names: list[str], most: int = 3) -> list[tuple[int, str]]:
    """The commonest confusions, rows being the truth: (how often, "cat taken for dog")."""
    cells = [
        (count, f"{names[truth]} taken for {names[answer]}")
        for truth, row in enumerate(matrix or [])
        for answer, count in enumerate(row)
        if truth != answer and count
    ]
    return sorted(cells, key=lambda cell: -cell[0])[:most]
