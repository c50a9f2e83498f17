"""Frozen layers: evaluation mode whatever is asked, no gradients, the same numbers and names, also in copies."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.models import resnet18
from leadline.transfer.freezing import freeze, frozen, unfreeze


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 3))


def test_outputs_and_state_stay_the_same() -> None:
    network = small().eval()
    inputs, before = torch.randn(5, 2, 4, 4), network.state_dict()
    expected = network(inputs)
    freeze(network).train()
    assert torch.equal(network(inputs), expected)
    assert list(network.state_dict()) == list(before)
    assert all(torch.equal(each, before[name]) for name, each in network.state_dict().items())
    assert "BatchNorm2d(4" in repr(network)
    assert isinstance(network[1], nn.BatchNorm2d)


@pytest.mark.parametrize("how", ["parent", "itself", "child", "attribute"])
def test_no_way_of_asking_leads_into_training_mode(how: str) -> None:
    part = freeze(small())
    whole = nn.Sequential(part, nn.Dropout(0.5))
    if how == "parent":
        whole.train()
    elif how == "itself":
        part.train(True)
    elif how == "child":
        part[1].train()
    else:
        for module in whole.modules():
            module.training = True
    statistics = part[1].running_mean.clone()
    inputs = torch.randn(50, 2, 4, 4)
    assert torch.equal(part(inputs), part(inputs))  # dropout would differ
    assert torch.equal(part[1].running_mean, statistics)
    assert int(part[1].num_batches_tracked) == 0
    assert not any(module.training for module in part.modules())


def test_a_training_step_changes_the_rest_alone() -> None:
    network = nn.Sequential(freeze(small()), nn.Linear(3, 2))
    before = copy.deepcopy(network.state_dict())
    optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        network.train()(torch.randn(8, 2, 4, 4)).square().sum().backward()
        optimizer.step()
    changed = {name for name, each in network.state_dict().items() if not torch.equal(each, before[name])}
    assert changed == {"1.weight", "1.bias"}


def test_copies_and_pickles_are_frozen_and_independent() -> None:
    network = freeze(small())
    copied, restored = copy.deepcopy(network), pickle.loads(pickle.dumps(network))
    saved = io.BytesIO()
    torch.save(network, saved)
    loaded = torch.load(io.BytesIO(saved.getvalue()), weights_only=False)
    inputs = torch.randn(3, 2, 4, 4)
    for each in (copied, restored, loaded):
        each.train()
        assert frozen(each)
        assert torch.equal(each(inputs), network(inputs))
    unfreeze(copied)
    assert frozen(network)
    assert not frozen(copied)


def test_state_dict_of_another_network_loads() -> None:
    torch.manual_seed(1)
    other, network = nn.Linear(3, 2), freeze(nn.Linear(3, 2))
    network.load_state_dict(other.state_dict())
    assert torch.equal(network.weight, other.weight)
    assert not network.weight.requires_grad


def test_unfreezing_restores_what_trained_before() -> None:
    network = small()
    network[0].weight.requires_grad_(False)  # a filter bank that never trained
    unfreeze(freeze(freeze(network)))
    trained = {name for name, weight in network.named_parameters() if weight.requires_grad}
    assert trained == {"0.bias", "1.weight", "1.bias", "4.weight", "4.bias"}
    assert all(module.training for module in network.modules())
    assert type(network[1]) is nn.BatchNorm2d
    network.eval()
    assert not network[1].training


def test_a_whole_resnet_freezes() -> None:
    network = freeze(resnet18(classes=3)).train()
    inputs = torch.randn(2, 3, 32, 32)
    assert torch.equal(network(inputs), network(inputs))
    assert not network(inputs).requires_grad


def test_a_scripted_network_is_refused() -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that scripting is deprecated
        scripted = torch.jit.script(nn.Linear(2, 2))
    with pytest.raises(ArgumentError, match="scripted network cannot be frozen"):
        freeze(scripted)
