"""Vocabulary: the tokens that have a number, commonest first, and how often each was seen."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError, NoTokenError
from leadline.text.tokenizers import UNKNOWN_WORD

PADDING, UNKNOWN, END = 0, 1, 2
END_WORD = "<end>"
_CODES = 0x110000  # how many characters Unicode has room for
_MOST_HELD = 5_000_000  # different tokens that are counted at a time: about 0.7 GB
_HELD_EACH = 64  # characters of each


@dataclass(frozen=True)
class Vocabulary:
    """Tokens and their numbers: 0 is padding, 1 any token that is not known, and 2 the end of a text, where that has a mark.

    The others follow by falling frequency, equally frequent ones by alphabet, so that the same counts give the same numbers.

    Args:
        words: every token by its number; the first is "" (padding), the second "<unk>".
        counts: how often each was seen in what the vocabulary was made from; that of "<unk>" is of all that were left out.
        end: whether number 2 is the mark "<end>".

    Errors: `ArgumentError` for words or counts that do not begin so, or a word that comes twice.

    Example:
        >>> vocabulary = Vocabulary.from_counts({"to": 2, "be": 2, "or": 1, "not": 1}, min_count=2)
        >>> vocabulary.words, vocabulary.counts
        (('', '<unk>', 'be', 'to'), (0, 2, 2, 2))
        >>> vocabulary.encode(["to", "be", "or", "not"]), vocabulary.decode([3, 2, 1, 0])
        (array([3, 2, 1, 1], dtype=int32), ['to', 'be', '<unk>'])
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    end: bool = False

    def __post_init__(self) -> None:
        first = special_words(end=self.end)
        if self.words[: len(first)] != first:
            raise ArgumentError("The vocabulary does not begin as it should", expected=first, got=self.words[:3])
        if len(self.counts) != len(self.words):
            expected = f"{len(self.words):,}, one for each word"
            raise ArgumentError("The counts do not fit the words", expected=expected, got=f"{len(self.counts):,}")
        if len(self.numbers) != len(self.words):
            twice = next(word for place, word in enumerate(self.words) if self.numbers[word] != place)
            raise ArgumentError("A word is in the vocabulary twice", got=repr(twice))

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[str, int],
        *,
        min_count: int = 1,
        most: int | None = None,
        end: bool = False,
        always: Collection[str] = (),
    ) -> Vocabulary:
        """The tokens that were seen often enough.

        Args:
            counts: token → how often it was seen.
            min_count: tokens seen less often are not known.
            most: at most so many tokens are known, the commonest; None for no bound.
            end: whether the end of a text has a number.
            always: tokens that are known however seldom they were seen, and do not count among `most`.

        Errors: `ArgumentError` for bounds below 1; `NoTokenError` where no token is left.

        Example:
            >>> Vocabulary.from_counts({"a": 3, "b": 3, "c": 5}, most=2).words
            ('', '<unk>', 'c', 'a')
        """
        if min_count < 1 or (most is not None and most < 1):
            raise ArgumentError("The bounds of the vocabulary are too small", expected="min_count ≥ 1 and most ≥ 1")
        first = special_words(end=end)
        apart = {*first, *always}
        kept = [(word, count) for word, count in counts.items() if count >= min_count and word not in apart]
        kept = heapq.nsmallest(len(kept) if most is None else most, kept, key=lambda item: (-item[1], item[0]))
        if not kept:
            seen = f"{len(counts):,} different tokens, the commonest {max(counts.values(), default=0):,} times"
            raise NoTokenError(
                "No token is left for the vocabulary", expected=f"tokens seen at least {min_count} times", got=seen
            )
        more = [(word, counts[word]) for word in always if counts.get(word)]
        kept = sorted(kept + more, key=lambda item: (-item[1], item[0]))
        marks = counts.get(END_WORD, 0) if end else 0
        unknown = sum(counts.values()) - sum(count for _, count in kept) - marks
        special = (0, unknown, marks)[: len(first)]
        return cls((*first, *(word for word, _ in kept)), (*special, *(count for _, count in kept)), end)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that `to_json` wrote."""
        return cls(tuple(fields["words"]), tuple(fields["counts"]), bool(fields["end"]))

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as plain values."""
        return {"words": list(self.words), "counts": list(self.counts), "end": self.end}

    def __len__(self) -> int:
        """How many numbers there are, those of padding and of unknown tokens among them."""
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.numbers

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.words[len(special_words(end=self.end)) :][:4]))
        return f"Vocabulary({len(self):,} numbers: {shown}, …)"

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Token → number."""
        return {word: number for number, word in enumerate(self.words)}

    @property
    def coverage(self) -> float:
        """The share of all tokens that were counted which is known."""
        whole = sum(self.counts)
        return 1 - self.counts[UNKNOWN] / whole if whole else 1.0

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest type in which numbers are kept on disk: uint16, or int32 where there are more than 65,536."""
        return np.dtype(np.uint16 if len(self) <= 1 << 16 else np.int32)

    def encode(self, tokens: Sequence[str]) -> NDArray[np.int32]:
        """The number of each token, int32 [T].

        Example:
            >>> Vocabulary.from_counts({"a": 1}).encode(["a", "z"])
            array([2, 1], dtype=int32)
        """
        return np.fromiter(map(self.numbers.get, tokens, repeat(UNKNOWN)), np.int32, len(tokens))

    def encode_characters(self, text: str) -> NDArray[np.int32]:
        """As `encode` of the single characters of a text, many times as fast.

        Example:
            >>> Vocabulary.from_counts({"b": 2, "a": 1}).encode_characters("abc")
            array([3, 2, 1], dtype=int32)
        """
        return self._by_code[_codes(text)]

    def decode(self, numbers: Iterable[Any]) -> list[str]:
        """The tokens of some numbers; padding is left out.

        Errors: `ArgumentError` for a number that the vocabulary does not have.
        """
        numbers = np.asarray(numbers if isinstance(numbers, np.ndarray) else list(numbers)).reshape(-1)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(self)):
            got = f"{numbers.min()} to {numbers.max()}"
            raise ArgumentError("These are numbers of another vocabulary", expected=f"0 to {len(self) - 1}", got=got)
        return [self.words[number] for number in numbers.tolist() if number != PADDING]

    @cached_property
    def _by_code(self) -> NDArray[np.int32]:
        table = np.full(_CODES, UNKNOWN, np.int32)
        single = [(ord(word), number) for word, number in self.numbers.items() if len(word) == 1]
        for code, number in single:
            table[code] = number
        return table


