"""Texts: sentences and documents as the numbers of their words or characters, by what the training split taught."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.ragged import Ragged
from leadline.errors import ArgumentError, DataError, unknown
from leadline.text.reading_text import sample_of_text
from leadline.text.tokenizers import CharacterTokenizer, WordTokenizer, is_unspaced
from leadline.text.vocabularies import UNKNOWN, special_words

UNITS = ("words", "characters")
LONGEST = 512  # tokens of a text that are kept at most; what a text is about shows before
_KEPT = 0.95  # of the training texts are not cut
_FEW_WORDS = 2.0  # on average, and most of them seen once: names, where the letters tell, not the words
_CHARACTERS = 8  # of a text that are looked at for each token kept: a book need not be divided to its end
_MIN_COUNT = 2  # a word seen once teaches nothing but how unknown words behave
MOST = 30_000  # words that are known


@dataclass(frozen=True)
class Texts:
    """Raw input is a text; stored as int32 [T], the number of each of its words (or characters); the network sees int64 [B, T].

    0 is padding behind the end of a text, 1 any word that training did not show often enough. A text has at least one number,
    and at most `longest`: longer ones keep their beginning.

    Args:
        vocabulary: every word by its number; "" (padding) and "<unk>" come first.
        longest: how many words of a text are kept.
        unit: "words" (punctuation marks are words) or "characters".
        lower: whether all letters are made lower case.
        column: of a table, the one that holds the texts.
        targets: of a table, the columns that are learned.
        header: of a table, whether its columns have names; else they are column 1, column 2, …

    Example:
        >>> texts = Texts.learn(["Good, very good!", "Not good!"], min_count=1)
        >>> texts.encode("A good one!"), texts.shape
        (array([1, 2, 1, 3], dtype=int32), (5,))
    """

    vocabulary: tuple[str, ...]
    longest: int
    unit: str = "words"
    lower: bool = True
    column: str | None = None
    targets: tuple[str, ...] = ()
    header: bool = True
    kind: ClassVar[str] = "texts"
    padding: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            unknown("unit of text", str(self.unit), UNITS)
        if self.longest < 1:
            raise ArgumentError("Nothing would be kept of a text", expected="longest ≥ 1", got=self.longest)
        if self.vocabulary[:2] != special_words(end=False):
            raise ArgumentError("The vocabulary does not begin as it should", expected="'', '<unk>'", got=self.vocabulary[:2])

    @classmethod
    def learn(
        cls,
        texts: Sequence[str],
        *,
        unit: str | None = None,
        lower: bool | None = None,
        min_count: int = _MIN_COUNT,
        most: int = MOST,
        longest: int | None = None,
    ) -> Texts:
        """What the training texts teach: their words, and how long they are.

        Args:
            texts: of the training rows alone.
            unit: "words" or "characters"; characters where the texts are names or single words, or where their script puts no
                spaces between words, when None.
            lower: whether all letters are made lower case; so with words, not so with characters, when None.
            min_count: words seen less often are not known (where that leaves any).
            most: the commonest so many are known.
            longest: words of a text that are kept; those of 95 % of the texts, and 512 at most, when None.

        Errors: `DataError` where nothing stands in any text; `ArgumentError` for bounds below 1.
        """
        if min_count < 1 or most < 1:
            raise ArgumentError("The bounds of the vocabulary are too small", expected="min_count ≥ 1 and most ≥ 1")
        if unit is None:
            unit = _told_unit(texts)
        draft = cls(special_words(end=False), longest or LONGEST, unit, unit == "words" if lower is None else lower)
        counts: Counter[str] = Counter()
        lengths = np.zeros(len(texts), np.int64)
        for row, text in enumerate(texts):
            tokens = draft.tokens(text)
            counts.update(tokens)
            lengths[row] = len(tokens)
        if not counts:
            raise DataError(
                "Not one of the texts has a word in it", expected="texts to learn from", got=f"{len(texts):,} empty ones"
            )
        order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        known = [word for word, count in order if count >= min_count] or [word for word, _ in order]
        if longest is None:
            longest = max(1, math.ceil(float(np.quantile(lengths[lengths > 0], _KEPT))))
        words = (*special_words(end=False), *(word for word in known[:most] if word != special_words(end=False)[UNKNOWN]))
        return cls(words, longest, draft.unit, draft.lower)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Texts:
        lists = {name: tuple(fields[name]) for name in ("vocabulary", "targets")}
        return cls(**(fields | lists))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the longest prepared input: (T,)."""
        return (self.longest,)

    def describe(self) -> str:
        return f"texts of up to {self.longest:,} {self.unit}, {len(self.vocabulary):,} different"

    def tokens(self, raw: Any) -> list[str]:
        """The words (or characters) of one text that the network is given, as they stand there; those not known, too.

        Errors: `ArgumentError` for what is no text.

        Example:
            >>> Texts(("", "<unk>", "good"), longest=3).tokens("Good, but not for long")
            ['good', ',', 'but']
        """
        text = _text_of(raw)
        window = self.longest * _CHARACTERS
        while True:
            # A cut through a tag such as <br /> makes three tokens of it; all before are what the whole text gives.
            tokens = self._tokenizer.split(text[:window])
            if window >= len(text) or len(tokens) >= self.longest + 3:
                return tokens[: self.longest]
            window *= 4

    def encode(self, raw: Any) -> NDArray[np.int32]:
        """One text (or the path of a text file) to int32 [T], T from 1 to `longest`; an empty one becomes one unknown word.

        Errors: `ArgumentError` for what is no text.
        """
        tokens = self.tokens(raw)
        numbers = self._numbers
        return np.array([numbers.get(token, UNKNOWN) for token in tokens] or [UNKNOWN], np.int32)

    def encode_all(self, texts: Iterable[Any]) -> Ragged:
        """Each of several texts, as `encode` does.

        Errors: `ArgumentError` where there is none, or one is no text.

        Example:
            >>> Texts(("", "<unk>", "good"), longest=3).encode_all(["good", "", "so good"]).padded(0)
            array([[2, 0],
                   [1, 0],
                   [1, 2]], dtype=int32)
        """
        return Ragged.of([self.encode(text) for text in texts])

    def decode(self, numbers: NDArray[Any]) -> str:
        """The text that some numbers stand for, padding left out, unknown words as <unk>."""
        return self._tokenizer.join(self.vocabulary[number] for number in np.asarray(numbers).tolist() if number)

    def is_one(self, raw: Any) -> bool:
        """Whether `raw` is one input rather than several."""
        return isinstance(raw, (str, Path, bytes))

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        """A function from stored rows [B, T], padded with 0, on any device to network input int64 [B, T]."""

        def prepare(rows: Tensor) -> Tensor:
            return rows.to(device, torch.int64)

        return prepare

    @cached_property
    def _tokenizer(self) -> WordTokenizer | CharacterTokenizer:
        return WordTokenizer(lower=self.lower) if self.unit == "words" else CharacterTokenizer(lower=self.lower)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.vocabulary)}


def _text_of(raw: Any) -> str:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bytes):
        return raw.decode(errors="replace")
    if isinstance(raw, Path):
        return sample_of_text(raw)
    raise ArgumentError("The network was trained on texts", expected="a text", got=repr(raw)[:80])


def _told_unit(texts: Sequence[str]) -> str:
    sample = texts[:: max(1, len(texts) // 2_000)]
    if is_unspaced(" ".join(text[:1_000] for text in sample)):
        return "characters"
    split = WordTokenizer(lower=True).split
    rows = [[word for word in split(text[:1_000]) if word[0].isalnum()] for text in sample]
    counts = Counter(word for row in rows for word in row)
    words = counts.total()
    once = sum(count == 1 for count in counts.values())
    return "characters" if words and words <= _FEW_WORDS * len(rows) and 2 * once > len(counts) else "words"
