"""Recurrent layers on top of each other: against torch's layers row by row, in both ways of reading padded rows."""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers import PeepholeLSTM
from leadline.models import recurrent_cells
from leadline.models.recurrent_cells import CELLS, RecurrentStack

NAN = float("nan")


def stack_of(
    cell: str, *, sizes: tuple[int, ...] = (4, 3), bidirectional: bool = False, dropout: float = 0.0, weight_drop: float = 0.0
) -> RecurrentStack:
    torch.manual_seed(0)
    stack = RecurrentStack(cell, 3, sizes=sizes, bidirectional=bidirectional, dropout=dropout, weight_drop=weight_drop)
    for parameter in stack.parameters():
        nn.init.normal_(parameter, std=0.6)
    return stack.double()


def torchs_own(layer: nn.Module) -> nn.Module:
    """The same layer as torch has it; it has no peepholes, so ours stands for itself there."""
    if isinstance(layer, PeepholeLSTM):
        return layer
    kind = next(kind for kind in (nn.LSTM, nn.GRU, nn.RNN) if isinstance(layer, kind))
    own = kind(layer.input_size, layer.hidden_size, batch_first=True).double()
    own.load_state_dict(layer.state_dict())
    return own


def alone(stack: RecurrentStack, row: Tensor) -> Tensor:
    """One row [T, D] through torch's own layers, without a batch and without padding: [T, outputs]."""
    x = row[None]
    for at, layer in enumerate(stack.ahead):
        outputs = torchs_own(layer)(x)[0]
        if stack.bidirectional:
            outputs = torch.cat([outputs, torchs_own(stack.back[at])(x.flip(1))[0].flip(1)], dim=2)
        x = outputs
    return x[0]


def rows_of(lengths: list[int], steps: int, fill: float, seed: int = 0) -> tuple[list[Tensor], Tensor]:
    draw = torch.Generator().manual_seed(seed)
    rows = [torch.randn(length, 3, generator=draw, dtype=torch.float64) for length in lengths]
    together = torch.full((len(rows), steps, 3), fill, dtype=torch.float64)
    for number, row in enumerate(rows):
        together[number, : len(row)] = row
    return rows, together


