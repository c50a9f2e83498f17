"""Trees: sentences with their structure, as numbers of words and places of nodes, and a class for each node."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from leadline.layers.level_arrays import TreeLevels, tree_levels
from leadline.text.bracketed_trees import BracketedTree
from leadline.text.brackets import MalformedTree, tree_from_brackets
from leadline.text.reading_text import sample_of_text
from leadline.text.vocabularies import UNKNOWN, special_words

NO_CLASS = -100
"""The target of a node without a label, which nothing counts."""
_WHOLE = re.compile(r"-?\d{1,18}")


@dataclass(frozen=True)
class Trees:
    """Raw input is a tree in brackets; stored as int32 [n, 2], for each node its word and how far behind it its parent stands.

    Every child stands before its parent, so the root comes last and is the only node whose distance is 0; nodes that are no
    leaves have word 0. Word 1 is any that is not known. The network sees `TreeLevels`.

    Args:
        vocabulary: every word by its number; "" and "<unk>" come first.
        arity: how many children a node has at most.
        lower: whether all letters are made lower case.
        labels: of the training; a tree that is asked about may have others, but no words in their place.

    Example:
        >>> trees = Trees(("", "<unk>", "good", "film"))
        >>> trees.encode("(3 (2 Good) (2 films))")
        array([[2, 2],
               [1, 1],
               [0, 0]], dtype=int32)
    """

    vocabulary: tuple[str, ...]
    arity: int = 2
    lower: bool = True
    labels: tuple[str, ...] = ()
    kind: ClassVar[str] = "trees"
    padding: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if self.vocabulary[:2] != special_words(end=False):
            raise ArgumentError("The vocabulary does not begin as it should", expected="'', '<unk>'", got=self.vocabulary[:2])

    @classmethod
    def learn(
        cls,
        counts: Mapping[str, int],
        arity: int,
        *,
        lower: bool = True,
        most: int | None = None,
        more: Iterable[str] = (),
        labels: Iterable[str] = (),
    ) -> Trees:
        """What the training trees teach.

        Args:
            counts: how often each word stands in them, lower case already where `lower` is set.
            arity: how many children a node has at most, of the trees to judge by as well.
            lower: whether all letters are made lower case.
            most: the commonest so many words are known; all when None.
            more: words that are known as well, such as those that there are vectors of.
            labels: of the nodes.

        Errors: `DataError` where there is no word.
        """
        if not counts:
            raise DataError("There is no tree to learn from", expected="trees in brackets, such as (3 (2 good) (4 film))")
        first = special_words(end=False)
        order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        known = dict.fromkeys([word for word, _ in order][: most or None])
        known |= dict.fromkeys(word.lower() if lower else word for word in more)
        return cls((*first, *(word for word in known if word not in first)), max(1, arity), lower, tuple(labels))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Trees:
        return cls(tuple(fields["vocabulary"]), fields["arity"], fields["lower"], tuple(fields["labels"]))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the smallest stored row: a single word."""
        return (1, 2)

    def describe(self) -> str:
        many = "at most one child" if self.arity == 1 else f"up to {self.arity:,} children"
        return f"trees of {many} a node, {len(self.vocabulary) - 2:,} different words"

    def encode(self, raw: Any) -> NDArray[np.int32]:
        """One tree (a text in brackets, the path of a file with one, or a `BracketedTree`) to int32 [n, 2].

        Its labels, if there are any, are passed over.

        Errors: as `parsed`.
        """
        return self.encode_tree(self.parsed(raw))

    def parsed(self, raw: Any) -> BracketedTree:
        """What `encode` takes, as a tree.

        Errors: `DataError` for what is no tree, and where words stand without brackets of their own.
        """
        if isinstance(raw, BracketedTree):
            return self._without_bare_words(raw)
        if isinstance(raw, MalformedTree):
            raise DataError(f"The tree cannot be read: {raw.reason}")
        if isinstance(raw, bytes):
            raw = raw.decode(errors="replace")
        if isinstance(raw, Path):
            raw = sample_of_text(raw)
        if not isinstance(raw, str):
            raise ArgumentError("The network was trained on trees", expected="a tree in brackets", got=repr(raw)[:80])
        return self._without_bare_words(tree_from_brackets(raw, labelled=False))

    def _without_bare_words(self, tree: BracketedTree) -> BracketedTree:
        """`(not (very good))` reads as labels and one word, where two words were meant to be read.

        Labels that training did not have may be those of another treebank, whose tags have no small letters: `NP`, `-LRB-`.
        That some of them are words as well (`IN`, `TO`) says nothing, unless all of them are: `(NOT (VERY GOOD))`.
        """
        strange = [label for label in tree.labels if label is not None and label not in self.labels and not is_whole(label)]
        if not strange or not self.labels:
            return tree
        known = all((label.lower() if self.lower else label) in self._numbers for label in strange)
        if bare := strange if known else [label for label in strange if _has_small_letters(label)]:
            raise DataError(
                f"{bare[-1]!r} stands where a tree has its labels, and is none of them",
                expected=f"a label ({', '.join(self.labels[:5])}), or none, and brackets of its own around each word",
                got=tree.in_brackets()[:80],
                do="Write ((not) ((very) (good))) in place of (not (very good)).",
            )
        return tree

    def encode_tree(self, tree: BracketedTree) -> NDArray[np.int32]:
        """A tree that was read, int32 [n, 2]."""
        numbers, lower = self._numbers, self.lower
        words = [0 if word is None else numbers.get(word.lower() if lower else word, UNKNOWN) for word in tree.words]
        return np.array([words, tree.distances], np.int32).T.copy()

    def is_one(self, raw: Any) -> bool:
        """Whether `raw` is one input rather than several."""
        return isinstance(raw, (str, Path, bytes, BracketedTree))

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Any]:
        """A function from stored rows [B, n, 2], anything behind a root, to `TreeLevels` on the device."""

        def prepare(rows: Tensor) -> TreeLevels:
            return levels_of(unpadded(rows.numpy(force=True))).to(device)

        return prepare

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.vocabulary)}


