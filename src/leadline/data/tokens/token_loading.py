"""From a text to a Dataset for a language model, and to the tokens of another text for a Schema that exists."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.caching import cache_folder
from leadline.data.dataset import Dataset, Origin, Split
from leadline.data.pictures.folders import pictures_below
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.series.series_sources import series_files
from leadline.data.sources import SEPARATOR, nowhere
from leadline.data.tables.table_files import is_table
from leadline.data.texts.text_listing import has_text_classes
from leadline.data.tokens.token_sources import files_by_part, python_sources, read_token_parts
from leadline.data.tokens.token_streams import parts_said
from leadline.data.tokens.tokens import NextByCounts, NextToken, Tokens
from leadline.errors import ArgumentError, DataError, LeadlineError
from leadline.text.reading_text import sample_of_text
from leadline.text.token_files import write_tokens
from leadline.text.tokenizers import CharacterTokenizer
from leadline.text.units import suggested_unit
from leadline.text.vocabularies import UNKNOWN

PYTHON = "python"
"""The name of the source text of Python's own standard library."""
_TEXTS = frozenset({".txt", ".text", ".md", ".rst", ".tokens", ".raw"})
_MOST_WORDS = 50_000  # that are known, where the text was not prepared: the last layer costs as much as it has words
_SHARE = 0.05  # of a text for validation and for the test: less than of rows, as it is long and its end is not drawn by lot
_STRANGE = 0.001  # share of unknown tokens from which a person hears of it


def is_token_source(source: Any) -> bool:
    """Whether a source is a text to be learned as such: "python", a text file, or a folder of files such as ptb.train.txt.

    Args:
        source: as `load` takes it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "rhyme.txt"
        >>> _ = path.write_text("Twinkle, twinkle, little star")
        >>> is_token_source("python"), is_token_source(path), is_token_source("digits")
        (True, True, False)
    """
    if not isinstance(source, (str, Path)) or SEPARATOR in str(source):
        return False
    if str(source) == PYTHON:
        return True
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return _has_parts(path) and not series_files(path) and not has_text_classes(path)
        return path.suffix.lower() in _TEXTS and path.is_file() and not series_files(path)
    except (LeadlineError, OSError):
        return False


def _has_parts(folder: Path) -> bool:
    """Whether a text file of the folder says that it is the training part, and nothing but texts lies there."""
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    texts = [path for path in files if path.suffix.lower() in _TEXTS]
    return (
        any("train" in parts_said(path) for path in texts)
        and not any(map(is_table, files))
        and not any(True for _ in pictures_below(folder))
    )


def load_tokens(
    source: Path | str | Sequence[Path | str],
    *,
    by_counts: bool = False,
    unit: str | None = None,
    vocabulary: int | None = None,
    valid: float = _SHARE,
    test: float = _SHARE,
    name: str | None = None,
    encoding: str | None = None,
    cache: Path | str | None = None,
) -> Dataset:
    """Read a text for a language model: each split is one stream of token numbers, memory-mapped.

    The text is cut into training, validation and test, in this order, unless its files say which part they are.

    Args:
        source: a text file, several, a folder, or "python".
        by_counts: whether counts of n-grams are to foretell it, which is the task "ngram" in place of "tokens".
        unit: "characters", "words" or "spaced words"; what suits the text when None.
        vocabulary: at most so many tokens are known; None for 50,000 words, or all that a prepared text or characters have.
        valid: share of the text.
        test: likewise.
        name: what the Dataset is called.
        encoding: of the files, where it is known.
        cache: where the numbers are kept.

    Raises:
        SourceNotFoundError: a path leads nowhere.
        DataError: the text is empty, binary, or too short to be divided.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "rhyme.txt"
        >>> _ = path.write_text("Twinkle, twinkle, little star, how I wonder what you are!\\n" * 40)
        >>> load_tokens(path, unit="characters", cache=path.parent)
        Dataset('rhyme', task='tokens', 1 + 1 + 1 rows, inputs characters of a text, 21 of them known)
    """
    paths, origin, called = found_texts(source)
    shares = {"valid": valid, "test": test}
    check_shares_of_text(shares)
    first = files_by_part(paths)["train"]
    sample, notes = sample_of_text(first[0], encoding), []
    chosen = unit
    if not chosen:
        chosen, reason = suggested_unit(sample, sum(path.stat().st_size for path in first))
        notes.append(f"The text is read by {chosen}: {reason}.")
    prepared = "<unk>" in sample or chosen == CharacterTokenizer.kind
    most = vocabulary or (None if prepared else _MOST_WORDS)
    # Words that come once teach what to expect of those that never came; a prepared text has a word for these.
    parts = read_token_parts(
        paths,
        _kept(paths, cache, chosen, prepared, most, tuple(shares.values())),
        by=chosen,
        min_count=1 if prepared else 2,
        most=most,
        encoding=encoding,
        valid=shares["valid"],
        test=shares["test"],
    )
    made = {part: one_stream(getattr(parts, part), part) for part in ("train", "valid", "test")}
    digest = hashlib.sha256(f"{parts.digest} {chosen} {most} {prepared}".encode()).hexdigest()
    answers = (NextByCounts if by_counts else NextToken)(parts.tokens.vocabulary.words)
    options: dict[str, Any] = {"task": answers.task, "unit": chosen, "vocabulary": vocabulary, "encoding": encoding, **shares}
    return Dataset(
        name=name or called,
        train=made["train"],
        valid=made["valid"],
        test=made["test"],
        schema=Schema(parts.tokens, answers),
        origin=Origin(origin, digest, options),
        notes=tuple(dict.fromkeys([*notes, *parts.notes])),
    )


