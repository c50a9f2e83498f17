"""One rule for a whole network: which tensors it sets, matrix by matrix, and which it leaves alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrizations

from leadline.errors import ArgumentError
from leadline.initialize import initialize_weights
from leadline.initialize.matrices import places_of
from leadline.layers import BatchEnsembleLinear, MemberHeads, Periodic
from leadline.layers.peephole import PeepholeLSTM
from leadline.models import mlp, tabular


def is_rotation(matrix: Tensor) -> bool:
    flat = matrix.detach().flatten(1)
    product = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    return torch.allclose(product, torch.eye(len(product)), atol=1e-5)


def matrices(layer: nn.Module) -> list[Tensor]:
    return [matrix for name, cut in places_of(layer).weights.items() for matrix in cut(getattr(layer, name))]


@pytest.mark.parametrize(
    ("layer", "shapes", "tensors"),
    [
        (nn.Linear(4, 3), [(3, 4)], 2),
        (nn.Linear(4, 3, bias=False), [(3, 4)], 1),
        (nn.Conv1d(4, 3, 5), [(3, 4, 5)], 2),
        (nn.Conv2d(4, 6, 3, groups=2), [(3, 2, 3, 3)] * 2, 2),
        (nn.Conv2d(4, 4, 3, groups=4), [(1, 1, 3, 3)] * 4, 2),
        (nn.ConvTranspose2d(4, 6, 2), [(6, 4, 2, 2)], 2),
        (nn.ConvTranspose2d(4, 6, 2, groups=2), [(3, 2, 2, 2)] * 2, 2),
        (nn.RNN(3, 5), [(5, 3), (5, 5)], 4),
        (nn.GRU(3, 5), [(5, 3)] * 3 + [(5, 5)] * 3, 4),
        (nn.LSTM(3, 5), [(5, 3)] * 4 + [(5, 5)] * 4, 4),
        (nn.LSTM(3, 5, proj_size=2), [(5, 3)] * 4 + [(5, 2)] * 4 + [(2, 5)], 5),
        (nn.LSTM(3, 5, bias=False, bidirectional=True), ([(5, 3)] * 4 + [(5, 5)] * 4) * 2, 4),
        (nn.GRUCell(3, 5), [(5, 3)] * 3 + [(5, 5)] * 3, 4),
        (PeepholeLSTM(3, 5), [(5, 3)] * 4 + [(5, 5)] * 4, 4),
        (nn.MultiheadAttention(6, 2), [(6, 6)] * 3, 4),
        (nn.MultiheadAttention(6, 2, kdim=4, vdim=3), [(6, 6), (6, 4), (6, 3)], 6),
        (BatchEnsembleLinear(4, 3, members=5), [(3, 4)], 2),
        (BatchEnsembleLinear(4, 4, members=4), [(4, 4)], 2),
        (MemberHeads(4, 3, members=5), [(3, 4)] * 5, 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_each_matrix_is_set_by_itself(layer: nn.Module, shapes: list[tuple[int, ...]], tensors: int) -> None:
    assert sorted(tuple(matrix.shape) for matrix in matrices(layer)) == sorted(shapes)
    assert initialize_weights(layer, "orthogonal", generator=Generator().manual_seed(0)) == tensors
    assert all(is_rotation(matrix) for matrix in matrices(layer))
    biases = [getattr(layer, name) for name in places_of(layer).biases]
    assert all(bias.abs().sum() == 0 and bias.requires_grad for bias in biases)


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm2d(3),
        nn.LayerNorm((3, 3)),
        nn.GroupNorm(1, 3),
        nn.RMSNorm(3),
        nn.Embedding(4, 3),
        nn.PReLU(3),
        Periodic(3, 4, frequencies=2),
        nn.ReLU(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_other_layers_stay_as_they_are(layer: nn.Module) -> None:
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    assert initialize_weights(layer, "normal(9.0)") == 0
    assert all(value.equal(before[name]) for name, value in layer.state_dict().items())


def test_scales_and_peepholes_are_no_matrices() -> None:
    for layer, kept in ((BatchEnsembleLinear(4, 3, members=5, diverse=True), "scale"), (PeepholeLSTM(3, 5), "peephole")):
        before = {name: value.clone() for name, value in layer.state_dict().items() if kept in name}
        initialize_weights(layer, "normal(9.0)")
        assert before
        assert all(layer.state_dict()[name].equal(value) for name, value in before.items())


def test_a_depthwise_filter_has_the_fan_of_its_group() -> None:
    layer = nn.Conv2d(256, 256, 5, groups=256)
    initialize_weights(layer, "he(mode='fan_out')", generator=Generator().manual_seed(0))
    assert layer.weight.var().item() == pytest.approx(2 / 25, rel=0.1)


def test_a_transposed_convolution_has_its_fans_the_right_way_round() -> None:
    layer = nn.ConvTranspose2d(64, 8, 3)
    initialize_weights(layer, "lecun", generator=Generator().manual_seed(0))
    assert layer.weight.var().item() == pytest.approx(1 / (64 * 9), rel=0.1)


def test_a_shared_weight_is_set_once() -> None:
    embedding, head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
    head.weight = embedding.weight
    again = nn.Linear(4, 7, bias=False)
    again.weight = head.weight
    assert initialize_weights(nn.Sequential(embedding, head, again), "lecun", generator=Generator().manual_seed(0)) == 1
    once = nn.Linear(4, 7, bias=False)
    initialize_weights(once, "lecun", generator=Generator().manual_seed(0))
    assert head.weight.equal(once.weight)


def test_parametrized_weights_are_put_back() -> None:
    layer = parametrizations.weight_norm(nn.Linear(4, 3))
    assert initialize_weights(layer, "orthogonal", generator=Generator().manual_seed(0)) == 2
    assert is_rotation(layer.weight)
    # Each row of a rotation has length 1, and that is what weight normalization keeps apart.
    assert layer.parametrizations.weight.original0.detach().flatten().tolist() == pytest.approx([1, 1, 1])


def test_a_whole_network() -> None:
    network = mlp((6,), 3, width=32, depth=2)
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    biased = [layer for layer in linear if layer.bias is not None]
    assert initialize_weights(network, "uniform(0.001)") == len(linear) + len(biased) > 3
    assert all(layer.weight.abs().max() <= 0.001 for layer in linear)
    assert all(layer.bias.abs().sum() == 0 for layer in biased)


def test_a_network_for_tables_answers_evenly() -> None:
    torch.manual_seed(0)
    network = tabular([(-1.0, 0.0, 1.0)], (3,), 2, "classes", width=16, members=3, embedding_width=4).eval()
    assert initialize_weights(network, "he") > 0
    outputs = network(torch.tensor([[0.3, 1.0], [-0.9, 2.0]]))
    assert outputs.isfinite().all()
    assert outputs.std() > 0


def test_a_generator_makes_it_the_same_again() -> None:
    first, second = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    for network in (first, second):
        initialize_weights(network, "xavier", generator=Generator().manual_seed(5))
    assert all(a.equal(b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert first[0].weight.std() > 0
    assert not math.isclose(first[0].weight[0, 0].item(), first[1].weight[0, 0].item())


def test_a_lazy_layer_is_refused_before_anything_is_set() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.LazyLinear(2))
    before = network[0].weight.clone()
    with pytest.raises(ArgumentError, match="The layer '1' has no shape yet. Got LazyLinear"):
        initialize_weights(network, "he")
    assert network[0].weight.equal(before)


def test_an_unknown_rule_sets_nothing() -> None:
    layer = nn.Linear(3, 4)
    before = layer.weight.clone()
    with pytest.raises(ArgumentError, match="Did you mean 'lecun'"):
        initialize_weights(layer, "lecunn")
    assert layer.weight.equal(before)
