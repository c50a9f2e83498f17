"""Autoencoders of every kind: shapes, what they share, tied weights, exact references, and what the rest of Leadline asks."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.gradient_checks import gradient_check
from leadline.models.autoencoders.autoencoders import autoencoder, start_at_means
from leadline.models.autoencoders.conv_autoencoders import conv_autoencoder, halved_sizes
from leadline.models.autoencoders.variational_autoencoders import (
    active_units,
    conv_variational_autoencoder,
    generated,
    variational_autoencoder,
)
from leadline.optim.muon import hidden_matrices
from leadline.transfer.cutting import cut

KINDS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...], dict[str, Any]]] = {
    "dense": (autoencoder, (3, 5, 4), {"hidden": "12-8", "code": 3}),
    "vectors": (autoencoder, (7,), {"hidden": "none", "code": 3}),
    "bernoulli": (autoencoder, (7,), {"hidden": "6", "code": 3, "output": "bernoulli", "code_activation": "sigmoid"}),
    "learned": (autoencoder, (7,), {"hidden": "6", "code": 3, "output": "gaussian(learned=True)", "batch_norm": True}),
    "tied": (autoencoder, (3, 5, 4), {"hidden": "12-8", "code": 3, "tied": True, "activation": "tanh"}),
    "maxout": (autoencoder, (7,), {"hidden": "6", "code": 3, "activation": "maxout(2)", "dropout": 0.2}),
    "conv": (conv_autoencoder, (3, 9, 14), {"width": 4, "stages": 2, "code": 3}),
    "conv maxout": (conv_autoencoder, (1, 8, 8), {"width": 4, "stages": 3, "code": 3, "activation": "maxout(2)"}),
    "variational": (variational_autoencoder, (3, 5, 4), {"hidden": "12-8", "code": 3}),
    "conv variational": (conv_variational_autoencoder, (1, 9, 14), {"width": 4, "stages": 2, "code": 3}),
}


def build(kind: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    builder, shape, settings = KINDS[kind]
    return builder(shape, **{**settings, **changes})


def inputs(kind: str, count: int = 6) -> Tensor:
    return torch.rand(count, *KINDS[kind][1], generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_gradients_that_reach_everything(kind: str) -> None:
    model, x = build(kind, dropout=0.0) if kind == "maxout" else build(kind), inputs(kind)
    code = model.encode(x)
    assert code.shape == (6, 3)
    assert model.decode(code).shape == x.shape
    outputs = model(x)
    assert torch.equal(outputs, model.decode(model.encode(x)))
    assert model.reconstruct(x).shape == x.shape
    assert model.errors(x).shape == x.shape
    assert (model.errors(x) >= 0).all()
    loss = model.distribution.nll(outputs, x)
    assert loss.shape == (6,)
    if hasattr(model, "posterior"):
        loss = loss + sum(part.square().sum() for part in model.posterior(x))
    loss.mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_the_arguments_and_the_weights_are_the_whole_network(kind: str) -> None:
    one, x = build(kind).eval(), inputs(kind)
    other = build(kind)
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(x), other.eval()(x))
    copied = copy.deepcopy(one)
    assert torch.equal(copied(x), one(x))
    with torch.no_grad():  # a copy shares nothing with the first, nor with a part of it
        for parameter in copied.parameters():
            parameter.add_(1.0)
    assert torch.equal(one(x), other(x))
    assert not torch.equal(copied(x), one(x))


@pytest.mark.parametrize("kind", KINDS)
def test_the_way_to_the_code_begins_a_classifier(kind: str) -> None:
    model, x = build(kind).eval(), inputs(kind)
    assert torch.equal(model.features(x), model.encode(x))
    classifier = nn.Sequential(model.features, nn.Linear(3, 2))
    classifier(x).sum().backward()
    assert next(model.parameters()).grad is not None, "the classifier trains the encoder itself"
    layer = "mean" if hasattr(model, "posterior") else "encoder"
    torch.testing.assert_close(cut(model, layer, KINDS[kind][1])(x), model.encode(x))


def test_muon_is_for_all_matrices_but_the_last() -> None:
    model = build("dense")
    matrices = [layer.weight for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert [id(weight) for weight in hidden_matrices(model)] == [id(weight) for weight in matrices[:-1]]


@pytest.mark.parametrize("kind", KINDS)
def test_it_exports_and_compiles(kind: str) -> None:
    model, x = build(kind).eval(), inputs(kind)
    exported = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("rows", min=2)},)).module()
    torch.testing.assert_close(exported(x[:3]), model(x[:3]))


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_of_another_shape_are_refused(kind: str) -> None:
    model, x = build(kind), inputs(kind)
    with pytest.raises(ArgumentError, match=rf"utoencoder cannot take these inputs. Expected shape \[B, {x.shape[1]}"):
        model(torch.zeros(2, x.shape[1] + 1, *x.shape[2:]))


@pytest.mark.parametrize("kind", ["tied", "dense", "variational", "learned"])
def test_the_gradients_are_right(kind: str) -> None:
    settings = {} if kind == "learned" else {"hidden": "4"}
    torch.manual_seed(0)
    model = KINDS[kind][0]((5,), **{**KINDS[kind][2], "activation": "tanh", "code": 2, **settings}).eval()
    x = torch.rand(3, 5, generator=torch.Generator().manual_seed(0)).double()
    check = gradient_check(model, x, lambda outputs: model.distribution.nll(outputs, x.to(outputs)).sum())
    assert check.ok, str(check)


def test_the_published_deep_autoencoder_has_its_layers() -> None:
    model = autoencoder((784,), hidden="1000-500-250", code=30, activation="sigmoid", output="bernoulli")
    sizes = [tuple(layer.weight.shape[::-1]) for layer in model.modules() if isinstance(layer, nn.Linear)]
    down = [(784, 1000), (1000, 500), (500, 250), (250, 30)]
    assert sizes == down + [(b, a) for a, b in reversed(down)]


def test_tied_weights_are_counted_saved_and_stepped_once() -> None:
    model, free = build("tied"), build("tied", tied=False)
    count, free_count = (sum(p.numel() for p in each.parameters()) for each in (model, free))
    matrices = 60 * 12 + 12 * 8 + 8 * 3
    assert free_count - count == matrices
    assert sum(tensor.numel() for tensor in model.state_dict().values()) == count
    linears = [layer for layer in model.encoder if isinstance(layer, nn.Linear)]
    code, x = torch.randn(2, 3), None
    hidden = torch.tanh(code @ linears[2].weight + model.decoder.biases[0])
    hidden = torch.tanh(hidden @ linears[1].weight + model.decoder.biases[1])
    x = (hidden @ linears[0].weight + model.decoder.biases[2]).reshape(2, 3, 5, 4)
    torch.testing.assert_close(model.decode(code), x)


def test_a_linear_autoencoder_finds_the_principal_subspace() -> None:
    """Baldi and Hornik (1989): with squared error its only minimum is that of PCA."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(200, 6, generator=draw) @ torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.4, 0.3])) + 1.0
    torch.manual_seed(0)
    model = autoencoder((6,), hidden="none", code=2)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = model.errors(x).mean()
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    centred = (x - x.mean(0)).double()
    left = torch.linalg.svdvals(centred)[2:].square().sum() / x.numel()
    assert model.errors(x).mean().item() == pytest.approx(left.item(), rel=1e-3)


