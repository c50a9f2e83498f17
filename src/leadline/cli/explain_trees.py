"""`leadline explain` after a training on trees: what is said of every node, drawn in the terminal and on a page."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.inputs import check_inputs, inputs_from
from leadline.cli.printing import labelled, paragraph, printable, width
from leadline.errors import ArgumentError, DataError, LeadlineError
from leadline.spelling import counted

if TYPE_CHECKING:
    from leadline.runs import Run
    from leadline.runs.node_labels import SaidOfTree

_MOST_NODES, _WORD = 300, 12  # nodes that are drawn in a terminal; columns that a word is sure to have
# Ink on paper of its own, as nobody knows whether a terminal is dark or light: orange below the middle, blue above it.
_BELOW, _ABOVE = ("#15191d on #f3b98f", "#15191d on #fbe6d8"), ("#15191d on #dceaf7", "#15191d on #9cc4ea")


def show_trees(run: Run, typed: str, words: Sequence[str], *, out: Path | None, as_json: bool) -> None:
    """Print each tree with what is said of its nodes, and keep a page of all of them.

    Args:
        run: trained on trees.
        typed: the Run as it was typed.
        words: the inputs as they were typed.
        out: a page, or a folder for it; explained/ in the Run when None.
        as_json: one JSON object a tree instead of a drawing.
    """
    from leadline import files
    from leadline.report.tree_pages import trees_page
    from leadline.runs.drawn_trees import own_trees
    from leadline.runs.explaining_pages import check_own_page

    if not words:
        raise ArgumentError(
            "Nothing was named to explain",
            expected="at least one tree",
            do=f'For instance: leadline explain {typed} "((a) ((good) (film)))". Trees of the test split stand in its report.',
        )
    page = _page(out if out is not None else run.folder / "explained")
    check_inputs(words, typed)
    check_own_page(page)
    names, said, lost = _said(run, words)
    record = own_trees(run.schema, said, names)
    if said:
        files.make_folder(page.parent)
        files.write_text(page, trees_page(run.folder.name, record))
    for (tree, _), row in zip(said, record["drawn"], strict=True):
        in_brackets = tree.in_brackets([record["names"][label] for label in row["said"]])
        if as_json:
            click.echo(json.dumps({**row, "names": record["names"], "tree": in_brackets, "file": str(page)}))
        else:
            _tell(row, record["names"], record["middle"], in_brackets)
    if said and not as_json:
        click.echo(labelled("saved", str(page)))
    if lost:
        raise DataError(f"{lost} of {counted(len(said) + lost, 'tree')} could not be used, as told above")


def tree_lines(row: dict[str, Any], names: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """A tree line by line, its root first: what stands before a node's label, the node's number, and what stands behind.

    Args:
        row: "words", "distances", "said", "sure" and "truth" of its nodes.
        names: of the labels.

    Example:
        >>> row = {"words": ["not", "good", None], "distances": [2, 1, 0], "said": [1, 2, 0], "sure": [0.9] * 3}
        >>> for before, node, behind in tree_lines(row | {"truth": [1, 2, 2]}, "012"):
        ...     print(before + "012"[row["said"][node]] + behind)
        0  90 %, truly 2
        ├ 1 not
        └ 2 good
    """
    words, distances, said, truth = row["words"], row["distances"], row["said"], row["truth"]
    children: list[list[int]] = [[] for _ in words]
    for node, distance in enumerate(distances):
        if distance:
            children[node + distance].append(node)
    todo = [(len(words) - 1, "", "")]
    while todo:
        node, before, below = todo.pop()
        word, wrong = words[node], truth[node] is not None and truth[node] != said[node]
        behind = f" {word}" if word is not None else f"  {100 * row['sure'][node]:.0f} %"
        yield before, node, behind + (f", truly {names[truth[node]]}" if wrong else "")
        last = children[node][-1:]
        for child in reversed(children[node]):
            ends = child in last
            todo.append((child, below + ("└ " if ends else "├ "), below + ("  " if ends else "│ ")))


def _page(out: Path) -> Path:
    if out.suffix.lower() in (".html", ".htm") and not out.is_dir():
        return out
    if out.suffix.lower() == ".png":
        raise click.UsageError("Trees are drawn on a page: name a folder or an .html file with --out.")
    return out / "trees.html"


def _said(run: Run, words: Sequence[str]) -> tuple[list[str], list[SaidOfTree], int]:
    """Names of trees and what is said of their nodes, and how many others were told of as unusable."""
    from leadline.runs.node_labels import said_of_trees

    inputs = list(inputs_from(words, sys.stdin.buffer, run.schema))
    names, read, lost = [], [], 0
    for name, raw in inputs:
        try:
            tree = run.schema.inputs.parsed(raw)  # type: ignore[union-attr]
            run.predictor.encode(tree)  # which refuses what the network has no place for
            read.append(tree)
            names.append(name)
        except LeadlineError as error:
            if len(inputs) == 1:
                raise
            lost += 1
            click.echo(paragraph(str(error) if name in str(error) else f"{name}: {error}"), err=True)
    return names, said_of_trees(run.model.eval(), run.schema, run.device, read) if read else [], lost


def _tell(row: dict[str, Any], names: Sequence[str], middle: int | None, in_brackets: str) -> None:
    """Print one tree; in brackets where it is too large or too deep to be drawn in this terminal."""
    from rich.console import Console
    from rich.text import Text

    click.echo(paragraph(f"{row['id']}  {names[row['said'][-1]]} ({100 * row['sure'][-1]:.0f} %)"))
    lines = list(tree_lines(row, names)) if len(row["words"]) <= _MOST_NODES else []
    if not lines or max(len(before) for before, _, _ in lines) + _WORD > width() - 4:
        click.echo("    " + printable(in_brackets) + "\n")
        return
    console = Console(width=width(), highlight=False, emoji=False, markup=False)
    colors = console.color_system is not None and not console.no_color
    for before, node, behind in lines:
        line = Text("    " + before)
        line.append(names[row["said"][node]], style=_style(row["said"][node], len(names), middle) if colors else "")
        line.append(printable(behind))
        line.truncate(width(), overflow="ellipsis")
        console.print(line, soft_wrap=True)
    click.echo()


def _style(label: int, count: int, middle: int | None) -> str:
    """The ink of a label: by its side of the middle, and stronger at the ends of the scale."""
    if middle is None or label == middle:
        return ""
    far = label in (0, count - 1)
    return _ABOVE[far] if label > middle else _BELOW[not far]
