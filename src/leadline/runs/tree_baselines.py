"""Linear models on the words of trees, to be set beside a network that reads their structure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.baselines import fit_baselines
from leadline.data.answers import Classes
from leadline.data.dataset import Dataset, Split
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.texts.texts import Texts
from leadline.data.trees.trees import NO_CLASS, Trees
from leadline.runs import results as judging

_MOST_PHRASES = 1_000_000  # nodes whose words a linear model learns from, each for itself


def beside_words(dataset: Dataset, p: NDArray[Any], *, seconds: float) -> list[dict[str, Any]]:
    """Linear models on tf-idf of words and pairs of words: of the sentences, and of every phrase that is a node.

    Args:
        dataset: of trees.
        p: what the network said of the test roots, [T, K].
        seconds: the time they may take together.
    """
    splits = {part: _sentences(getattr(dataset, part)) for part in ("train", "valid", "test")}
    longest = max(int(split.inputs.lengths.max()) for split in splits.values())  # type: ignore[union-attr]
    trees = dataset.schema.inputs
    assert isinstance(trees, Trees)
    schema = Schema(Texts(trees.vocabulary, longest, lower=trees.lower), Classes(dataset.schema.answers.names))
    found = []
    phrases = len(dataset.train.targets.values)
    for name, train in (("linear model", splits["train"]), ("linear model on phrases", None)):
        if train is None and phrases > _MOST_PHRASES:
            continue
        learned = _phrases(dataset.train) if train is None else train
        words = Dataset(dataset.name, learned, splits["valid"], splits["test"], schema, dataset.origin)
        found += [row | {"name": name} for row in judging.beside_baselines(words, p, fit_baselines(words, seconds=seconds / 2))]
    return found


def _sentences(split: Split) -> Split:
    """The words of each tree, with the label of its root."""
    assert isinstance(split.inputs, Ragged)
    words, offsets = split.inputs.values[:, 0], split.inputs.offsets
    leaves = np.concatenate([[0], np.cumsum(words > 0)])
    return Split(Ragged(words[words > 0], leaves[offsets]), split.targets.values[offsets[1:] - 1], split.ids)


def _phrases(split: Split) -> Split:
    """The words of each node that has a label, with that label."""
    assert isinstance(split.inputs, Ragged)
    words, distances = split.inputs.values.T.astype(np.int64)
    leaves = np.cumsum(words > 0)  # of all up to and with a node: the last one under it, as children come first
    first = leaves - (words > 0)
    for node, distance in enumerate(distances.tolist()):
        if distance:
            first[node + distance] = min(first[node + distance], first[node])
    flat, labels = words[words > 0].astype(np.int32), split.targets.values
    known = np.flatnonzero(labels != NO_CLASS)
    rows = Ragged.of([flat[first[node] : leaves[node]] for node in known.tolist()])
    return Split(rows, labels[known], range(len(known)))  # type: ignore[arg-type]
