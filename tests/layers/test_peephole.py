"""The peephole LSTM: against loops in numpy, against torch's LSTM without peepholes, packed sequences one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from leadline.errors import ArgumentError
from leadline.layers.peephole import PeepholeLSTM


def learned(lstm: nn.Module, seed: int = 0) -> nn.Module:
    """The same layer in float64 with every parameter random."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in lstm.double().parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    return lstm


def sigma(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_loop(lstm: PeepholeLSTM, x: np.ndarray, end: str = "_l0") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One sequence [T, D] through one layer, gate by gate: the published equations."""
    weights = {name: value.detach().numpy() for name, value in lstm.named_parameters()}
    w_i, w_f, w_g, w_o = np.split(weights[f"weight_ih{end}"], 4)
    u_i, u_f, u_g, u_o = np.split(weights[f"weight_hh{end}"], 4)
    b_i, b_f, b_g, b_o = np.split(weights[f"bias_ih{end}"] + weights[f"bias_hh{end}"], 4)
    p_i, p_f, p_o = weights[f"peephole{end}"]
    h = c = np.zeros(lstm.hidden)
    outputs = []
    for at in x:
        i = sigma(w_i @ at + u_i @ h + p_i * c + b_i)
        f = sigma(w_f @ at + u_f @ h + p_f * c + b_f)
        c = f * c + i * np.tanh(w_g @ at + u_g @ h + b_g)
        o = sigma(w_o @ at + u_o @ h + p_o * c + b_o)
        h = o * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs), h, c


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6), st.integers(1, 3), st.booleans(), st.integers(0, 99))
def test_it_is_the_published_equations(features: int, hidden: int, steps: int, batch: int, first: bool, seed: int) -> None:
    lstm = learned(PeepholeLSTM(features, hidden, batch_first=first), seed)
    x = np.random.default_rng(seed).normal(size=(batch, steps, features))
    outputs, (h, c) = lstm(torch.from_numpy(x if first else x.swapaxes(0, 1)))
    outputs = outputs if first else outputs.transpose(0, 1)
    for sample in range(batch):
        expected = by_loop(lstm, x[sample])  # type: ignore[arg-type]
        assert outputs[sample].detach().numpy() == pytest.approx(expected[0], abs=1e-12)
        assert h[0, sample].detach().numpy() == pytest.approx(expected[1], abs=1e-12)
        assert c[0, sample].detach().numpy() == pytest.approx(expected[2], abs=1e-12)


def test_backward_in_time_and_the_second_layer() -> None:
    lstm = learned(PeepholeLSTM(2, 3, layers=2, bidirectional=True))
    x = np.random.default_rng(0).normal(size=(5, 2))
    outputs, (h, c) = lstm(torch.from_numpy(x)[None])
    for layer in range(2):
        there = by_loop(lstm, x, f"_l{layer}")  # type: ignore[arg-type]
        back = by_loop(lstm, x[::-1], f"_l{layer}_reverse")  # type: ignore[arg-type]
        assert h[2 * layer : 2 * layer + 2, 0].detach().numpy() == pytest.approx(np.stack([there[1], back[1]]), abs=1e-12)
        assert c[2 * layer : 2 * layer + 2, 0].detach().numpy() == pytest.approx(np.stack([there[2], back[2]]), abs=1e-12)
        x = np.concatenate([there[0], back[0][::-1]], axis=1)
    assert outputs[0].detach().numpy() == pytest.approx(x, abs=1e-12)


def without_peepholes(layers: int, bidirectional: bool, batch_first: bool) -> tuple[PeepholeLSTM, nn.LSTM]:
    theirs = learned(nn.LSTM(3, 4, layers, bidirectional=bidirectional, batch_first=batch_first))
    ours = PeepholeLSTM(3, 4, layers=layers, bidirectional=bidirectional, batch_first=batch_first).double()
    missing = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert missing.unexpected_keys == []
    assert all(name.startswith("peephole") for name in missing.missing_keys)
    return ours, theirs  # type: ignore[return-value]


def flat(found: tuple[Tensor, tuple[Tensor, Tensor]]) -> list[Tensor]:
    return [found[0], *found[1]]


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_without_peepholes_it_is_torchs_lstm(layers: int, bidirectional: bool, batch_first: bool) -> None:
    ours, theirs = without_peepholes(layers, bidirectional, batch_first)
    x = torch.randn(4, 4, 3, dtype=torch.float64)
    rows = layers * (2 if bidirectional else 1)
    state = tuple(torch.randn(2, rows, 4, 4, dtype=torch.float64))
    for one, other in zip(flat(ours(x)), flat(theirs(x)), strict=True):
        assert torch.allclose(one, other)
    for one, other in zip(flat(ours(x, state)), flat(theirs(x, state)), strict=True):
        assert torch.allclose(one, other)
    ours(x)[0].square().sum().backward()
    theirs(x)[0].square().sum().backward()
    for name, parameter in theirs.named_parameters():
        assert torch.allclose(ours.get_parameter(name).grad, parameter.grad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [[5, 3, 3, 1], [1, 4, 2, 6], [3, 3]])
def test_packed_sequences_are_read_as_by_torch(bidirectional: bool, lengths: list[int]) -> None:
    ours, theirs = without_peepholes(2, bidirectional, True)
    packed = pack_sequence([torch.randn(n, 3, dtype=torch.float64) for n in lengths], enforce_sorted=False)
    state = tuple(torch.randn(2, 4 if bidirectional else 2, len(lengths), 4, dtype=torch.float64))
    for start in (None, state):
        found, expected = ours(packed, start), theirs(packed, start)
        padded, sizes = pad_packed_sequence(found[0], batch_first=True)
        assert sizes.tolist() == lengths
        assert torch.allclose(padded, pad_packed_sequence(expected[0], batch_first=True)[0])
        assert torch.allclose(found[1][0], expected[1][0])
        assert torch.allclose(found[1][1], expected[1][1])


def test_a_packed_sequence_is_read_as_if_it_were_alone() -> None:
    lstm = learned(PeepholeLSTM(3, 4, bidirectional=True, layers=2))
    x, lengths = torch.randn(3, 6, 3, dtype=torch.float64), [2, 6, 4]
    packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    outputs, (h, c) = lstm(packed)
    padded, _ = pad_packed_sequence(outputs, batch_first=True)
    for sample, length in enumerate(lengths):
        alone, (h_alone, c_alone) = lstm(x[sample : sample + 1, :length])
        assert torch.allclose(padded[sample, :length], alone[0])
        assert torch.allclose(h[:, sample], h_alone[:, 0])
        assert torch.allclose(c[:, sample], c_alone[:, 0])


def test_gradients_match_differences() -> None:
    lstm = learned(PeepholeLSTM(2, 2, bidirectional=True))
    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in lstm.named_parameters()]
    values = [parameter.detach().requires_grad_() for parameter in lstm.parameters()]

    def run(x: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        return tuple(flat(torch.func.functional_call(lstm, dict(zip(names, parameters, strict=True)), (x,))))

    assert torch.autograd.gradcheck(run, (x, *values))


def test_at_the_start_it_remembers_and_does_not_peep() -> None:
    lstm = PeepholeLSTM(2, 3, layers=2)
    for layer in range(2):
        bias = getattr(lstm, f"bias_ih_l{layer}") + getattr(lstm, f"bias_hh_l{layer}")
        assert bias.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
        assert getattr(lstm, f"peephole_l{layer}").abs().sum().item() == 0
    assert sum(p.numel() for p in PeepholeLSTM(5, 7).parameters()) == 4 * 7 * (5 + 7) + 8 * 7 + 3 * 7


def test_the_cell_is_counted_with_the_peephole() -> None:
    # An output gate that opens once the cell exceeds 2: without the peephole it could not know, h being 0 until then.
    lstm = PeepholeLSTM(1, 1).double()
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.zero_()
        lstm.bias_ih_l0.copy_(torch.tensor([50.0, 50.0, 1.0, -1000.0]))
        lstm.peephole_l0[2] = 500.0
    outputs = lstm(torch.zeros(1, 5, 1, dtype=torch.float64))[0].flatten().tolist()
    # The cell grows by tanh 1 = 0.76 a step: 0.76, 1.52, 2.28 …
    assert outputs == pytest.approx([0, 0, *np.tanh(np.tanh(1) * np.array([3, 4, 5]))], abs=1e-9)


def test_dropout_between_the_layers_only() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 2)
    one = PeepholeLSTM(2, 4, dropout=0.5)
    assert torch.equal(one(x)[0], one(x)[0])
    two = PeepholeLSTM(2, 4, layers=2, dropout=0.5)
    assert not torch.equal(two(x)[0], two(x)[0])
    two.eval()
    assert torch.equal(two(x)[0], two(x)[0])


def test_what_does_not_fit() -> None:
    lstm = PeepholeLSTM(3, 4)
    with pytest.raises(ArgumentError, match=r"PeepholeLSTM cannot take.*shape \[B, T, 3\]; got float32 of shape \[2, 5, 4\]"):
        lstm(torch.zeros(2, 5, 4))
    with pytest.raises(ArgumentError, match=r"each of shape \[1, 2, 4\]; got float32 of shape \[1, 3, 4\]"):
        lstm(torch.zeros(2, 5, 3), (torch.zeros(1, 3, 4), torch.zeros(1, 3, 4)))
    with pytest.raises(ArgumentError, match=r"shape \[N, 3\]; got float32 of shape \[4, 2\]"):
        lstm(pack_sequence([torch.zeros(4, 2)]))
    with pytest.raises(ArgumentError, match="PeepholeLSTM cannot be built: dropout is out of range"):
        PeepholeLSTM(3, 4, dropout=1.0)