def special_words(*, end: bool) -> tuple[str, ...]:
    """What stands before all other words in a vocabulary.

    Example:
        >>> special_words(end=True)
        ('', '<unk>', '<end>')
    """
    return ("", UNKNOWN_WORD, END_WORD) if end else ("", UNKNOWN_WORD)


def count_tokens(
    pieces: Iterable[Sequence[str]], *, most_held: int = _MOST_HELD, told: Callable[[int], None] | None = None
) -> Counter[str]:
    """How often each token comes in all pieces together, in bounded memory.

    Where more than `most_held` different ones come together, those seen least so far are forgotten, and a token that comes
    again begins anew: its count is then too small by the few that it had. What was forgotten is counted as "<unk>", so that
    the sum is that of all tokens. With fewer different tokens all counts are exact.

    Args:
        pieces: lists of tokens.
        most_held: different tokens that are held at a time, of up to 64 characters each; fewer of longer ones.
        told: told how many of all tokens were forgotten, if any were.

    Example:
        >>> count_tokens([["to", "be"], ["or", "not", "to", "be"]])
        Counter({'to': 2, 'be': 2, 'or': 1, 'not': 1})
    """
    if most_held < 1:
        raise ArgumentError("Nothing could be counted", expected="most_held ≥ 1", got=most_held)
    counts: Counter[str] = Counter()
    characters = forgotten = 0
    for piece in pieces:
        before = len(counts)
        counts.update(piece)
        characters += sum(map(len, islice(reversed(counts), len(counts) - before)))  # what is new stands last
        least = 1
        while len(counts) > most_held or characters > _HELD_EACH * most_held:
            least += 1
            whole = counts.total()
            counts = Counter({word: count for word, count in counts.items() if count >= least})
            characters = sum(map(len, counts))
            forgotten += whole - counts.total()
    if forgotten:
        counts[UNKNOWN_WORD] += forgotten
        if told is not None:
            told(forgotten)
    return counts


def count_characters(pieces: Iterable[str]) -> Counter[str]:
    """How often each character comes in all pieces together.

    Example:
        >>> count_characters(["to be", "be"])
        Counter({'b': 2, 'e': 2, ' ': 1, 'o': 1, 't': 1})
    """
    counts = np.zeros(_CODES, np.int64)
    for piece in pieces:
        codes = _codes(piece)
        if len(codes) < _CODES // 8:
            found, times = np.unique(codes, return_counts=True)
            counts[found] += times
        else:
            counts += np.bincount(codes, minlength=_CODES)
    seen = np.flatnonzero(counts)
    order = np.argsort(-counts[seen], kind="stable")
    return Counter({chr(code): int(counts[code]) for code in seen[order].tolist()})


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), np.uint32)
