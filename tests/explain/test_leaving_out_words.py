"""Which words decided: exact for an additive network, whatever the window and the batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.leaving_out_words import word_importance


class Additive(nn.Module):
    """Outputs = the sum of a number for each word."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.worth = nn.Embedding(20, 3, padding_idx=0)

    def forward(self, ids: Tensor) -> Tensor:
        return self.worth(ids).sum(1)  # type: ignore[no-any-return]


@given(st.lists(st.integers(1, 19), min_size=1, max_size=12), st.integers(0, 2), st.integers(1, 5))
def test_an_additive_network_is_explained_exactly(words: list[int], output: int, batch: int) -> None:
    network, ids = Additive(), torch.tensor(words)
    found = word_importance(network, ids, output, batch=batch)
    worth = network.worth.weight[:, output].detach()
    right = worth[ids] if len(words) > 1 else worth[ids] - worth[1]  # one unknown word is left
    assert torch.allclose(torch.from_numpy(found), right, atol=1e-5)


def test_a_window_shares_what_it_takes_away() -> None:
    network, ids = Additive(), torch.tensor([4, 5, 6])
    worth = network.worth.weight[ids, 1].detach()
    first, second = (worth[0] + worth[1]) / 2, (worth[1] + worth[2]) / 2
    found = word_importance(network, ids, 1, window=2)
    assert torch.allclose(torch.from_numpy(found), torch.stack([first, (first + second) / 2, second]), atol=1e-6)


def test_scores_may_be_probabilities_and_the_mode_is_put_back() -> None:
    network = nn.Sequential(Additive(), nn.Dropout(0.9)).train()
    one = word_importance(network, torch.tensor([3, 4, 5]), 0, finish=lambda outputs: outputs.softmax(1))
    assert abs(one).max() <= 1
    assert network.training


@pytest.mark.parametrize(
    ("ids", "output", "window"),
    [(torch.tensor([[1, 2]]), 0, 1), (torch.tensor([1, 0]), 0, 1), (torch.tensor([1, 2]), 3, 1), (torch.tensor([1, 2]), 0, 3)],
)
def test_what_cannot_be_explained_is_refused(ids: Tensor, output: int, window: int) -> None:
    with pytest.raises(ArgumentError):
        word_importance(Additive(), ids, output, window=window)


def test_several_outputs_are_explained_in_one_go_and_a_stride_leaves_no_word_out() -> None:
    network, ids = Additive(), torch.tensor([4, 5, 6, 7, 8])
    both = word_importance(network, ids, [2, 0])
    assert both.shape == (2, 5)
    assert torch.allclose(torch.from_numpy(both[1]), torch.from_numpy(word_importance(network, ids, 0)))
    worth = network.worth.weight[ids, 1].detach()
    found = word_importance(network, ids, 1, window=2, stride=2)  # words 0 and 1, 2 and 3, 3 and 4
    pairs = [(worth[at] + worth[at + 1]) / 2 for at in (0, 2, 3)]
    expected = torch.stack([pairs[0], pairs[0], pairs[1], (pairs[1] + pairs[2]) / 2, pairs[2]])
    assert torch.allclose(torch.from_numpy(found), expected, atol=1e-6)
    with pytest.raises(ArgumentError, match="stride 3"):
        word_importance(network, ids, 0, window=2, stride=3)
