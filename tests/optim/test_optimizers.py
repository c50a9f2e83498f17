import pytest
import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.optim.muon import Muon
from leadline.optim.optimizers import OPTIMIZERS, make_optimizer, parameter_groups

REFERENCES = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.9, 0.999)),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.9, 0.999), weight_decay=0.0),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.9),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
    "adam(beta2=0.9, epsilon=1e-3, amsgrad=True)": lambda p: torch.optim.Adam(p, 0.01, (0.9, 0.9), 1e-3, amsgrad=True),
    "adamw(beta2=0.9)": lambda p: torch.optim.AdamW(p, 0.01, (0.9, 0.9), weight_decay=0.0),
    "rmsprop(alpha=0.9, epsilon=0.01, centered=True)": lambda p: torch.optim.RMSprop(
        p, 0.01, 0.9, eps=0.01, momentum=0.9, centered=True
    ),
    "adagrad(initial=0.5, epsilon=0.1)": lambda p: torch.optim.Adagrad(p, 0.01, initial_accumulator_value=0.5, eps=0.1),
}


def test_every_optimizer_has_a_reference() -> None:
    assert {name.split("(")[0] for name in REFERENCES} | {"muon", "lbfgs"} == set(OPTIMIZERS)


@pytest.mark.parametrize("name", REFERENCES)
def test_ten_steps_equal_torch(name: str) -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    optimizers = make_optimizer(name, ours, learning_rate=0.01), REFERENCES[name](theirs.parameters())
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
    optimizer = make_optimizer("adamw", model, learning_rate=0.1, weight_decay=0.5)
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
    assert [len(group["params"]) for group in parameter_groups(model, 0.1)] == [1]
    model.bias.requires_grad_(False)
    with pytest.raises(ArgumentError, match="no parameter"):
        parameter_groups(model, 0.1)


# One weight of 1, one gradient of 2, rate 0.1, momentum 0.9: what the docstring's rules give after the first step.
@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("sgd", 1 - 0.1 * 2),
        ("nesterov", 1 - 0.1 * (2 + 0.9 * 2)),
        ("adagrad", 1 - 0.1),
        ("adagrad(initial=5)", 1 - 0.1 * 2 / 3),
        ("rmsprop(alpha=0.75)", 1 - 0.1 * 2),
        ("adam", 1 - 0.1),
        ("adamw", 0.95 - 0.1),
    ],
)
def test_the_first_step_follows_the_rule(name: str, first: float) -> None:
    model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.ones_(model.weight)
    optimizer = make_optimizer(name, model, learning_rate=0.1, weight_decay=0.5 if name == "adamw" else 0.0)
    model.weight.grad = torch.full((1, 1), 2.0, dtype=torch.float64)
    optimizer.step()
    assert model.weight.item() == pytest.approx(first, abs=1e-7)


def test_muon_and_lbfgs_get_their_arguments() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    muon = make_optimizer(
        "muon(rest_rate=0.5, iterations=3, scale='match_adamw', nesterov=False)",
        model,
        learning_rate=0.1,
        momentum=0.8,
        weight_decay=0.2,
    )
    assert isinstance(muon, Muon)
    own, *others = muon.param_groups
    assert (own["lr"], own["momentum"], own["weight_decay"]) == (0.1, 0.8, 0.2)
    assert (own["iterations"], own["scale"], own["nesterov"]) == (3, "match_adamw", False)
    assert [(group["lr"], group["weight_decay"], len(group["params"])) for group in others] == [(0.5, 0.2, 1), (0.5, 0.0, 2)]
    lbfgs = make_optimizer("lbfgs(iterations=7, history=3, tolerance=1e-4)", model, learning_rate=1.0, weight_decay=0.2)
    assert isinstance(lbfgs, torch.optim.LBFGS)
    (group,) = lbfgs.param_groups
    expected = {"lr": 1.0, "max_iter": 7, "history_size": 3, "tolerance_grad": 1e-4, "line_search_fn": "strong_wolfe"}
    assert expected.items() <= group.items()
    assert (group["weight_decay"], len(group["params"])) == (0.2, 4)


@pytest.mark.parametrize(
    "values",
    [
        {"learning_rate": 0},
        {"learning_rate": -0.1},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"learning_rate": 0.1, "momentum": 1.0},
        {"learning_rate": 0.1, "momentum": -0.1},
        {"learning_rate": 0.1, "weight_decay": -1},
    ],
)
def test_values_out_of_range(values: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match="cannot be built"):
        make_optimizer("sgd", nn.Linear(1, 1), **values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adamww", "Did you mean 'adamw'"),
        ("adam(beta=0.9)", "Did you mean 'beta2'"),
        ("adam(beta2=1.0)", "cannot be built"),
        ("adamw(epsilon=0)", "cannot be built"),
        ("rmsprop(alpha=-0.1)", "cannot be built"),
        ("adagrad(initial=-1)", "cannot be built"),
        ("lbfgs(history=0)", "cannot be built"),
        ("adam(beta2='x')", "'beta2' .* Expected a number; got 'x'"),
        ("sgd(0.1)", "do not fit"),
        ("sgd * adam", "product"),
    ],
)
def test_a_text_that_is_no_optimizer(text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make_optimizer(text, nn.Linear(1, 1), learning_rate=0.1)
