"""Gates and cells over a row: the layers step by step give what torch's give, and their gates what the equations say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from leadline.errors import ArgumentError
from leadline.explain.gates_in_time import GateReading, gate_readings
from leadline.explain.unrolling import turned_layers, unrolled
from leadline.layers import PeepholeLSTM
from leadline.models.recurrent_cells import CELLS
from leadline.models.recurrent_networks import recurrent

OTHERS: dict[str, Any] = {
    "lstm": lambda first, two: nn.LSTM(3, 4, 2, batch_first=first, bidirectional=two, dropout=0.5),
    "gru": lambda first, two: nn.GRU(3, 4, 2, batch_first=first, bidirectional=two),
    "tanh": lambda first, two: nn.RNN(3, 4, batch_first=first, bidirectional=two),
    "relu": lambda first, two: nn.RNN(3, 4, 2, nonlinearity="relu", batch_first=first, bidirectional=two),
    "without biases": lambda first, two: nn.LSTM(3, 4, bias=False, batch_first=first, bidirectional=two),
    "projected": lambda first, two: nn.LSTM(3, 4, 2, proj_size=2, batch_first=first, bidirectional=two),
    "peephole": lambda first, two: PeepholeLSTM(3, 4, layers=2, batch_first=first, bidirectional=two),
}


def made(kind: str, first: bool = True, two: bool = False) -> nn.Module:
    torch.manual_seed(0)
    layer = OTHERS[kind](first, two).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.6)
    return layer.eval()


def flat(found: Any) -> list[Tensor]:
    outputs, state = found
    return [
        outputs.data if isinstance(outputs, PackedSequence) else outputs,
        *(state if isinstance(state, tuple) else (state,)),
    ]


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("two", [False, True])
@pytest.mark.parametrize("given", ["first", "second", "packed", "alone", "state"])
def test_step_by_step_the_layers_give_what_they_give_at_once(kind: str, two: bool, given: str) -> None:
    layer = made(kind, given != "second", two)
    if given == "alone" and kind == "peephole":
        pytest.skip("PeepholeLSTM reads batches only")
    x: Any = torch.randn((4, 5, 3) if given != "alone" else (5, 3), dtype=torch.float64)
    if given == "packed":
        x = pack_sequence([torch.randn(length, 3, dtype=torch.float64) for length in (2, 5, 3, 5)], enforce_sorted=False)
    states = [torch.randn_like(part) for part in flat(layer(x))[1:]] if given in ("state", "packed") else None
    state = None if states is None else tuple(states) if len(states) > 1 else states[0]
    expected = flat(layer(x, state))
    with unrolled(layer) as layers:
        found = flat(layer(x, state))
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert torch.allclose(one, other, atol=1e-12)
    assert len(layers) == (1 if kind in ("tanh", "without biases") else 2) * (2 if two else 1)
    assert not layer._forward_hooks


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("of_texts", [False, True])
def test_networks_answer_the_same_and_stay_as_they_were(cell: str, of_texts: bool) -> None:
    torch.manual_seed(0)
    size: dict[str, Any] = {"vocabulary": 9} if of_texts else {}
    network = recurrent((7,) if of_texts else (7, 2), 3, cell=cell, hidden=4, layers=2, bidirectional=True, **size)
    x = torch.tensor([[3, 4, 5, 0], [6, 0, 0, 0]]) if of_texts else torch.randn(2, 4, 2)
    network.eval()
    expected = network(x)
    network.train()
    with unrolled(network) as layers:
        assert not network.training
        assert torch.allclose(network(x), expected, atol=1e-6)
    assert [(each.name, each.backward) for each in layers] == [
        (f"recurrent.{way}.{level}", False) for level in range(2) for way in ("ahead", "back")
    ]
    assert network.training
    assert all(module.training for module in network.modules())


def sigma(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_the_gates_of_an_lstm_are_the_published_equations() -> None:
    layer, x = made("without biases"), np.random.default_rng(0).normal(size=(6, 3))
    [reading] = gate_readings(layer, x)
    w, u = (value.detach().numpy() for value in (layer.weight_ih_l0, layer.weight_hh_l0))
    h = c = np.zeros(4)
    for at, step in enumerate(x):
        i, f, g, o = np.split(w @ step + u @ h, 4)
        c = sigma(f) * c + sigma(i) * np.tanh(g)
        h = sigma(o) * np.tanh(c)
        expected = {"input": sigma(i), "forget": sigma(f), "output": sigma(o), "candidate": np.tanh(g), "cell": c, "hidden": h}
        for name, value in expected.items():
            assert reading.values[name][at] == pytest.approx(value, abs=1e-12)
    assert (reading.kind, reading.steps, reading.units) == ("lstm", 6, 4)
    assert set(reading.values) == {"input", "forget", "output", "candidate", "cell", "hidden"}


def test_the_gates_of_a_gru_mix_the_old_with_the_new() -> None:
    layer, x = nn.GRU(3, 4, batch_first=True), torch.randn(6, 3)
    [reading] = gate_readings(layer, x)
    values = reading.values
    before = np.vstack([np.zeros(4), values["hidden"][:-1]])
    mixed = (1 - values["update"]) * values["candidate"] + values["update"] * before
    assert values["hidden"] == pytest.approx(mixed, abs=1e-6)
    assert values["hidden"] == pytest.approx(layer(x[None])[0][0].detach().numpy(), abs=1e-6)
    assert ((values["reset"] > 0) & (values["reset"] < 1)).all()


def test_backwards_the_readings_stand_as_the_row_stands() -> None:
    layer, x = made("tanh", True, True), torch.randn(6, 3, dtype=torch.float64)
    ahead, back = gate_readings(layer, x)
    outputs = layer(x[None])[0][0].detach().numpy()
    assert (ahead.backward, back.backward) == (False, True)
    assert ahead.values["hidden"] == pytest.approx(outputs[:, :4])
    assert back.values["hidden"] == pytest.approx(outputs[:, 4:])


def test_layers_that_are_given_rows_from_their_end_stand_as_the_row_stands() -> None:
    torch.manual_seed(0)
    network = recurrent((7, 2), 3, cell="gru", hidden=4, bidirectional=True).eval()
    x = torch.randn(1, 6, 2)
    ahead, back = gate_readings(network, x)
    outputs = network.recurrent.read(x, torch.tensor([6]))[0].detach().numpy()  # type: ignore[operator, union-attr]
    assert (ahead.backward, back.backward) == (False, True)
    assert ahead.values["hidden"] == pytest.approx(outputs[:, :4], abs=1e-6)
    assert back.values["hidden"] == pytest.approx(outputs[:, 4:], abs=1e-6)
    assert turned_layers(network) == {"recurrent.back.0"}
    assert turned_layers(made("gru", True, True)) == set(), "a layer that turns rows itself knows that it does"


def test_a_layer_that_is_called_step_after_step_gives_one_reading() -> None:
    class Writer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(3, 4, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            state, outputs = None, []
            for step in x.split(1, dim=1):
                output, state = self.lstm(step, state)
                outputs.append(output)
            return torch.cat(outputs, dim=1)

    torch.manual_seed(0)
    writer, x = Writer(), torch.randn(5, 3)
    [reading], [whole] = gate_readings(writer, x), gate_readings(writer.lstm, x)
    for name, values in whole.values.items():
        assert reading.values[name] == pytest.approx(values, abs=1e-6)


def test_shares_and_the_most_moved() -> None:
    gates = np.array([[0.95, 0.05, 0.5], [0.92, 0.5, 0.5]])
    reading = GateReading("x", "lstm", False, {"forget": gates, "cell": np.array([[0, 0, 0], [1, 3, 2.0]]), "hidden": gates})
    assert reading.open_share("forget") == pytest.approx(1 / 3)
    assert reading.closed_share("forget") == pytest.approx(1 / 6)
    assert reading.most_moved(2).tolist() == [1, 2]
    assert reading.most_moved(9, "forget").tolist() == [1, 0, 2]


def test_what_does_not_fit() -> None:
    with pytest.raises(ArgumentError, match=r"no recurrent layer to look into.*got Linear"):
        gate_readings(nn.Linear(2, 1), torch.zeros(3, 2))
    with pytest.raises(ArgumentError, match=r"over one row at a time.*got \[2, 5, 3\]"):
        gate_readings(made("gru"), torch.zeros(2, 5, 3))
    with pytest.raises(ArgumentError, match=r"over one row at a time.*got \[0, 3\]"):
        gate_readings(made("gru"), torch.zeros(0, 3))

    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(3, 4), nn.Linear(3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x)  # type: ignore[no-any-return]

    with pytest.raises(ArgumentError, match="No recurrent layer of the network read the row"):
        gate_readings(Unused(), torch.zeros(5, 3))
