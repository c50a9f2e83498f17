"""From rows of which each step has a target to a Dataset."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data import splits
from leadline.data.answers import as_text
from leadline.data.dataset import Dataset, Origin
from leadline.data.dividing import divide
from leadline.data.labelling import Meaning, natural_order
from leadline.data.ragged import Ragged
from leadline.data.raw import Raw, set_aside
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.data.sources import name_of
from leadline.data.steps.step_answers import OTHER, StepAnswers, StepClasses, StepNumbers
from leadline.data.steps.step_rows import StepRows, StepSplit, cut_long, taken
from leadline.data.steps.step_sources import raw_steps
from leadline.data.steps.tagged_sentences import Sentences
from leadline.errors import ArgumentError, DataError
from leadline.spelling import counted

_LONGEST = 512  # steps of a piece: a gradient through more of them teaches little, and batches would be large
_MOST_WORDS = 50_000
_MOST_CLASSES = 1_000  # more different answers are words, or numbers of rows, and no classes


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
    raw = raw_steps(
        source,
        targets,
        target=target or "",
        group=group or "",
        time=time or "",
        columns=columns,
        header=header,
        encoding=encoding,
    )
    if vocabulary is not None and not raw.sentences:
        raise ArgumentError("Only sentences have a vocabulary", expected="no vocabulary", got=vocabulary)
    _, excluded = set_aside(raw.ids, {}, raw.lost)
    raw = cut_long(raw, longest or _LONGEST)
    _check_answers(raw, range(len(raw)), "all steps")
    parts, more = _divided(raw, valid, test, seed)
    answers, told = _learned_answers(raw, parts["train"])
    inputs = _learned_inputs(raw, parts["train"], vocabulary)
    made = {part: step_split(raw, rows, inputs, answers) for part, rows in parts.items()}
    options: dict[str, Any] = {"task": answers.task, "valid": valid, "test": test, "seed": seed}
    chosen: dict[str, Any] = {"target": target, "group": group, "time": time, "header": header, "encoding": encoding}
    chosen |= {"vocabulary": vocabulary, "longest": longest, "columns": dict(columns) if columns else None}
    digest = hashlib.sha256(f"{raw.digest()} {'' if raw.parts is None else raw.parts.tolist()}".encode()).hexdigest()
    return Dataset(
        name=name or raw.name,
        train=made["train"],
        valid=made["valid"],
        test=made["test"],
        schema=Schema(inputs, answers),
        origin=Origin(name_of(source), digest, options | {key: value for key, value in chosen.items() if value is not None}),
        notes=tuple(dict.fromkeys([*raw.notes, *more, *told, *about_strangers(made)])),
        excluded=excluded,
    )


def _divided(raw: StepRows, valid: float, test: float, seed: int) -> tuple[dict[str, NDArray[np.int64]], list[str]]:
    """The rows of each part, and notes; as rows of other tasks are divided."""
    if len(raw) < 3 and raw.parts is None:
        raise DataError(
            "There are too few rows to divide into training, validation and test",
            expected="at least three rows of steps",
            got=f"{counted(len(raw), 'row')} of {raw.steps:,} steps",
            do="Divide it into sentences, by a blank line behind each in a file."
            if raw.sentences
            else "Name the column that tells rows apart (--group), or cut rows: --set data.longest=64.",
        )
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
    return divide(plain, Meaning("number", np.zeros((len(raw), 1))), np.arange(len(raw)), valid=valid, test=test, seed=seed)


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


def _learned_answers(raw: StepRows, train: NDArray[np.int64]) -> tuple[StepAnswers, list[str]]:
    """What the targets of the training rows are, and a note on steps without one."""
    rows = [raw.targets[row] for row in train.tolist()]
    answers: StepAnswers
    if raw.numeric:
        learned = Ragged.of(rows)
        answers = StepNumbers.learn(learned, raw.columns, target=raw.target, group=raw.group, time=raw.time)
        said = int((~np.isnan(learned.values).any(axis=1)).sum())
    else:
        counts = _check_answers(raw, train.tolist(), "all steps of training")
        answers = StepClasses(natural_order(counts), target=raw.target, group=raw.group, time=raw.time)
        said = counts.total()
    if (steps := sum(map(len, rows))) == said:
        return answers, []
    return answers, [f"{steps - said:,} of {steps:,} training steps have no target; they are read and not learned."]


def _learned_inputs(raw: StepRows, train: NDArray[np.int64], vocabulary: int | None) -> Sentences | Series:
    rows = [raw.rows[row] for row in train.tolist()]
    if raw.sentences:
        return Sentences.learn(rows, most=vocabulary or _MOST_WORDS, column=raw.word_column)
    learned = Series.learn(Ragged.of(rows), raw.channels)
    # Each step has an answer of its own, so that a row to predict may have any length.
    return Series(learned.channels, learned.mean, learned.std, 1, max(2, learned.longest))


def step_split(raw: StepRows, rows: NDArray[np.int64], inputs: Sentences | Series, answers: StepAnswers) -> StepSplit:
    """Some rows as a split: what the network reads, what it is to say, and the words and names as they stood in the source.

    Args:
        raw: all rows.
        rows: the numbers of those of the split.
        inputs: as they were learned.
        answers: likewise.

    Errors: `DataError` for other channels, or names where numbers were learned.
    """
    some = taken(raw, rows)
    if isinstance(answers, StepNumbers) and not raw.numeric:
        raise DataError("The targets are names", expected="numbers, as those of the training were")
    known = frozenset(answers.names)
    targets = [_names(row, known) for row in some.targets] if isinstance(answers, StepClasses) else some.targets
    encoded = answers.encode(targets)
    strange: dict[int, str] = {}
    if isinstance(answers, StepClasses):
        flat = [name for row in targets for name in row]
        strange = {at: str(flat[at]) for at in np.flatnonzero(encoded.values == OTHER).tolist()}
    whole = () if some.whole is None else some.whole.tolist()
    words = some.rows if isinstance(inputs, Sentences) else ()
    return StepSplit(_stored(some, inputs), encoded, some.ids, words=words, strange=strange, whole=whole)


def _stored(some: StepRows, inputs: Sentences | Series) -> Ragged:
    if isinstance(inputs, Sentences):
        return inputs.encode_all(some.rows)
    if not len(some):
        return Ragged(np.zeros((0, len(inputs.channels)), np.float32), np.zeros(1, np.int64))
    if (count := some.rows[0].shape[1]) != len(inputs.channels):
        got = counted(count, "channel")
        raise DataError("The series have other channels than those of the training", expected=inputs.describe(), got=got)
    return Ragged.of([np.asarray(row, np.float32) for row in some.rows])


def _names(row: Any, known: frozenset[str]) -> list[str | None]:
    """Targets as names of classes; a number is the class that is written so, or its plain form: 07 is 7 unless 07 is there."""
    if isinstance(row, np.ndarray):
        return [None if value != value else as_text(value) for value in row[:, 0].tolist()]
    return [name if name is None or name in known else _plainly(name) for name in row]


def _plainly(name: str) -> str:
    try:
        return as_text(float(name))
    except ValueError:
        return name


def about_strangers(parts: Mapping[str, StepSplit]) -> list[str]:
    """Notes on answers that the training never showed.

    Args:
        parts: by their names.

    Example:
        >>> row = Ragged.of([np.array([2, 1])])
        >>> about_strangers({"test": StepSplit(row, row, ["a:1"], strange={1: "XX"})})
        ['1 step has in test an answer that the training never showed (XX); it counts as wrong.']
    """
    notes = []
    for part, split in parts.items():
        if count := len(split.strange):
            shown = ", ".join(sorted(set(split.strange.values()))[:5])
            notes.append(
                f"{counted(count, 'step has', 'steps have')} in {part} an answer that the training never showed ({shown}); "
                f"{'it counts' if count == 1 else 'they count'} as wrong."
            )
    return notes
