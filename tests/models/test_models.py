import inspect

import pytest
import torch
from torch import nn

from leadline import models
from leadline.errors import ArgumentError

CASES = {
    "linear": (lambda: models.linear((1, 8, 8), 10), (1, 8, 8), 64 * 10 + 10),
    "perceptron": (lambda: models.perceptron((12,), 3), (12,), 12 * 3 + 3),
    "tabular": (
        # Two numbers, the first with 2 bins, and a category of 3: 4 + 1 + 4 columns into 8 units. Members: test_tabular.py.
        lambda: models.tabular([(-1.0, 0.0, 1.0), ()], (3,), 2, "classes", width=8, depth=1, members=1, embedding_width=4),
        (3,),
        (2 * 4 + 4 + 4) + 3 * 4 + (9 * 8 + 8) + (8 * 2 + 2),
    ),
    "mlp": (lambda: models.mlp((12,), 3, width=16, depth=2), (12,), 12 * 16 + 2 * 16 + 16 * 16 + 2 * 16 + 16 * 3 + 3),
    "convnet": (
        lambda: models.convnet((3, 16, 16), 5, width=8, stages=2, convolutions=1),
        (3, 16, 16),
        3 * 9 * 8 + 16 + 8 * 9 * 16 + 32 + 16 * 5 + 5,
    ),
    "resnet18": (lambda: models.resnet18(1000), (3, 64, 64), 11_689_512),
    "layers": (
        lambda: models.from_rows((3, 8, 8), 5, "classes", rows=[{"conv": 8, "kernel": 2}, {"pool": 2}, {"dense": 5}]),
        (3, 8, 8),
        (8 * 2 * 2 * 3 + 8) + (8 * 4 * 4 * 5 + 5),
    ),
}


def test_every_builder_has_a_case() -> None:
    assert set(CASES) == set(models.MODELS)


@pytest.mark.parametrize("name", CASES)
def test_shape_parameters_and_gradients(name: str) -> None:
    make, shape, parameters = CASES[name]
    model = make()
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    x = torch.randn(8, *shape)
    outputs = model(x)
    assert outputs.shape[0] == 8
    assert outputs.ndim == 2
    (outputs - 1).square().sum().backward()  # the perceptron starts at 0, where the square alone is flat
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())


@pytest.mark.parametrize("name", CASES)
def test_state_dict_round_trip(name: str) -> None:
    make, shape, _ = CASES[name]
    one, other = make().eval(), make().eval()
    other.load_state_dict(one.state_dict())
    x = torch.randn(2, *shape)
    with torch.no_grad():
        assert torch.equal(one(x), other(x))


@pytest.mark.parametrize("name", models.MODELS)
def test_builders_take_only_named_choices(name: str) -> None:
    parameters = inspect.signature(models.MODELS[name]).parameters.values()
    assert all(parameter.kind is not inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    given = ("shape", "outputs", "channels", "classes", "edges", "categories", "task")
    chosen = [parameter for parameter in parameters if parameter.name not in given]
    assert all(
        parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.default is not inspect.Parameter.empty
        for parameter in chosen
    )


def test_resnet18_has_torchvisions_names() -> None:
    names = set(models.resnet18().state_dict())
    expected = {
        "conv1.weight",
        "bn1.running_mean",
        "layer1.0.conv1.weight",
        "layer2.0.downsample.0.weight",
        "layer4.1.bn2.bias",
        "fc.bias",
    }
    assert expected <= names
    assert "layer1.0.downsample.0.weight" not in names
    assert len(names) == 122


def test_convnet_halves_its_map_at_each_stage() -> None:
    model = models.convnet((1, 28, 28), 10, width=4, stages=3, convolutions=2)
    maps = []
    for module in model:
        if isinstance(module, nn.AdaptiveAvgPool2d):
            module.register_forward_hook(lambda _, inputs, __: maps.append(tuple(inputs[0].shape[1:])))
    model(torch.zeros(2, 1, 28, 28))
    assert maps == [(16, 7, 7)]
    assert sum(isinstance(module, nn.Conv2d) for module in model) == 6


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: models.convnet((1, 4, 4), 2, stages=4), "too many"),
        (lambda: models.convnet((16,), 2), "needs pictures"),
        (lambda: models.convnet((1, 8, 8), 2, width=0), "cannot be built"),
        (lambda: models.mlp((4,), 2, dropout=1.0), "cannot be built"),
        (lambda: models.mlp((4,), 2, activation="rellu"), "Did you mean 'relu'"),
    ],
)
def test_bad_arguments(make: object, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        make()  # type: ignore[operator]


def test_dropout_stands_where_asked() -> None:
    assert sum(isinstance(module, nn.Dropout) for module in models.mlp((4,), 2, depth=3, dropout=0.5)) == 3
    assert not any(isinstance(module, nn.Dropout) for module in models.mlp((4,), 2))
