"""The parts by themselves: convolutions, optimizers' memory, dropout, judging, and the decision to stack."""

from __future__ import annotations

import copy
import functools
import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.layers.drop_path import DropPath
from leadline.layers.fast_dropout import FastDropout
from leadline.layers.locked_dropout import LockedDropout
from leadline.layers.same_convolution import SameConv2d
from leadline.losses import cross_entropy, huber
from leadline.models import convnet, mlp, tabular
from leadline.models.resnets import BasicBlock
from leadline.training import Supervised
from leadline.training.population import Candidate, Population, PopulationEvaluation, deciding, stackable, updates
from leadline.training.population.convolving import WAYS, possible_ways, time_ways
from leadline.training.population.judging import EachNetwork
from leadline.training.population.masks import Masks
from leadline.training.population.updates import StackedOptimizer
from leadline.training.population.weights import Weights


@settings(max_examples=40)
@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(5, 7)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
)
def test_all_ways_of_convolving_are_the_convolution_of_each_network(
    sizes: tuple[int, ...], kernel: tuple[int, int], stride: int, padding: int, dilation: int, bias: bool
) -> None:
    networks, batch, channels, filters, side = sizes
    layers = [nn.Conv2d(channels, filters, kernel, stride, padding, dilation, bias=bias).double() for _ in range(networks)]
    x = torch.randn(networks, batch, channels, side, side + 1, dtype=torch.float64, requires_grad=True)
    weight = torch.stack([layer.weight.detach() for layer in layers]).requires_grad_()
    biases = torch.stack([layer.bias.detach() for layer in layers]).requires_grad_() if bias else None  # type: ignore[union-attr]
    expected = torch.stack([layer(own) for layer, own in zip(layers, x, strict=True)])
    (slope,) = torch.autograd.grad(expected.square().sum(), x)
    for name, way in WAYS.items():
        y = way(layers[0], x, weight, biases)
        torch.testing.assert_close(y, expected, msg=name)
        torch.testing.assert_close(torch.autograd.grad(y.square().sum(), x)[0], slope, msg=name)


def test_the_way_of_a_convolution_is_measured_once_and_kept() -> None:
    models = [convnet((1, 4, 4), 3, width=2, stages=1, convolutions=1) for _ in range(2)]
    population = Population([Candidate(model) for model in models], cross_entropy)
    batch = torch.randn(2, 5, 1, 4, 4), torch.zeros(2, 5, dtype=torch.int64)
    population.outputs(batch[0][0])
    assert population.ways == {}  # other shapes than those of the training do not decide
    population(batch, None)
    assert set(population.ways) == set(population.convolutions) == {"0"}
    assert list(population.times["0"]) == list(WAYS)
    assert population.ways["0"] == min(WAYS, key=population.times["0"].__getitem__)
    twin = Population([Candidate(model) for model in models], cross_entropy)
    twin.load(population.state())
    assert twin.ways == population.ways


