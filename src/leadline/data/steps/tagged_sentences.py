"""Sentences of which each word gets an answer: words as numbers, and unknown ones by what they look like."""

from __future__ import annotations

import re
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
from leadline.errors import ArgumentError, DataError
from leadline.text.reading_text import sample_of_text
from leadline.text.tokenizers import WordTokenizer
from leadline.text.vocabularies import PADDING, UNKNOWN, special_words

_MIN_COUNT = 2  # a word seen once is learned as one of its looks: so the network learns what to do with strangers
_FEWEST_ALIKE = 3  # rare words of one look that teach something
_CHARACTERS = 0.95  # of the tokens have one letter, where characters and not words are labelled
_CLITICS = re.compile(r"(?i)(n['\u2019]t|['\u2019](?:s|m|d|re|ve|ll))$")
_LOOKED_AT = 8  # words that tell whether a list is one sentence


@dataclass(frozen=True)
class Sentences:
    """Raw input is a sentence: a list of its words, or a text to be divided; stored as int32 [T], a number for each word.

    0 is padding, 1 an unknown word like no other. Capitals count: what is written large is a name more often than not. A word
    that training showed once, or never, has the number of its looks: first its kind (Xx, xx, XX, 00 …) with its last three
    letters, then with its last two, then alone. The first word of a sentence is also known by its small letters.

    Args:
        vocabulary: every word and look by its number; "" (padding) and "<unk>" come first.
        longest: words of the longest training sentence.
        unit: "words" or "characters": how a text is divided.
        column: of a table, the one that holds the words.

    Example:
        >>> rows = [["The", "cat", "sat"], ["the", "cat", "ran"], ["Tom", "ran"], ["Ann", "sat"], ["Eve", "sat"]]
        >>> words = Sentences.learn(rows)
        >>> words.vocabulary[words.encode(["Bob"])[0]], words.vocabulary[words.encode("Ran away!")[0]]
        ('<Xx>', 'ran')

    Source: looks of unknown words: Petrov et al. (2006), Learning accurate, compact, and interpretable tree annotation.
    """

    vocabulary: tuple[str, ...]
    longest: int
    unit: str = "words"
    column: str = ""
    kind: ClassVar[str] = "sentences"
    padding: ClassVar[int] = PADDING

    @classmethod
    def learn(
        cls, rows: Iterable[Sequence[str]], *, most: int | None = None, min_count: int = _MIN_COUNT, column: str = ""
    ) -> Sentences:
        """What the training sentences teach.

        Args:
            rows: the words of each.
            most: at most so many words are known, the commonest.
            min_count: words seen less often are known by their looks alone.
            column: of a table, that the words stood in.

        Errors: `DataError` where there is no word.
        """
        counts: Counter[str] = Counter()
        longest = 0
        for row in rows:
            counts.update(row)
            longest = max(longest, len(row))
        if not counts:
            raise DataError("The training sentences hold no words", expected="at least one word in each")
        specials = special_words(end=False)
        order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        known = [word for word, count in order if count >= min_count and word not in specials][:most]
        if not known:
            known = [word for word, _ in order if word not in specials][:most]
        kept = set(known)
        alike = Counter(look for word in counts if word not in kept for look in looks_of(word))
        looks = sorted(look for look, count in alike.items() if count >= _FEWEST_ALIKE and look not in kept)
        letters = sum(count for word, count in counts.items() if len(word) == 1)
        unit = "characters" if letters >= _CHARACTERS * counts.total() else "words"
        return cls((*specials, *known, *looks), longest, unit, column)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Sentences:
        return cls(**(fields | {"vocabulary": tuple(fields["vocabulary"])}))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the longest prepared input of the training: (T,); a network takes any number of words."""
        return (self.longest,)

    def describe(self) -> str:
        return f"sentences of up to {self.longest:,} {self.unit}, {len(self.vocabulary) - 2:,} different ones known"

    def tokens(self, raw: Any) -> list[str]:
        """The words of one sentence: as they are given, or as its text is divided.

        A text is divided at white space, then into words and marks, but what is known stays whole; where training divided
        don't into do and n't, so does this.

        Errors: `ArgumentError` for what is no sentence, or one without words.
        """
        if isinstance(raw, Path):
            raw = sample_of_text(raw)
        if isinstance(raw, str):
            words = self._divided(raw)
        elif isinstance(raw, (list, tuple, np.ndarray)) and all(isinstance(word, str) for word in raw):
            words = [str(word) for word in raw]
        else:
            raise ArgumentError("The network was trained on sentences", expected="a text, or its words", got=repr(raw)[:80])
        if not words:
            raise ArgumentError("The sentence has no words", expected=f"at least one of its {self.unit}", got=repr(raw)[:80])
        return words

    def encode(self, raw: Any) -> NDArray[np.int32]:
        """One sentence to the numbers of its words, int32 [T]."""
        return np.array([self._number(word, first=not at) for at, word in enumerate(self.tokens(raw))], np.int32)

    def encode_all(self, rows: Iterable[Any]) -> Ragged:
        """Each of several sentences, as `encode` does.

        Example:
            >>> Sentences(("", "<unk>", "cat"), 3).encode_all([["cat"], ["a", "cat"]]).padded(0)
            array([[2, 0],
                   [1, 2]], dtype=int32)
        """
        encoded = [self.encode(row) for row in rows]
        return Ragged.of(encoded) if encoded else Ragged(np.zeros(0, np.int32), np.zeros(1, np.int64))

    def is_one(self, raw: Any) -> bool:
        """Whether `raw` is one sentence rather than several: a text, or a list of words, none of which holds a space."""
        if isinstance(raw, (str, Path)):
            return True
        return isinstance(raw, (list, tuple)) and all(
            isinstance(each, str) and not re.search(r"\S\s+\S", each) for each in raw[:_LOOKED_AT]
        )

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        """A function from stored rows [B, T], padded with 0, on any device to network input int64 [B, T]."""

        def prepare(rows: Tensor) -> Tensor:
            return rows.to(device, torch.int64)

        return prepare

    def _number(self, word: str, *, first: bool) -> int:
        numbers = self._numbers
        if (known := numbers.get(word)) is not None:
            return known
        if first and (small := numbers.get(word.lower())) is not None:
            return small
        return next((numbers[look] for look in looks_of(word) if look in numbers), UNKNOWN)

    def _divided(self, text: str) -> list[str]:
        if self.unit == "characters":
            return [letter for letter in text if not letter.isspace()]
        words: list[str] = []
        for piece in text.split():
            if piece in self._numbers:
                words.append(piece)
                continue
            for word in WordTokenizer().split(piece):
                end = _CLITICS.search(word)
                if end and end.start() and word not in self._numbers and end.group().lower() in self._clitics:
                    words += [word[: end.start()], end.group()]
                else:
                    words.append(word)
        return words

    @cached_property
    def _clitics(self) -> frozenset[str]:
        return frozenset(word.lower() for word in self.vocabulary if _CLITICS.fullmatch(word))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.vocabulary) if number > UNKNOWN}


def looks_of(word: str) -> tuple[str, ...]:
    """What a word looks like, the closest description first: its kind with its last letters, then its kind alone.

    Args:
        word: any.

    Example:
        >>> looks_of("Walking"), looks_of("1,250"), looks_of("B-52"), looks_of("NATO")
        (('<Xx-ing>', '<Xx-ng>', '<Xx>'), ('<00>',), ('<X0>',), ('<XX-to>', '<XX>'))
    """
    letters = [letter for letter in word if letter.isalpha()]
    digits = any(letter.isdigit() for letter in word)
    if not letters:
        return ("<00>",) if digits else (f"<{word[0] if word else ''}>",)
    if digits:
        kind = "X0" if letters[0].isupper() else "x0"
    elif letters[0].isupper():
        kind = "XX" if len(letters) > 1 and all(letter.isupper() for letter in letters) else "Xx"
    else:
        kind = "xX" if any(letter.isupper() for letter in letters) else "xx"
    kind += "-" if "-" in word.strip("-") and kind in ("xx", "Xx") else ""
    small = word.lower()
    ends = [small[-count:] for count in (3, 2) if len(word) >= count + 2 and small[-count:].isalpha()]
    return (*(f"<{kind}-{end}>" for end in ends), f"<{kind}>") if not digits else (f"<{kind}>",)
