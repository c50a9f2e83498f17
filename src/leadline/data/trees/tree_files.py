"""Files of trees as flat arrays: read one tree at a time, a few bytes for each node."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.dataset import Excluded
from leadline.data.ragged import Ragged
from leadline.data.trees.trees import NO_CLASS, NodeClasses, Trees
from leadline.errors import DataError, EmptyTextError
from leadline.text.bracketed_trees import BracketedTree
from leadline.text.brackets import BracketReader
from leadline.text.reading_text import TextReader
from leadline.text.vocabularies import UNKNOWN

_NONE = -1  # the number of a label that is not there


class TreeRows:
    """Trees as they were read: words and labels by numbers of their own, in the order in which they first came.

    Attributes:
        ids: FILE:LINE of each tree.
        lost: trees that could not be read.
        notes: what a person should know about how the files were read.

    Example:
        >>> rows = TreeRows()
        >>> rows.add(BracketedTree(("1", "0", "1"), ("Good", "film", None), (2, 1, 0)), "a.txt:1")
        >>> rows.word_counts(np.array([0])), rows.root_labels()
        ({'good': 1, 'film': 1}, array([0]))
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.lost: list[Excluded] = []
        self.notes: list[str] = []
        self._word_numbers: dict[str, int] = {}
        self._label_numbers: dict[str, int] = {}
        self._words, self._distances, self._labels, self._ends = array("i"), array("i"), array("i"), array("q", [0])

    def add(self, tree: BracketedTree, name: str) -> None:
        """One more tree.

        Args:
            tree: it.
            name: its id.
        """
        words, labels = self._word_numbers, self._label_numbers
        # Number 0 is for nodes without a word.
        self._words.extend([0 if word is None else words.setdefault(word.lower(), len(words) + 1) for word in tree.words])
        self._labels.extend([_NONE if label is None else labels.setdefault(label, len(labels)) for label in tree.labels])
        self._distances.extend(tree.distances)
        self._ends.append(len(self._words))
        self.ids.append(name)

    def word_counts(self, rows: NDArray[np.int64]) -> dict[str, int]:
        """How often each word stands in some of the trees."""
        counts = np.bincount(self._chosen(self._words, rows).values, minlength=len(self._word_numbers) + 1)
        return {word: int(counts[number]) for word, number in self._word_numbers.items() if counts[number]}

    def label_counts(self, rows: NDArray[np.int64] | None = None) -> dict[str, int]:
        """How many nodes of some of the trees, or of all, have each label."""
        labels = _numbers(self._labels) if rows is None else self._chosen(self._labels, rows).values
        counts = np.bincount(labels[labels >= 0], minlength=len(self._label_numbers))
        return {label: int(counts[number]) for label, number in self._label_numbers.items()}

    def labels_of(self, rows: NDArray[np.int64]) -> set[str]:
        """The labels of some of the trees."""
        found = set(np.unique(self._chosen(self._labels, rows).values).tolist())
        return {label for label, number in self._label_numbers.items() if number in found}

    @property
    def words(self) -> Collection[str]:
        """The words of all trees."""
        return self._word_numbers.keys()

    def root_labels(self) -> NDArray[np.int64]:
        """The number of the label of each root."""
        return _numbers(self._labels)[self.offsets[1:] - 1].astype(np.int64)

    def arity(self, rows: NDArray[np.int64]) -> int:
        """How many children a node of some of the trees has at most."""
        distances = self._chosen(self._distances, rows).values
        parents = (np.arange(len(distances)) + distances)[distances > 0]
        return int(np.bincount(parents).max(initial=0)) if len(parents) else 0

    def wider_than(self, most: int) -> dict[int, int]:
        """The trees with a node of more than `most` children, and how many the widest node of each has."""
        distances = _numbers(self._distances)
        children = np.bincount((np.arange(len(distances)) + distances)[distances > 0], minlength=len(distances))
        nodes = np.flatnonzero(children > most)
        trees = np.searchsorted(self.offsets, nodes, side="right") - 1
        found: dict[int, int] = {}
        for tree, count in zip(trees.tolist(), children[nodes].tolist(), strict=True):
            found[tree] = max(count, found.get(tree, 0))
        return found

    def without_root_label(self) -> list[int]:
        """The trees whose root has no label."""
        found: list[int] = np.flatnonzero(self.root_labels() == _NONE).tolist()
        return found

    def with_labels_outside(self, names: Collection[str]) -> dict[int, str]:
        """The trees with a label that is not among some, and the first such label of each."""
        outside = {number: label for label, number in self._label_numbers.items() if label not in names}
        if not outside:
            return {}
        nodes = np.flatnonzero(np.isin(_numbers(self._labels), list(outside)))
        trees = np.searchsorted(self.offsets, nodes, side="right") - 1
        found: dict[int, str] = {}
        for tree, node in zip(trees.tolist(), nodes.tolist(), strict=True):
            found.setdefault(tree, outside[self._labels[node]])
        return found

    def first_copies(self) -> NDArray[np.int64]:
        """For each tree the number of the first one with the same words, however these are bracketed."""
        first: dict[bytes, int] = {}
        words = Ragged(_numbers(self._words), self.offsets)
        return np.array([first.setdefault(row[row > 0].tobytes(), number) for number, row in enumerate(words)], np.int64)

    def sentences(self, rows: NDArray[np.int64]) -> set[tuple[str, ...]]:
        """The words of some of the trees."""
        names = ["", *self._word_numbers]
        return {tuple(names[word] for word in row[row > 0].tolist()) for row in self._chosen(self._words, rows)}

    def encoded(self, rows: NDArray[np.int64], trees: Trees, answers: NodeClasses) -> tuple[Ragged, Ragged]:
        """Some of the trees as a Split holds them: words and distances [N, 2], and targets [N]."""
        number = {word: place for place, word in enumerate(trees.vocabulary)}
        of_words = np.array([0, *(number.get(word, UNKNOWN) for word in self._word_numbers)], np.int32)
        place = {name: at for at, name in enumerate(answers.names)}
        of_labels = np.array([*(place.get(label, NO_CLASS) for label in self._label_numbers), NO_CLASS], np.int64)
        words, distances = self._chosen(self._words, rows), self._chosen(self._distances, rows)
        values = np.stack([of_words[words.values], distances.values.astype(np.int32)], axis=1)
        labels = self._chosen(self._labels, rows)
        return Ragged(values, words.offsets), Ragged(of_labels[labels.values], words.offsets)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Where each tree begins among all nodes, and at last where the last one ends."""
        return np.array(self._ends, np.int64)

    def _chosen(self, values: Any, rows: NDArray[np.int64]) -> Ragged:
        return Ragged(_numbers(values), self.offsets)[rows]


def read_tree_files(paths: Sequence[Path], encoding: str | None = None) -> TreeRows:
    """The trees of some files, one file after another.

    Args:
        paths: of the files.
        encoding: where it is known.

    Errors: as `text.TextReader`, and `DataError` where there is no tree, not even one that is malformed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> _ = path.write_text("(1 (0 good) (1 film))\\n(1 (0 bad)\\n")
        >>> rows = read_tree_files([path])
        >>> rows.ids, rows.lost[0].reason
        (['a.txt:1'], 'a.txt: line 2: 1 bracket is never closed')
    """
    rows = TreeRows()
    for path in paths:
        text = TextReader(path, encoding)
        reader = BracketReader(text)
        try:
            for tree in reader:
                rows.add(tree, f"{path.name}:{tree.line}")
        except EmptyTextError:
            pass  # another file may have trees
        rows.lost += [Excluded(f"{path.name}:{each.line}", f"{path.name}: {each.reason}") for each in reader.malformed]
        rows.notes += text.notes()
    if not rows.ids and not rows.lost:
        raise DataError(
            f"There is no tree in {' and '.join(str(path) for path in paths)}",
            expected="trees in brackets, such as (3 (2 good) (4 film))",
        )
    return rows


def _numbers(values: Any) -> NDArray[np.int32]:
    return np.frombuffer(values, np.int32) if len(values) else np.zeros(0, np.int32)
