from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from leadline import models
from leadline.errors import ArgumentError
from leadline.explain import summary

Case = tuple[Callable[[], nn.Module], tuple[int, ...], int]


def photo_resnet(name: str) -> Case:
    """A narrow one, for 2 channels and 3 classes."""
    blocks = {"18": (2, 2, 2, 2), "34": (3, 4, 6, 3), "50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3)}
    deep = name[6:] in ("50", "101", "152")
    width, times = 2, 4 if deep else 1
    count, before = 49 * 2 * width + 2 * width, width
    for stage, number in enumerate(blocks[name[6:]]):
        filters = width * 2**stage
        for block in range(number):
            kernels = [(1, before, filters), (9, filters, filters), (1, filters, 4 * filters)] if deep else None
            kernels = kernels or [(9, before, filters), (9, filters, filters)]
            if block == 0 and (stage or deep):
                kernels.append((1, before, times * filters))
            count += sum(size * inputs * outputs + 2 * outputs for size, inputs, outputs in kernels)
            before = times * filters
    count += before * 3 + 3
    return (lambda: getattr(models, name)(3, 2, width=width)), (2, 17, 33), count


def small_resnet(name: str) -> Case:
    """As wide as published: the depth is 6n + 2, and each stage has 2n layers."""
    n = (int(name[6:]) - 2) // 6
    layers = [(3, 16)] + [(16, 16)] * (2 * n) + [(16, 32)] + [(32, 32)] * (2 * n - 1) + [(32, 64)] + [(64, 64)] * (2 * n - 1)
    count = sum(9 * before * after + 2 * after for before, after in layers) + 64 * 10 + 10
    return (lambda: getattr(models, name)(classes=10)), (3, 8, 8), count


def begun_forecaster() -> nn.Module:
    """One that has left the naive forecast, from which no gradient reaches the encoder yet."""
    model = models.forecaster((10, 3), 1, horizon=4, known=1, season=3, width=8)
    nn.init.normal_(model.get_submodule("answers.head").weight)  # type: ignore[arg-type]
    return model


def vgg(name: str) -> Case:
    """A narrow one, with batch norm."""
    convolutions = {"11": "11222", "13": "22222", "16": "22333", "19": "22444"}[name[3:]]
    width, before, count = 2, 3, 0
    for filters, number in zip((2, 4, 8, 16, 16), convolutions, strict=True):
        for _ in range(int(number)):
            count += 9 * before * filters + 3 * filters
            before = filters
    count += (8 * width * 49 * 8 + 8) + (8 * 8 + 8) + (8 * 3 + 3)
    return (lambda: getattr(models, name)(3, batch_norm=True, width=width, hidden=8)), (3, 32, 40), count


CASES: dict[str, Case] = {
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
    "fast_convnet": (
        lambda: models.fast_convnet((1, 8, 8), 3, width=4),
        (1, 8, 8),
        # 18 whitening filters of 3×3, then stages of 4, 16 and 16 filters with a scale and a bias each, and the head.
        (18 * 9 + 18) + 9 * (18 * 4 + 4 * 4 + 4 * 16 + 3 * 16 * 16) + 4 * (4 + 16 + 16) + (16 * 3 + 3),
    ),
    "lenet5": (lambda: models.lenet5(activation="relu"), (1, 28, 28), 61_706),
    "three_convolutions": (
        lambda: models.three_convolutions((3, 8, 8), 5, width=4, hidden=6),
        (3, 8, 8),
        (4 * (4 * 3 + 1) + 8 * (4 * 4 + 1) + 16 * (4 * 8 + 1)) + (16 * 6 + 6) + (6 * 5 + 5),
    ),
    "alexnet": (
        lambda: models.alexnet(5, 1, hidden=8),
        (1, 63, 63),
        # 23,232 of the filters of 11×11 see colours; one channel takes a third of them.
        2_469_696 - 23_232 * 2 // 3 + (9216 * 8 + 8) + (8 * 8 + 8) + (8 * 5 + 5),
    ),
    "alexnet_2012": (
        lambda: models.alexnet_2012(5, hidden=8),
        (3, 63, 63),
        2_334_080 + (9216 * 8 + 8) + (8 * 8 + 8) + (8 * 5 + 5),
    ),
    "squeezenet": (lambda: models.squeezenet(7), (3, 33, 33), 1_235_496 - 993 * 513),
    "espcn": (
        lambda: models.espcn((2, 5, 5), upscale=2, width=4),
        (2, 5, 5),
        (2 * 25 * 4 + 4) + (4 * 9 * 2 + 2) + (2 * 9 * 8 + 8),
    ),
    "forecaster": (
        begun_forecaster,
        (10, 3),
        # The line and what is known; the encoder sees 6 steps of the target and 4 of the other; the answers.
        (6 * 4 + 4) + 2 + (10 * 8 + 8) + (8 * 8 + 8) + 2 * 8 + 4 * 8 + (8 + 1),
    ),
    **{name: photo_resnet(name) for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")},
    **{name: small_resnet(name) for name in ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110")},
    **{name: vgg(name) for name in ("vgg11", "vgg13", "vgg16", "vgg19")},
    "series_convnet": (
        lambda: models.series_convnet((12, 2), 3, width=4, kernels=(3, 3, 2)),
        (12, 2),
        (3 * 2 * 4 + 3 * 4 * 8 + 2 * 8 * 4) + 2 * (4 + 8 + 4) + (4 * 3 + 3),
    ),
    "recurrent": (
        lambda: models.recurrent((9, 2), 3, cell="rnn", hidden=4, dropout=0.0),
        (9, 2),
        (2 * 4 + 4 * 4 + 4 + 4) + (4 * 3 + 3),
    ),
    "autoencoder": (
        lambda: models.autoencoder((12,), hidden="8", code=3),
        (12,),
        (12 * 8 + 8) + (8 * 3 + 3) + (3 * 8 + 8) + (8 * 12 + 12),
    ),
    "conv_autoencoder": (
        # Maps of 5 × 7, 3 × 4 and 2 × 2 pixels; what a norm comes after has no bias.
        lambda: models.conv_autoencoder((2, 5, 7), width=4, stages=2, code=3, activation="tanh"),
        (2, 5, 7),
        (9 * 2 * 4 + 8) + (9 * 4 * 8 + 16) + (32 * 3 + 3) + (3 * 32 + 32) + (9 * 8 * 4 + 8) + (9 * 4 * 2 + 2),
    ),
    "variational_autoencoder": (
        lambda: models.variational_autoencoder((12,), hidden="8", code=3),
        (12,),
        (12 * 8 + 8) + 2 * (8 * 3 + 3) + (3 * 8 + 8) + (8 * 12 + 12),
    ),
    "conv_variational_autoencoder": (
        lambda: models.conv_variational_autoencoder((2, 5, 7), width=4, stages=2, code=3, activation="tanh"),
        (2, 5, 7),
        (9 * 2 * 4 + 8) + (9 * 4 * 8 + 16) + 2 * (32 * 3 + 3) + (3 * 32 + 32) + (9 * 8 * 4 + 8) + (9 * 4 * 2 + 2),
    ),
    "table_autoencoder": (
        # The columns of `tabular`'s case; two means with a deviation each, and three logits.
        lambda: models.table_autoencoder([(-1.0, 0.0, 1.0), ()], (3,), hidden="8", code=2, embedding_width=4),
        (3,),
        (2 * 4 + 4 + 4) + 3 * 4 + (9 * 8 + 8) + (8 * 2 + 2) + (2 * 8 + 8) + (8 * 5 + 5) + 2,
    ),
    "rbm": (lambda: models.rbm((12,), hidden=5), (12,), 12 * 5 + 5 + 12),
    "deep_belief_net": (
        lambda: models.deep_belief_net((12,), hidden="5-4"),
        (12,),
        (12 * 5 + 5 + 12) + (5 * 4 + 4 + 5),
    ),
    "dcgan": (
        # From 4 numbers to 2 filters on 4 × 4 pixels, and doubled once; halved once, and judged.
        lambda: models.dcgan((1, 8, 8), latent=4, width=2),
        (4,),
        (4 * 2 * 16 + 2 * 2 + 16 * 2 * 1 + 1) + (16 * 1 * 2 + 2 + 32 + 1),
    ),
    "layers": (
        lambda: models.from_rows((3, 8, 8), 5, "classes", rows=[{"conv": 8, "kernel": 2}, {"pool": 2}, {"dense": 5}]),
        (3, 8, 8),
        (8 * 2 * 2 * 3 + 8) + (8 * 4 * 4 * 5 + 5),
    ),
}


def test_every_builder_has_a_case() -> None:
    of_texts = {"tfidf_linear", "averaged_embeddings", "text_convnet"}  # which take whole numbers: test_text_networks.py
    apart = {*models.OF_STREAMS, *models.OF_TREES, *models.OF_WORDS}
    assert set(CASES) == set(models.MODELS) - of_texts - apart


def trained_through(model: nn.Module, x: Tensor) -> Tensor:
    """What every parameter of a network has a part in: its outputs, but for those whose call leaves out half of them."""
    if isinstance(model, models.AdversarialPair):
        return model.judged(model(x), None)
    if isinstance(model, models.VariationalAutoencoder):
        mean, log_variance = model.posterior(x)
        return torch.cat([model.decode(mean).flatten(1), log_variance], dim=1)
    if isinstance(model, models.Autoencoder):
        return model.distribution.nll(model(x), x)
    if isinstance(model, (models.RestrictedBoltzmannMachine, models.DeepBeliefNet)):
        return model.reconstruct(x)
    outputs: Tensor = model(x)
    return outputs


@pytest.mark.parametrize("name", CASES)
def test_shape_parameters_and_gradients(name: str) -> None:
    make, shape, parameters = CASES[name]
    torch.manual_seed(0)
    model = make()
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    x = torch.randn(8, *shape)
    outputs = model(x)
    assert outputs.shape[0] == 8
    axes = {"espcn": 4, "forecaster": 3, "conv_autoencoder": 4, "conv_variational_autoencoder": 4, "dcgan": 4}
    assert outputs.ndim == axes.get(name, 2)
    (trained_through(model, x) - 1).square().sum().backward()  # the perceptron starts at 0, where the square alone is flat
    trained = {key: parameter.grad for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert [key for key, gradient in trained.items() if gradient is None or not gradient.abs().sum() > 0] == []


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
    given = (
        "shape",
        "outputs",
        "channels",
        "classes",
        "edges",
        "categories",
        "task",
        "upscale",
        "vocabulary",
        "arity",
        "horizon",
    )
    chosen = [parameter for parameter in parameters if parameter.name not in given]
    assert all(
        parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.default is not inspect.Parameter.empty
        for parameter in chosen
    )


# Parameters that no call of the network itself needs: the deviations of codes and of outputs, and the discriminator.
HALF_USED = {
    "variational_autoencoder": 8 * 3 + 3,
    "conv_variational_autoencoder": 32 * 3 + 3,
    "table_autoencoder": 2,
    "dcgan": 16 * 1 * 2 + 2 + 32 + 1,
}


# The deepest say nothing that their shorter sisters do not, and take seconds each.
@pytest.mark.parametrize("name", sorted(set(CASES) - {"resnet44", "resnet101", "resnet110", "resnet152"} - set(HALF_USED)))
def test_its_summary_counts_the_same(name: str) -> None:
    make, shape, parameters = CASES[name]
    found = summary(make(), shape)
    assert found.parameters == parameters
    assert sum(row.parameters for row in found) == parameters
    assert not found.notes


@pytest.mark.parametrize("name", HALF_USED)
def test_its_summary_says_what_a_call_leaves_out(name: str) -> None:
    make, shape, parameters = CASES[name]
    found = summary(make(), shape)
    assert found.parameters == parameters
    assert sum(row.parameters for row in found) == parameters - HALF_USED[name]
    (note,) = found.notes
    assert f"{HALF_USED[name]} parameters are not used on the way" in note


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
        (lambda: models.convnet((1, 8, 8), 2, width=0), "cannot be built. Expected width ≥ 1; got width = 0"),
        (lambda: models.convnet((1, 8, 8), 2, convolutions=0), "Expected convolutions ≥ 1; got convolutions = 0"),
        (lambda: models.convnet((1, 8, 8), 2, dropout=1.5), r"Expected dropout in \[0, 1\); got dropout = 1.5"),
        (lambda: models.mlp((4,), 2, depth=-1), "Expected depth ≥ 0; got depth = -1"),
        (lambda: models.mlp((4,), 2, dropout=1.0), r"Expected dropout in \[0, 1\); got dropout = 1.0"),
        (lambda: models.mlp((4,), 2, activation="rellu"), "Did you mean 'relu'"),
    ],
)
def test_bad_arguments(make: object, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        make()  # type: ignore[operator]


def test_dropout_stands_where_asked() -> None:
    assert sum(isinstance(module, nn.Dropout) for module in models.mlp((4,), 2, depth=3, dropout=0.5)) == 3
    assert not any(isinstance(module, nn.Dropout) for module in models.mlp((4,), 2))