def read_tokens(
    source: Any,
    schema: Schema,
    *,
    part: str | None = None,
    encoding: str | None = None,
    cache: Path | str | None = None,
) -> Split:
    """The tokens of another text, for a Schema that exists: of its test part where its files say which that is, else all.

    Raises:
        DataError: the part is not there, or the text has nothing to foretell.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "rhyme.txt"
        >>> _ = path.write_text("Twinkle, twinkle, little star\\n" * 40)
        >>> schema = load_tokens(path, unit="characters", cache=path.parent).schema
        >>> stream_of(read_tokens(path, schema, cache=path.parent)).shape
        (1200,)
    """
    inputs = schema.inputs
    assert isinstance(inputs, Tokens)
    paths, _, _ = found_texts(source)
    files = files_by_part(paths)
    chosen = part or ("test" if "test" in files else "train")
    if chosen not in files:
        raise ArgumentError(f"The text has no part {chosen!r}", expected="one of " + ", ".join(files))
    keep = _kept(files[chosen], cache, inputs.by, inputs.vocabulary.words)
    written = write_tokens(files[chosen], keep / "read.npy", inputs.tokenizer, vocabulary=inputs.vocabulary, encoding=encoding)
    if len(written) < 2:
        raise DataError("The text is too short to foretell anything in it", expected="at least 2 tokens", got=len(written))
    notes = list(written.notes)
    strange = float((written.numbers == UNKNOWN).mean())
    if strange >= _STRANGE:
        notes.append(f"{100 * strange:.1f} % of its {inputs.unit} are not known: to foretell “unknown” counts as right there.")
    split = one_stream(written.numbers, chosen)
    return Split(split.inputs, split.targets, split.ids, tuple(notes))


def stream_of(split: Split) -> NDArray[Any]:
    """The token numbers of a split, in their order [N].

    Example:
        >>> stream_of(Split(Ragged.of([np.array([3, 2, 5])]), np.zeros(1), ["train"]))
        array([3, 2, 5])
    """
    assert isinstance(split.inputs, Ragged)
    return split.inputs.values


def one_stream(ids: NDArray[Any], name: str) -> Split:
    """A whole stream as one row; what is to be foretold is in it, so the targets are nothing."""
    return Split(Ragged(ids, np.array([0, len(ids)])), np.zeros(1, np.int64), [name])


def found_texts(source: Any) -> tuple[Path | list[Path], str, str]:
    """Where the text lies, what Origin calls it, and its name."""
    if isinstance(source, (str, Path)) and str(source) == PYTHON:
        return list(python_sources()), PYTHON, PYTHON
    given = str(source).split(SEPARATOR) if isinstance(source, (str, Path)) else source
    if not isinstance(given, (list, tuple)) or not all(isinstance(each, (str, Path)) for each in given):
        raise ArgumentError(
            "Language models and word vectors are learned from text files", expected="paths", got=type(source).__name__
        )
    paths = [Path(each).expanduser().absolute() for each in given]
    for each, path in zip(given, paths, strict=True):
        if not path.exists():
            raise nowhere(each, path)
    if not paths:
        raise ArgumentError("There is no text", expected="at least one file")
    called = paths[0].name if paths[0].is_dir() else paths[0].name.split(".")[0] or paths[0].stem
    return paths[0] if len(paths) == 1 else paths, SEPARATOR.join(map(str, paths)), called


def check_shares_of_text(shares: Mapping[str, float]) -> None:
    """Raise unless each is above 0 and below 1.

    Args:
        shares: by the part that they are of.

    Errors: `ArgumentError`.
    """
    for part, share in shares.items():
        if not 0 < share < 1:
            raise ArgumentError(f"The {part} part of a text is a share of it", expected="above 0 and below 1", got=share)


def _kept(paths: Path | list[Path], cache: Path | str | None, *choices: object) -> Path:
    """The folder that the numbers of these files, read in this way, go to."""
    key = hashlib.sha256(repr((str(paths), choices)).encode()).hexdigest()[:16]
    return cache_folder(cache) / "tokens" / key
