"""Where the compiled part of word2vec finds the rows of words and targets, and how threads share those that come often.

Two threads that write to one row wait for each other's cache lines. So each of several threads has copies of the rows that come
most often, which lie behind all others in the same array, and gives what they have learned to all every so many words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.language.compiling import compiled
from leadline.language.words.vector_lanes import WIDTH, fetch_ahead, load, minus, plus, store

LINE = 16  # numbers of a cache line


class Matrices(NamedTuple):
    """What is learned: the rows of V words as contexts and those of K targets, words or nodes, flat, each D numbers wide.

    A thread has copies of the first `copied` rows of `inputs` and of so many from `first_output` on, the commonest ones; they
    lie from row `input_copies` and from row `output_copies` on. A thread that is alone has none.
    """

    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]
    width: int
    copied: int = 0
    first_output: int = 0
    input_copies: int = 0
    output_copies: int = 0


@compiled
def input_row(word: int, matrices: Matrices) -> int:
    """Where the row of a word as context begins, for this thread."""
    return (matrices.input_copies + word if word < matrices.copied else word) * matrices.width


@compiled
def output_row(target: int, matrices: Matrices) -> int:
    """Where the row of a target begins, for this thread."""
    place = target - matrices.first_output
    return (matrices.output_copies + place if 0 <= place < matrices.copied else target) * matrices.width


@compiled
def fetch_row(rows: NDArray[np.float32], row: int, width: int) -> None:
    """Ask for a row that is needed soon."""
    for place in range(0, width, LINE):
        fetch_ahead(rows, row + place)


@compiled
def exchange_copies(matrices: Matrices, inputs_before: NDArray[np.float32], outputs_before: NDArray[np.float32]) -> None:
    """Add what this thread's copies have learned to the rows of all, and make them equal to these again.

    Args:
        matrices: changed.
        inputs_before: the copies after the last exchange [copied D]; zeros, like the copies, before the first.
        outputs_before: likewise.
    """
    width, count = matrices.width, matrices.copied * matrices.width
    first, copies = matrices.first_output * width, matrices.output_copies * width
    for at in range(0, count, WIDTH):
        copy = matrices.input_copies * width + at
        _exchange(matrices.inputs, at, copy, inputs_before, at)
        _exchange(matrices.outputs, first + at, copies + at, outputs_before, at)


@compiled
def _exchange(rows: NDArray[np.float32], row: int, copy: int, before: NDArray[np.float32], at: int) -> None:
    new = plus(load(rows, row), minus(load(rows, copy), load(before, at)))
    store(rows, row, new)
    store(rows, copy, new)
    store(before, at, new)
