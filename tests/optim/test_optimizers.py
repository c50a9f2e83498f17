import pytest
import torch
from torch import nn

from leadline import optim
from leadline.errors import ArgumentError

REFERENCES = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.9, 0.999)),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.9, 0.999), weight_decay=0.0),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.9),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
}


def test_every_optimizer_has_a_reference() -> None:
    assert set(REFERENCES) == set(optim.OPTIMIZERS)


@pytest.mark.parametrize("name", REFERENCES)
def test_ten_steps_equal_torch(name: str) -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    optimizers = optim.make_optimizer(name, ours, learning_rate=0.01), REFERENCES[name](theirs.parameters())
    for _ in range(10):
        x = torch.randn(8, 5)
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_decay_shrinks_weights_and_not_biases() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    nn.init.ones_(model[0].bias)
    optimizer = optim.make_optimizer("adamw", model, learning_rate=0.1, weight_decay=0.5)
    before = model[0].weight.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(model[0].weight.detach(), before * (1 - 0.1 * 0.5))
    assert torch.equal(model[0].bias, torch.ones(4))
    assert torch.equal(model[1].weight, torch.ones(4))


def test_frozen_parameters_are_left_out() -> None:
    model = nn.Linear(4, 4)
    model.weight.requires_grad_(False)
    assert [len(group["params"]) for group in optim.parameter_groups(model, 0.1)] == [1]
    model.bias.requires_grad_(False)
    with pytest.raises(ArgumentError, match="no parameter"):
        optim.parameter_groups(model, 0.1)


@pytest.mark.parametrize(
    "values", [{"learning_rate": 0}, {"learning_rate": 0.1, "momentum": 1.0}, {"learning_rate": 0.1, "weight_decay": -1}]
)
def test_values_out_of_range(values: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match="cannot be built"):
        optim.make_optimizer("sgd", nn.Linear(1, 1), **values)


def test_unknown_optimizer_names_the_nearest() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'adamw'"):
        optim.make_optimizer("adamww", nn.Linear(1, 1), learning_rate=0.1)
