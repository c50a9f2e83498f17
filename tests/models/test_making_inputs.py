"""One way to ask every network that makes inputs up: the GAN, variational autoencoders, Boltzmann machines, belief nets."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.models import MODELS, Generates, drawn_pictures, generated, made_inputs

SHAPE = (1, 8, 8)
NETWORKS: dict[str, dict[str, Any]] = {
    "dcgan": {"width": 4, "latent": 4},
    "variational_autoencoder": {"hidden": "16", "code": 3},
    "conv_variational_autoencoder": {"width": 4, "stages": 2, "code": 3},
    "rbm": {"hidden": 12},
    "deep_belief_net": {"hidden": "12-6"},
}


def made(name: str, **more: Any) -> nn.Module:
    torch.manual_seed(0)
    return MODELS[name](shape=SHAPE, **(NETWORKS[name] | more))


@pytest.mark.parametrize("name", NETWORKS)
def test_all_of_them_are_asked_alike(name: str) -> None:
    network = made(name).train()
    assert isinstance(network, Generates)
    random = torch.get_rng_state()
    first = made_inputs(network, 5, seed=3)
    assert first.shape == (5, *SHAPE)
    assert first.dtype == torch.float32
    assert torch.equal(first, made_inputs(network, 5, seed=3))
    assert not torch.equal(first, made_inputs(network, 5, seed=4))
    assert not torch.equal(first[0], first[1])
    assert all(module.training for module in network.modules())
    assert torch.equal(random, torch.get_rng_state())  # a training that is asked goes on as if it had not been


def test_it_is_what_each_of_them_makes_by_its_own_name() -> None:
    pair = made("dcgan")
    assert torch.equal(made_inputs(pair, 4, seed=7), drawn_pictures(pair, 4, seed=7))
    autoencoder = made("variational_autoencoder").eval()
    assert torch.equal(made_inputs(autoencoder, 4, seed=7), generated(autoencoder, 4, seed=7))
    for name in ("rbm", "deep_belief_net"):
        machine: Any = made(name)
        expected = machine.sample(4, steps=11, generator=torch.Generator().manual_seed(7))
        assert torch.equal(made_inputs(machine, 4, seed=7, steps=11), expected)


def test_classes_and_steps_are_for_those_that_have_them() -> None:
    pair = made("dcgan", classes=3)
    assert torch.equal(made_inputs(pair, 3, classes=[2, 2, 2]), drawn_pictures(pair, 3, classes=[2, 2, 2]))
    for name in NETWORKS:
        with pytest.raises(ArgumentError, match="knows no classes"):
            made_inputs(made(name), 3, classes=[0, 0, 0])
    for name in ("dcgan", "variational_autoencoder"):
        with pytest.raises(ArgumentError, match="Only Boltzmann machines draw by chains"):
            made_inputs(made(name), 3, steps=5)
    assert made("dcgan", classes=3, conditional=False).classes == 0


@pytest.mark.parametrize(
    ("number", "given", "told"),
    [(0, {}, "number"), (3, {"seed": -1}, "seed is out of range"), (3, {"seed": 0.5}, "seed is out of range")],
)
def test_what_cannot_be_asked(number: int, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ArgumentError, match=told):
        made_inputs(made("rbm"), number, **given)


def test_a_network_that_only_answers_says_so() -> None:
    with pytest.raises(ArgumentError, match="Sequential makes nothing up"):
        made_inputs(nn.Sequential(nn.Linear(2, 2)), 3)
