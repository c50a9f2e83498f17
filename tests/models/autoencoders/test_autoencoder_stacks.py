"""Greedy pre-training: each layer learns what the one below gives it, and what is learned reaches the network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, TrainingError
from leadline.models.autoencoders.autoencoder_stacks import load_pretrained, pretrain_autoencoders
from leadline.models.autoencoders.autoencoders import autoencoder
from leadline.models.perceptrons import mlp


def pictures(count: int = 256) -> Tensor:
    """4 × 4 pictures with one bar: four kinds of them, with a little noise."""
    draw = torch.Generator().manual_seed(0)
    x = 0.05 * torch.rand(count, 1, 4, 4, generator=draw)
    kinds = torch.randint(4, (count,), generator=draw)
    x[torch.arange(count), 0, :, kinds] += 0.9
    return x


class Counted:
    """Batches that count how often they were gone through."""

    def __init__(self, x: Tensor) -> None:
        self.parts, self.epochs = x.split(32), [0]

    def epoch(self, number: int, first: int = 0) -> Any:
        self.epochs.append(number)
        return iter([(part, None) for part in self.parts])

    def __iter__(self) -> Any:
        return iter([(part, None) for part in self.parts])


def test_each_layer_learns_to_tell_the_one_below() -> None:
    x = pictures()
    stack = pretrain_autoencoders((16, 8, 4), x.split(32), epochs=40, learning_rate=0.02)
    losses = {layer: [record["loss"] for record in stack.records if record["layer"] == layer] for layer in (1, 2)}
    assert all(len(each) == 40 and each[-1] < 0.8 * each[0] for each in losses.values())
    hidden = x.flatten(1)
    for layer in stack.layers:
        above = torch.sigmoid(hidden @ layer.weight.T + layer.bias)
        told = torch.sigmoid(above @ layer.back_weight.T + layer.back_bias)
        assert (told - hidden).square().mean() < 0.5 * (hidden - hidden.mean(0)).square().mean()
        hidden = above


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before() -> None:
    x, found = pictures(64), []
    for seed, before in ((0, 1), (0, 2), (5, 1)):
        torch.manual_seed(before)
        state = torch.get_rng_state()
        stack = pretrain_autoencoders((16, 4, 2), x.split(32), epochs=2, corruption="masking(0.3)", seed=seed)
        assert torch.equal(torch.get_rng_state(), state), "torch's own generator is left as it was"
        found.append(stack.layers[1].weight)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_epochs_are_numbered_so_that_each_has_an_order_of_its_own() -> None:
    batches = Counted(pictures(64))
    pretrain_autoencoders((16, 4, 2), batches, epochs=3)
    assert batches.epochs == [0, 0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("corruption", ["none", "masking(0.25)"])
def test_a_deep_autoencoder_starts_from_its_stack_unrolled(corruption: str) -> None:
    x = pictures()
    stack = pretrain_autoencoders(
        (16, 12, 8, 2), x.split(32), epochs=40, last_activation="identity", corruption=corruption, learning_rate=0.01
    )
    torch.manual_seed(0)
    settings: dict[str, Any] = {"hidden": "12-8", "code": 2, "activation": "sigmoid", "output": "bernoulli"}
    model, blank = (autoencoder((1, 4, 4), **settings) for _ in range(2))
    assert load_pretrained(model, stack.layers) == 6
    hidden = x.flatten(1)
    for at, layer in enumerate(stack.layers):
        hidden = hidden @ layer.weight.T + layer.bias
        hidden = torch.sigmoid(hidden) if at < 2 else hidden
    torch.testing.assert_close(model.encode(x), hidden)
    for at, layer in enumerate(reversed(stack.layers)):
        hidden = hidden @ layer.back_weight.T + layer.back_bias
        hidden = torch.sigmoid(hidden) if at < 2 else hidden
    torch.testing.assert_close(model(x), hidden.reshape(x.shape))
    assert model.errors(x).mean() < 0.7 * blank.errors(x).mean()


def test_a_classifier_starts_from_the_stack() -> None:
    x = pictures(64)
    stack = pretrain_autoencoders((16, 8, 4), x.split(32), epochs=1)
    classifier = mlp((1, 4, 4), 3, width=8, depth=1, activation="sigmoid", batch_norm=False)
    head = classifier[-1].weight.clone()  # type: ignore[index,union-attr]
    assert load_pretrained(classifier, stack.layers[:1]) == 1
    assert torch.equal(classifier[1].weight, stack.layers[0].weight)  # type: ignore[index,union-attr]
    assert torch.equal(classifier[1].bias, stack.layers[0].bias)  # type: ignore[index,union-attr]
    assert torch.equal(classifier[-1].weight, head)  # type: ignore[index,union-attr]
    normed = mlp((1, 4, 4), 3, width=8, depth=1, activation="sigmoid")
    assert load_pretrained(normed, stack.layers[:1]) == 1


def test_real_numbers_are_told_by_their_squared_error() -> None:
    x = torch.randn(128, 6, generator=torch.Generator().manual_seed(0)) @ torch.randn(
        6, 6, generator=torch.Generator().manual_seed(1)
    )
    stack = pretrain_autoencoders((6, 5, 2), x.split(32), epochs=60, activation="tanh", learning_rate=0.02)
    layer = stack.layers[0]
    told = torch.tanh(x @ layer.weight.T + layer.bias) @ layer.back_weight.T + layer.back_bias
    assert (told - x).square().mean() < 0.3 * x.square().mean()


def test_careless_arguments() -> None:
    x = pictures(64)
    with pytest.raises(ArgumentError, match="The stack of autoencoders cannot be built"):
        pretrain_autoencoders((16,), x.split(32))
    with pytest.raises(ArgumentError, match="activations that keep the width"):
        pretrain_autoencoders((16, 4), x.split(32), activation="maxout(2)")
    with pytest.raises(
        ArgumentError, match="The first size is not that of the inputs. Expected 16; got sizes that begin with 15"
    ):
        pretrain_autoencoders((15, 4), x.split(32))
    with pytest.raises(ArgumentError, match="epochs is out of range"):
        pretrain_autoencoders((16, 4), x.split(32), epochs=0)
    with pytest.raises(ArgumentError, match="only once"):
        pretrain_autoencoders((16, 4), iter(x.split(32)))
    with pytest.raises(ArgumentError, match="nothing to pre-train on"):
        pretrain_autoencoders((16, 4), [])
    with pytest.raises(TrainingError, match="no longer a number"):
        pretrain_autoencoders((16, 4), (1e30 * torch.randn(64, 16)).split(32), epochs=2)
    stack = pretrain_autoencoders((16, 8), x.split(32), epochs=1)
    with pytest.raises(ArgumentError, match="Linear layer 1 of the network is not that of the stack"):
        load_pretrained(nn.Sequential(nn.Linear(16, 9), nn.Linear(9, 2)), stack.layers)
    with pytest.raises(ArgumentError, match="does not have the layers of the stack"):
        load_pretrained(nn.Sequential(nn.ReLU()), stack.layers)
    with pytest.raises(ArgumentError, match="half of them in the decoder"):
        load_pretrained(autoencoder((16,), hidden="8", code=2), stack.layers)
