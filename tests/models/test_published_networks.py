"""The networks that others published: their numbers of parameters, their names, and the smallest pictures they take."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from leadline import data, models
from leadline.errors import ArgumentError, PlanError
from leadline.models.dense_headed import DenseHeaded
from leadline.models.picture_sizes import check_batch
from leadline.models.small_resnets import SmallBlock
from leadline.plan import propose
from leadline.plan.network_building import network

PARAMETERS: list[tuple[str, dict[str, Any], int]] = [
    ("alexnet", {}, 61_100_840),
    ("alexnet_2012", {}, 60_965_224),
    ("vgg11", {}, 132_863_336),
    ("vgg11", {"batch_norm": True}, 132_868_840),
    ("vgg13", {}, 133_047_848),
    ("vgg13", {"batch_norm": True}, 133_053_736),
    ("vgg16", {}, 138_357_544),
    ("vgg16", {"batch_norm": True}, 138_365_992),
    ("vgg19", {}, 143_667_240),
    ("vgg19", {"batch_norm": True}, 143_678_248),
    ("resnet18", {}, 11_689_512),
    ("resnet34", {}, 21_797_672),
    ("resnet50", {}, 25_557_032),
    ("resnet101", {}, 44_549_160),
    ("resnet152", {}, 60_192_808),
    ("resnet20", {"classes": 10}, 269_722),
    ("resnet32", {"classes": 10}, 464_154),
    ("resnet44", {"classes": 10}, 658_586),
    ("resnet56", {"classes": 10}, 853_018),
    ("resnet110", {"classes": 10}, 1_727_962),
    ("squeezenet", {}, 1_235_496),
    ("lenet5", {}, 61_706),
    ("three_convolutions", {}, 528_054),
    ("espcn", {}, 22_729),
]


@pytest.mark.parametrize(("name", "arguments", "parameters"), PARAMETERS, ids=lambda value: str(value))
def test_parameters_are_as_published(name: str, arguments: dict[str, Any], parameters: int) -> None:
    # Activations by name are tried out on numbers when they are made, which there are none of on "meta".
    with torch.device("cpu" if parameters < 1_000_000 else "meta"):
        model = getattr(models, name)(**arguments)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


# What torchvision calls them, and the shapes that its files have.
NAMES: dict[str, dict[str, tuple[int, ...]]] = {
    "alexnet": {
        "features.0.weight": (64, 3, 11, 11),
        "features.3.weight": (192, 64, 5, 5),
        "features.6.bias": (384,),
        "features.8.weight": (256, 384, 3, 3),
        "features.10.weight": (256, 256, 3, 3),
        "classifier.1.weight": (4096, 9216),
        "classifier.4.weight": (4096, 4096),
        "classifier.6.weight": (1000, 4096),
    },
    "vgg16": {
        "features.0.weight": (64, 3, 3, 3),
        "features.2.weight": (64, 64, 3, 3),
        "features.5.weight": (128, 64, 3, 3),
        "features.28.weight": (512, 512, 3, 3),
        "classifier.0.weight": (4096, 25088),
        "classifier.3.bias": (4096,),
        "classifier.6.weight": (1000, 4096),
    },
    "vgg19 batch_norm": {
        "features.0.weight": (64, 3, 3, 3),
        "features.1.running_mean": (64,),
        "features.3.weight": (64, 64, 3, 3),
        "features.49.weight": (512, 512, 3, 3),
        "features.50.num_batches_tracked": (),
        "classifier.6.bias": (1000,),
    },
    "resnet18": {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.running_mean": (64,),
        "layer1.0.conv1.weight": (64, 64, 3, 3),
        "layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "layer4.1.bn2.bias": (512,),
        "fc.weight": (1000, 512),
    },
    "resnet50": {
        "layer1.0.conv1.weight": (64, 64, 1, 1),
        "layer1.0.conv3.weight": (256, 64, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer3.5.conv2.weight": (256, 256, 3, 3),
        "layer4.0.downsample.1.running_var": (2048,),
        "layer4.2.bn3.weight": (2048,),
        "fc.weight": (1000, 2048),
    },
    "squeezenet": {
        "features.0.weight": (64, 3, 3, 3),
        "features.3.squeeze.weight": (16, 64, 1, 1),
        "features.4.expand1x1.weight": (64, 16, 1, 1),
        "features.6.expand3x3.weight": (128, 32, 3, 3),
        "features.12.expand3x3.bias": (256,),
        "classifier.1.weight": (1000, 512, 1, 1),
    },
    "resnet20": {
        "conv1.weight": (16, 3, 3, 3),
        "layer2.0.conv1.weight": (32, 16, 3, 3),
        "layer3.2.bn2.running_var": (64,),
        "linear.weight": (10, 64),
    },
}
# Tensors of the whole state dict; torchvision's files have as many.
TENSORS = {
    "alexnet": 16,
    "vgg16": 32,
    "vgg19 batch_norm": 118,
    "resnet18": 122,
    "resnet50": 320,
    "squeezenet": 52,
    "resnet20": 116,
}


@pytest.mark.parametrize("word", NAMES)
def test_names_and_shapes_are_torchvisions(word: str) -> None:
    name, *options = word.split()
    with torch.device("meta"):
        state = getattr(models, name)(**dict.fromkeys(options, True)).state_dict()
    found = {key: tuple(state[key].shape) for key in NAMES[word] if key in state}
    assert found == NAMES[word]
    assert len(state) == TENSORS[word]


def test_only_stages_that_change_the_shape_have_a_shortcut_with_weights() -> None:
    with torch.device("meta"):
        states = {name: getattr(models, name)().state_dict() for name in ("resnet34", "resnet101", "resnet56")}
    shortcuts = {
        name: [key.removesuffix(".downsample.0.weight") for key in state if "downsample.0" in key]
        for name, state in states.items()
    }
    assert shortcuts["resnet34"] == ["layer2.0", "layer3.0", "layer4.0"]
    assert shortcuts["resnet101"] == ["layer1.0", "layer2.0", "layer3.0", "layer4.0"]
    assert shortcuts["resnet56"] == []


def test_the_stride_of_a_bottleneck_is_in_its_3x3_convolution() -> None:
    with torch.device("meta"):
        first = models.resnet50().get_submodule("layer2.0")
    assert [first.get_submodule(f"conv{number}").stride for number in (1, 2, 3)] == [(1, 1), (2, 2), (1, 1)]


SMALL: dict[str, tuple[Callable[..., nn.Module], dict[str, Any], int]] = {
    "alexnet": (models.alexnet, {"hidden": 8}, 63),
    "alexnet_2012": (models.alexnet_2012, {"hidden": 8}, 63),
    "vgg11": (models.vgg11, {"width": 2, "hidden": 8}, 32),
    "squeezenet": (models.squeezenet, {}, 17),
}


@pytest.mark.parametrize("name", SMALL)
def test_the_smallest_picture_is_taken_and_one_pixel_less_is_not(name: str) -> None:
    make, arguments, least = SMALL[name]
    model = make(5, shape=(3, least, 90), **arguments).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, least, 90)).shape == (1, 5)
        # Not too strict: without the check torch itself would fail, in words of its own.
        with pytest.raises((RuntimeError, ArgumentError), match="too small|H and W of at least 2"):
            model.get_submodule("features")(torch.zeros(1, 3, least - 1, 90))
        with pytest.raises(ArgumentError, match=f"{name} cannot take these inputs. .*H and W of at least {least}"):
            model(torch.zeros(1, 3, 90, least - 1))
        with pytest.raises(ArgumentError, match=r"\[B, 3, H, W\].*\[1, 1, 90, 90\]"):
            model(torch.zeros(1, 1, 90, 90))
    with pytest.raises(ArgumentError, match=rf"{least - 1} × 90 are too small for {name}. Expected a side of at least {least}"):
        make(5, shape=(3, least - 1, 90), **arguments)


RESNETS: dict[str, nn.Module] = {
    "resnet18": models.resnet18(5, width=2),
    "resnet50": models.resnet50(5, width=2),
    "resnet20": models.resnet20(5, width=2),
}


@pytest.mark.parametrize("name", RESNETS)
def test_a_resnet_takes_any_size_and_says_what_else_it_cannot_take(name: str) -> None:
    model = RESNETS[name].eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, 1, 7)).shape == (2, 5)
        assert model(torch.zeros(0, 3, 33, 33)).shape == (0, 5)
        for wrong, got in (
            (torch.zeros(2, 1, 8, 8), r"float32 of shape \[2, 1, 8, 8\]"),
            (torch.zeros(3, 8, 8), r"float32 of shape \[3, 8, 8\]"),
            (torch.zeros(2, 8, 8, 3), r"float32 of shape \[2, 8, 8, 3\]"),
            (torch.zeros(2, 3, 8, 0), r"float32 of shape \[2, 3, 8, 0\]"),
            (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), r"uint8 of shape \[2, 3, 8, 8\]"),
        ):
            says = rf"^{name} cannot take these inputs. Expected floating-point numbers of shape \[B, 3, H, W\]; got {got}.$"
            with pytest.raises(ArgumentError, match=says):
                model(wrong)
    assert not any("name" in key or "channels" in key for key in model.state_dict())


@pytest.mark.parametrize("name", RESNETS)
def test_a_resnet_is_still_traced_by_fx_and_compiled_in_one_piece(name: str) -> None:
    model, x = RESNETS[name].eval(), torch.randn(2, 3, 17, 18)
    expected = model(x)
    traced = torch.fx.symbolic_trace(model)
    assert torch.equal(traced(x), expected)
    assert set(traced.state_dict()) == set(model.state_dict())
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=True)
    assert torch.allclose(compiled(x), expected, atol=1e-5)
    with pytest.raises(Exception, match="cannot take these inputs"):
        compiled(x[:, :1])
    exported = torch.export.export(model, (x,)).module()
    assert torch.allclose(exported(x), expected, atol=1e-5)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # torch would rather have torch.export
        written = torch.jit.trace(model, x)  # a check that looks at sizes warns here, and warnings are errors
    assert torch.allclose(written(x), expected, atol=1e-5)


def test_the_check_of_a_batch_takes_no_time() -> None:
    x, model = torch.zeros(1, 3, 8, 8), RESNETS["resnet20"].eval()
    with torch.inference_mode():
        model(x)
        passes, checks = [], []
        for _ in range(9):
            start = time.perf_counter()
            model(x)
            passes.append(time.perf_counter() - start)
            start = time.perf_counter()
            for _ in range(100):
                check_batch("resnet20", x, channels=3, least=1)
            checks.append((time.perf_counter() - start) / 100)
    assert min(checks) < min(passes) / 50, "of the smallest pass through the smallest of these networks"


def narrow(name: str, width: int = 2, **arguments: int) -> Callable[[int, int], nn.Module]:
    return lambda classes, channels: getattr(models, name)(classes, channels, width=width, **arguments)


MADE_FOR_PICTURES: list[tuple[str, int, Callable[[int, int], nn.Module]]] = [
    *((name, 17, narrow(name)) for name in ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110")),
    *((name, 33, narrow(name)) for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")),
    *((name, 32, narrow(name, width=8, hidden=64)) for name in ("vgg11", "vgg13", "vgg16", "vgg19")),
    ("alexnet", 63, lambda classes, channels: models.alexnet(classes, channels, hidden=64)),
    ("alexnet_2012", 63, lambda classes, channels: models.alexnet_2012(classes, channels, hidden=64)),
    ("squeezenet", 17, lambda classes, channels: models.squeezenet(classes, channels)),
    ("lenet5", 28, lambda classes, channels: models.lenet5((channels, 28, 28), classes)),
    ("three_convolutions", 12, lambda classes, channels: models.three_convolutions((channels, 12, 12), classes)),
    ("fast_convnet", 12, lambda classes, channels: models.fast_convnet((channels, 12, 12), classes, width=4)),
    ("convnet", 12, lambda classes, channels: models.convnet((channels, 12, 12), classes, width=4)),
]


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize(("name", "side", "make"), MADE_FOR_PICTURES, ids=[name for name, _, _ in MADE_FOR_PICTURES])
def test_pictures_of_one_and_of_five_channels(
    name: str, side: int, make: Callable[[int, int], nn.Module], channels: int
) -> None:
    torch.manual_seed(0)
    model, x = make(4, channels).eval(), torch.randn(3, channels, side, side, requires_grad=True)
    logits = model(x)
    assert logits.shape == (3, 4)
    logits.square().sum().backward()
    assert x.grad is not None
    reached = x.grad.abs().amax(dim=(0, 2, 3))
    assert (reached > 0).all(), "every channel is seen"


@pytest.mark.parametrize("channels", [1, 5])
def test_espcn_enlarges_pictures_of_one_and_of_five_channels(channels: int) -> None:
    model = models.espcn((channels, 5, 6), width=4)
    assert model(torch.zeros(2, channels, 5, 6)).shape == (2, channels, 15, 18)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: models.lenet5((1, 11, 30)), "too small for lenet5. Expected a side of at least 12"),
        (lambda: models.lenet5(activation="maxout(2)"), "its activation leaves fewer maps"),
        (lambda: models.lenet5(pooling="maximal"), "Did you mean 'maximum'"),
        (lambda: models.three_convolutions((3, 7, 9)), "too small for three_convolutions"),
        (lambda: models.three_convolutions((30,)), "three_convolutions needs pictures"),
        (lambda: models.three_convolutions(hidden_dropout=1.0), "hidden_dropout is out of range"),
        (lambda: models.alexnet(0), "classes is out of range"),
        (lambda: models.alexnet_2012(dropout=-0.1), "dropout is out of range"),
        (lambda: models.vgg13(5, width=0), "width is out of range"),
        (lambda: models.resnet50(classes=0), "classes is out of range"),
        (lambda: models.resnet20(channels=0), "channels is out of range"),
        (lambda: models.squeezenet(5, dropout=1.5), "dropout is out of range"),
        (lambda: models.squeezenet(5, task="clases"), "There is no task 'clases'.*Did you mean 'classes'"),
    ],
)
def test_bad_arguments(make: Callable[[], nn.Module], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        make()


def pictures(side: int, channels: int = 3) -> data.Dataset:
    """Twelve pictures of noise, of three classes."""
    noise = np.random.default_rng(0).integers(0, 256, (36, side, side, channels), dtype=np.uint8)
    return data.load(noise, np.resize(["a", "b", "c"], 36))


FROM_A_PLAN: list[tuple[str, int, dict[str, Any]]] = [
    ("fast_convnet", 12, {"width": 4}),
    ("lenet5", 12, {}),
    ("three_convolutions", 12, {"width": 2, "hidden": 4}),
    ("resnet20", 12, {"width": 2}),
    ("resnet50", 12, {"width": 2}),
    ("squeezenet", 20, {}),
    ("vgg16", 32, {"width": 2, "hidden": 4, "batch_norm": True}),
    ("alexnet", 64, {"hidden": 4}),
    ("alexnet_2012", 64, {"hidden": 4}),
]


@pytest.mark.parametrize(("name", "side", "arguments"), FROM_A_PLAN, ids=lambda value: str(value))
@pytest.mark.parametrize("channels", [1, 3])
def test_each_is_built_from_a_plan(name: str, side: int, arguments: dict[str, Any], channels: int) -> None:
    rows = pictures(side, channels)
    plan = propose(rows, {"model": name, **{f"model.{key}": value for key, value in arguments.items()}})
    model = network(plan, rows.schema).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, channels, side, side)).shape == (2, 3)


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "squeezenet", "three_convolutions"])
def test_a_plan_for_pictures_too_small_is_one_paragraph(name: str) -> None:
    rows = pictures(6)
    with pytest.raises(ArgumentError, match=f"Pictures of 6 × 6 are too small for {name}. .*fast_convnet"):
        network(propose(rows, {"model": name}), rows.schema)


@pytest.mark.parametrize("name", ["alexnet", "resnet20", "lenet5", "fast_convnet"])
def test_a_plan_for_vectors_is_refused(name: str) -> None:
    rows = data.load(np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32), np.resize([0, 1], 30))
    with pytest.raises((PlanError, ArgumentError), match="needs pictures"):
        network(propose(rows, {"model": name}), rows.schema)


def test_alexnet_of_2012_has_the_papers_normalization() -> None:
    torch.manual_seed(0)
    model = models.alexnet_2012(3, hidden=4)
    assert isinstance(model, DenseHeaded)
    layer = model.features.get_submodule("2")
    a = torch.randn(1, 7, 2, 2, dtype=torch.float64)
    expected = torch.stack(
        [a[:, c] / (2 + 1e-4 * a[:, max(0, c - 2) : c + 3].square().sum(1)) ** 0.75 for c in range(7)], dim=1
    )
    assert torch.allclose(layer(a), expected, rtol=1e-12, atol=0)
    kinds = [type(each).__name__ for each in model.features.children()]
    assert [at for at, kind in enumerate(kinds) if kind == "LocalResponseNorm"] == [2, 6]
    assert kinds[3] == kinds[7] == "MaxPool2d"  # behind the normalization, as in the paper


def test_alexnet_of_2012_begins_as_in_the_paper() -> None:
    torch.manual_seed(0)
    model = models.alexnet_2012(3, hidden=500)
    layers = [each for each in model.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    assert [each.bias.detach()[0].item() for each in layers if each.bias is not None] == [0, 1, 0, 1, 1, 1, 1, 0]
    assert all(abs(each.weight.std().item() / 0.01 - 1) < 0.05 for each in layers)


def test_half_of_alexnets_maps_do_not_see_the_other_half() -> None:
    torch.manual_seed(0)
    model = models.alexnet_2012(3, hidden=4)
    second = model.get_submodule("features.4")
    x = torch.randn(1, 96, 5, 5, requires_grad=True)
    second(x)[:, :128].sum().backward()
    assert x.grad is not None
    assert x.grad[:, :48].abs().min() > 0
    assert x.grad[:, 48:].abs().max() == 0


def test_squeezenet_answers_below_zero_only_where_the_task_has_such() -> None:
    torch.manual_seed(0)
    x = torch.randn(20, 3, 33, 33)
    with torch.no_grad():
        classes = models.squeezenet(4).eval()(x)
        number = models.squeezenet(4, task="number").eval()(x)
    assert classes.min() >= 0
    assert number.min() < 0


def test_lenet_makes_28_pixels_into_32_and_leaves_32_as_they_are() -> None:
    small, large = models.lenet5((1, 28, 28)), models.lenet5((1, 32, 32))
    large.load_state_dict(small.state_dict())
    x = torch.randn(2, 1, 28, 28)
    assert torch.allclose(small(x), large(nn.functional.pad(x, (2, 2, 2, 2))), atol=1e-6)


def test_the_shortcut_of_a_small_resnet_takes_every_second_pixel_between_zeros() -> None:
    block = SmallBlock(4, 8, stride=2)
    nn.init.zeros_(block.bn2.weight)  # F(x) = 0, so that the shortcut alone is left
    x = torch.randn(2, 4, 5, 7)
    y = block(x)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2].relu())
    assert torch.equal(y[:, [0, 1, 6, 7]], torch.zeros(2, 4, 3, 4))
    halved = SmallBlock(4, 4, stride=2)
    nn.init.zeros_(halved.bn2.weight)
    assert torch.equal(halved(x), x[:, :, ::2, ::2].relu())
