"""Recurrent networks for texts and series: padding and other rows make no difference, and each pooling is what it says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline import explain
from leadline.errors import ArgumentError
from leadline.models.recurrent_cells import CELLS
from leadline.models.recurrent_networks import POOLINGS, recurrent

NAN = float("nan")


def texts(**more: Any) -> nn.Module:
    torch.manual_seed(0)
    return recurrent((9,), 2, vocabulary=20, **{"hidden": 4, "embedding": 3, **more}).eval()


def series(**more: Any) -> nn.Module:
    torch.manual_seed(0)
    return recurrent((9, 2), 3, **{"hidden": 4, **more}).eval()


def padded(rows: list[Tensor], more: int) -> Tensor:
    whole = not rows[0].is_floating_point()
    shape = (len(rows), max(1, max(map(len, rows)) + more), *rows[0].shape[1:])
    together = torch.zeros(shape, dtype=torch.long) if whole else torch.full(shape, NAN)
    for number, row in enumerate(rows):
        together[number, : len(row)] = row
    return together


OPTIONS = st.fixed_dictionaries({
    "cell": st.sampled_from(CELLS), "bidirectional": st.booleans(), "layers": st.integers(1, 2),
    "pooling": st.sampled_from(POOLINGS), "every_step": st.booleans(),
})  # fmt: skip


@settings(max_examples=40)
@given(OPTIONS, st.booleans(), st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 3), st.integers(0, 99))
def test_neither_padding_nor_other_rows_make_a_difference(
    options: dict[str, Any], of_texts: bool, lengths: list[int], more: int, seed: int
) -> None:
    network = texts(**options) if of_texts else series(**options)
    draw = torch.Generator().manual_seed(seed)
    rows = [
        torch.randint(1, 20, (length,), generator=draw) if of_texts else torch.randn(length, 2, generator=draw)
        for length in lengths
    ]
    together = network(padded(rows, more))
    for number, row in enumerate(rows):
        found, expected = together[number], network(padded([row], 0))[0]
        if options["every_step"]:
            assert bool((found[len(row) :] == 0).all())
            found, expected = found[: len(row)], expected[: len(row)]
        assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_poolings_are_what_they_say(cell: str, bidirectional: bool) -> None:
    row = torch.randint(1, 20, (6,))
    steps = texts(cell=cell, bidirectional=bidirectional, every_step=True).features(row[None])[0]
    ended = torch.cat([steps[-1, :4], steps[0, 4:]])
    for pooling, expected in {"last": ended, "mean": steps.mean(0), "max": steps.amax(0), "attention": steps.mean(0)}.items():
        network = texts(cell=cell, bidirectional=bidirectional, pooling=pooling)
        assert torch.allclose(network.features(row[None])[0], expected, atol=1e-6)
        assert torch.allclose(network(row[None])[0], expected @ network.head.weight.T + network.head.bias, atol=1e-6)


def test_against_a_network_of_torchs_layers() -> None:
    network = texts(cell="lstm", layers=2, bidirectional=True)
    lstm = nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True)
    state = {}
    for level, (ahead, back) in enumerate(zip(network.recurrent.ahead, network.recurrent.back, strict=True)):
        state |= {name.replace("_l0", f"_l{level}"): value for name, value in ahead.state_dict().items()}
        state |= {name.replace("_l0", f"_l{level}_reverse"): value for name, value in back.state_dict().items()}
    lstm.load_state_dict(state)
    for length in (1, 4, 9):
        row = torch.randint(1, 20, (1, length))
        _, (h, _) = lstm(network.words.table(row))
        assert torch.allclose(network(row), network.head(torch.cat([h[2], h[3]], dim=1)), atol=1e-6)


def test_a_row_without_steps_gives_what_the_head_says_of_zeros() -> None:
    for pooling in POOLINGS:
        network = texts(pooling=pooling, bidirectional=True)
        assert torch.allclose(network(torch.tensor([[0, 0], [1, 2]]))[0], network.head.bias)
        network = series(pooling=pooling)
        assert torch.allclose(network(torch.full((1, 3, 2), NAN))[0], network.head.bias)


def test_gradients_reach_every_weight_and_padding_none() -> None:
    for pooling in POOLINGS:
        network = texts(pooling=pooling, layers=2, bidirectional=True, dropout=0.3).train()
        if pooling == "attention":  # the scores start at 0, and then the matrix below them has no gradient
            nn.init.normal_(network.pool.attention.score.weight)
        network(torch.tensor([[3, 4, 5, 0], [6, 7, 0, 0]])).square().sum().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all())
            assert parameter.grad.abs().sum() > 0, name
        assert bool((network.words.table.weight.grad[0] == 0).all())
        assert bool((network.words.table.weight[0] == 0).all())
        network = series(pooling=pooling).train()
        network(padded([torch.randn(5, 2), torch.randn(2, 2)], 1)).square().sum().backward()
        assert all(bool(parameter.grad.isfinite().all()) for parameter in network.parameters())


@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_check_of_explain(cell: str) -> None:
    options = {"cell": cell, "layers": 2, "bidirectional": True, "every_step": cell == "gru", "dropout": 0.3}
    check = explain.gradient_check(texts(**options).train(), torch.tensor([[3, 4, 5, 6], [7, 8, 0, 0]]), entries=4)
    assert check.ok, str(check)
    check = explain.gradient_check(series(**options), torch.randn(2, 4, 2), entries=4)
    assert check.ok, str(check)


@pytest.mark.parametrize("cell", CELLS)
def test_the_summary_counts_it(cell: str) -> None:
    network = series(cell=cell, layers=2, bidirectional=True)
    told = explain.summary(network, (9, 2))
    assert told.parameters == sum(parameter.numel() for parameter in network.parameters())
    gates = {"rnn": 1, "gru": 3, "lstm": 4, "peephole": 4}[cell]
    expected = sum(2 * 9 * gates * 4 * (inputs + 4) for inputs in (2, 8)) + 8 * 3
    assert told.multiply_adds == expected


def test_it_learns_which_word_came_first() -> None:
    # The answer is the first of twelve words, so it must be carried to the end.
    torch.manual_seed(0)
    network = recurrent((12,), 2, vocabulary=10, cell="gru", hidden=16, embedding=8, dropout=0.0)
    ids = torch.randint(1, 10, (256, 12))
    targets = (ids[:, 0] > 5).long()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(60):
        loss = nn.functional.cross_entropy(network(ids), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    new = torch.randint(1, 10, (200, 12))
    assert (network.eval()(new).argmax(1) == (new[:, 0] > 5).long()).double().mean() > 0.95


def test_same_seed_same_network_and_plain_names() -> None:
    one, other = texts(layers=2, bidirectional=True), texts(layers=2, bidirectional=True)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    names = list(one.state_dict())
    assert names[0] == "words.table.weight"
    assert "recurrent.ahead.0.weight_ih_l0" in names
    assert "recurrent.back.1.bias_hh_l0" in names
    assert names[-2:] == ["head.weight", "head.bias"]


def test_what_does_not_fit() -> None:
    with pytest.raises(ArgumentError, match=r"shape \(T,\) and a vocabulary for texts.*got shape \(9,\) and vocabulary = 0"):
        recurrent((9,), 2)
    with pytest.raises(ArgumentError, match=r"got shape \(9, 3\) and vocabulary = 20"):
        recurrent((9, 3), 2, vocabulary=20)
    with pytest.raises(ArgumentError, match="The recurrent network cannot be built: hidden is out of range"):
        recurrent((9, 3), 2, hidden=0)
    with pytest.raises(ArgumentError, match=r"no pooling of steps 'lasst'.*Did you mean 'last'"):
        recurrent((9, 3), 2, pooling="lasst")
    with pytest.raises(ArgumentError, match=r"no recurrent cell 'elman'"):
        recurrent((9, 3), 2, cell="elman")
    with pytest.raises(ArgumentError, match=r"no vectors for.*ids from 0 to 19; got ids from 3 to 20.*Encode it"):
        texts()(torch.tensor([[3, 20]]))
    with pytest.raises(ArgumentError, match="series_lengths cannot take"):
        series()(torch.tensor([[3, 2]]))
    with pytest.raises(ArgumentError, match="token_lengths cannot take"):
        texts()(torch.zeros(1, 3))
    with pytest.raises(ArgumentError, match="at least one step"):
        texts()(torch.zeros(2, 0, dtype=torch.long))
    with pytest.raises(ArgumentError, match=r"RecurrentStack cannot take.*shape \[B, T, 2\]"):
        series()(torch.zeros(1, 3, 4))