@dataclass(frozen=True)
class NodeClasses:
    """Each node of a tree has exactly one of K labels; the label of the root is the answer for the whole.

    Targets are int64 [n] in 0 … K − 1, or −100 for a node without a label; outputs are logits [N, K] of all nodes;
    probabilities are softmax(logits / temperature).

    Example:
        >>> sentiment = NodeClasses(("0", "1", "2", "3", "4"))
        >>> sentiment.encode(["4", None]), sentiment.middle
        (array([   4, -100]), 2)
    """

    names: tuple[str, ...]
    temperature: float = 1.0
    task: ClassVar[str] = "trees"

    @property
    def outputs(self) -> int:
        return len(self.names)

    @property
    def middle(self) -> int | None:
        """The label in the middle of a scale of whole numbers, such as 2 of 0 … 4; None where they are no scale."""
        count = len(self.names)
        return count // 2 if count % 2 and count > 1 and all(map(is_whole, self.names)) else None

    def encode(self, raw: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
        """Labels to their numbers, int64 [n]; none to −100.

        Errors: `DataError` for a label that training did not have.
        """
        numbers = {name: number for number, name in enumerate(self.names)}
        strange = [label for label in raw if label is not None and str(label) not in numbers]
        if strange:
            raise DataError(
                f"The label {str(strange[0])!r} is not among those of the training",
                expected="one of " + ", ".join(self.names[:20]),
            )
        return np.array([NO_CLASS if label is None else numbers[str(label)] for label in raw], np.int64)

    def prepare(self, targets: Tensor) -> Tensor:
        """What the loss compares with: the numbers as they are."""
        return targets.long()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Logits [N, K] to probabilities [N, K]."""
        return torch.softmax(outputs.float() / self.temperature, dim=-1)


def label_names(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels in their order: whole numbers by size, others by alphabet.

    Example:
        >>> label_names({"10", "9", "0"}), label_names({"VP", "NP"})
        (('0', '9', '10'), ('NP', 'VP'))
    """
    names = sorted(set(labels))
    return tuple(sorted(names, key=int) if all(map(is_whole, names)) else names)


def is_whole(label: str) -> bool:
    """Whether a label is a whole number, so that labels may be a scale.

    Example:
        >>> is_whole("-2"), is_whole("NP"), is_whole("--2")
        (True, False, False)
    """
    return _WHOLE.fullmatch(label) is not None


def _has_small_letters(label: str) -> bool:
    """Letters without capitals, such as Chinese ones, are small."""
    return any(mark.isalpha() and not mark.isupper() for mark in label)


def unpadded(rows: NDArray[Any]) -> Ragged:
    """Stored trees [B, n, 2] without what stands behind their roots.

    Args:
        rows: the root of each is its first node whose distance is 0.

    Example:
        >>> unpadded(np.array([[[5, 0], [0, 0]], [[6, 1], [0, 0]]])).lengths
        array([1, 2])
    """
    lengths = (rows[:, :, 1] == 0).argmax(axis=1) + 1
    inside = np.arange(rows.shape[1]) < lengths[:, None]
    return Ragged(rows[inside], np.concatenate([[0], np.cumsum(lengths)]))


def levels_of(trees: Ragged) -> TreeLevels:
    """Some stored trees in the order of their levels, on the CPU.

    Args:
        trees: values [N, 2].

    Example:
        >>> levels_of(Ragged.of([np.array([[5, 2], [6, 1], [0, 0]])])).sizes
        (2, 1)
    """
    return tree_levels(trees.values[:, 0], trees.values[:, 1])
