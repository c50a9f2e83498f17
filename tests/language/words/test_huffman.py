"""Huffman's code against the bound of Shannon, Kraft's equality, and brute force on small alphabets."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.language.words.huffman import code_tree

COUNTS = st.lists(st.integers(1, 10_000), min_size=2, max_size=60)


@given(COUNTS)
def test_the_mean_length_is_within_a_bit_of_the_entropy(counts: list[int]) -> None:
    shares = np.array(counts) / sum(counts)
    mean = float(shares @ code_tree(counts).lengths)
    entropy = float(-(shares * np.log2(shares)).sum())
    assert entropy - 1e-9 <= mean < entropy + 1


@given(COUNTS)
def test_no_code_is_shorter(counts: list[int]) -> None:
    """The least total length is the sum of all weights that come into being when the two rarest are joined."""
    heap, total = list(counts), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        total += joined
        heapq.heappush(heap, joined)
    assert int(np.array(counts) @ code_tree(counts).lengths) == total


@given(COUNTS)
def test_paths_part_all_words_and_begin_at_one_root(counts: list[int]) -> None:
    tree = code_tree(counts)
    paths = [
        list(zip(tree.nodes[start:end].tolist(), tree.branches[start:end].tolist(), strict=True))
        for start, end in zip(tree.starts[:-1], tree.starts[1:], strict=True)
    ]
    assert len({path[0][0] for path in paths}) == 1
    assert len({tuple(path) for path in paths}) == len(counts)
    assert {node for path in paths for node, _ in path} == set(range(len(counts) - 1))
    assert sum(2.0 ** -len(path) for path in paths) == pytest.approx(1)  # Kraft: no branch leads nowhere
    for node in range(len(counts) - 1):  # a node stands at one depth, wherever it is met
        assert len({[step[0] for step in path].index(node) for path in paths if node in [step[0] for step in path]}) == 1


def test_words_that_never_came_have_no_path() -> None:
    assert code_tree([0, 3, 0, 3]).lengths.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("counts", [[], [4], [0, 4], [1, -1, 2]])
def test_too_few_words_are_refused(counts: list[int]) -> None:
    with pytest.raises(ArgumentError, match="at least two words"):
        code_tree(counts)
