"""Trees to be drawn with what the network says of their nodes: which ones of a split, and a person's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.dataset import Split
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.trees.trees import NO_CLASS, NodeClasses, Trees
from leadline.runs.node_labels import SaidOfTree

_DRAWN, _FEWEST_WORDS, _MOST_WORDS = 4, 4, 22  # trees of a kind that are drawn, and words of each


def shown_trees(schema: Schema, outputs: Tensor, split: Split) -> dict[str, Any]:
    """A few trees with what was said of every node: right ones whose nodes differ most, and wrong ones that were surest.

    Args:
        schema: of trees.
        outputs: logits of all nodes [N, K], on the CPU.
        split: whose nodes they are.
    """
    answers = schema.answers
    assert isinstance(answers, NodeClasses)
    assert isinstance(split.inputs, Ragged)
    assert isinstance(schema.inputs, Trees)
    p = answers.probabilities(outputs)
    sure, said = (each.numpy() for each in p.max(dim=1))
    rows = []
    for row, (low, high) in enumerate(zip(split.inputs.offsets[:-1], split.inputs.offsets[1:], strict=True)):
        stored = split.inputs.row(row)
        if _FEWEST_WORDS <= np.count_nonzero(stored[:, 0]) <= _MOST_WORDS:
            truth = split.targets.row(row)
            spread = len(set(said[low:high].tolist())) + float((truth[truth >= 0] == said[low:high][truth >= 0]).mean())
            rows.append((row, slice(int(low), int(high)), truth, said[high - 1] == truth[-1], spread, float(sure[high - 1])))
    right = sorted((each for each in rows if each[3]), key=lambda each: -each[4])[:_DRAWN]
    wrong = sorted((each for each in rows if not each[3]), key=lambda each: -each[5])[:_DRAWN]
    drawn = []
    for row, place, truth, *_ in (*right, *wrong):
        stored = split.inputs.row(row)
        words = [schema.inputs.vocabulary[number] or None for number in stored[:, 0].tolist()]
        drawn.append(_record(split.ids[row], words, stored[:, 1].tolist(), p[place].numpy(), truth))
    return {"names": list(answers.names), "middle": answers.middle, "drawn": drawn}


def own_trees(schema: Schema, said: Sequence[SaidOfTree], ids: Sequence[str]) -> dict[str, Any]:
    """A person's own trees in the same form; a label of theirs counts as the truth where training has it.

    Args:
        schema: of trees.
        said: of their nodes.
        ids: of the trees.
    """
    answers = schema.answers
    assert isinstance(answers, NodeClasses)
    numbers = {name: number for number, name in enumerate(answers.names)}
    drawn = []
    for (tree, p), name in zip(said, ids, strict=True):
        truth = np.array([numbers.get(label or "", NO_CLASS) for label in tree.labels])
        drawn.append(_record(name, tree.words, tree.distances, p, truth))
    return {"names": list(answers.names), "middle": answers.middle, "drawn": drawn}


def _record(
    name: str, words: Sequence[str | None], distances: Sequence[int], p: NDArray[Any], truth: NDArray[np.int64]
) -> dict[str, Any]:
    """One tree as `report.trees_section` draws it."""
    return {
        "id": name,
        "words": list(words),
        "distances": list(distances),
        "said": p.argmax(1).tolist(),
        "sure": [round(float(value), 4) for value in p.max(1)],
        "truth": [None if target == NO_CLASS else int(target) for target in truth.tolist()],
    }