@pytest.mark.parametrize(("height", "width", "stages"), [(28, 28, 2), (37, 50, 3), (1, 9, 3), (5, 5, 1), (64, 64, 4)])
def test_pictures_of_any_size_come_out_as_they_went_in(height: int, width: int, stages: int) -> None:
    model = conv_autoencoder((2, height, width), width=2, stages=stages, code=5)
    assert model(torch.zeros(2, 2, height, width)).shape == (2, 2, height, width)
    sizes = halved_sizes((2, height, width), stages)
    assert sizes[-1] == (math.ceil(height / 2**stages), math.ceil(width / 2**stages))


def test_too_many_stages_say_how_many_there_may_be() -> None:
    with pytest.raises(ArgumentError, match="5 stages are too many for pictures of 8 × 8. Expected at most 3"):
        conv_autoencoder((1, 8, 8), stages=5)
    conv_autoencoder((1, 8, 8), stages=3, width=2)


def test_a_network_can_begin_at_the_mean() -> None:
    means = torch.rand(3, 5, 4)
    for kind in ("dense", "tied", "variational"):
        model = build(kind)
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
        start_at_means(model, means)
        torch.testing.assert_close(model.reconstruct(inputs(kind))[0], means, atol=2e-3, rtol=0)
    model = build("conv")
    start_at_means(model, torch.full((3, 9, 14), 0.25))
    assert model.decoder[-1].bias.tolist() == [0.25] * 3
    with pytest.raises(ArgumentError, match="The means do not fit"):
        start_at_means(model, torch.zeros(3))