class Given:
    """Counts how often each way is gone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gone: list[tuple[str, nn.Conv2d]] = []
        for name, way in list(WAYS.items()):
            monkeypatch.setitem(WAYS, name, functools.partial(self.go, name, way))

    def go(self, name: str, way: Any, layer: nn.Conv2d, *tensors: Any) -> Tensor:
        self.gone.append((name, layer))
        result: Tensor = way(layer, *tensors)
        return result


def test_ways_that_are_given_are_gone_and_none_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def build() -> nn.Module:
        shared = nn.Conv2d(2, 2, 3, padding=1)
        inner = nn.Sequential(SameConv2d(1, 2, 3), nn.ReLU(), shared)
        mirrored = nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect")
        return nn.Sequential(inner, BasicBlock(2, 2), shared, mirrored, nn.Flatten(), nn.Linear(32, 3))

    population = Population([Candidate(build()) for _ in range(2)], cross_entropy)
    assert list(population.convolutions) == ["0.0", "0.2", "2"]  # not those that run under vmap, as a module of their own
    population.ways.update({"0.0": "looped", "0.2": "grouped", "2": "unfolded"})
    given = Given(monkeypatch)
    batch = torch.randn(2, 5, 1, 4, 4), torch.zeros(2, 5, dtype=torch.int64)
    population(batch, None)
    population.outputs(batch[0][0])
    assert [name for name, _ in given.gone] == ["looped", "grouped", "unfolded"] * 2
    assert population.times == {}


def test_unfolding_is_not_tried_where_it_would_be_wrong() -> None:
    layer = nn.Conv2d(2, 2, 3, groups=2)
    x, weight = torch.zeros(2, 3, 2, 5, 5), torch.zeros(2, 2, 1, 3, 3)
    assert list(time_ways(layer, x, weight, None)) == possible_ways(layer) == ["grouped", "looped"]
    assert possible_ways(nn.Conv2d(2, 2, 3, padding="same")) == ["grouped", "looped"]


KINDS_OF_DROPOUT = [
    nn.Dropout(0.3), nn.Dropout(1.0), nn.Dropout2d(0.4), nn.Dropout3d(0.4), LockedDropout(0.5), FastDropout(0.3), DropPath(0.4),
    FastDropout(1 - 1e-6),
]  # fmt: skip


@pytest.mark.parametrize("layer", KINDS_OF_DROPOUT, ids=repr)
@pytest.mark.parametrize("rows", [3, 4])
def test_masks_are_those_of_the_layer_alone(layer: nn.Module, rows: int) -> None:
    rest = {nn.Dropout2d: (4, 2, 2), nn.Dropout3d: (4, 2, 2, 2), LockedDropout: (5, 4), DropPath: (40,)}
    shape = 40 * rows if type(layer) is DropPath else rows, *rest.get(type(layer), (45,))
    models = [nn.Sequential(layer), nn.Sequential(layer)]
    x = torch.randn(2, *shape)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    masks = Masks(models, [state, None])
    drawn = [masks.draw("0", x) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), state)  # torch's own random numbers are left alone
    for mask in drawn:
        assert mask is not None
        assert torch.equal(x[0] * mask[0], layer(x[0]))
        if layer.p < 0.99:  # type: ignore[operator]
            assert not torch.equal(mask[0], mask[1])


@pytest.mark.parametrize("kind", [nn.Dropout, FastDropout])
def test_a_network_that_drops_nothing_draws_nothing(kind: type[nn.Module]) -> None:
    masks = Masks([nn.Sequential(kind(share)) for share in (0.5, 0.0, 0.2)], [None] * 3)
    before = masks.state()
    mask = masks.draw("0", torch.randn(3, 2, 9, dtype=torch.float64))
    assert mask is not None
    assert mask.dtype == torch.float64
    assert torch.equal(mask[1], torch.ones(2, 9, dtype=torch.float64))
    unchanged = [torch.equal(one, other) for one, other in zip(before, masks.state(), strict=True)]
    assert unchanged == [False, True, False]


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_rule_of_an_accelerator_is_the_fused_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an accelerator many different rates take a rule that is written out; here both can be run."""
    results = []
    for device in ("cpu", "another"):
        generator = torch.Generator().manual_seed(0)
        values, rates = torch.randn(5, 7, generator=generator, dtype=torch.float64), torch.tensor([0.1, 0.1, 0.2, 0.1, 0.3])
        optimizer = StackedOptimizer(
            name, values, decayed=4, learning_rates=rates, momenta=rates.flip(0), weight_decays=rates.cumsum(0)
        )
        monkeypatch.setattr(updates, "_FUSED_FOR_ANY_RATES", ("cpu",) if device == "cpu" else ())
        monkeypatch.setattr(updates, "_MOST_CALLS", 0)
        for step in range(30):
            optimizer.step(values, torch.randn(5, 7, generator=generator, dtype=torch.float64), 1 - step / 29)
        results.append(values)
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-12)


def test_no_mask_is_drawn_where_nothing_is_dropped() -> None:
    masks = Masks([nn.Sequential(nn.Dropout(0.0))], [None])
    before = masks.state()[0]
    assert masks.draw("0", torch.ones(1, 3)) is None
    assert torch.equal(masks.state()[0], before)


