"""A tree with words at its leaves and a label at each node, and how it is written in brackets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MARKS = {"(": "-LRB-", ")": "-RRB-"}  # how treebanks write words that would be read as brackets


@dataclass(frozen=True)
class BracketedTree:
    """A tree as three lists with an entry for each node, every child before its parent, so that the root comes last.

    Args:
        labels: of each node; None where it has none.
        words: of each leaf; None for a node with children.
        distances: how many places after a node its parent stands; 0 for the root alone.
        line: where in its file the tree begins.

    Example:
        >>> tree = BracketedTree(("2", "4", "3"), ("good", "film", None), (2, 1, 0))
        >>> tree.sentence, tree.in_brackets()
        ('good film', '(3 (2 good) (4 film))')
    """

    labels: tuple[str | None, ...]
    words: tuple[str | None, ...]
    distances: tuple[int, ...]
    line: int = 1

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def leaves(self) -> list[str]:
        """The words in their order."""
        return [word for word in self.words if word is not None]

    @property
    def sentence(self) -> str:
        """The words with spaces between them."""
        return " ".join(self.leaves)

    def children(self) -> list[list[int]]:
        """For each node the places of its children, in their order."""
        found: list[list[int]] = [[] for _ in self.labels]
        for place, distance in enumerate(self.distances):
            if distance:
                found[place + distance].append(place)
        return found

    def in_brackets(self, labels: Sequence[object] | None = None) -> str:
        """The tree as text, with its own labels or with others.

        Args:
            labels: one for each node, in their order.

        Example:
            >>> BracketedTree(("2", "4", "3"), ("good", "film", None), (2, 1, 0)).in_brackets([0, 1, 2])
            '(2 (0 good) (1 film))'
        """
        children, given = self.children(), self.labels if labels is None else labels
        parts: list[str] = []
        todo: list[int | str] = [len(self) - 1]
        while todo:
            at = todo.pop()
            if isinstance(at, str):
                parts.append(at)
                continue
            label = given[at]
            parts.append(" (" if label is None else f" ({label}")
            word = self.words[at]
            if word is not None:
                parts.append(f" {_MARKS.get(word, word)})" if label is not None else f"{_MARKS.get(word, word)})")
            else:
                todo.append(")")
                todo += reversed(children[at])
        return "".join(parts).strip().replace("( (", "((")
