"""What an Observer is told of the data before a training: rows, columns and their kinds, notes, what was set aside."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from leadline.data.dataset import Dataset
from leadline.data.forecasts.windows import Windows
from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.enlarging import SmallPictures
from leadline.data.steps.step_answers import StepNumbers
from leadline.data.steps.tagged_sentences import Sentences
from leadline.data.tables.columns import Column
from leadline.data.tables.table import Table
from leadline.data.tokens.token_loading import stream_of
from leadline.data.tokens.tokens import Tokens
from leadline.data.trees.trees import Trees
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.data.words.word_answers import CorpusWords
from leadline.runs.observer import Observer

_LISTED = 24  # columns told one by one; of more only the kinds, and which are left out
_NAMED = 8
_LINE = 80 - 10 - 12  # letters for name and reason in a line of 80, beside label and kind
_PLURAL = {
    "number": "numbers",
    "category": "categories",
    "yes/no": "yes/no",
    "date": "dates",
    "text": "texts",
    "left out": "left out",
}


def tell_data(dataset: Dataset, observer: Observer) -> None:
    """Say what the data are: kinds of columns above all, which can be chosen otherwise before anything is trained."""
    if isinstance(inputs := dataset.schema.inputs, SmallPictures):
        side = inputs.height * inputs.upscale
        kind = "luminance" if inputs.channels == 1 else "colour"
        observer.note(
            "data",
            f"photos, reduced {inputs.upscale} times: {len(dataset.train):,} crops of {side} × {side} pixels ({kind}) to "
            f"learn from, {len(dataset.valid):,} photos to choose by, {len(dataset.test):,} to judge by",
        )
        _tell_notes(dataset, observer)
        return
    if isinstance(inputs, Tokens):
        train, valid, test = (f"{len(stream_of(split)):,}" for split in (dataset.train, dataset.valid, dataset.test))
        observer.note(
            "data", f"{inputs.describe()}: {train} {inputs.unit} to learn from, {valid} to choose by, {test} to judge by"
        )
        _tell_notes(dataset, observer)
        return
    if isinstance(inputs, CorpusWords):
        train, valid, test = (f"{len(stream_of(split)):,}" for split in (dataset.train, dataset.valid, dataset.test))
        observer.note("data", f"{inputs.describe()}: {train} to learn from; the loss is told on {valid} and {test} others")
        _tell_notes(dataset, observer)
        return
    if isinstance(inputs, Windows):
        targets = ", ".join(map(repr, inputs.columns.targets[:_NAMED]))
        observer.note(
            "data",
            f"{inputs.describe()}; of {targets} {len(dataset.train):,} windows to learn from, {len(dataset.valid):,} later "
            f"moments to choose by, the latest {len(dataset.test):,} to judge by",
        )
        _tell_notes(dataset, observer)
        return
    if dataset.task == "sequence":
        _tell_steps(dataset, observer)
        _tell_notes(dataset, observer)
        return
    if isinstance(inputs, Trees):
        nodes = f"{len(dataset.train.targets.values):,} nodes"
        labels = f"{dataset.schema.answers.outputs} labels"
        observer.note(
            "data",
            f"{inputs.describe()}, {labels}: {len(dataset.train):,} trees of {nodes} to learn from, {len(dataset.valid):,} to "
            f"choose by, {len(dataset.test):,} to judge by",
        )
        _tell_notes(dataset, observer)
        return
    if dataset.task == "reconstruct":
        _tell_alone(dataset, observer)
        return
    if isinstance(answers := dataset.schema.answers, Drawings):
        of = f"{answers.outputs} classes" if answers.outputs else "no class"
        observer.note(
            "data",
            f"{inputs.describe()}, of {of}: {len(dataset.train):,} to learn to draw from, {len(dataset.valid):,} to choose by, "
            f"{len(dataset.test):,} to judge by",
        )
        _tell_notes(dataset, observer)
        return
    rows = f"{len(dataset.train):,} to learn from, {len(dataset.valid):,} to choose by, {len(dataset.test):,} to judge by"
    count, table = dataset.schema.answers.outputs, dataset.schema.inputs
    kind = {"classes": f"{count} classes", "labels": f"{count} labels", "number": "numbers to predict"}[dataset.task]
    if isinstance(table, Table):
        targets = ", ".join(map(repr, table.targets[:_NAMED])) + (" …" if len(table.targets) > _NAMED else "")
        kind = f"a number {targets}" if dataset.task == "number" and count == 1 else f"{kind} {targets}"
    observer.note("data", f"{table.describe()}, {kind}: {rows}")
    if isinstance(table, Table):
        _tell_columns(table.columns, observer)
    _tell_notes(dataset, observer)


def _tell_alone(dataset: Dataset, observer: Observer) -> None:
    """Rows of each part, and which of them are odd."""
    answers, inputs = dataset.schema.answers, dataset.schema.inputs
    assert isinstance(answers, Reconstructions)
    odd = [int(answers.is_odd(split.targets).sum()) for split in (dataset.valid, dataset.test)]
    beside = [f" and {count:,} odd ones" if count else "" for count in odd]
    classes = f"; its {len(answers.classes)} classes are not learned from" if answers.classes else ""
    observer.note(
        "data",
        f"{inputs.describe()}, told again: {len(dataset.train):,} to learn from, {len(dataset.valid) - odd[0]:,}{beside[0]} to "
        f"choose by, {len(dataset.test) - odd[1]:,}{beside[1]} to judge by{classes}",
    )
    if isinstance(inputs, Table):
        _tell_columns(inputs.columns, observer)
    _tell_notes(dataset, observer)


def _tell_steps(dataset: Dataset, observer: Observer) -> None:
    """Rows and steps of each part."""
    answers, parts = dataset.schema.answers, (dataset.train, dataset.valid, dataset.test)
    what = "numbers" if isinstance(answers, StepNumbers) else f"{answers.outputs} classes"
    inputs = dataset.schema.inputs
    rows, steps = ("sentences", inputs.unit) if isinstance(inputs, Sentences) else ("series", "steps")
    (train, words), valid, test = ((len(part), int(part.targets.lengths.sum())) for part in parts)
    observer.note(
        "data",
        f"{inputs.describe()}, {what} for each step: {train:,} {rows} with {words:,} {steps} to learn from, "
        f"{valid[0]:,} with {valid[1]:,} to choose by, {test[0]:,} with {test[1]:,} to judge by",
    )


def _tell_notes(dataset: Dataset, observer: Observer) -> None:
    """What was noticed, and what was set aside."""
    for note in dataset.notes:
        observer.note("note", note)
    if excluded := dataset.excluded:
        rows = "; ".join(f"{row.id} ({row.reason})" for row in excluded[:3])
        more = f"; and {len(excluded) - 3:,} more, all in the report" if len(excluded) > 3 else ""
        observer.note("set aside", f"{len(excluded):,} of the rows: {rows}{more}")


def _tell_columns(columns: tuple[Column, ...], observer: Observer) -> None:
    label = "columns"
    if len(columns) <= _LISTED:
        wide = min(max(len(column.name) for column in columns), 22)
        for column in columns:
            name = column.name if len(column.name) <= wide else column.name[: wide - 1] + "…"
            first, *rest = textwrap.wrap(column.why, max(24, _LINE - wide), break_on_hyphens=False)
            observer.note(label, f"{name:<{wide}}  {column.kind:<8}  {first}")
            for line in rest:
                observer.note("", f"{'':<{wide}}  {'':<8}  {line}")
            label = ""
        return
    for kind, plural in _PLURAL.items():
        those = [column for column in columns if column.kind == kind]
        if those:
            shown = [f"{each.name} ({each.why})" if kind == "left out" else each.name for each in those[:_NAMED]]
            more = f" and {len(those) - _NAMED:,} more" if len(those) > _NAMED else ""
            observer.note(label, f"{len(those):,} {plural}: {', '.join(shown)}{more}")
            label = ""


def tell_untried(record: Mapping[str, Any], epochs: int, observer: Observer) -> None:
    """Say which ways to transfer were not compared with the others, as what may be spent on trials was too little for them.

    Args:
        record: of `plan.resolve`: what was measured to decide.
        epochs: of the training, of which trials take a fifth at most.
        observer: is told.
    """
    if "skills" not in record or record.get("forced"):
        return
    tried = {skill["name"] for skill in record["skills"]}
    untried = [name for name in ("fine-tuning", "training from scratch") if name not in tried]
    if untried:
        share = f"a fifth of {epochs} epoch{'s' if epochs > 1 else ''} of {record['rows']:,} rows"
        observer.note("not tried", f"{' and '.join(untried)}: in what trials may take, {share}, they could show nothing")


def duration(seconds: float) -> str:
    """A time that is about to be spent, in one unit.

    Example:
        >>> duration(3.2), duration(600), duration(9000)
        ('3 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
