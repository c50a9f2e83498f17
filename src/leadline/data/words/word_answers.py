"""Words as inputs, and words near to them as answers: what word vectors are trained and asked with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.text.tokenizers import CharacterTokenizer
from leadline.text.vocabularies import PADDING, UNKNOWN, Vocabulary


@dataclass(frozen=True)
class CorpusWords:
    """Raw input is a word; stored and seen by the network is its number [1].

    Numbers 0 (padding) and 1 (unknown) and the end of a line, "\\n", are no words; all others are, the commonest first.

    Example:
        >>> words = CorpusWords(Vocabulary.from_counts({"to": 2, "be": 2, "\\n": 9}), by="words", lower=True)
        >>> words.encode("To"), words.known, words.boundary
        (array([4]), ('be', 'to'), 2)
    """

    vocabulary: Vocabulary
    by: str
    lower: bool = True
    kind: ClassVar[str] = "corpus words"
    padding: ClassVar[int] = PADDING

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> CorpusWords:
        return cls(Vocabulary.from_json(fields["vocabulary"]), fields["by"], fields["lower"])

    @property
    def shape(self) -> tuple[int, ...]:
        return (1,)

    @property
    def boundary(self) -> int:
        """The number of the end of a line, which no window reaches across; −1 where there is none."""
        return self.vocabulary.numbers.get("\n", -1)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How often each number came in training, 0 for what is no word, int64 [V]."""
        counts = np.array(self.vocabulary.counts, np.int64)
        counts[[PADDING, UNKNOWN]] = 0
        counts[[number for number, word in enumerate(self.vocabulary.words) if not word.strip()]] = 0
        return counts

    @cached_property
    def known(self) -> tuple[str, ...]:
        """All that are words, by falling frequency."""
        return tuple(self.vocabulary.words[row] for row in np.flatnonzero(self.counts).tolist())

    def describe(self) -> str:
        what = "characters" if self.by == CharacterTokenizer.kind else "words"
        return f"{what} of a text, {int((self.counts > 0).sum()):,} of them known"

    def encode(self, raw: Any) -> NDArray[np.int64]:
        """A word to its number, int64 [1]; 1 where it is not known."""
        if not isinstance(raw, str):
            raise ArgumentError("The vectors are those of words", expected="a word", got=type(raw).__name__)
        return np.array([self.vocabulary.numbers.get(raw.lower() if self.lower else raw, UNKNOWN)])

    def is_one(self, raw: Any) -> bool:
        return isinstance(raw, str)

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        return torch.Tensor.long


@dataclass(frozen=True)
class Neighbors:
    """The words that stand near a word in a text. There is nothing beside the text to learn from.

    Example:
        >>> Neighbors(1000).outputs
        1000
    """

    outputs: int
    task: ClassVar[str] = "words"

    @property
    def names(self) -> tuple[str, ...]:
        return ()

    def encode(self, raw: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
        return np.zeros(len(raw), np.int64)

    def prepare(self, targets: Tensor) -> Tensor:
        return targets.long()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Vectors of words as they are."""
        return outputs.float()
