"""Writing ARPA files, the form in which n-gram models are exchanged, for KenLM, SRILM and others to read."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from leadline import files
from leadline.errors import ArgumentError
from leadline.language.ngrams.ngram_models import NGramModel
from leadline.text.vocabularies import Vocabulary

BEGIN_MARK, END_MARK = "<s>", "</s>"
NEVER = -99.0
"""What stands for the logarithm of 0 in an ARPA file."""
_MARKS = (BEGIN_MARK, END_MARK, "<UNK>")  # KenLM takes the last for the unknown word as well
_LINES = 1 << 16  # at a time
_LOG_10 = math.log(10.0)


def write_arpa(model: NGramModel, vocabulary: Vocabulary, path: Path | str) -> None:
    """Write a model as an ARPA file, with logarithms to base 10; a name that ends in .gz is compressed.

    The boundary is `<s>` at the beginning of an n-gram and `</s>` at its end. Spaces and the like within a word are written as
    `<U+0020>`, and so is the first sign of words that look like this or like these marks. Where a text has no boundaries both
    marks have the probability 0.

    Args:
        model: that backs off: the form has no room for add-k of more than one word.
        vocabulary: of the model.
        path: of the file.

    Errors: `ArgumentError` for a model that the form cannot hold, or a vocabulary of another length.

    Example:
        >>> import tempfile
        >>> from leadline.language.ngrams.ngram_training import fit_ngrams
        >>> vocabulary = Vocabulary.from_counts({"\\n": 4, "a": 3, "b": 1})
        >>> ids = vocabulary.encode(["a", "b", "\\n", "a", "\\n"])
        >>> path = Path(tempfile.mkdtemp()) / "small.arpa"
        >>> write_arpa(fit_ngrams(ids, len(vocabulary), order=2, boundary=2).model, vocabulary, path)
        >>> path.read_text().splitlines()[1:3]
        ['ngram 1=5', 'ngram 2=4']

    Source: Doug Paul's format, as in SRILM's ngram-format(5).
    """
    path = Path(path)
    if len(vocabulary) != model.vocabulary:
        raise ArgumentError(
            "The vocabulary is not that of the model", expected=f"{model.vocabulary:,} words", got=f"{len(vocabulary):,}"
        )
    if not model.backs_off and model.order > 1:
        raise ArgumentError(
            "An ARPA file cannot hold a model that was smoothed by add-k, which does not back off",
            expected="Kneser–Ney or Katz",
            do="Train with another smoothing, for instance model.smoothing=modified_kneser_ney.",
        )
    marks = 1 if model.boundary is not None else 2  # words of the file that have no number of their own
    with files.writing(path) as plain:
        file: IO[bytes] = gzip.GzipFile(path.name, "wb", fileobj=plain, mtime=0) if path.suffix == ".gz" else plain  # type: ignore[assignment]
        sizes = [model.vocabulary - 1 + marks, *(len(level.codes) for level in model.levels[1:])]
        counts = "".join(f"ngram {length}={size}\n" for length, size in enumerate(sizes, 1))
        file.write(f"\\data\\\n{counts}".encode())
        for length in range(1, model.order + 1):
            file.write(f"\n\\{length}-grams:\n".encode())
            for lines in _lines(model, vocabulary, length):
                file.write(lines.encode())
        file.write(b"\n\\end\\\n")
        if file is not plain:
            file.close()


def _lines(model: NGramModel, vocabulary: Vocabulary, length: int) -> Iterator[str]:
    """The lines of the n-grams of one length, many at a time."""
    names = [_spelled(word) for word in vocabulary.words]
    first, last = list(names), list(names)
    if model.boundary is not None:
        first[model.boundary], last[model.boundary] = BEGIN_MARK, END_MARK
    level, longest = model.levels[length - 1], length == model.order
    if length == 1:
        log_p, back_off = _decimal(level.log_p), _decimal(level.back_off)
        lines = []
        for word in range(1, model.vocabulary):
            # The boundary is two words: its end is foretold and continued by nothing, its beginning the other way round.
            weight = "" if longest else "\t0" if word == model.boundary else f"\t{back_off[word]:.7g}"
            lines.append(f"{log_p[word]:.7g}\t{last[word]}{weight}\n")
        if model.boundary is None:
            lines += [f"{NEVER:g}\t{mark}\n" for mark in (BEGIN_MARK, END_MARK)]
        else:
            weight = "" if longest else f"\t{back_off[model.boundary]:.7g}"
            lines.append(f"{NEVER:g}\t{BEGIN_MARK}{weight}\n")
        yield "".join(lines)
        return
    for start in range(0, len(level.codes), _LINES):
        part = slice(start, start + _LINES)
        columns = _columns(model, length, np.asarray(level.codes[part]))
        spellings = [first, *[names] * (length - 2), last]
        texts = [[spelling[word] for word in column.tolist()] for spelling, column in zip(spellings, columns, strict=True)]
        words = map(" ".join, zip(*texts, strict=True))
        numbers = _decimal(level.log_p[part]).tolist()
        if longest:
            yield "".join(f"{p:.7g}\t{text}\n" for p, text in zip(numbers, words, strict=True))
        else:
            weights = _decimal(level.back_off[part]).tolist()
            yield "".join(f"{p:.7g}\t{text}\t{b:.7g}\n" for p, text, b in zip(numbers, words, weights, strict=True))


def _columns(model: NGramModel, length: int, codes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The words of some n-grams, place by place."""
    columns = []
    for level in range(length - 1, 0, -1):
        places, words = np.divmod(codes, model.vocabulary)
        columns.append(words)
        codes = model.levels[level - 1].codes[places]
    return [codes, *columns[::-1]]


def _decimal(log_p: NDArray[Any]) -> NDArray[np.float64]:
    return np.maximum(np.asarray(log_p, np.float64) / _LOG_10, NEVER)


def _spelled(word: str) -> str:
    """A word without what divides words in the file, and unlike what means something else there."""
    if word in _MARKS:
        return _code(word[0]) + word[1:]
    word = word.replace("<U+", _code("<") + "U+")
    return "".join(_code(letter) if letter in " \t\n\r\v\f" else letter for letter in word)


def _code(letter: str) -> str:
    return f"<U+{ord(letter):04X}>"
