"""How good word vectors are: do their cosines rank pairs as people do, and do their differences say what is to what as what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError, DataError, SourceNotFoundError
from leadline.text.word_vectors import WordVectors

_AT_ONCE = 1024  # questions
COMMON = 30_000
"""The commonest words: an analogy is asked and its answer looked for among them."""


@dataclass(frozen=True)
class WordTest:
    """What word vectors made of a file of questions or pairs.

    Attributes:
        name: of the file.
        kind: "analogies" or "similarity".
        score: the share of right answers, or the rank correlation; None where nothing could be asked.
        asked: of how many pairs all words are known, or of how many questions all are among the 30,000 commonest.
        total: of the file.
        sections: of analogies: name → (right, asked).

    Example:
        >>> WordTest("simlex999.txt", "similarity", 0.31, 950, 999).to_json()["score"]
        0.31
    """

    name: str
    kind: str
    score: float | None
    asked: int
    total: int
    sections: dict[str, tuple[int, int]] | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        sections = {name: list(pair) for name, pair in self.sections.items()} if self.sections is not None else None
        return {**self.__dict__, "sections": sections}


def judge_words(vectors: WordVectors, path: Path | str) -> WordTest:
    """Ask word vectors what a file asks: analogies (four words a line) or similarities (two words and a number a line).

    An analogy a : b = c : ? is right where the word nearest to b − a + c is the fourth, those three left out, among the 30,000
    commonest words; a question with a rarer word is not asked. Similarities are judged by Spearman's rank correlation of the
    cosines with the numbers. What has a word that is not known is passed over. How many were asked is told.

    Args:
        vectors: to be tested.
        path: of the file, in columns divided by tabs, semicolons or commas, or by blanks. Lines that begin with # are passed
            over, and those with : name a section of analogies; the first line may name the columns. What else stands in the
            line of a pair, such as a part of speech before the number, does not count.

    Errors: `SourceNotFoundError` where there is no file; `DataError` for lines that are neither, with their number.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "pairs.tsv"
        >>> _ = path.write_text("cat dog 9\\ncat car 1\\ndog car 2")
        >>> round(judge_words(WordVectors(["cat", "dog", "car"], np.array([[1, 0], [1, 0.2], [0, 1]])), path).score, 3)
        1.0
    """
    rows = _rows(Path(path))
    if rows.widths == {3}:
        return _similarity(vectors, Path(path).name, rows)
    return _analogies(vectors, Path(path).name, rows)


def rank_correlation(one: Sequence[float] | NDArray[Any], other: Sequence[float] | NDArray[Any]) -> float:
    """Spearman's rank correlation ρ: the correlation of the ranks, equal values sharing the mean of theirs.

    Shapes: [N], [N] → a number in [−1, 1].

    Errors: `ArgumentError` for other shapes, fewer than two, or values that are all alike.

    Example:
        >>> rank_correlation([1, 2, 3, 4], [10, 30, 20, 90])
        0.8

    Source: Spearman (1904), The proof and measurement of association between two things.
    """
    a, b = (np.asarray(each, np.float64) for each in (one, other))
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise ArgumentError("These cannot be compared by rank", expected="two lists of as many numbers", got=(a.shape, b.shape))
    ranks = [_ranks(each) - (len(each) - 1) / 2 for each in (a, b)]
    spread = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    if not spread:
        raise ArgumentError("All values are alike, so they have no order", expected="different values")
    return float(ranks[0] @ ranks[1]) / spread


@dataclass(frozen=True)
class _Rows:
    fields: list[list[str]]
    sections: list[str]
    widths: set[int]


def _rows(path: Path) -> _Rows:
    if not path.is_file():
        raise SourceNotFoundError(f"There is no file {path} to test words by", do="Check the path.")
    fields: list[list[str]] = []
    sections: list[str] = []
    places: list[int | None] = []  # of the number in each line
    section, headed = "", False
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(":"):
            section = line[1:].strip()
            continue
        parts = _parts(line)
        place = next((at for at, part in enumerate(parts) if at > 1 and _numeric(part)), None)
        if not fields and not headed and place is None and len(parts) >= 3 and len(parts) != 4:
            headed = True
            continue  # the names of the columns
        if place is None and len(parts) != 4:
            raise DataError(
                f"Line {number} of {path} asks nothing about words",
                expected="two words and a number, or four words",
                got=repr(line[:60]),
            )
        fields.append(parts if place is None else [*parts[:2], parts[place]])
        sections.append(section)
        places.append(place)
    first, second = [*places, None, None][:2]
    if second is not None and (first is None or first > second):  # the names of columns: four, or some that are numbers
        fields, sections = fields[1:], sections[1:]
    widths = {len(row) for row in fields}
    if len(widths) != 1:
        what = "pairs and questions mixed" if fields else "no line that asks something"
        raise DataError(
            f"{path} cannot be used to test words", expected="pairs with a number each, or four words a line", got=what
        )
    return _Rows(fields, sections, widths)


def _parts(line: str) -> list[str]:
    """The columns of a line, by what divides them: a name such as "Word 1" is one where there are tabs or commas."""
    divider = next((each for each in "\t;," if each in line), None)
    parts = [part.strip() for part in line.split(divider)]
    if len(parts) < 3:
        parts = line.replace(divider, " ").split() if divider else parts
    return [part for part in parts if part]


def _similarity(vectors: WordVectors, name: str, rows: _Rows) -> WordTest:
    known = [(one, other, float(score)) for one, other, score in rows.fields if one in vectors and other in vectors]
    numbers = np.array([[vectors.number(one), vectors.number(other)] for one, other, _ in known], np.int64).reshape(-1, 2)
    cosines = np.einsum("nd,nd->n", vectors.directions[numbers[:, 0]], vectors.directions[numbers[:, 1]])
    told = [score for *_, score in known]
    several = len(known) > 1 and len(set(told)) > 1 and len(set(cosines.tolist())) > 1
    return WordTest(name, "similarity", rank_correlation(cosines, told) if several else None, len(known), len(rows.fields))


def _analogies(vectors: WordVectors, name: str, rows: _Rows) -> WordTest:
    common = vectors.directions[:COMMON]
    asked = [at for at, row in enumerate(rows.fields) if all(word in vectors and vectors.number(word) < COMMON for word in row)]
    numbers = np.array([[vectors.number(word) for word in rows.fields[at]] for at in asked], np.int64).reshape(-1, 4)
    right = np.zeros(len(asked), bool)
    for start in range(0, len(asked), _AT_ONCE):
        a, b, c, d = numbers[start : start + _AT_ONCE].T
        cosines = (common[b] - common[a] + common[c]) @ common.T
        places = np.arange(len(a))
        for given in (a, b, c):
            cosines[places, given] = -np.inf
        right[start : start + _AT_ONCE] = cosines.argmax(axis=1) == d
    sections: dict[str, tuple[int, int]] = dict.fromkeys(rows.sections, (0, 0))
    for at, is_right in zip(asked, right.tolist(), strict=True):
        done = sections[rows.sections[at]]
        sections[rows.sections[at]] = (done[0] + is_right, done[1] + 1)
    return WordTest(name, "analogies", float(right.mean()) if asked else None, len(asked), len(rows.fields), sections)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The place of each value in rising order; equal ones share the mean of their places."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[inverse])


def _numeric(text: str) -> bool:
    try:
        return math.isfinite(float(text))  # "nan" and "inf" are words
    except ValueError:
        return False
