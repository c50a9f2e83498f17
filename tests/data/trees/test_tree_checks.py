"""Which labels are a scale, and which trees are set aside with which reason."""

from __future__ import annotations

import pytest

from leadline.data.dataset import Excluded
from leadline.data.trees.tree_checks import check_few, label_note, label_scale, told, unusable
from leadline.data.trees.tree_files import TreeRows
from leadline.data.trees.trees import NodeClasses
from leadline.errors import DataError
from leadline.text.brackets import tree_from_brackets


@pytest.mark.parametrize(
    ("counts", "scale"),
    [
        ({"0": 500, "1": 700, "2": 300, "27": 1, "-4": 1}, range(3)),
        ({"0": 500, "1": 700, "x": 1}, range(2)),
        ({"-1": 500, "0": 700, "1": 300, "9": 2}, range(-1, 2)),
        ({"0": 500, "1": 700}, None),  # nothing lies beyond
        ({"0": 50, "1": 70, "9": 10}, None),  # too many for a slip
        ({"NP": 50, "3": 1}, None),
        ({"--2": 1, "1": 500, "9" * 5000: 1}, range(1, 2)),
        ({}, None),
    ],
)
def test_what_lies_beyond_a_scale_is_a_slip(counts: dict[str, int], scale: range | None) -> None:
    assert label_scale(counts) == scale


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ({"0": 500, "1": 700, "2": 300}, ""),
        ({"0": 8_000, "1": 34_000, "2": 220_000, "3": 45_000, "4": 11_000}, ""),  # about those of the Stanford treebank
        ({"-1": 500, "1": 700}, ""),
        ({"NP": 500, "S": 100}, ""),
        ({}, ""),
        ({"0": 500, "1": 700, "2": 300, "27": 100}, "The label '27' (100 nodes) hardly"),
        ({"0": 500, "1": 700, "x": 60, "9": 1}, "The labels '9' (1 node), 'x' (60 nodes) hardly"),
        ({"NP": 5000, "S": 1000, "A": 2, "B": 2, "C": 2, "D": 1}, "'C' (2 nodes) and 1 more hardly"),
    ],
)
def test_labels_that_hardly_come_are_named(counts: dict[str, int], says: str) -> None:
    notes = label_note(counts)
    assert len(notes) == bool(says)
    assert says in "".join(notes)


def test_reasons_stand_by_the_trees() -> None:
    rows = TreeRows()
    for line, text in enumerate(("(1 (0 a) (1 b))", "(1 (7 a) (1 b))", "((0 a) (1 b))"), start=1):
        rows.add(tree_from_brackets(text), f"a.txt:{line}")
    assert unusable(rows) == {2: "its root has no label"}
    assert unusable(rows, scale=range(2)) == {
        1: "the label '7' is out of the range of the others, 0 to 1",
        2: "its root has no label",
    }
    found = unusable(rows, answers=NodeClasses(("0", "1")))
    assert [each.reason for each in told(rows, found)] == [
        "a.txt:2: its label '7' is not one of the training",
        "a.txt:3: its root has no label",
    ]


def test_a_node_with_more_children_than_the_network_takes_is_a_reason() -> None:
    rows = TreeRows()
    for line, text in enumerate(("(1 (0 a) (1 b))", "(1 (0 a) (1 (0 a) (1 b) (0 c) (1 d)) (0 e))", "(1 a)"), start=1):
        rows.add(tree_from_brackets(text), f"a.txt:{line}")
    reason = "a node has 4 children, and the network takes 2 (with model.cell=child_sum it would take any number)"
    assert unusable(rows, most_children=2) == {1: reason}
    assert unusable(rows, most_children=4) == unusable(rows) == {}


def test_more_than_one_in_twenty_is_a_mistake() -> None:
    one = Excluded("a", "a: why")
    check_few([one], 20)
    for excluded, total in (([one], 19), ([one], 1), ([], 0)):
        with pytest.raises(DataError, match="trees cannot be used"):
            check_few(excluded, total)
    with pytest.raises(DataError, match=r"a: why; a: why; a: why; and 6 more"):
        check_few([one] * 9, 20)