def values_in_python(outputs: Tensor, targets: Tensor) -> Tensor:
    """Leaves torch, which vmap cannot follow."""
    return torch.tensor(float(outputs.sum().item()) + float(targets.sum().item()))


@pytest.mark.parametrize(
    "judge",
    [
        cross_entropy,
        F.cross_entropy,
        lambda outputs, targets: cross_entropy(outputs, targets, class_weights=torch.tensor([1.0, 2.0, 5.0])),
        lambda outputs, targets: cross_entropy(outputs, targets, label_smoothing=0.2),
        values_in_python,
    ],
)
def test_a_judge_of_rows_judges_each_network(judge: Any) -> None:
    outputs, targets = torch.randn(4, 6, 3), torch.randint(0, 3, (4, 6))
    expected = torch.stack([judge(output, target) for output, target in zip(outputs, targets, strict=True)])
    each = EachNetwork(judge)
    for _ in range(2):
        torch.testing.assert_close(each(outputs, targets), expected)


def test_class_weights_in_a_partial_are_heeded() -> None:
    weights = torch.tensor([1.0, 2.0, 5.0])
    outputs, targets = torch.randn(4, 6, 3), torch.randint(0, 3, (4, 6))
    for options in ({"class_weights": weights}, {"label_smoothing": 0.3}):
        judge = functools.partial(cross_entropy, **options)  # type: ignore[arg-type]
        expected = torch.stack([judge(output, target) for output, target in zip(outputs, targets, strict=True)])
        torch.testing.assert_close(EachNetwork(judge)(outputs, targets), expected)


def test_mistakes_of_shape_are_told_in_the_losses_own_words() -> None:
    with pytest.raises(ArgumentError, match="differ in shape"):
        EachNetwork(huber)(torch.zeros(2, 3, 1), torch.zeros(2, 3, 2))


def test_evaluation_is_that_of_each_network_whatever_its_batches() -> None:
    models = [mlp((3,), 2, width=4, depth=1) for _ in range(3)]
    population = Population([Candidate(model) for model in models], cross_entropy)
    inputs, targets = torch.randn(23, 3), torch.randint(0, 2, (23,))
    population.batch_rows = 2  # small parts of 8 rows
    batches = [(inputs[:20], targets[:20]), (inputs[20:], targets[20:])]
    evaluation = PopulationEvaluation(population, batches, cross_entropy)
    with population.evaluating():
        record = evaluation()
    expected = [cross_entropy(model.eval()(inputs), targets).item() for model in models]
    assert evaluation.values["valid_loss"] == pytest.approx(expected, rel=1e-5)
    assert record["valid_loss"] == pytest.approx(min(expected), rel=1e-5)


def test_shared_frozen_and_constant_tensors() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.frozen = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2)
            self.second.weight = self.first.weight
            self.frozen.weight.requires_grad_(False)
            self.register_buffer("constant", torch.ones(3), persistent=False)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.frozen(self.second(self.first(x) + self.constant))
            return out

    models = [Tied() for _ in range(2)]
    weights = Weights(models)
    assert weights.trained.shape == (2, 9 + 3 + 3 + 2)
    assert weights.kept.shape == (2, 6)
    views = weights.views()
    assert views["first.weight"] is views["second.weight"]
    assert "constant" not in views
    population = Population([Candidate(model) for model in models], cross_entropy, optimizer="sgd")
    inputs, targets = torch.randn(2, 5, 3), torch.randint(0, 2, (2, 5))
    population((inputs, targets), None)
    optimizer = torch.optim.SGD(models[1].parameters(), lr=1e-3)
    cross_entropy(models[1](inputs[1]), targets[1]).backward()
    optimizer.step()
    learnt = population.write(1, Tied()).state_dict()
    for name, tensor in models[1].state_dict().items():
        torch.testing.assert_close(learnt[name], tensor)


def test_tensors_that_cannot_be_stacked() -> None:
    model = nn.Linear(2, 2)
    model.register_buffer("flag", torch.ones(1, dtype=torch.bool))
    with pytest.raises(ArgumentError, match="'flag' cannot be stacked.*bool"):
        Weights([model])


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.used(x)
        return y


