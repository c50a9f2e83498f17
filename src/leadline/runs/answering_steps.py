"""What a network says of each step of rows, for prediction and for judging."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.dataset import Excluded
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.data.steps.step_answers import StepClasses
from leadline.data.steps.step_reading import unlabelled_rows
from leadline.data.steps.tagged_files import ENDINGS, is_tagged, read_words
from leadline.data.steps.tagged_sentences import Sentences
from leadline.data.tables.arrow_frames import is_data_frame
from leadline.data.tables.table_files import is_table
from leadline.errors import ArgumentError, LeadlineError, SourceNotFoundError
from leadline.metrics.spans import Span, spans_in
from leadline.runs.predicting import Predictor, inputs_below
from leadline.text.reading_text import TextReader

_AT_ONCE = 40_000  # steps of a batch, padding counted in
_LONGEST = 2_048  # steps of a row that are read in one go; the next piece sees some before its own
_OVERLAP = 128


@dataclass(frozen=True)
class StepAnswer:
    """The answers for the steps of one row.

    `words` are those of a sentence (empty for a series); `answers` a class name, a number, or several by name for each step;
    `probabilities` how sure the network is of each class (empty for numbers); `spans` what tags such as B-PER and I-PER mark:
    kind, first step, and the step behind the last (empty for other classes).

    Example:
        >>> answer = StepAnswer("0", ("Ann", "ran"), ("B-PER", "O"), (0.9, 0.8), (("PER", 0, 1),))
        >>> answer.to_json()["spans"], len(answer)
        ([{'kind': 'PER', 'from': 0, 'to': 1, 'text': 'Ann'}], 2)
    """

    id: str
    words: tuple[str, ...]
    answers: tuple[Any, ...]
    probabilities: tuple[float, ...] = ()
    spans: tuple[Span, ...] = ()

    def __len__(self) -> int:
        return len(self.answers)

    def to_json(self) -> dict[str, Any]:
        """The answers as plain values, spans with their words."""
        record: dict[str, Any] = {"id": self.id}
        if self.words:
            record["words"] = list(self.words)
        record["answers"] = list(self.answers)
        if self.probabilities:
            record["probabilities"] = [round(value, 6) for value in self.probabilities]
        if self.spans:
            record["spans"] = [
                {"kind": kind, "from": begin, "to": end, **({"text": " ".join(self.words[begin:end])} if self.words else {})}
                for kind, begin, end in self.spans
            ]
        return record


class StepPredictions(Sequence[StepAnswer]):
    """Answers for several rows: a sequence of `StepAnswer`; `excluded` are inputs that could not be read.

    Example:
        >>> found = StepPredictions([StepAnswer("0", ("Hi",), ("UH",))])
        >>> found.answers, found[0].words
        ([['UH']], ('Hi',))
    """

    def __init__(self, rows: Sequence[StepAnswer], excluded: Sequence[Excluded] = (), notes: Sequence[str] = ()) -> None:
        self.rows, self.excluded, self.notes = list(rows), list(excluded), tuple(notes)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: Any) -> Any:
        return StepPredictions(self.rows[at]) if isinstance(at, slice) else self.rows[at]

    def __iter__(self) -> Iterator[StepAnswer]:
        return iter(self.rows)

    @property
    def answers(self) -> list[list[Any]]:
        """The answers alone, a list for each row."""
        return [list(row.answers) for row in self.rows]

    def to_json(self) -> list[dict[str, Any]]:
        return [row.to_json() for row in self.rows]

    def __repr__(self) -> str:
        return f"StepPredictions({len(self)} rows of {sum(map(len, self.rows)):,} steps)"


def answer_steps(predictor: Predictor, inputs: Any, ids: Sequence[str] | None = None) -> StepAnswer | StepPredictions:
    """Answers for one row (a `StepAnswer`) or for several (`StepPredictions`).

    Args:
        predictor: a network that answers each step, with its Schema.
        inputs: a sentence, as a text or as its words; a series [T, C]; a file of sentences or a table of series; several of
            these; a folder of files.
        ids: names for several inputs.

    Errors: a `LeadlineError` where a single input cannot be read.
    """
    schema = predictor.schema
    if is_data_frame(inputs) or isinstance(inputs, Path) or _is_file(inputs, schema):
        given = [inputs]
    elif schema.inputs.is_one(inputs):
        given, name = [inputs], ids[0] if ids else "0"
        return _answers(predictor, [_encoded(schema, name, inputs)])[0]
    else:
        given = list(inputs)
    names = list(ids) if ids is not None else [str(at) for at in range(len(given))]
    if len(names) != len(given):
        raise ArgumentError("There are not as many ids as inputs", expected=len(given), got=len(names))
    rows, excluded = [], []
    for name, raw in zip(names, given, strict=True):
        try:
            rows += list(_rows_of(schema, name, raw))
        except LeadlineError as error:
            if len(given) == 1:
                raise
            excluded.append(Excluded(name, str(error)))
    return StepPredictions(_answers(predictor, rows), excluded)


Encoded = tuple[str, tuple[str, ...], NDArray[Any]]


def _is_file(raw: Any, schema: Schema) -> bool:
    """Whether a text is the path of a file or folder, and no sentence."""
    if not isinstance(raw, str) or len(raw) > 4_000 or "\n" in raw or not raw.strip():
        return False
    return Path(raw).exists() or isinstance(schema.inputs, Series)


def _rows_of(schema: Schema, name: str, raw: Any) -> Iterator[Encoded]:
    """The rows that an input holds: one, or those of a file or a folder."""
    if is_data_frame(raw):
        yield from _of_table(schema, raw)
    elif isinstance(raw, Path) or _is_file(raw, schema):
        yield from _of_file(schema, Path(raw).expanduser())
    else:
        yield _encoded(schema, name, raw)


def _of_file(schema: Schema, path: Path) -> Iterator[Encoded]:
    if not path.exists():
        raise SourceNotFoundError(f"There is no file {path}", do="Check the path.")
    inputs = schema.inputs
    if path.is_dir():
        for each in inputs_below(path, inputs):
            yield from _of_file(schema, each)
    elif isinstance(inputs, Series):
        if path.suffix.lower() == ".npy":
            yield _encoded(schema, str(path), path)
        else:
            yield from _of_table(schema, path)
    elif isinstance(inputs, Sentences) and inputs.column and is_table(path):
        yield from _of_table(schema, path)
    elif path.suffix.lower() in ENDINGS or is_tagged(path):
        raw = read_words(path)
        for name, words in zip(raw.ids, raw.rows, strict=True):
            yield _encoded(schema, name, words)
    else:
        lines = "".join(TextReader(path)).split("\n")
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _encoded(schema, f"{path.name}:{number}", line)


def _of_table(schema: Schema, source: Any) -> Iterator[Encoded]:
    raw = unlabelled_rows(source, schema)
    for name, row in zip(raw.ids, raw.rows, strict=True):
        yield _encoded(schema, name, row)


def _encoded(schema: Schema, name: str, raw: Any) -> Encoded:
    inputs = schema.inputs
    if isinstance(inputs, Sentences):
        words = inputs.tokens(raw)
        return name, tuple(words), inputs.encode(words)
    return name, (), inputs.encode(raw)


def _answers(predictor: Predictor, rows: Sequence[Encoded]) -> list[StepAnswer]:
    if not rows:
        return []
    stored = Ragged.of([row for _, _, row in rows])
    said, sure = said_of(predictor, stored)
    answers: Any = predictor.schema.answers
    found = []
    for at, (name, words, _) in enumerate(rows):
        span = slice(int(stored.offsets[at]), int(stored.offsets[at + 1]))
        if isinstance(answers, StepClasses):
            told: tuple[Any, ...] = tuple(answers.names[number] for number in said[span].tolist())
            spans = tuple(spans_in(told)) if answers.spans else ()
            found.append(StepAnswer(name, words, told, tuple(sure[span].tolist()), spans))
        else:
            values = said[span].tolist()
            one = len(answers.names) == 1
            told = tuple(row[0] if one else dict(zip(answers.names, row, strict=True)) for row in values)
            found.append(StepAnswer(name, words, told))
    return found


def said_of(predictor: Predictor, rows: Ragged) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """What a network says of all steps, one row after the other, and how sure it is.

    Rows of like length are answered together. A row of more than 2,048 steps is read in pieces, each of which begins 128 steps
    before the first that it answers and ends 128 behind the last.

    Args:
        predictor: the network with its Schema.
        rows: as a split stores them.

    Returns:
        Class numbers [S] or numbers [S, M], and the probability of each class said, float32 [S].
    """
    answers: Any = predictor.schema.answers
    classes = isinstance(answers, StepClasses)
    steps = int(rows.offsets[-1])
    said: NDArray[Any] = np.zeros(steps, np.int64) if classes else np.zeros((steps, answers.outputs))
    sure = np.ones(steps, np.float32)
    pieces = sorted(_pieces(rows), key=lambda piece: piece[1] - piece[0])
    for batch in _batches(pieces):
        stored = Ragged.of([rows.values[begin:end] for begin, end, _, _ in batch])
        values = predictor.values(predictor.together(stored))
        for row, (begin, _, first, last) in enumerate(batch):
            part = values[row, first - begin : last - begin]
            if classes:
                said[first:last], sure[first:last] = part.argmax(axis=-1), part.max(axis=-1)
            else:
                said[first:last] = part
    return said, sure


def _pieces(rows: Ragged) -> Iterator[tuple[int, int, int, int]]:
    """Where each piece begins and ends, and the steps of it that are answered, all as places in the values."""
    for begin, end in zip(rows.offsets[:-1].tolist(), rows.offsets[1:].tolist(), strict=True):
        if end - begin <= _LONGEST:
            yield begin, end, begin, end
            continue
        for first in range(begin, end, _LONGEST - 2 * _OVERLAP):
            last = min(end, first + _LONGEST - 2 * _OVERLAP)
            yield max(begin, first - _OVERLAP), min(end, last + _OVERLAP), first, last


def _batches(pieces: Sequence[tuple[int, int, int, int]]) -> Iterator[list[tuple[int, int, int, int]]]:
    batch: list[tuple[int, int, int, int]] = []
    for piece in pieces:
        longest = piece[1] - piece[0]  # they come in rising order
        if batch and (len(batch) + 1) * longest > _AT_ONCE:
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch
