"""Gradients through time: against networks whose gradient is known in closed form, and against differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.gradients_in_time import TimeGradient, gradient_through_time
from leadline.layers import PeepholeLSTM
from leadline.models.recurrent_networks import recurrent


class Last(nn.Module):
    """The last step of a recurrent layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0][:, -1]  # type: ignore[no-any-return]


def summed(outputs: Tensor, targets: Tensor) -> Tensor:
    return outputs.sum()


def scaled(factor: float, kind: str = "relu") -> Last:
    """h' = relu(factor · Q h + 1) with a permutation Q: always above 0, so that the gradient falls by `factor` a step."""
    rnn = nn.RNN(1, 4, batch_first=True, nonlinearity=kind).double()
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.zero_()
        rnn.weight_hh_l0.copy_(factor * torch.eye(4).roll(1, 0))
        rnn.bias_ih_l0.fill_(1.0)
    return Last(rnn)


@pytest.mark.parametrize(("factor", "verdict"), [(0.5, "vanishing"), (1.0, "steady"), (0.9, "steady"), (1.5, "exploding")])
def test_a_linear_network_scales_its_gradient_by_its_matrix(factor: float, verdict: str) -> None:
    [found] = gradient_through_time(scaled(factor), torch.ones(3, 30, 1, dtype=torch.float64), None, summed)
    assert found.norms == pytest.approx(2 * factor ** np.arange(30))
    assert found.growth == pytest.approx(factor)
    assert found.verdict == verdict
    assert found.across == pytest.approx(factor**29)
    assert found.half_life == (math.inf if factor >= 1 else pytest.approx(math.log(0.5) / math.log(factor)))


def test_the_states_gradient_is_that_of_differences() -> None:
    for layer in (nn.LSTM(2, 3, batch_first=True), nn.GRU(2, 3, batch_first=True), PeepholeLSTM(2, 3)):
        torch.manual_seed(0)
        network, x = Last(layer.double()), torch.randn(1, 6, 2, dtype=torch.float64)
        [found] = gradient_through_time(network, x, None, lambda outputs, _: outputs.square().sum())
        two = not isinstance(layer, nn.GRU)
        for back in range(1, 6):
            first, rest = x[:, : 6 - back], x[:, 6 - back :]
            state = layer(first)[1]
            parts = [part.detach().clone() for part in (state if two else (state,))]

            def value(parts: list[Tensor], rest: Tensor = rest, two: bool = two, layer: nn.Module = layer) -> float:
                return layer(rest, tuple(parts) if two else parts[0])[0][:, -1].square().sum().item()  # type: ignore[no-any-return]

            total = 0.0
            for part in parts:
                for at in range(3):
                    part[0, 0, at] += 1e-6
                    above = value(parts)
                    part[0, 0, at] -= 2e-6
                    total += ((above - value(parts)) / 2e-6) ** 2
                    part[0, 0, at] += 1e-6
            assert found.norms[back] == pytest.approx(math.sqrt(total), rel=1e-5)


def test_distances_are_counted_from_the_end_of_each_row() -> None:
    torch.manual_seed(0)
    network = recurrent((9, 2), 1, hidden=5, cell="gru", bidirectional=True).double()
    rows = [torch.randn(length, 2, dtype=torch.float64) for length in (7, 3, 5)]
    together = torch.full((3, 9, 2), float("nan"), dtype=torch.float64)
    for number, row in enumerate(rows):
        together[number, : len(row)] = row
    found = gradient_through_time(network, together, None, summed)
    assert [each.backward for each in found] == [False, True]
    assert [each.name for each in found] == ["recurrent.ahead.0", "recurrent.back.0"]
    alone = [gradient_through_time(network, row[None], None, summed) for row in rows]
    for way in range(2):
        assert len(found[way].norms) == 7
        for distance in range(7):
            expected = np.mean([each[way].norms[distance] for each in alone if distance < len(each[way].norms)])
            assert found[way].norms[distance] == pytest.approx(expected)


def test_gates_keep_the_gradient_that_a_simple_network_loses() -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 60, 2)
    networks = {}
    for cell in ("rnn", "lstm"):
        networks[cell] = recurrent((60, 2), 1, cell=cell, hidden=16).train()
        with torch.no_grad():
            for layer in networks[cell].recurrent.ahead:
                layer.weight_hh_l0.mul_(0.7)
                if cell == "lstm":
                    layer.bias_ih_l0[16:32] = 5.0
    found = {cell: gradient_through_time(network, x, None, summed)[0] for cell, network in networks.items()}
    assert found["rnn"].verdict == "vanishing"
    assert found["rnn"].half_life < 3
    assert found["lstm"].verdict == "steady"
    assert all(network.training for network in networks.values())
    assert all(parameter.grad is None for network in networks.values() for parameter in network.parameters())


def test_frozen_weights_and_whole_numbers_are_no_hindrance() -> None:
    torch.manual_seed(0)
    network = recurrent((9,), 2, vocabulary=9, cell="rnn", hidden=5)
    ids, targets = torch.randint(1, 9, (4, 9)), torch.tensor([0, 1, 0, 1])
    [expected] = gradient_through_time(network, ids, targets, nn.functional.cross_entropy)
    network.requires_grad_(False)
    [found] = gradient_through_time(network, ids, targets, nn.functional.cross_entropy)
    assert found.norms == pytest.approx(expected.norms)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_it_says_what_it_found() -> None:
    assert "halves every 2.0 steps" in str(TimeGradient("a", False, 0.5 ** (np.arange(9) / 2)))
    assert "a (backwards): the gradient grows by 10.0% a step" in str(TimeGradient("a", True, 1.1 ** np.arange(9)))
    [nothing] = gradient_through_time(scaled(0.0), torch.ones(2, 3, 1, dtype=torch.float64), None, summed)
    assert nothing.norms.tolist() == [2.0, 0.0, 0.0]
    assert (nothing.growth, nothing.half_life, nothing.verdict) == (0.0, 0.0, "vanishing")


def test_what_does_not_fit() -> None:
    x = torch.ones(2, 5, 1, dtype=torch.float64)
    with pytest.raises(ArgumentError, match="no recurrent layer to look into"):
        gradient_through_time(nn.Linear(1, 1), x, None, summed)
    with pytest.raises(ArgumentError, match=r"one number to begin from.*got \[2, 4\]"):
        gradient_through_time(scaled(0.5), x, None, lambda outputs, _: outputs)
    with pytest.raises(ArgumentError, match="read one step, so there is no way through time"):
        gradient_through_time(scaled(0.5), x[:, :1], None, summed)
    with pytest.raises(ArgumentError, match="does not depend on a recurrent layer"):
        gradient_through_time(scaled(0.5), x, None, lambda outputs, _: torch.ones(()))
    with pytest.raises(ArgumentError, match="does not depend on what the layer 'RNN' read before its last step"):
        gradient_through_time(scaled(0.5).layer, x, None, lambda outputs, _: outputs[0][:, 0].sum())
    with pytest.raises(ArgumentError, match="is not finite"):
        gradient_through_time(scaled(0.5), x, None, lambda outputs, _: (outputs.sum() * math.inf) - math.inf)
