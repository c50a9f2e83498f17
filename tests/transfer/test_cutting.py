"""Cut networks: what leaves a layer of the whole network leaves the cut one, whatever the network is made of."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.models import convnet, mlp, resnet18
from leadline.transfer.cutting import averaged, cut


class Branches(nn.Module):
    """Functions between the layers, a layer that is called twice, and one that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.relu, self.unused, self.head = nn.ReLU(), nn.Linear(2, 2), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.first(x))
        x = self.relu(torch.cat([self.second(x)[:, :3], x[:, 3:]], 1))
        return self.head(F.avg_pool2d(x, 2).mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(5, 7, batch_first=True), nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet": (lambda: resnet18(classes=4), (3, 32, 32)),
    "convnet": (lambda: convnet((1, 16, 16), 4, width=4), (1, 16, 16)),
    "mlp": (lambda: mlp((1, 5, 5), 4, width=8), (1, 5, 5)),
    "branches": (Branches, (3, 8, 8)),
    "transformer": (
        lambda: nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten(), nn.Linear(32, 4)),
        (4, 8),
    ),
    "recurrent": (Recurrent, (6, 5)),
}


def watched(model: nn.Module, layer: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """What goes into a layer and what leaves it, at its last call, by hooks of torch alone."""
    entered: list[Tensor] = []
    left: list[Tensor] = []
    layer_module = model.get_submodule(layer)
    handles = [
        layer_module.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0].clone())),
        layer_module.register_forward_hook(lambda _, inputs, output: left.append(next(iter(_tensors(output))).clone())),
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return entered[-1], left[-1]


def _tensors(output: Any) -> list[Tensor]:
    return [output] if isinstance(output, Tensor) else list(output)


def named(name: str) -> list[str]:
    model, shape = NETWORKS[name][0](), NETWORKS[name][1]
    called: list[str] = []
    for layer, module in model.named_modules():
        module.register_forward_hook(lambda *_, layer=layer: called.append(layer))
    with torch.no_grad():
        model.eval()(torch.zeros(2, *shape))
    return list(dict.fromkeys(called))


@pytest.mark.parametrize("name", NETWORKS)
def test_at_every_layer_the_cut_network_gives_what_leaves_there(name: str) -> None:
    torch.manual_seed(0)
    model, shape = NETWORKS[name][0]().eval(), NETWORKS[name][1]
    x = torch.randn(3, *shape)
    layers = named(name)
    for layer in layers[:: 1 + len(layers) // 8]:
        entered, left = watched(model, layer, x)
        with torch.no_grad():
            assert torch.equal(cut(model, layer, shape, grid=0).eval()(x), left), layer
            assert torch.equal(cut(model, layer, shape).eval()(x), averaged(left)), layer
            if layer:
                assert torch.equal(cut(model, f"before {layer}", shape, grid=0).eval()(x), entered), layer


def test_what_comes_after_is_left_out_and_the_original_is_left_alone() -> None:
    model = resnet18(classes=4)
    before, modes = copy.deepcopy(model.state_dict()), model.training
    backbone = cut(model, "layer2", (3, 32, 32))
    names = {name.removeprefix("network.").split(".")[0] for name, _ in backbone.named_parameters()}
    assert names == {"conv1", "bn1", "layer1", "layer2"}
    assert backbone.width == 128
    with torch.no_grad():
        for weight in backbone.parameters():
            weight.zero_()
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert model.training == modes
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_cut_network_is_saved_trained_and_copied_like_any_other() -> None:
    model, shape = resnet18(classes=4), (3, 32, 32)
    one, other = cut(model, "layer1", shape), cut(resnet18(classes=4), "layer1", shape)
    other.load_state_dict(load(save(one.state_dict())))
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(one.eval()(x), other.eval()(x))
    assert torch.equal(copy.deepcopy(one)(x), one(x))
    one.train()(x).sum().backward()
    assert all(weight.grad is not None for weight in one.parameters())


def test_a_tied_or_inspected_layer_stays() -> None:
    class Inspects(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.first(x) @ self.head.weight)

    model, x = Inspects().eval(), torch.randn(2, 4)
    expected = model.first(x) @ model.head.weight
    assert torch.allclose(cut(model, "before head", (4,))(x), expected)
    assert torch.equal(cut(model, "first", (4,))(x), model.first(x))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))
def test_the_mean_over_cells_keeps_the_mean_of_even_maps(height: int, width: int, grid: int) -> None:
    maps = torch.rand(2, 3, height, width, dtype=torch.float64)
    cells = averaged(maps, grid).reshape(2, 3, -1)
    assert cells.shape[2] == min(grid, height, width) ** 2
    side = min(grid, height, width)
    expected = F.adaptive_avg_pool2d(maps, side).flatten(2)
    np.testing.assert_allclose(cells, expected, rtol=1e-12)


def test_careless_words_end_in_one_clear_paragraph() -> None:
    model, shape = resnet18(classes=4), (3, 32, 32)
    with pytest.raises(ArgumentError, match=r"no layer 'layer_3'.*Did you mean 'layer3'"):
        cut(model, "layer_3", shape)
    with pytest.raises(ArgumentError, match=r"resnet18 cannot take these inputs"):
        cut(model, "layer1", (1, 32, 32))
    with pytest.raises(ArgumentError, match="does not call its layer 'unused'"):
        cut(Branches(), "unused", (3, 8, 8))
    with pytest.raises(ArgumentError, match="whole numbers"):
        cut(model, "layer1", ())
    with pytest.raises(ArgumentError, match="grid"):
        cut(model, "layer1", shape, grid=-1)


def test_a_sequential_stays_one_without_hooks() -> None:
    model = nn.Sequential(OrderedDict(body=nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3)), head=nn.Linear(3, 2)))
    backbone = cut(model, "body.1", (3,))
    assert backbone.layer == ""
    assert [name for name, _ in backbone.network.named_modules()] == ["", "body", "body.0", "body.1"]
    assert len(list(torch.fx.symbolic_trace(backbone.network).graph.nodes)) == 4  # what comes in, two layers, what leaves


def test_a_network_made_of_a_cut_one_can_be_cut_before_and_behind() -> None:
    torch.manual_seed(0)
    resnet = resnet18(classes=4).eval()
    x = torch.randn(2, 3, 32, 32)
    new = nn.Sequential(OrderedDict(backbone=cut(resnet, "layer3", (3, 32, 32)), head=nn.Linear(256, 5))).eval()
    early = cut(new, "backbone.network.layer1", (3, 32, 32)).eval()
    late = cut(new, "before head", (3, 32, 32)).eval()
    assert torch.equal(early(x), cut(resnet, "layer1", (3, 32, 32)).eval()(x))
    assert torch.equal(late(x), new.backbone(x))
