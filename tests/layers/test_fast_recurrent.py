"""The recurrent layers with a way through time of their own: against torch's, in values and gradients, and by differences."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence

from leadline.layers import PeepholeLSTM, fast_recurrent
from leadline.layers.fast_recurrent import FastGRU, FastLSTM, FastRNN, with_recurrent_weight
from leadline.layers.recurrent_loops import GRULoop, LSTMLoop, TanhLoop, turned_rows

PAIRS = {"gru": (FastGRU, nn.GRU, GRULoop), "lstm": (FastLSTM, nn.LSTM, LSTMLoop), "rnn": (FastRNN, nn.RNN, TanhLoop)}
KINDS = st.sampled_from(sorted(PAIRS))


def pair(
    kind: str, features: int = 3, hidden: int = 4, layers: int = 1, *, seed: int = 0, dtype: torch.dtype = torch.float64,
    bias: bool = True, batch_first: bool = True, bidirectional: bool = False,
) -> tuple[nn.Module, nn.Module]:  # fmt: skip
    """Ours and torch's, with the same random weights."""
    torch.manual_seed(seed)
    ours, theirs, _ = PAIRS[kind]
    options = {"num_layers": layers, "bias": bias, "batch_first": batch_first, "bidirectional": bidirectional}
    one, other = ours(features, hidden, **options).to(dtype), theirs(features, hidden, **options).to(dtype)
    for parameter in other.parameters():
        nn.init.normal_(parameter, std=0.6)
    one.load_state_dict(other.state_dict())
    return one, other


def flat(found: tuple[object, object]) -> list[Tensor]:
    outputs, state = found
    data = [outputs.data] if isinstance(outputs, PackedSequence) else [outputs]
    return [*data, *(state if isinstance(state, tuple) else (state,))]  # type: ignore[list-item]


