"""Word vectors in the place of a table's first weights: which rows, in which direction, of which size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.language.words.first_layers import begin_with_vectors, rows_with_vectors
from leadline.text.word_vectors import WordVectors

KNOWN = WordVectors(["rome", "Oslo", "OSLO", "nice", "Nice"], np.arange(20, dtype=np.float32).reshape(5, 4) ** 1.5)


def test_rows_are_those_of_the_words_and_all_others_stay() -> None:
    torch.manual_seed(0)
    table = nn.Embedding(8, 4)
    before = table.weight.detach().clone()
    assert begin_with_vectors(table, ["", "<unk>", "oslo", "paris", "rome", "Nice"], KNOWN) == 3
    rows, after = [2, 4, 5], table.weight.detach()
    assert torch.equal(after[[0, 1, 3, 6, 7]], before[[0, 1, 3, 6, 7]])
    theirs = torch.from_numpy(KNOWN.vectors[[1, 0, 4]])
    ratio = after[rows] / theirs
    assert torch.allclose(ratio[theirs != 0], ratio[theirs != 0][0].expand(11), rtol=1e-5)  # one factor for all
    assert after[rows].square().mean().sqrt().item() == pytest.approx(before[rows].square().mean().sqrt().item(), rel=1e-5)


def test_a_word_is_looked_for_as_it_is_then_small_then_with_any_capitals() -> None:
    found = rows_with_vectors(["ROME", "Nice", "nice", "NICE", "oslo", "  ", "Bonn"], KNOWN)
    assert found == {0: 0, 1: 4, 2: 3, 3: 3, 4: 1}


def test_no_word_in_common_leaves_everything_as_it_was() -> None:
    table = nn.Embedding(2, 4)
    before = table.weight.detach().clone()
    assert begin_with_vectors(table, ["bonn", ""], KNOWN) == 0
    assert torch.equal(table.weight, before)


@pytest.mark.parametrize(("rows", "width"), [(3, 5), (1, 4)])
def test_vectors_that_do_not_fit_are_refused(rows: int, width: int) -> None:
    with pytest.raises(ArgumentError, match="do not fit the first layer"):
        begin_with_vectors(nn.Embedding(rows, width), ["rome", "oslo"], KNOWN)