def test_a_variational_code_has_a_mean_and_a_bounded_variance() -> None:
    model, x = build("variational"), inputs("variational")
    with torch.no_grad():
        model.log_variance.bias.fill_(1e6)
    mean, log_variance = model.posterior(x)
    assert log_variance.max() == 15
    assert torch.equal(mean, model.encode(x))


def test_generated_inputs_come_from_the_prior() -> None:
    model = build("variational").eval()
    codes = torch.randn(5, 3, generator=torch.Generator().manual_seed(4))
    expected = torch.sigmoid(model.decode(codes))
    torch.testing.assert_close(generated(model, 5, seed=4), expected)
    with pytest.raises(ArgumentError, match="no distribution to draw from"):
        generated(build("dense"), 3)


def test_active_units_are_those_that_vary() -> None:
    draw = torch.Generator().manual_seed(0)
    means = torch.randn(500, 3, generator=draw) * torch.tensor([1.0, 0.05, 0.2]) + 7
    assert active_units(means).tolist() == [True, False, True]
    with pytest.raises(ArgumentError, match="at least 2 rows"):
        active_units(means[:1])


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        ("dense", {"hidden": "12,8"}, "widths of the layers cannot be read"),
        ("dense", {"hidden": "12-0"}, "widths of the layers cannot be read"),
        ("dense", {"code": 0}, "code is out of range"),
        ("dense", {"dropout": 1.0}, "dropout is out of range"),
        ("dense", {"output": "bernouli"}, "Did you mean 'bernoulli'"),
        ("dense", {"output": "gaussian(0)"}, "deviation is out of range"),
        ("dense", {"output": "gaussian(0.001, learned=True)"}, "above its floor"),
        ("dense", {"activation": "rellu"}, "Did you mean 'relu'"),
        ("dense", {"code_activation": "maxout(2)"}, "keeps its width"),
        ("tied", {"activation": "maxout(2)"}, "for tied weights"),
        ("tied", {"batch_norm": True}, "for tied weights"),
        ("conv", {"stages": 0}, "stages is out of range"),
        ("conv", {"code_activation": "glu"}, "must keep its width"),
        ("variational", {"code": 0}, "code is out of range"),
    ],
)
def test_bad_arguments(kind: str, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        build(kind, **change)


@pytest.mark.parametrize("builder", [conv_autoencoder, conv_variational_autoencoder])
def test_convolutions_need_pictures(builder: Callable[..., nn.Module]) -> None:
    with pytest.raises(ArgumentError, match="needs pictures"):
        builder((784,))


@pytest.mark.parametrize("builder", [autoencoder, conv_autoencoder, variational_autoencoder, conv_variational_autoencoder])
def test_at_most_eight_settings_that_a_plan_can_spell(builder: Callable[..., nn.Module]) -> None:
    settings = [p for p in inspect.signature(builder).parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
    assert 0 < len(settings) <= 8
    assert all(isinstance(setting.default, (int, float, str, bool)) for setting in settings)
