"""Texts as rows of numbers, without their order: one-hot, bags of words and of n-grams, tf-idf; sparse, as most are 0.

N texts or tokens, V words of a vocabulary, number 0 being padding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError
from leadline.text.vocabularies import PADDING


def one_hot_rows(ids: NDArray[Any], size: int) -> Any:
    """A row for each token: 1 in the column of its word and 0 elsewhere; a row of zeros for padding.

    Shapes: [N] → [N, V], a `scipy.sparse.csr_array` of float32; `.toarray()` makes it dense.

    Args:
        ids: numbers of tokens, as `Vocabulary.encode` gives them.
        size: V, as `len(vocabulary)` gives it.

    Errors: `ArgumentError` for numbers of another vocabulary.

    Example:
        >>> one_hot_rows(np.array([2, 1, 0]), 4).toarray().tolist()
        [[0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    read = _checked(ids, size)
    if read.ndim != 1:
        raise ArgumentError("Each row is made of one token", expected="ids [N]", got=read.shape)
    return bags_of_words(read[:, None], size)


def bags_of_words(rows: Iterable[NDArray[Any]], size: int) -> Any:
    """How often each word of the vocabulary stands in each text; padding is not counted.

    Shapes: N of [T] → [N, V], a `scipy.sparse.csr_array` of float32.

    Args:
        rows: numbers of the tokens of each text; read one after the other, so that no more than the counts need be in memory.
        size: V.

    Errors: `ArgumentError` for numbers of another vocabulary.

    Example:
        >>> from leadline.text import Vocabulary, WordTokenizer, count_tokens
        >>> texts = [WordTokenizer().split(text) for text in ("to be or not to be", "not to see")]
        >>> vocabulary = Vocabulary.from_counts(count_tokens(texts))
        >>> vocabulary.words[2:], bags_of_words(map(vocabulary.encode, texts), len(vocabulary)).toarray()[:, 2:].tolist()
        (('to', 'be', 'not', 'or', 'see'), [[2.0, 2.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0, 1.0]])

    Source: Harris (1954), Distributional structure.
    """
    from scipy import sparse

    columns, counts, ends = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)], [0]
    for row in rows:
        read = _checked(row, size)
        found, times = np.unique(read[read != PADDING], return_counts=True)
        columns.append(found.astype(np.int32))
        counts.append(times.astype(np.float32))
        ends.append(ends[-1] + len(found))
    return sparse.csr_array((np.concatenate(counts), np.concatenate(columns), np.array(ends)), shape=(len(ends) - 1, size))


def word_ngrams(tokens: Sequence[str], shortest: int = 1, longest: int = 2, *, between: str = " ") -> list[str]:
    """The n-grams of a text as words of their own, to be counted and numbered as words are: with cut-off, and in any amount.

    Where all n-grams of a large text are to be counted exactly, `language.count_ngrams` does it by sorting.

    Args:
        tokens: of the text.
        shortest: n of the shortest.
        longest: n of the longest.
        between: what stands between the words of one; "" for characters.

    Errors: `ArgumentError` for lengths that are out of range.

    Example:
        >>> word_ngrams(["to", "be", "or"], 1, 2)
        ['to', 'be', 'or', 'to be', 'be or']
        >>> from leadline.text import count_tokens
        >>> count_tokens([word_ngrams("banana", 2, 2, between="")]).most_common(2)
        [('an', 2), ('na', 2)]
    """
    if not 1 <= shortest <= longest:
        raise ArgumentError("The n-grams have no such length", expected="1 ≤ shortest ≤ longest", got=(shortest, longest))
    return [
        between.join(tokens[start : start + length])
        for length in range(shortest, longest + 1)
        for start in range(len(tokens) - length + 1)
    ]


@dataclass(frozen=True, eq=False)
class Tfidf:
    """Weights by which words that stand in few texts count more.

    x_w = (1 + ln c_w) · idf_w, divided by |x|, where c_w is how often w stands in the text and
    idf_w = ln((1 + N) / (1 + N_w)) + 1, N_w of N training texts having w. It equals scikit-learn's with `sublinear_tf`.

    Shapes: idf float64 [V].

    Args:
        idf: of each word; see `learn`.

    Errors: `ArgumentError` for bags over another vocabulary.

    Example:
        >>> bags = bags_of_words([np.array([2, 3]), np.array([2, 2, 4])], 5)
        >>> Tfidf.learn([bags]).weighed(bags).toarray().round(2).tolist()
        [[0.0, 0.0, 0.58, 0.81, 0.0], [0.0, 0.0, 0.77, 0.0, 0.64]]

    Source: Spärck Jones (1972), A statistical interpretation of term specificity; Salton and Buckley (1988), Term-weighting
    approaches in automatic text retrieval.
    """

    idf: NDArray[np.float64]

    @classmethod
    def learn(cls, parts: Iterable[Any]) -> Tfidf:
        """The weights of the words of some texts.

        Args:
            parts: bags of words [N, V] of the training texts, one matrix or several, which need not be in memory together.

        Errors: `ArgumentError` where there is none, or where they differ in V.
        """
        texts, having = 0, np.zeros(0)
        for bags in parts:
            having = np.zeros(bags.shape[1]) if not texts else having
            if len(having) != bags.shape[1]:
                raise ArgumentError("The bags are over different vocabularies", expected=len(having), got=bags.shape[1])
            texts += bags.shape[0]
            having += np.bincount(bags.indices[bags.data > 0], minlength=bags.shape[1])
        if not texts:
            raise ArgumentError("There is no text to learn the weights of words from", expected="bags of at least 1 text")
        return cls(np.log((1 + texts) / (1 + having)) + 1)

    def weighed(self, bags: Any) -> Any:
        """Bags of words [N, V] with the weights, each row of length 1: [N, V]; a row of zeros stays one.

        Args:
            bags: counts, as `bags_of_words` gives them.
        """
        from scipy import sparse

        if bags.shape[1] != len(self.idf):
            raise ArgumentError("The bags are over another vocabulary", expected=len(self.idf), got=bags.shape[1])
        rows = np.repeat(np.arange(bags.shape[0]), np.diff(bags.indptr))
        values = (1 + np.log(bags.data.astype(np.float64))) * self.idf[bags.indices]
        lengths = np.sqrt(np.bincount(rows, values**2, minlength=bags.shape[0]))
        return sparse.csr_array((values / lengths[rows], bags.indices, bags.indptr), shape=bags.shape)


def _checked(ids: NDArray[Any], size: int) -> NDArray[Any]:
    read = np.asarray(ids)
    if read.size and (read.dtype.kind not in "iu" or read.min() < 0 or read.max() >= size):
        got = f"{read.min()} to {read.max()}" if read.dtype.kind in "iuf" else str(read.dtype)
        raise ArgumentError("These are numbers of another vocabulary", expected=f"whole numbers from 0 to {size - 1}", got=got)
    return read
