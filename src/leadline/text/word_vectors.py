"""Word vectors: words by number, and what is near to what."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError

_LOOKED_AT = 50_000  # words among which one that is spelled alike is looked for


class NearWord(NamedTuple):
    """A word and the cosine of the angle between its vector and what was asked for.

    Example:
        >>> NearWord("queen", 0.7).word
        'queen'
    """

    word: str
    cosine: float


class WordVectors:
    """Words, the commonest first where that is known, with a vector for each.

    Shapes: vectors [V, D].

    Args:
        words: V different ones.
        vectors: float32.

    Errors: `ArgumentError` where words and vectors do not fit each other, or a word comes twice.

    Example:
        >>> vectors = WordVectors(["king", "man", "woman", "queen"], np.array([[2, 1], [1, 0], [0, 1], [1, 2.0]]))
        >>> vectors.analogy("man", "king", "woman", top=1)[0].word
        'queen'
        >>> vectors.most_similar("king", top=1)
        [NearWord(word='man', cosine=0.894...)]
    """

    def __init__(self, words: Sequence[str], vectors: NDArray[np.floating]) -> None:
        self.words, self.vectors = tuple(words), np.ascontiguousarray(vectors, np.float32)
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.words) or not self.vectors.shape[1]:
            raise ArgumentError("Words and vectors do not fit", expected=f"[{len(self.words)}, D]", got=list(np.shape(vectors)))
        self.numbers = {word: number for number, word in enumerate(self.words)}
        if len(self.numbers) < len(self.words):
            twice = next(word for number, word in enumerate(self.words) if self.numbers[word] != number)
            raise ArgumentError("A word is there twice", got=repr(twice))

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self._number(word) is not None

    def __getitem__(self, word: str) -> NDArray[np.float32]:
        """The vector of a word, float32 [D]; in small letters where it is known only so."""
        vector: NDArray[np.float32] = self.vectors[self.number(word)]
        return vector

    def __repr__(self) -> str:
        return f"WordVectors({len(self):,} words, {self.width} numbers each)"

    @property
    def width(self) -> int:
        """D."""
        return int(self.vectors.shape[1])

    @cached_property
    def directions(self) -> NDArray[np.float32]:
        """The vectors with a length of 1, [V, D]; those of length 0 stay."""
        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        return np.asarray(self.vectors / np.where(lengths > 0, lengths, 1), np.float32)

    def number(self, word: str) -> int:
        """The number of a word.

        Errors: `ArgumentError` for one that is not known, with the nearest by spelling.
        """
        if (found := self._number(word)) is not None:
            return found
        close = difflib.get_close_matches(word.lower(), self._like(word), n=3, cutoff=0.6)
        raise ArgumentError(
            f"The word {word!r} is not known",
            expected=f"one of {len(self):,} words",
            do="Spelled alike: " + ", ".join(close) + "." if close else "It may be too rare in the text that was learned from.",
        )

    def similarity(self, one: str, other: str) -> float:
        """The cosine of the angle between the vectors of two words."""
        return float(self.directions[self.number(one)] @ self.directions[self.number(other)])

    def most_similar(
        self, positive: str | Iterable[str], negative: str | Iterable[str] = (), *, top: int = 10
    ) -> list[NearWord]:
        """The words nearest to the mean of some words' directions, less those of others; the words themselves are left out.

        Args:
            positive: a word, or several.
            negative: whose directions are taken away.
            top: how many.

        Errors: `ArgumentError` for words that are not known, or none.
        """
        added, taken = ([each] if isinstance(each, str) else list(each) for each in (positive, negative))
        if (not added and not taken) or top < 1:
            raise ArgumentError("There is no word to look beside", expected="at least one word and top ≥ 1", got=(added, top))
        rows = [self.number(word) for word in (*added, *taken)]
        signs = np.array([1.0] * len(added) + [-1.0] * len(taken), np.float32)
        return self._nearest(signs @ self.directions[rows], rows, top)

    def analogy(self, first: str, second: str, third: str, *, top: int = 10) -> list[NearWord]:
        """What is to `third` as `second` is to `first`: the words nearest to second − first + third.

        Example:
            >>> vectors = WordVectors(["rome", "italy", "oslo", "norway"], np.array([[1, 0], [1, 1], [3, 0], [3, 2.0]]))
            >>> vectors.analogy("rome", "italy", "oslo")[0].word
            'norway'
        """
        return self.most_similar([second, third], [first], top=top)

    def _nearest(self, wanted: NDArray[np.float32], without: Sequence[int], top: int) -> list[NearWord]:
        length = float(np.linalg.norm(wanted))
        cosines = self.directions @ (wanted / (length or 1))
        cosines[list(without)] = -np.inf
        top = min(top, len(self) - len(set(without)))
        found = np.argpartition(-cosines, top - 1)[:top] if top else np.zeros(0, np.int64)
        order = found[np.lexsort((found, -cosines[found]))]
        return [NearWord(self.words[row], float(cosines[row])) for row in order.tolist()]

    def _number(self, word: str) -> int | None:
        found = self.numbers.get(word)
        return self.numbers.get(word.lower()) if found is None else found

    def _like(self, word: str) -> list[str]:
        return [other for other in self.words[:_LOOKED_AT] if abs(len(other) - len(word)) <= 3]
