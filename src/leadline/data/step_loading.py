"""From rows of which each step has a target to a Dataset, and to rows for a Schema that exists."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leadline.data import splits
from leadline.data.dataset import Dataset, Origin, Split
from leadline.data.dividing import divide
from leadline.data.labelling import Meaning, natural_order
from leadline.data.ragged import Ragged
from leadline.data.raw import PARTS, Raw, set_aside
from leadline.data.schema import Schema
from leadline.data.series import Series
from leadline.data.sources import SEPARATOR, Reading, frame_of, name_of, nowhere
from leadline.data.step_answers import OTHER, StepAnswers, StepClasses, StepNumbers
from leadline.data.step_rows import StepRows, StepSplit, cut_long, step_rows_from, taken
from leadline.data.step_tables import step_rows_of
from leadline.data.tables.frame import Frame
from leadline.data.tagged_files import ENDINGS, is_tagged, read_tagged
from leadline.data.tagged_sentences import Sentences
from leadline.errors import ArgumentError, DataError
from leadline.spelling import counted

_LONGEST = 512  # steps of a piece: a gradient through more of them teaches little, and batches would be large
_MOST_WORDS = 50_000
_MOST_CLASSES = 1_000  # more different answers are words, or numbers of rows, and no classes
_LOOKED_AT = 50  # rows


def is_step_source(source: Any, targets: Any = None) -> bool:
    """Whether a source surely has a target for each step: a file of tagged words, or rows in memory beside lists as long.

    Args:
        source: as `load` takes it.
        targets: likewise.

    Example:
        >>> is_step_source([["Hi", "Tom"], ["No"]], [["UH", "NNP"], ["UH"]]), is_step_source([["Hi", "Tom"]], ["greeting"])
        (True, False)
        >>> is_step_source([np.zeros((3, 2)), np.zeros((2, 2))], [[0, 1, 1], [0, 0]])
        True
        >>> is_step_source(np.zeros((3, 3)), np.eye(3))
        False
    """
    if targets is None and isinstance(source, tuple) and len(source) == 2 and not isinstance(source[0], (str, Path)):
        source, targets = source
    if targets is None:
        return is_tagged(source)
    lists = (list, tuple)
    if not isinstance(source, lists) or not isinstance(targets, lists) or len(source) != len(targets):
        return False
    some = [(row, said) for row, said in zip(source[:_LOOKED_AT], targets, strict=False) if np.size(row) or np.size(said)]
    if not some or not all(isinstance(said, (*lists, np.ndarray)) for _, said in some):
        return False
    if all(isinstance(row, lists) and all(isinstance(word, str) for word in row) for row, _ in some):
        return True  # words and a list beside them are nothing else, whatever its length
    shaped = all(hasattr(row, "shape") and 1 <= len(row.shape) <= 2 for row, _ in some)
    return shaped and len({len(row) for row, _ in some}) > 1 and all(len(row) == len(said) for row, said in some)


def load_steps(
    source: Any,
    targets: Any = None,
    *,
    target: str | None = None,
    group: str | None = None,
    time: str | None = None,
    columns: Mapping[str, str] | None = None,
    valid: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    header: bool | None = None,
    encoding: str | None = None,
    vocabulary: int | None = None,
    longest: int | None = None,
    name: str | None = None,
) -> Dataset:
    """Read rows of which each step has a target, divide them by whole rows, and learn their Schema from the training rows.

    Args:
        source: a file of tagged words (CoNLL or CoNLL-U), perhaps NAME.train with NAME.dev and NAME.test beside it, or a folder
            of these; a table with a row for each step; or rows in memory, words or arrays [T, C].
        targets: for rows in memory: for each as many targets as it has steps.
        target: the column of the tags or of the table, by number or name.
        group: of a table, the column that names the row that a step belongs to.
        time: of a table, the column by which steps are sorted.
        columns: of a table: name → "leave out", or "number" or "category" for the target.
        valid: share of the rows (below 1) or their number, where the source does not bring its own.
        test: likewise.
        seed: of the shuffle.
        header: whether a csv begins with names.
        encoding: of the files.
        vocabulary: at most so many words are known.
        longest: steps beyond which a row is cut into pieces; 512 when None.
        name: what the Dataset is called.

    Raises:
        SourceNotFoundError: a path leads nowhere.
        DataError: the source cannot be used.

    Example:
        >>> sentences = [["so", "it"] * number for number in range(1, 21)]
        >>> load_steps(sentences, [["ADV", "PRON"] * number for number in range(1, 21)], name="rhyme")
        Dataset('rhyme', task='sequence', 14 + 3 + 3 rows, inputs sentences of up to 40 words, 2 different ones known)
    """
    splits.check_shares(valid, test)
    if longest is not None and longest < 1:
        raise ArgumentError("The pieces of a row would be empty", expected="longest of at least 1", got=longest)
    raw = _raw_rows(source, targets, target, group, time, columns, header, encoding)
    if vocabulary is not None and not raw.sentences:
        raise ArgumentError("Only sentences have a vocabulary", expected="no vocabulary", got=vocabulary)
    raw, _ = cut_long(raw, longest or _LONGEST)
    _check_answers(raw, range(len(raw)), "all steps")
    parts, more, excluded = _divided(raw, valid, test, seed)
    answers, told = _learned_answers(raw, parts["train"])
    inputs = _learned_inputs(raw, parts["train"], vocabulary)
    made = {part: _split(raw, rows, inputs, answers) for part, rows in parts.items()}
    options: dict[str, Any] = {"task": answers.task, "valid": valid, "test": test, "seed": seed}
    chosen: dict[str, Any] = {"target": target, "group": group, "time": time, "header": header, "encoding": encoding}
    chosen |= {"vocabulary": vocabulary, "longest": longest, "columns": dict(columns) if columns else None}
    told += _about_strangers(made, answers, raw, parts)
    digest = hashlib.sha256(f"{raw.digest()} {'' if raw.parts is None else raw.parts.tolist()}".encode()).hexdigest()
    return Dataset(
        name=name or raw.name,
        train=made["train"],
        valid=made["valid"],
        test=made["test"],
        schema=Schema(inputs, answers),
        origin=Origin(name_of(source), digest, options | {key: value for key, value in chosen.items() if value is not None}),
        notes=tuple(dict.fromkeys([*raw.notes, *more, *told])),
        excluded=excluded,
    )


def read_steps(source: Any, schema: Schema, *, targets: Any = None, part: str | None = None) -> Split:
    """Rows with their targets for a Schema that exists: the test part where the source has parts, else all.

    Raises:
        DataError: the rows are of another kind, or nothing in them is an answer that the training knew.

    Example:
        >>> schema = load_steps([["so", "it"] * n for n in range(1, 9)], [["a", "b"] * n for n in range(1, 9)]).schema
        >>> read_steps([["it", "so", "so"]], schema, targets=[["b", "a", "z"]]).targets.values.tolist()
        [1, 0, -1]
    """
    inputs, answers = schema.inputs, schema.answers
    assert isinstance(answers, (StepClasses, StepNumbers))
    kinds = dict.fromkeys(answers.names, "number") if isinstance(answers, StepNumbers) else None
    channels = inputs.channels if isinstance(inputs, Series) else None
    words = inputs.column if isinstance(inputs, Sentences) else ""
    raw = _raw_rows(
        source, targets, answers.target, answers.group, None, kinds, None, None, channels=channels, words=words, again=True
    )
    if raw.sentences != isinstance(inputs, Sentences):
        raise DataError("The rows are not like those of the training", expected=inputs.describe(), got="rows of another kind")
    raw, _ = cut_long(raw, max(inputs.shape[0], _LONGEST))
    rows = np.arange(len(raw))
    if raw.parts is not None:
        wanted = part or ("test" if "test" in raw.parts else None)
        rows = rows if wanted is None else np.flatnonzero(raw.parts == wanted)
    if not len(rows):
        raise DataError(f"The source has no part {part!r}", expected="one of " + ", ".join(PARTS))
    set_aside(raw.ids, {}, raw.lost)
    split = _split(raw, rows, inputs, answers)
    values: Any = split.targets.values
    if isinstance(answers, StepClasses) and not (values >= 0).any():
        found = Counter(name for row in raw.targets for name in row if name)
        raise DataError(
            "Not one of the answers is one that the training knew",
            expected="some of " + ", ".join(answers.names[:20]),
            got=", ".join(found)[:200] or "none at all",
        )
    notes = (*raw.notes, *_about_strangers({"the rows": split}, answers, raw, {"the rows": rows}))
    return Split(split.inputs, split.targets, split.ids, notes)


def unlabelled_rows(source: Any, schema: Schema) -> StepRows:
    """Rows of a file to answer for, whose targets may be missing: a table, or a file of words, one on each line.

    Raises:
        DataError: the file holds no rows of the kind that the training had.

    Example:
        >>> import polars as pl
        >>> series = [np.arange(4.0) + n for n in range(9)]
        >>> schema = load_steps(series, [[0, 0, 1, 1]] * 9).schema
        >>> unlabelled_rows(pl.DataFrame({"value": ["1", "2"]}), schema).rows[0].ravel().tolist()
        [1.0, 2.0]
    """
    inputs, answers = schema.inputs, schema.answers
    assert isinstance(answers, (StepClasses, StepNumbers))
    frame = frame_of(source, Reading())
    if frame is None:
        raise DataError("The rows to answer for stand in a table", expected="a csv, tsv or parquet file, or a data frame")
    group = answers.group if answers.group in frame.data.columns else ""
    channels = inputs.channels if isinstance(inputs, Series) else None
    words = inputs.column if isinstance(inputs, Sentences) else ""
    target = answers.target or "\0"
    return step_rows_of(frame, target=target, group=group, channels=channels, words=words, unlabelled=True)


def _raw_rows(
    source: Any,
    targets: Any,
    target: str | None,
    group: str | None,
    time: str | None,
    columns: Mapping[str, str] | None,
    header: bool | None,
    encoding: str | None,
    *,
    channels: Sequence[str] | None = None,
    words: str = "",
    again: bool = False,
) -> StepRows:
    if isinstance(source, tuple) and len(source) == 2 and targets is None and not isinstance(source[0], (str, Path)):
        source, targets = source
    path = isinstance(source, (str, Path))
    if path and targets is not None:
        raise ArgumentError("A path brings its own targets", do="Name their column: target='column'.")
    paths = [Path(each).expanduser() for each in str(source).split(SEPARATOR)] if path else []
    for each in paths:
        if not each.exists():
            raise nowhere(str(each), each.absolute())
    tagged = len(paths) == 1 and (is_tagged(paths[0]) or paths[0].suffix.lower() in ENDINGS)
    frame: Frame | None = None
    if not tagged and targets is None:
        frame = frame_of(source, Reading(header=header, encoding=encoding))
    if frame is not None:
        return step_rows_of(
            frame, target=target or "", group=group or "", time=time or "", kinds=columns, channels=channels, words=words
        )
    if again:  # what the training read of a table is nothing that these rows were asked for
        target = target if paths and (target or "").isdigit() else None
    elif given := [name for name, value in {"group": group, "time": time, "columns": columns}.items() if value]:
        raise ArgumentError(f"Only a table has a {given[0]}", expected="a csv, tsv or parquet file", got=str(source)[:80])
    if paths:
        if len(paths) > 1:
            raise DataError("Several files must be tables", expected="one file of tagged words, or a folder", got=len(paths))
        return read_tagged(paths[0], target=target or "", encoding=encoding)
    if target:
        raise ArgumentError("Rows in memory bring their targets", expected="no target", got=target)
    return step_rows_from(source, targets)


def _divided(raw: StepRows, valid: float, test: float, seed: int) -> tuple[dict[str, Any], list[str], tuple[Any, ...]]:
    """The rows of each part, notes, and what was set aside; as rows of other tasks are divided."""
    if len(raw) < 3 and raw.parts is None:
        raise DataError(
            "There are too few rows to divide into training, validation and test",
            expected="at least three rows of steps",
            got=f"{counted(len(raw), 'row')} of {raw.steps:,} steps",
            do=None
            if raw.sentences
            else "Name the column that tells rows apart (--group), or cut rows: --set data.longest=64.",
        )
    rows, excluded = set_aside(raw.ids, {}, raw.lost)
    plain = Raw(
        raw.name,
        np.zeros((len(raw), 1), np.float32),
        np.zeros(len(raw)),
        raw.ids,
        raw.parts,
        groups=raw.groups,
        order=raw.order,
        copies=raw.first_copies(),
    )
    # Numbers that are all alike are drawn from every stretch of the source in proportion.
    parts, notes = divide(plain, Meaning("number", np.zeros((len(raw), 1))), rows, valid=valid, test=test, seed=seed)
    return parts, notes, excluded


def _check_answers(raw: StepRows, rows: Iterable[int], which: str) -> Counter[str]:
    """How often these rows have each class; nothing where they have numbers.

    Errors: `DataError` where there are too few or too many different ones.
    """
    if raw.numeric:
        return Counter()
    counts = Counter(name for row in rows for name in raw.targets[row] if name is not None)
    if len(counts) < 2:
        raise DataError(
            "There is only one class" if counts else "Nothing is said of any step",
            expected="at least two different answers to learn to tell apart",
            got=f"{which} are {next(iter(counts))!r}" if counts else f"{which} have no answer",
            do="Is it the right column? --target names another.",
        )
    if len(counts) > _MOST_CLASSES:
        raise DataError(
            f"There are {len(counts):,} different answers, which are no classes",
            expected=f"at most {_MOST_CLASSES:,}",
            got=", ".join(list(counts)[:5]) + ", …",
            do="Is it the right column? --target names another.",
        )
    return counts


def _learned_answers(raw: StepRows, train: Any) -> tuple[StepAnswers, list[str]]:
    if raw.numeric:
        draft = StepNumbers(raw.columns, (0.0,) * len(raw.columns), (1.0,) * len(raw.columns))
        learned = draft.encode([raw.targets[row] for row in train.tolist()])
        return StepNumbers.learn(learned, raw.columns, target=raw.target, group=raw.group), []
    counts = _check_answers(raw, train.tolist(), "all steps of training")
    said, steps = counts.total(), sum(len(raw.targets[row]) for row in train.tolist())
    told = (
        [f"{steps - said:,} of {steps:,} training steps have no target; they are read and not learned."] if said < steps else []
    )
    return StepClasses(natural_order(counts), target=raw.target, group=raw.group), told


def _learned_inputs(raw: StepRows, train: Any, vocabulary: int | None) -> Sentences | Series:
    rows = [raw.rows[row] for row in train.tolist()]
    if raw.sentences:
        return Sentences.learn(rows, most=vocabulary or _MOST_WORDS, column=raw.word_column)
    learned = Series.learn(Ragged.of(rows), raw.channels)
    # Each step has an answer of its own, so that a row to predict may have any length.
    return Series(learned.channels, learned.mean, learned.std, 1, max(2, learned.longest))


def _split(raw: StepRows, rows: Any, inputs: Any, answers: StepAnswers) -> Split:
    some = taken(raw, rows)
    if isinstance(inputs, Sentences):
        stored = inputs.encode_all(some.rows)
    elif len(some):
        if some.channels is not None and some.rows[0].shape[1] != len(inputs.channels):
            got = f"{some.rows[0].shape[1]} channels"
            raise DataError("The series have other channels than those of the training", expected=inputs.describe(), got=got)
        stored = Ragged.of([np.asarray(row, np.float32) for row in some.rows])
    else:
        stored = Ragged(np.zeros((0, len(inputs.channels)), np.float32), np.zeros(1, np.int64))
    if isinstance(answers, StepNumbers) and not raw.numeric:
        raise DataError("The targets are names", expected="numbers, as those of the training were")
    targets = some.targets
    if isinstance(answers, StepClasses) and raw.numeric:
        targets = [[None if value != value else f"{value:g}" for value in np.ravel(row).tolist()] for row in targets]
    words = some.rows if isinstance(inputs, Sentences) else ()
    return StepSplit(stored, answers.encode(targets), some.ids, words=words)


def _about_strangers(made: Mapping[str, Split], answers: StepAnswers, raw: StepRows, parts: Mapping[str, Any]) -> list[str]:
    """A note on answers that the training never showed."""
    if not isinstance(answers, StepClasses):
        return []
    notes = []
    for part, split in made.items():
        values: Any = split.targets.values
        if count := int((values == OTHER).sum()):
            names = {name for row in parts[part].tolist() for name in raw.targets[row] if name} - set(answers.names)
            shown = ", ".join(sorted(names)[:5])
            notes.append(
                f"{counted(count, 'step has', 'steps have')} in {part} an answer that the training never showed ({shown}); "
                f"{'it counts' if count == 1 else 'they count'} as wrong."
            )
    return notes