def state_of(kind: str, layers: int, rows: int, hidden: int = 4) -> object:
    parts = [torch.randn(layers, rows, hidden, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    return tuple(parts) if kind == "lstm" else parts[0]


def parts_of(state: object) -> list[Tensor]:
    return [] if state is None else list(state) if isinstance(state, tuple) else [state]  # type: ignore[list-item]


def assert_same(ours: nn.Module, theirs: nn.Module, x: object, state: object, leaves: list[Tensor]) -> None:
    """Outputs, last states and every gradient of a sum in which each value has a weight of its own."""
    told = []
    for layer in (ours, theirs):
        found = flat(layer(x, state))
        draw = torch.Generator().manual_seed(1)
        weights = [torch.randn(each.shape, generator=draw, dtype=each.dtype) for each in found]
        total = sum((each * weight).sum() for each, weight in zip(found, weights, strict=True))
        asked = [*layer.parameters(), *leaves, *parts_of(state)]
        told.append([*found, *torch.autograd.grad(total, asked, retain_graph=True)])  # type: ignore[arg-type]
    for one, other in zip(*told, strict=True):
        assert one.shape == other.shape
        assert torch.allclose(one, other, atol=1e-10)


@settings(max_examples=40)
@given(
    KINDS, st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(1, 2), st.booleans(),
    st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
def test_they_are_torchs_layers(
    kind: str, features: int, hidden: int, steps: int, rows: int, layers: int, bias: bool, first: bool, two: bool, state: bool
) -> None:
    ours, theirs = pair(kind, features, hidden, layers, bias=bias, batch_first=first, bidirectional=two)
    x = torch.randn(rows, steps, features, dtype=torch.float64)
    x = (x if first else x.transpose(0, 1)).requires_grad_()
    start = state_of(kind, layers * (2 if two else 1), rows, hidden) if state else None
    assert_same(ours, theirs, x, start, [x])


@settings(max_examples=40)
@given(KINDS, st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 2), st.booleans(), st.booleans())
def test_packed_rows_are_read_as_by_torch(kind: str, lengths: list[int], layers: int, two: bool, state: bool) -> None:
    ours, theirs = pair(kind, layers=layers, bidirectional=two)
    rows = [torch.randn(length, 3, dtype=torch.float64, requires_grad=True) for length in lengths]
    packed = pack_sequence(rows, enforce_sorted=False)
    start = state_of(kind, layers * (2 if two else 1), len(lengths)) if state else None
    assert_same(ours, theirs, packed, start, rows)
    _, known = pad_packed_sequence(ours(packed, start)[0], batch_first=True)
    assert known.tolist() == lengths


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("sizes", [[2, 2, 2], [3, 2, 2, 1], [1]])
def test_gradients_match_differences(kind: str, sizes: list[int]) -> None:
    torch.manual_seed(0)
    layer, _ = pair(kind, 2, 2)
    data = torch.randn(sum(sizes), 2, dtype=torch.float64, requires_grad=True)
    state = [torch.randn(sizes[0], 2, dtype=torch.float64, requires_grad=True) for _ in range(2 if kind == "lstm" else 1)]
    weights = [parameter.detach().requires_grad_() for parameter in layer.parameters()]
    loop = PAIRS[kind][2]
    assert torch.autograd.gradcheck(lambda *given: loop.apply(*given, sizes), (data, *state, *weights))


@pytest.mark.parametrize("kind", PAIRS)
def test_the_way_of_their_own_is_taken(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = pair(kind, dtype=torch.float32)
    rows = [torch.randn(length, 3) for length in (5, 4)]
    packed, padded = pack_sequence(rows), torch.randn(2, 5, 3)
    loop = PAIRS[kind][2].__name__

    def by_hand(outputs: Tensor) -> bool:
        return any(loop in name for name in graph_of(outputs))

    assert by_hand(ours(packed)[0].data)
    assert by_hand(ours(padded)[0]) == (kind != "lstm"), "oneDNN is faster for this one"
    monkeypatch.setattr(fast_recurrent, "_by_hand", lambda *_: False)
    assert not by_hand(ours(packed)[0].data)
    assert not by_hand(ours(padded)[0])


def graph_of(tensor: Tensor) -> set[str]:
    """The names of the functions that its gradient goes through."""
    names, waiting = set(), [tensor.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in names:
            names.add(node)
            waiting += [each for each, _ in node.next_functions]
    return {type(each).__name__ for each in names}


@pytest.mark.parametrize("kind", PAIRS)
def test_long_rows_in_single_precision_are_equal_to_1e_5(kind: str) -> None:
    # Longer than a block of what the loops make ready at once.
    torch.manual_seed(0)
    ours, theirs, _ = PAIRS[kind]
    one, other = ours(16, 32, batch_first=True), theirs(16, 32, batch_first=True)
    one.load_state_dict(other.state_dict())
    x, gradients = pack_sequence([torch.randn(150 - 9 * row, 16) for row in range(8)]), []
    for layer in (one, other):
        outputs = layer(x)[0].data
        outputs.square().mean().backward()
        gradients.append([outputs.detach(), *(parameter.grad for parameter in layer.parameters())])
    for mine, expected in zip(*gradients, strict=True):
        assert float((mine - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.parametrize("kind", PAIRS)
def test_a_second_backward_pass_and_frozen_parts(kind: str) -> None:
    ours, _ = pair(kind)
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    loss = ours(x)[0].square().sum()
    first = torch.autograd.grad(loss, x, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(loss, x)[0])
    ours.requires_grad_(False)
    assert torch.equal(first, torch.autograd.grad(ours(x)[0].square().sum(), x)[0])
    with torch.no_grad():
        assert not ours(x)[0].requires_grad


@pytest.mark.parametrize("kind", PAIRS)
def test_where_they_are_torchs_own(kind: str) -> None:
    ours, theirs = pair(kind, dtype=torch.float32)
    x = torch.randn(2, 5, 3)
    if kind != "lstm" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(ours(x)[0], theirs(x)[0])
            assert ours(x)[0].dtype == theirs(x)[0].dtype
    assert torch.equal(ours(x[0])[0], theirs(x[0])[0]), "one sequence without a batch"
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert ours(mode.from_tensor(x))[0].shape == (2, 5, 4)
    for wrong in (torch.zeros(2, 5, 4), torch.zeros(2, 5, 3, dtype=torch.float64), torch.zeros(2, 5, 3, dtype=torch.long)):
        with pytest.raises((RuntimeError, ValueError)) as expected:
            theirs(wrong)
        with pytest.raises((RuntimeError, ValueError)) as found:
            ours(wrong)
        assert str(found.value) == str(expected.value)
    with pytest.raises(RuntimeError, match="Expected hidden"):
        ours(x, state_of(kind, 1, 3))


@pytest.mark.parametrize("packed", [False, True])
def test_a_processor_without_half_precision_reads_in_single(packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fast_recurrent._HAS, torch.bfloat16, lambda: False)
    lstm, x = FastLSTM(3, 4, batch_first=True), torch.randn(2, 5, 3)
    state = tuple(torch.randn(2, 1, 2, 4).bfloat16())
    given = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 3]), batch_first=True) if packed else x
    expected = flat(lstm(given, tuple(part.float() for part in state)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = flat(lstm(given, state))
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("kind", PAIRS)
def test_they_load_save_and_copy_like_torchs(kind: str) -> None:
    ours, theirs = pair(kind, layers=2, bidirectional=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    assert torch.equal(copy.deepcopy(ours)(x)[0], ours(x)[0])
    assert isinstance(ours, PAIRS[kind][1])


def test_dropout_between_layers_in_training_only() -> None:
    torch.manual_seed(0)
    gru, x = FastGRU(3, 8, num_layers=2, dropout=0.5), torch.randn(5, 2, 3)
    assert not torch.equal(gru(x)[0], gru(x)[0])
    gru.eval()
    assert torch.equal(gru(x)[0], gru(x)[0])


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_turned_rows(lengths: list[int]) -> None:
    rows = sorted(([*range(100 * at, 100 * at + length)] for at, length in enumerate(lengths)), key=len, reverse=True)
    packed = pack_sequence([torch.tensor(row) for row in rows])
    turned = turned_rows(packed.batch_sizes.tolist())
    back = pack_sequence([torch.tensor(row[::-1]) for row in rows])
    assert torch.equal(packed.data[turned], back.data)
    assert torch.equal(back.data[turned], packed.data)


@pytest.mark.parametrize("kind", [*PAIRS, "peephole", "gru by torch", "lstm by torch", "rnn by torch"])
@pytest.mark.parametrize("given", [False, True])
def test_another_recurrent_weight(kind: str, given: bool) -> None:
    torch.manual_seed(0)
    name = kind.split()[0]
    layer = PeepholeLSTM(3, 4).double() if kind == "peephole" else pair(name)[1 if "torch" in kind else 0]
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    two = name in ("lstm", "peephole")
    zero = torch.randn(1, 2, 4, dtype=torch.float64)
    state = None if not given else (zero, 2 * zero) if two else zero
    weight = torch.randn(layer.weight_hh_l0.shape, dtype=torch.float64, requires_grad=True)
    before = layer.weight_hh_l0.detach().clone()
    found = flat(with_recurrent_weight(layer, x, state, weight))
    [gradient] = torch.autograd.grad(sum(each.square().sum() for each in found), weight)
    assert torch.equal(layer.weight_hh_l0, before)
    changed = copy.deepcopy(layer)
    with torch.no_grad():
        changed.weight_hh_l0.copy_(weight)
    expected = flat(changed(x, state))
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-12)
    [theirs] = torch.autograd.grad(sum(each.square().sum() for each in expected), changed.weight_hh_l0)
    assert torch.allclose(gradient, theirs, atol=1e-10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", sorted(PAIRS))
def test_another_matrix_from_step_to_step_comes_to_the_same_on_a_gpu(kind: str) -> None:
    layer, _ = pair(kind, features=20, hidden=40)
    x, weight = torch.randn(3, 30, 20, dtype=torch.float64), 0.2 * torch.randn_like(layer.weight_hh_l0)
    told = []
    for device in ("cpu", "cuda"):
        here = copy.deepcopy(layer).to(device)
        inputs, matrix = (each.to(device).detach().requires_grad_() for each in (x, weight))
        outputs, state = with_recurrent_weight(here, inputs, None, matrix)
        outputs, state = with_recurrent_weight(here, inputs + outputs[..., :20], state, matrix)
        gradients = torch.autograd.grad(outputs.square().sum(), [inputs, matrix, here.weight_ih_l0, here.bias_hh_l0])
        told.append([each.cpu() for each in (outputs, *gradients)])
    for one, other in zip(*told, strict=True):
        assert torch.allclose(one, other, atol=1e-8, rtol=1e-6)
