"""Networks with new heads: the same features as the old network, other channels, fresh weights, one preprocessing."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from leadline.data import Classes, Pictures, Schema, Vectors
from leadline.errors import ArgumentError
from leadline.models import convnet, resnet18
from leadline.transfer.freezing import frozen
from leadline.transfer.networks import ToChannels, redrawn, schema_for, set_head, with_new_head


def test_the_old_head_in_the_place_of_the_new_one_gives_the_old_network() -> None:
    model, x = resnet18(classes=5).eval(), torch.randn(3, 3, 32, 32)
    network = with_new_head(model, "before fc", (3, 32, 32), 5)
    assert torch.equal(network(x), torch.zeros(3, 5))
    set_head(network, model.fc)
    torch.testing.assert_close(network(x), model(x), rtol=1e-5, atol=1e-6)
    assert frozen(network.backbone)
    assert [name for name, weight in network.named_parameters() if weight.requires_grad] == ["head.weight", "head.bias"]
    with pytest.raises(ArgumentError, match="does not fit the network"):
        set_head(network, nn.Linear(3, 5))


def test_grey_pictures_for_a_network_of_coloured_ones_and_the_other_way_round() -> None:
    grey, colour = torch.randn(2, 1, 16, 16), torch.randn(2, 3, 16, 16)
    knows_colour = with_new_head(convnet((3, 16, 16), 4, width=4), "before 22", (1, 16, 16), 2, channels=3)
    same = with_new_head(convnet((3, 16, 16), 4, width=4), "before 22", (3, 16, 16), 2)
    same.load_state_dict({name.replace("backbone.cut.", "backbone."): each for name, each in knows_colour.state_dict().items()})
    assert torch.equal(knows_colour.eval().backbone(grey), same.eval().backbone(grey.repeat(1, 3, 1, 1)))
    assert torch.equal(ToChannels(3, 1)(colour), colour.mean(1, keepdim=True))
    assert torch.equal(ToChannels(4, 3)(torch.cat([colour, grey], 1)), colour)
    with pytest.raises(ArgumentError, match="channels of these pictures"):
        ToChannels(2, 3)


def test_fresh_weights_are_drawn_as_the_layers_draw_them() -> None:
    model = convnet((1, 16, 16), 4, width=8)
    with torch.no_grad():
        for each in (*model.parameters(), *model.buffers()):
            each.fill_(7)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    one, other = redrawn(model, 3), redrawn(model, 3)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    for (name, each), same in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(each, same), name
        assert not bool((each == 7).any()), name
    assert float(one[0].weight.detach().std()) == pytest.approx(1 / np.sqrt(3 * 9), rel=0.2)  # torch's uniform on ± 1/√fan_in
    assert float(one[1].running_var.mean()) == 1.0

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.zeros(3))

    with pytest.raises(ArgumentError, match="cannot draw its weights anew"):
        redrawn(nn.Sequential(Own()), 0)


def test_new_data_are_prepared_as_the_network_knows_it() -> None:
    pictures = np.random.default_rng(0).integers(0, 200, (20, 10, 12, 3)).astype(np.uint8)
    schema, known = (
        Schema(Pictures.learn(pictures), Classes(("a", "b"))),
        Pictures(32, 32, 3, "uint8", (120.0, 100.0, 90.0), (60.0, 50.0, 40.0)),
    )
    found = schema_for(schema, known)
    assert found.answers == schema.answers
    prepared = found.inputs.preparer(torch.device("cpu"))(torch.from_numpy(pictures))
    expected = (
        torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - torch.tensor(known.mean)[:, None, None]
    ) / torch.tensor(known.std)[:, None, None]
    torch.testing.assert_close(prepared, expected)
    assert schema_for(Schema(Pictures.learn(pictures[..., :1]), schema.answers), known).inputs.std == (50.0,)
    with pytest.raises(ArgumentError, match="trained on other inputs"):
        schema_for(Schema(Vectors((0.0,), (1.0,)), schema.answers), known)
    with pytest.raises(ArgumentError, match=r"pictures of uint8; got pictures of 10 × 12 × 3 of float32"):
        schema_for(Schema(Pictures.learn(pictures.astype(np.float32)), schema.answers), known)
