"""Tokens: a text as a stream of token numbers, of which a network foretells each from those before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.errors import ArgumentError, DataError, unknown
from leadline.text.reading_text import sample_of_text
from leadline.text.tokenizers import TOKENIZERS, CharacterTokenizer, SpacedTokenizer, Tokenizer, WordTokenizer
from leadline.text.vocabularies import PADDING, UNKNOWN, Vocabulary, count_characters, count_tokens

_SHOWN = 32  # steps of the window by which a network is summarized; it takes any number


@dataclass(frozen=True)
class Tokens:
    """Raw input is a text; stored and seen by the network are the numbers of its tokens, in their order.

    Tokens are characters, words and marks, or what white space divides; the end of a line is a token of its own, "\\n". Number
    0 is padding and 1 any token that the vocabulary does not know.

    Example:
        >>> tokens = Tokens.learn(["to be\\n", "or not to be\\n"], by="words")
        >>> tokens.encode("not to be, or"), tokens.decode(tokens.encode("not to be, or"))
        (array([5, 4, 3, 1, 6]), 'not to be <unk> or')

    Source: the vocabulary with a cut-off and one word for the rest: Mikolov et al. (2010), Recurrent neural network based
    language model.
    """

    vocabulary: Vocabulary
    by: str = CharacterTokenizer.kind
    lower: bool = False
    kind: ClassVar[str] = "tokens"
    padding: ClassVar[int] = PADDING

    @classmethod
    def learn(
        cls,
        pieces: Iterable[str],
        *,
        by: str = CharacterTokenizer.kind,
        lower: bool = False,
        min_count: int = 1,
        most: int | None = None,
    ) -> Tokens:
        """The vocabulary of the training text, which comes in pieces that end where a token does.

        Args:
            pieces: of the text, in any order.
            by: "characters", "words" or "spaced words".
            lower: whether all letters are made lower case.
            min_count: tokens seen less often are not known.
            most: at most so many tokens are known, the commonest; None for no bound.

        Errors: `ArgumentError` for an unknown kind of token; `DataError` for a text without any.
        """
        tokenizer = tokenizer_of(by, lower=lower)
        if isinstance(tokenizer, CharacterTokenizer):
            counts = count_characters(piece.lower() if lower else piece for piece in pieces)
        else:
            counts = count_tokens(tokenizer.split(piece) for piece in pieces)
        if not counts:
            raise DataError("The text is empty", expected=f"some {by}")
        return cls(Vocabulary.from_counts(counts, min_count=min_count, most=most), by, lower)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Tokens:
        return cls(Vocabulary.from_json(fields["vocabulary"]), fields["by"], fields["lower"])

    @property
    def tokenizer(self) -> Tokenizer:
        return tokenizer_of(self.by, lower=self.lower)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input, (T,), for a window as a summary shows it; a network takes any number of steps."""
        return (_SHOWN,)

    @property
    def by_characters(self) -> bool:
        """Whether each character is a token, so that bits a token are bits a character."""
        return self.by == CharacterTokenizer.kind

    @property
    def unit(self) -> str:
        """What a token is called when many are counted."""
        return "characters" if self.by_characters else "words"

    @property
    def start(self) -> int | None:
        """What a text is taken to come after: the end of a line, where that is a token that is known."""
        return self.vocabulary.numbers.get("\n")

    def describe(self) -> str:
        what = {"characters": "characters", "words": "words and marks", "spaced words": "words between spaces"}[self.by]
        return f"{what} of a text, {len(self.vocabulary) - 2:,} of them known"

    def encode(self, raw: Any) -> NDArray[np.int64]:
        """A text, or the beginning of a text file, to the numbers of its tokens, int64 [T]."""
        if isinstance(raw, Path):
            raw = sample_of_text(raw)
        if not isinstance(raw, str):
            raise ArgumentError("The network was trained on text", expected="a text", got=type(raw).__name__)
        if self.by_characters:
            return self.vocabulary.encode_characters(raw.lower() if self.lower else raw).astype(np.int64)
        return self.vocabulary.encode(self.tokenizer.split(raw)).astype(np.int64)

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """Numbers back to text; padding is left out."""
        return self.tokenizer.join(self.vocabulary.decode(ids))

    def is_one(self, raw: Any) -> bool:
        """Whether `raw` is one text rather than several."""
        return isinstance(raw, (str, Path))

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        """A function from stored windows [B, T] on `device` to network input [B, T]: the numbers as they are."""
        return torch.Tensor.long


@dataclass(frozen=True)
class NextToken:
    """The token that comes next, one of V, at every step of a window.

    Targets are int64 [B, T] in 0 … V − 1, 0 being padding, which does not count; outputs are logits [B, T, V]; probabilities
    are softmax(logits / temperature).

    Example:
        >>> answers = NextToken(("", "<unk>", "be", "to"))
        >>> answers.encode(["to", "be"]), answers.probabilities(torch.zeros(1, 4))
        (array([3, 2]), tensor([[0.2500, 0.2500, 0.2500, 0.2500]]))
    """

    names: tuple[str, ...]
    temperature: float = 1.0
    task: ClassVar[str] = "tokens"

    @property
    def outputs(self) -> int:
        return len(self.names)

    def encode(self, raw: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
        """Tokens to their numbers, int64, those that are not known to 1; numbers of this vocabulary stay as they are."""
        array = np.asarray(raw)
        if array.dtype.kind in "iu":
            if array.size and not (array.min() >= 0 and array.max() < self.outputs):
                got = f"{array.min()} to {array.max()}"
                raise DataError("These are numbers of another vocabulary", expected=f"0 to {self.outputs - 1}", got=got)
            return array.astype(np.int64)
        numbers = {name: number for number, name in enumerate(self.names)}
        found = [numbers.get(str(token), UNKNOWN) for token in array.reshape(-1).tolist()]
        return np.array(found, np.int64).reshape(array.shape)

    def prepare(self, targets: Tensor) -> Tensor:
        """What the loss compares with: the token numbers as they are."""
        return targets.long()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Logits [..., V] to probabilities [..., V]."""
        return torch.softmax(outputs.float() / self.temperature, dim=-1)


class NextByCounts(NextToken):
    """The same, foretold by counts of n-grams in place of a network: another task, with the same answers.

    Example:
        >>> NextByCounts(("", "<unk>", "be", "to")).task
        'ngram'
    """

    task: ClassVar[str] = "ngram"


def tokenizer_of(by: str, *, lower: bool = False) -> Tokenizer:
    """The tokenizer of a stream, for which the end of a line is a token.

    Args:
        by: "characters", "words" or "spaced words".
        lower: whether all letters are made lower case.

    Errors: `ArgumentError` for an unknown kind of token.

    Example:
        >>> tokenizer_of("words").split("To be,\\nor not")
        ['To', 'be', ',', '\\n', 'or', 'not']
    """
    if by == CharacterTokenizer.kind:
        return CharacterTokenizer(lower=lower)
    if by == WordTokenizer.kind:
        return WordTokenizer(lower=lower, lines=True)
    if by != SpacedTokenizer.kind:
        unknown("kind of token", by, TOKENIZERS)
    return SpacedTokenizer(lower=lower, lines=True)