class ByValue(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        return y if float(y.detach().sum()) > 0 else -y


class Noisy(ByValue):
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x + torch.randn_like(x))
        return y


class AcrossRows(ByValue):
    """What vmap sees is not what the module sees: the first axis is what it looks at."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x - x.mean(0))
        return y


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (mlp((3,), 2, width=1000), "^1,009,002 parameters: one after another is as fast$"),
        (Unused(), "the parameter 'unused.weight' takes no part"),
        (ByValue(), "the network cannot be stacked: .*vmap"),
        (Noisy(), "the network cannot be stacked: vmap"),
        (nn.Linear(4, 2), "the network cannot be stacked"),
        (nn.Flatten(), "the network cannot be stacked"),
    ],
)
def test_what_is_better_trained_one_after_another(model: nn.Module, words: str) -> None:
    assert re.search(words, stackable(model, torch.randn(4, 3)))


def test_what_is_measured_as_slow_goes_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = mlp((3,), 2, width=8), torch.randn(4, 3)
    assert stackable(model, rows) == ""
    monkeypatch.setattr(deciding, "LONGEST_STEP", 0.0)
    assert re.fullmatch("a step of one network takes [0-9]+ ms: one after another is as fast", stackable(model, rows))
    monkeypatch.setattr(deciding, "LONGEST_STEP", 60.0)
    monkeypatch.setattr(deciding, "LEAST_GAIN", 1000.0)
    found = re.fullmatch(
        r"one after another is as fast: 8 networks at once were measured (.*) times as fast", stackable(model, rows)
    )
    assert found is not None
    assert float(found[1]) > 1.0  # a tiny network, where nearly all of a step is spent between the kernels


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (mlp((3,), 2, width=8, dropout=0.5), (3,)),
        (AcrossRows(), (3,)),
        (convnet((1, 4, 4), 2, width=2, stages=2), (1, 4, 4)),
        (tabular([(0.0, 1.0), ()], (3,), 2, "classes", width=8, members=2), (3,)),
    ],
)
def test_what_can_be_stacked_is_left_as_it_was(model: nn.Module, shape: tuple[int, ...]) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    rows = torch.rand(4, *shape)
    random = torch.get_rng_state()
    assert stackable(model, rows) == ""
    assert torch.equal(torch.get_rng_state(), random)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_population_of_one_with_batch_norm_trains_as_it_would_alone() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    alone = copy.deepcopy(model)
    inputs, targets = torch.randn(6, 4), torch.tensor([0, 1, 0, 1, 0, 1])
    population = Population([Candidate(model, 0.1, momentum=0.0)], nn.functional.cross_entropy, optimizer="sgd")
    step = Supervised(alone, nn.functional.cross_entropy, torch.optim.SGD(alone.parameters(), lr=0.1))
    now = SimpleNamespace(step=0, fraction=0.0)
    for _ in range(3):
        population((inputs[None], targets[None]), now)
        step((inputs, targets), now)
    for one, other in zip(population.write(0, model).state_dict().values(), alone.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_layer_that_stands_twice_is_run_twice() -> None:
    torch.manual_seed(0)

    def twice() -> nn.Module:
        linear, relu, dropout = nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.5)
        return nn.Sequential(linear, relu, dropout, linear, nn.Tanh(), linear, relu, dropout)

    models = [twice() for _ in range(3)]
    x = torch.randn(5, 4)
    torch.manual_seed(1)
    random = torch.get_rng_state()
    alone = models[1](x)
    population = Population([Candidate(model, random=random) for model in models], nn.functional.mse_loss)
    trained = population.forward(x.expand(3, 5, 4), population.live.views(), training=True)
    torch.testing.assert_close(trained[1], alone)
    torch.testing.assert_close(population.outputs(x)[1], models[1].eval()(x))


def test_a_short_last_batch_does_not_cut_the_evaluation_into_crumbs() -> None:
    population = Population([Candidate(nn.Linear(3, 2))] * 2, nn.functional.mse_loss)
    for rows in (64, 1):
        population((torch.zeros(2, rows, 3), torch.zeros(2, rows, 2)), None)
    assert population.batch_rows == 64
