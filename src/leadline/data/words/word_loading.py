"""From a text to a Dataset of its words, which are learned by their neighbours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leadline.data.caching import cache_folder
from leadline.data.dataset import Dataset, Origin
from leadline.data.schema import Schema
from leadline.data.tokens.token_loading import check_shares_of_text, found_texts, one_stream
from leadline.data.tokens.token_sources import files_by_part, read_token_parts
from leadline.data.words.word_answers import CorpusWords, Neighbors
from leadline.data.words.word_tables import tables_by_part, write_texts
from leadline.errors import ArgumentError, DataError, NoTokenError
from leadline.files import storage
from leadline.text.reading_text import sample_of_text
from leadline.text.tokenizers import CharacterTokenizer, SpacedTokenizer, WordTokenizer, is_unspaced
from leadline.text.units import suggested_unit

_SHARE = 0.02  # of a text for validation and for the test: its end only tells whether its loss still falls
_SHORT, _SHORT_SHARE = 50_000, 0.1  # of a text of fewer words
_ENDLESS, _MOST_ENDLESS = 60, 0.5  # characters of what is no word, and the share of a text that may be such
_OFTEN = ((1_000_000, 2), (100_000_000, 5))  # that a word must come, in texts of fewer words than these
_MOST_OFTEN = 10  # in longer ones


def load_words(
    source: Path | str | Sequence[Path | str],
    *,
    unit: str | None = None,
    vocabulary: int | None = None,
    min_count: int | None = None,
    columns: Mapping[str, str] | None = None,
    header: bool | None = None,
    valid: float | None = None,
    test: float | None = None,
    name: str | None = None,
    encoding: str | None = None,
    cache: Path | str | None = None,
) -> Dataset:
    """Read a text for word vectors: each split is one stream of word numbers, memory-mapped; letters are made small.

    The text is cut into training, validation and test, in this order, unless its files say which part they are. A line is a
    sentence, however long: no window of words reaches across its end. Of a table the columns of sentences are the text, or
    those that `columns` calls so.

    Args:
        source: a text file, several, a folder, "python", or tables with texts.
        unit: "words", "spaced words" or "characters"; what suits the text when None.
        vocabulary: at most so many words are known, the commonest.
        min_count: words seen less often are passed over; 2 in texts of less than a million words, 5 below 100 million, else 10,
            when None.
        columns: of tables: column name → "text" or "leave out".
        header: of tables: whether a csv has one; told from its rows when None.
        valid: share of the text; 0.02, and 0.1 of a short text, when None.
        test: likewise.
        name: what the Dataset is called.
        encoding: of the files, where it is known.
        cache: where the numbers are kept.

    Raises:
        SourceNotFoundError: a path leads nowhere.
        DataError: the text is empty, binary, has fewer than two words that come often enough, or is too short to be divided.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "rhyme.txt"
        >>> _ = path.write_text("Twinkle, twinkle, little star,\\nHow I wonder what you are!\\n" * 40)
        >>> load_words(path, cache=path.parent)
        Dataset('rhyme', task='words', 1 + 1 + 1 rows, inputs words of a text, 11 of them known)
    """
    paths, origin, called = found_texts(source)
    keep = cache_folder(cache) / "words"
    tables = tables_by_part(paths)
    if columns and not tables:
        raise ArgumentError("Only a table has columns", expected="a csv, parquet or Arrow file", got=called)
    notes, encoding_of_texts = list[str](), encoding
    if tables:
        chosen = repr((str(paths), columns, header, encoding))
        paths, encoding_of_texts = keep / f"{_hashed(chosen)}-texts", None
        notes += _written(tables, paths, columns, header, encoding)
    first = files_by_part(paths)["train"]
    sample = sample_of_text(first[0], encoding_of_texts)
    size = sum(path.stat().st_size for path in first)
    words = int(size / max(1.0, len(sample.encode()) / max(1, len(sample.split()))))
    usual = _SHARE if words > _SHORT else _SHORT_SHARE
    shares = {part: usual if share is None else share for part, share in (("valid", valid), ("test", test))}
    check_shares_of_text(shares)
    if not unit:
        unit, reason = _unit(sample, size)
        notes.append(f"The text is read by {unit}: {reason}.")
    if unit != CharacterTokenizer.kind:
        _check_spaces(sample)
    least = min_count or usual_min_count(words)
    if not min_count:
        notes.append(f"Words seen fewer than {least} times are passed over, as the text has about {_about(words)} words.")
    key = _hashed(repr((str(paths), unit, vocabulary, least, encoding, shares)))
    try:
        parts = read_token_parts(
            paths,
            keep / key,
            by=unit,
            lower=True,
            min_count=least,
            most=vocabulary,
            always=("\n",),  # in a text of few lines too no window reaches across the end of one
            encoding=encoding_of_texts,
            valid=shares["valid"],
            test=shares["test"],
        )
    except NoTokenError as error:
        raise _none_left(least) from error
    inputs = CorpusWords(parts.tokens.vocabulary, unit, lower=True)
    _check_known(inputs, least)
    digest = hashlib.sha256(f"{parts.digest} {unit} {vocabulary} {least}".encode()).hexdigest()
    options: dict[str, Any] = {"task": Neighbors.task, "unit": unit, "vocabulary": vocabulary, "min_count": least}
    return Dataset(
        name=name or called,
        train=one_stream(parts.train, "train"),
        valid=one_stream(parts.valid, "valid"),
        test=one_stream(parts.test, "test"),
        schema=Schema(inputs, Neighbors(len(inputs.vocabulary))),
        origin=Origin(
            origin, digest, options | {"columns": dict(columns or {}), "header": header, "encoding": encoding, **shares}
        ),
        notes=tuple(dict.fromkeys([*notes, *parts.notes])),
    )


def usual_min_count(words: int) -> int:
    """How often a word must come in a text to be known.

    Args:
        words: that the text has.

    Example:
        >>> usual_min_count(999_999), usual_min_count(1_000_000), usual_min_count(100_000_000)
        (2, 5, 10)
    """
    return next((often for fewer, often in _OFTEN if words < fewer), _MOST_OFTEN)


def _written(
    tables: Mapping[str, Sequence[Path]],
    folder: Path,
    columns: Mapping[str, str] | None,
    header: bool | None,
    encoding: str | None,
) -> list[str]:
    """Write the texts of tables to a folder of their own, in place of those of an earlier start."""
    with storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("texts.*.txt"):
            old.unlink(missing_ok=True)
    return write_texts(tables, folder, kinds=columns, header=header, encoding=encoding)


def _unit(sample: str, size: int) -> tuple[str, str]:
    """Words wherever there are such; what spaces divide where words and marks stand apart already."""
    if is_unspaced(sample):
        return CharacterTokenizer.kind, "its script puts no spaces between words"
    if suggested_unit(sample, size).unit == SpacedTokenizer.kind or "<unk>" in sample:
        return SpacedTokenizer.kind, "its words and marks stand apart already"
    return WordTokenizer.kind, "each word and each mark is one"


def _check_spaces(sample: str) -> None:
    """Refuse what has no words, but runs of characters without a space."""
    endless = sum(len(run) for run in sample.split() if len(run) >= _ENDLESS) / max(1, len(sample))
    if endless > _MOST_ENDLESS:
        raise DataError(
            "The text has no words to learn",
            expected="words with spaces between them",
            got=f"runs of {_ENDLESS} characters or more without a space, which make {100 * endless:.0f} % of its beginning",
            do="Learn its characters instead: --set data.unit=characters.",
        )


def _check_known(inputs: CorpusWords, least: int) -> None:
    if not inputs.known:
        raise _none_left(least)
    if len(inputs.known) < 2:
        raise DataError(
            "There is nothing to learn of words: a word is known by the words beside it",
            expected=f"at least two different words that come {least} times or more",
            got=repr(inputs.known[0]),
            do="Give a text, one sentence or paragraph a line.",
        )


def _none_left(least: int) -> DataError:
    return DataError(
        f"No word of the training text comes {least} times, so none is left to learn",
        do="Count rarer words (--set data.min_count=1), or give a longer text.",
    )


def _hashed(choices: str) -> str:
    """A short name for what was chosen."""
    return hashlib.sha256(choices.encode()).hexdigest()[:16]


def _about(number: int) -> str:
    return (
        f"{number / 1e6:,.1f} million"
        if number >= 1_000_000
        else f"{int(np.round(number, -3)):,}"
        if number >= 5000
        else f"{number:,}"
    )