@settings(max_examples=40)
@given(
    st.sampled_from(CELLS), st.booleans(), st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 2),
    st.sampled_from([NAN, 0.0, 1e6]), st.integers(0, 99),
)  # fmt: skip
def test_every_row_is_read_as_if_it_were_alone_in_either_way(
    cell: str, two: bool, lengths: list[int], more: int, fill: float, seed: int
) -> None:
    stack = stack_of(cell, bidirectional=two)
    steps = max(1, max(lengths) + more)
    rows, x = rows_of(lengths, steps, fill, seed)
    known = torch.tensor(lengths)
    expected = torch.zeros(len(rows), steps, stack.outputs, dtype=torch.float64)
    for number, row in enumerate(rows):
        if len(row):
            expected[number, : len(row)] = alone(stack, row)
    # The first is what a CPU does, the second what CUDA does.
    for found in (stack.read(x, known), stack._packed(x, known), stack._padded(x, known)):
        assert torch.allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_both_ways_have_the_same_gradients(cell: str, bidirectional: bool) -> None:
    stack = stack_of(cell, bidirectional=bidirectional)
    _, x = rows_of([5, 2, 0, 4], 6, 0.0)
    known, told = torch.tensor([5, 2, 0, 4]), []
    for way in (stack._packed, stack._padded):
        given = x.clone().requires_grad_()
        outputs = way(given, known)
        loss = (outputs * torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64).view_as(outputs)).sum()
        told.append(torch.autograd.grad(loss, [given, *stack.parameters()]))
    for one, other in zip(*told, strict=True):
        assert torch.allclose(one, other, atol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
def test_in_single_precision_both_ways_agree_to_1e_6(cell: str) -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(cell, 3, hidden=16, layers=2, bidirectional=True)
    x, known = torch.randn(5, 40, 3), torch.tensor([40, 3, 17, 1, 25])
    assert float((stack._packed(x, known) - stack._padded(x, known)).detach().abs().max()) < 1e-6


def test_steps_are_left_out_only_where_that_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    def way(cell: str, lengths: list[int], dtype: torch.dtype = torch.float64) -> str:
        stack, taken = stack_of(cell).to(dtype), []
        for name in ("_packed", "_padded"):
            real = getattr(stack, name)

            def noted(*given: Any, name: str = name, real: Any = real, **options: Any) -> Any:
                taken.append(name)
                return real(*given, **options)

            monkeypatch.setattr(stack, name, noted)
        stack.read(rows_of(lengths, 4, 0.0)[1].to(dtype), torch.tensor(lengths))
        return taken[0]

    assert (way("gru", [4, 2]), way("gru", [4, 4])) == ("_packed", "_padded")
    assert way("lstm", [4, 2]) == "_packed"
    single = torch.float32
    assert (way("lstm", [4, 2], single), way("lstm", [1, 1], single), way("gru", [4, 2], single)) == (
        "_padded", "_packed", "_packed",
    )  # fmt: skip
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert way("gru", [4, 2], single) == "_padded"


@pytest.mark.parametrize("cell", CELLS)
def test_a_carried_state_goes_on_where_it_was(cell: str) -> None:
    stack = stack_of(cell)
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    whole, end = stack(x)
    first, state = stack(x[:, :4])
    second, last = stack(x[:, 4:], state)
    assert torch.allclose(torch.cat([first, second], dim=1), whole, atol=1e-12)
    for one, other in zip(last, end, strict=True):
        for part, expected in zip(one, other, strict=True):
            assert torch.allclose(part, expected, atol=1e-12)
    assert torch.allclose(whole[0], alone(stack, x[0]), atol=1e-10)
    assert torch.equal(stack(x, stack.zero_state(2))[0], whole)
    assert [tuple(part.shape for part in layer) for layer in end] == [
        ((2, size),) * (2 if cell in ("lstm", "peephole") else 1) for size in (4, 3)
    ]


def test_no_gradient_goes_through_a_detached_state() -> None:
    stack = stack_of("lstm")
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    _, state = stack(x)
    later, _ = stack(torch.zeros(2, 3, 3, dtype=torch.float64), state)
    assert torch.autograd.grad(later.sum(), x, retain_graph=True)[0].abs().sum() > 0
    later, _ = stack(torch.zeros(2, 3, 3, dtype=torch.float64), stack.detached(state))
    assert torch.autograd.grad(later.sum(), x, allow_unused=True)[0] is None


@pytest.mark.parametrize("cell", CELLS)
def test_the_start(cell: str) -> None:
    torch.manual_seed(1)
    stack = RecurrentStack(cell, 6, hidden=8, layers=2, bidirectional=True)
    layers = [*stack.ahead, *stack.back]
    for layer in layers:
        for gate in layer.weight_hh_l0.split(8):
            assert torch.allclose(gate @ gate.T, torch.eye(8), atol=1e-5)
        bound = (6 / (layer.weight_ih_l0.shape[1] + 8)) ** 0.5
        assert 0.8 * bound < float(layer.weight_ih_l0.detach().abs().max()) <= bound
        bias = (layer.bias_ih_l0 + layer.bias_hh_l0).tolist()
        assert bias == ([0.0] * 8 + [1.0] * 8 + [0.0] * 16 if cell in ("lstm", "peephole") else [0.0] * len(bias))
    torch.manual_seed(1)
    again = RecurrentStack(cell, 6, hidden=8, layers=2, bidirectional=True)
    assert all(torch.equal(one, other) for one, other in zip(stack.parameters(), again.parameters(), strict=True))
    assert {name.split(".")[0] for name in stack.state_dict()} == {"ahead", "back"}
    assert "ahead.1.weight_hh_l0" in stack.state_dict()


@pytest.mark.parametrize("cell", CELLS)
def test_weight_drop(cell: str) -> None:
    stack = stack_of(cell, sizes=(40,), weight_drop=0.5)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    kept = {name: value.clone() for name, value in stack.state_dict().items()}
    torch.manual_seed(3)
    thinned = stack(x)[0]
    torch.manual_seed(3)
    assert torch.equal(stack(x)[0], thinned)
    assert not torch.equal(stack(x)[0], thinned)
    # With these weights and no other: some half are 0, the others doubled, at every step.
    torch.manual_seed(3)
    layer = stack.ahead[0]
    dropped = stack.weight_drop(layer.weight_hh_l0)
    assert 0.4 < float((dropped == 0).double().mean()) < 0.6
    twin = copy.deepcopy(stack).eval()
    with torch.no_grad():
        twin.ahead[0].weight_hh_l0.copy_(dropped)
    assert torch.allclose(twin(x)[0], thinned, atol=1e-12)
    # Gradients reach the weights that were kept, twice as large, and no other.
    torch.manual_seed(3)
    [found] = torch.autograd.grad(stack(x)[0].square().sum(), layer.weight_hh_l0)
    [expected] = torch.autograd.grad(twin(x)[0].square().sum(), twin.ahead[0].weight_hh_l0)
    assert torch.allclose(found, expected * (dropped != 0) * 2, atol=1e-9)
    assert all(torch.equal(value, kept[name]) for name, value in stack.state_dict().items())
    stack.eval()
    assert torch.equal(stack(x)[0], stack(x)[0])
    assert torch.allclose(stack(x)[0][0], alone(stack, x[0]), atol=1e-10)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_weights_go_to_cudnn_in_one_piece(cell: str) -> None:
    # What `torch.lstm` is given on CUDA, seen on a device without memory.
    stack = stack_of(cell, sizes=(4,), weight_drop=0.5).to("meta")
    seen: list[list[Tensor]] = []
    layer = stack.ahead[0]

    class Cuda(Tensor):
        is_cuda = True

    x = torch.zeros(2, 5, 3, dtype=torch.float64, device="meta").as_subclass(Cuda)
    name = {"lstm": "lstm", "gru": "gru", "rnn": "rnn_tanh"}[cell]
    whole = getattr(torch, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, name, lambda x, hx, weights, *rest: seen.append(weights) or whole(x, hx, weights, *rest))
        recurrent_cells.with_recurrent_weight(layer, x, None, layer.weight_hh_l0 * 2)
    [weights] = seen
    assert [tuple(weight.shape) for weight in weights] == [tuple(p.shape) for p in layer.parameters()]
    ends = [weight.storage_offset() + weight.numel() for weight in weights]
    assert [weight.storage_offset() for weight in weights] == [0, *ends[:-1]]
    assert all(weight.untyped_storage()._cdata == weights[0].untyped_storage()._cdata for weight in weights)
    assert ends[-1] * 8 == weights[0].untyped_storage().nbytes()


def test_dropout_between_layers_is_the_same_at_every_step() -> None:
    stack = stack_of("rnn", sizes=(50, 3), dropout=0.5)
    with torch.no_grad():  # the first layer puts out one number everywhere, the second adds up what arrives
        for parameter in stack.parameters():
            parameter.zero_()
        stack.ahead[0].bias_ih_l0.fill_(0.5)
        stack.ahead[1].weight_ih_l0.copy_(torch.linspace(0.001, 0.02, 50, dtype=torch.float64).expand(3, -1))
    _, x = rows_of([6, 6, 4], 6, 0.0)
    for found in (stack(x)[0], stack._packed(x, torch.tensor([6, 6, 4])), stack._padded(x, torch.tensor([6, 6, 4]))):
        assert torch.allclose(found[:2], found[:2, :1].expand(-1, 6, -1))
        assert not torch.allclose(found[0, 0], found[1, 0])
    stack.eval()
    told = math.tanh(math.tanh(0.5) * 50 * 0.0105)
    assert torch.allclose(stack(x)[0], torch.full((3, 6, 3), told, dtype=torch.float64))


def test_every_unit_gets_its_size() -> None:
    stack = RecurrentStack("gru", 5, sizes=(7, 6, 4), hidden=99, layers=9)
    assert stack.sizes == (7, 6, 4)
    assert stack(torch.zeros(1, 2, 5))[0].shape == (1, 2, 4)
    assert RecurrentStack("gru", 5, hidden=6, layers=3).sizes == (6, 6, 6)


@pytest.mark.parametrize("cell", CELLS)
def test_under_autocast(cell: str) -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(cell, 3, hidden=8, layers=2)
    x, known = torch.randn(3, 6, 3), torch.tensor([6, 2, 4])
    expected, (_, state) = stack.read(x, known), stack(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, (_, rough) = stack.read(x, known), stack(x)
        stack(x, rough)
        found.float().square().sum().backward()
    assert torch.allclose(found.float(), expected, atol=0.05)
    assert torch.allclose(rough[1][0].float(), state[1][0], atol=0.05)
    assert all(parameter.grad is not None and bool(parameter.grad.isfinite().all()) for parameter in stack.parameters())


def test_no_warning_in_any_way() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cell in CELLS:
            stack = stack_of(cell, weight_drop=0.3, dropout=0.2)
            stack(torch.zeros(2, 3, 3, dtype=torch.float64))
            stack.read(torch.zeros(2, 3, 3, dtype=torch.float64), torch.tensor([1, 3]))


def test_what_does_not_fit() -> None:
    with pytest.raises(ArgumentError, match=r"no recurrent cell 'lsmt'.*Did you mean 'lstm'\?"):
        RecurrentStack("lsmt", 3)
    with pytest.raises(ArgumentError, match="RecurrentStack cannot be built: a size is out of range"):
        RecurrentStack("gru", 3, sizes=(4, 0))
    with pytest.raises(ArgumentError, match=r"RecurrentStack cannot be built: weight_drop is out of range.*\[0, 1\)"):
        RecurrentStack("gru", 3, weight_drop=1.0)
    stack = stack_of("lstm")
    with pytest.raises(ArgumentError, match=r"RecurrentStack cannot take.*shape \[B, T, 3\]; got float64 of shape \[2, 5, 4\]"):
        stack(torch.zeros(2, 5, 4, dtype=torch.float64))
    with pytest.raises(ArgumentError, match=r"cannot read on from this state.*\(2, 4\).*got.*\(5, 4\)"):
        stack(torch.zeros(2, 5, 3, dtype=torch.float64), stack.zero_state(5))
    both = stack_of("lstm", bidirectional=True)
    with pytest.raises(ArgumentError, match="reads in both directions carries no state"):
        both.zero_state(2)
    with pytest.raises(ArgumentError, match="reads in both directions carries no state"):
        both(torch.zeros(2, 5, 3, dtype=torch.float64), stack.zero_state(2))
