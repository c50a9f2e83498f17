"""Trees in brackets: read back as they were written, from any cut of the text, and refused with line and column."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import DataError, SourceNotFoundError
from leadline.text.bracketed_trees import BracketedTree
from leadline.text.brackets import BracketReader, looks_bracketed, tree_from_brackets
from leadline.text.reading_text import TextReader

WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Z", "C", "Cs"), exclude_characters="()\\"), min_size=1, max_size=6
)
LABELS = st.sampled_from(["0", "1", "2", "3", "4", "NP", "S-TMP"])
Nested = tuple[str, object]


@st.composite
def nested(draw: st.DrawFn, depth: int = 4) -> tuple[str, object]:
    """(label, word) or (label, [trees])."""
    if depth == 0 or draw(st.booleans()):
        return draw(LABELS), draw(WORDS.filter(lambda word: word not in ("-LRB-", "-RRB-", "-LSB-", "-RSB-", "-LCB-", "-RCB-")))
    return draw(LABELS), draw(st.lists(nested(depth - 1), min_size=1, max_size=3))


def written(tree: tuple[str, object], space: str = " ") -> str:
    label, inside = tree
    if isinstance(inside, str):
        return f"({label}{space}{inside})"
    return f"({label}{space}{space.join(written(child, space) for child in inside)})"  # type: ignore[union-attr]


def nodes(tree: tuple[str, object]) -> list[tuple[str, str | None]]:
    """Label and word of each node, children first."""
    label, inside = tree
    if isinstance(inside, str):
        return [(label, inside)]
    return [*itertools.chain.from_iterable(nodes(child) for child in inside), (label, None)]  # type: ignore[union-attr]


@given(
    trees=st.lists(nested(), min_size=1, max_size=4),
    space=st.sampled_from([" ", "\n ", "\t", " \r\n  "]),
    cut=st.integers(1, 9),
)
def test_what_is_written_is_read(trees: list[tuple[str, object]], space: str, cut: int) -> None:
    text = "\n".join(written(tree, space) for tree in trees)
    pieces = [text[at : at + cut] for at in range(0, len(text), cut)]
    for given_pieces in ([text], pieces):
        reader = BracketReader(given_pieces)
        read = list(reader)
        assert not reader.malformed
        for tree, found in zip(trees, read, strict=True):
            assert list(zip(found.labels, found.words, strict=True)) == nodes(tree)
            assert tree_from_brackets(found.in_brackets()) == BracketedTree(found.labels, found.words, found.distances)


@given(tree=nested())
def test_children_stand_before_their_parent_in_their_order(tree: tuple[str, object]) -> None:
    found = tree_from_brackets(written(tree))
    assert found.distances[-1] == 0
    assert all(distance > 0 for distance in found.distances[:-1])

    def shape(at: int) -> object:
        return found.words[at] if found.words[at] is not None else [shape(child) for child in found.children()[at]]

    def expected(node: tuple[str, object]) -> object:
        return node[1] if isinstance(node[1], str) else [expected(child) for child in node[1]]  # type: ignore[union-attr]

    assert shape(len(found) - 1) == expected(tree)


def test_a_tree_of_depth_2000_is_no_matter_of_recursion() -> None:
    text = "(1 " * 2000 + "(0 deep)" + ")" * 2000
    tree = tree_from_brackets(text)
    assert len(tree) == 2001
    assert tree.sentence == "deep"
    assert tree.in_brackets() == text


def test_brackets_and_slashes_as_words() -> None:
    tree = tree_from_brackets(r"(2 (2 -LRB-) (2 (2 and\/or) (2 -RRB-)))")
    assert tree.leaves == ["(", "and/or", ")"]
    assert tree.in_brackets() == "(2 (2 -LRB-) (2 (2 and/or) (2 -RRB-)))"
    assert tree_from_brackets(tree.in_brackets()) == tree


def test_a_word_may_have_a_space_that_is_not_one_of_ascii() -> None:
    for space in ("\u00a0", "\u2028", "\x85", "\u3000"):
        assert tree_from_brackets(f"(2 (2 2{space}1\\/2) (2 stars))").leaves == [f"2{space}1/2", "stars"]


def test_the_unlabelled_brackets_of_treebanks_are_no_node() -> None:
    tree = tree_from_brackets("( (S (NP (PRP It)) (VP (VBD rained)) (. .)) )")
    assert tree.labels[-1] == "S"
    assert tree.sentence == "It rained ."
    assert tree_from_brackets("((a) (b))", labelled=False).labels == (None, None, None)
    assert tree_from_brackets("(4 word)").distances == (0,)


def test_without_labels_or_with_some() -> None:
    one, other = (
        tree_from_brackets(text, labelled=False) for text in ("((a) ((good) (film)))", "(3 (2 a) (4 (3 good) (2 film)))")
    )
    assert one.words == other.words
    assert one.distances == other.distances
    assert one.labels == (None,) * 5
    assert other.labels == ("2", "3", "2", "4", "3")
    assert one.in_brackets() == "((a) ((good) (film)))"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(3 (2 a) (2 b)", "line 1: 1 bracket is never closed"),
        ("(3 (2 a) (2 (2 b", "line 1: 3 brackets are never closed"),
        ("(3 (2 a)) )", "line 1, column 11: a bracket is closed that was never opened"),
        ("()", "line 1, column 2: the tree is empty"),
        ("(3 (2 a) ())", "line 1, column 11: a node is empty"),
        ("(3)", "line 1, column 3: '3' is a label without a word, or a word without a label"),
        ("(3 (2 a) (2))", "line 1, column 12: '2' is a label without a word, or a word without a label"),
        ("(3 a b)", "line 1, column 6: 'b' is a second word of one node"),
        ("(3 (2 a) b)", "line 1, column 10: 'b' stands beside other nodes, without brackets of its own"),
        ("(3 a (2 b))", "line 1, column 6: the node of the word 'a' has a child as well"),
        ("word (3 a)", "line 1, column 1: 'word' stands outside of all brackets"),
        ("(3\n (2 a)\n (2 b c))", "line 3, column 7: 'c' is a second word of one node"),
    ],
)
def test_what_is_malformed_is_told_with_its_place(text: str, reason: str) -> None:
    reader = BracketReader([text])
    list(reader)
    assert [each.reason for each in reader.malformed] == [reason]
    with pytest.raises(DataError) as caught:
        tree_from_brackets(text)
    assert reason in str(caught.value) or "1 tree" not in reason


def test_a_slip_costs_one_tree_and_not_those_that_follow() -> None:
    lines = ["(1 (0 a) (1 b))", "(1 (0 a (1 b))", "(1 (0 a) (1 b)))", "(1 (0 c) (1 d))", "(1 (0 e)", "(1 (0 f) (1 g))"]
    reader = BracketReader(["\n".join(lines)])
    assert [(tree.line, tree.sentence) for tree in reader] == [(1, "a b"), (3, "a b"), (4, "c d"), (6, "f g")]
    assert [each.line for each in reader.malformed] == [2, 3, 5]


def test_one_endless_line_is_read_piece_by_piece(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text(" ".join(f"(1 (0 word{number}) (1 film))" for number in range(4000)), encoding="utf-8")
    reader = BracketReader(TextReader(path, piece=100))
    sentences = [tree.sentence for tree in reader]
    assert len(sentences) == 4000
    assert sentences[-1] == "word3999 film"
    assert not reader.malformed
    with path.open("a", encoding="utf-8") as file:
        file.write(" (1 a b)")
    column = path.stat().st_size - 1
    list(reader := BracketReader(TextReader(path, piece=100)))
    assert reader.malformed[0].reason == f"line 1, column {column}: 'b' is a second word of one node"


def test_one_tree_is_asked_for() -> None:
    with pytest.raises(DataError, match=r"There is no tree in this text\. .* got 'a good film'\. Parse the sentence first"):
        tree_from_brackets("a good film")
    with pytest.raises(DataError, match=r"This is not one tree\. .* got 2 trees"):
        tree_from_brackets("(1 a) (2 b)")


def test_what_looks_like_trees(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text, looks in (
        ("\n (3 (2 good) (4 film))\n" * 3, True),
        ("(3 (2 good)\n(4 (2 good) (3 film))", True),
        ("(see below) for what is meant (1984) (and more)", False),
        ("Once upon a time (3 good)", False),
    ):
        path.write_text(text, encoding="utf-8")
        assert looks_bracketed(path) is looks, text
    with pytest.raises(SourceNotFoundError):
        looks_bracketed(tmp_path / "b.txt")
