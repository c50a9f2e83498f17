"""The forget gate of an LSTM starts open, and nothing else changes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.initialize import set_forget_bias
from leadline.layers.peephole import PeepholeLSTM

LSTMS = [
    nn.LSTM(3, 4),
    nn.LSTM(3, 4, num_layers=2, bidirectional=True),
    nn.LSTM(3, 4, proj_size=2),
    nn.LSTMCell(3, 4),
    PeepholeLSTM(3, 4),
    PeepholeLSTM(3, 4, layers=2, bidirectional=True),
]


@pytest.mark.parametrize("lstm", LSTMS, ids=lambda lstm: f"{type(lstm).__name__}-{len(list(lstm.parameters()))}")
@pytest.mark.parametrize("value", [1.0, -2.5])
def test_only_the_forget_gates_change(lstm: nn.Module, value: float) -> None:
    before = {name: parameter.detach().clone() for name, parameter in lstm.named_parameters()}
    count = set_forget_bias(lstm, value)
    assert count == sum("bias_ih" in name for name in before)
    after = dict(lstm.named_parameters())
    for name, was in before.items():
        expected = was.clone()
        if name.startswith("bias"):
            expected[4:8] = value if "ih" in name else 0.0
        assert after[name].detach().equal(expected)


def test_the_cell_is_kept_by_what_the_gate_says() -> None:
    lstm = nn.LSTM(2, 3)
    for parameter in lstm.parameters():
        nn.init.zeros_(parameter)
    set_forget_bias(lstm, 3.0)
    _, (_, cell) = lstm(torch.zeros(10, 1, 2), (torch.zeros(1, 1, 3), torch.ones(1, 1, 3)))
    assert cell.detach().flatten().tolist() == pytest.approx([(1 / (1 + math.exp(-3.0))) ** 10] * 3)


def test_every_lstm_of_a_network_is_found() -> None:
    network = nn.ModuleDict({"a": nn.LSTM(3, 4), "b": nn.Sequential(nn.Linear(4, 4), nn.LSTMCell(4, 2)), "c": nn.GRU(4, 4)})
    gru = [parameter.detach().clone() for parameter in network["c"].parameters()]
    assert set_forget_bias(network) == 2
    assert all(a.equal(b) for a, b in zip(gru, network["c"].parameters(), strict=True))


@pytest.mark.parametrize("module", [nn.GRU(3, 4), nn.Linear(3, 16), nn.LSTM(3, 4, bias=False), nn.RNN(3, 4)], ids=str)
def test_without_a_forget_gate_it_is_refused(module: nn.Module) -> None:
    with pytest.raises(ArgumentError, match=f"no forget gate to set.*got {type(module).__name__}"):
        set_forget_bias(module)


def test_a_bias_that_is_no_number_is_refused() -> None:
    with pytest.raises(ArgumentError, match="out of range"):
        set_forget_bias(nn.LSTM(3, 4), math.nan)
