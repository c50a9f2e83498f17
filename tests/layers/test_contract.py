"""What every layer keeps: shapes, gradients that reach everything, modes, a state that comes back, errors that say where."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from leadline import layers
from leadline.errors import ArgumentError
from leadline.layers import (
    conditional_norm,
    drop_path,
    fast_dropout,
    fast_pooling,
    fast_recurrent,
    gated,
    lengths,
    locally_connected,
    locked_dropout,
    logistic,
    maxout,
    members,
    peephole,
    periodic,
    piecewise_linear,
    response_norm,
    same_convolution,
    same_pooling,
    sign,
    softmax,
    spectral,
    winner_take_all,
)
from leadline.layers.arguments import check_shape


class Case(NamedTuple):
    """A layer, the shape that goes in, the shape that comes out, and inputs it must refuse with what the error must say."""

    make: Callable[[], nn.Module]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    wrong: tuple[tuple[int, ...], ...] = ()
    random: bool = False
    refuses: bool = True  # the embeddings of tables are only built by ours, and read what ours prepared


class OfHalf(nn.Module):
    """A layer over rows of several lengths, as if those of every second row were one step shorter."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        steps = x.shape[1] if x.ndim > 1 else 0
        y: Tensor = self.layer(x, torch.tensor([steps, steps - 1] * len(x))[: len(x)])
        return y

    def __repr__(self) -> str:
        return repr(self.layer)


class OfClasses(nn.Module):
    """A layer that is told classes, over rows of two classes in turn."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x, torch.arange(len(x)) % 2)
        return y

    def __repr__(self) -> str:
        return repr(self.layer)


def attention() -> nn.Module:
    """Not as it begins: where all weights of the score are 0 no gradient reaches those before it."""
    layer = lengths.AttentionPooling(3, 2)
    nn.init.normal_(layer.score.weight)
    return layer


CASES = {
    "Sign": Case(lambda: sign.Sign(), (2, 3), (2, 3)),
    "Logistic": Case(lambda: logistic.Logistic(2.0, steepness=3.0, midpoint=0.5), (2, 3), (2, 3)),
    "Maxout": Case(lambda: maxout.Maxout(3), (2, 6), (2, 2), ((2, 5),)),
    "MaxoutLinear": Case(lambda: maxout.MaxoutLinear(3, 4, pieces=2), (5, 2, 3), (5, 2, 4), ((5, 4), (0, 3))),
    "MaxoutConv2d": Case(lambda: maxout.MaxoutConv2d(3, 4, 2), (2, 3, 5, 5), (2, 4, 5, 5), ((2, 4, 5, 5), (2, 3, 5))),
    "WinnerTakeAll": Case(lambda: winner_take_all.WinnerTakeAll(3), (4, 6), (4, 6), ((4, 5),)),
    "Gated": Case(lambda: gated.Gated("gelu"), (4, 6), (4, 3), ((4, 5),)),
    "Softmax": Case(lambda: softmax.Softmax(0.5), (4, 6), (4, 6), ((),)),
    "SameConv2d": Case(
        lambda: same_convolution.SameConv2d(3, 4, 2, stride=2),
        (2, 3, 5, 7),
        (2, 4, 3, 4),
        ((2, 4, 5, 5), (3, 5, 5), (0, 3, 5, 5)),
    ),
    "SameMaxPool2d": Case(lambda: same_pooling.SameMaxPool2d(2), (2, 3, 5, 7), (2, 3, 3, 4), ((3, 5, 7),)),
    "SameAvgPool2d": Case(lambda: same_pooling.SameAvgPool2d(2), (2, 3, 5, 7), (2, 3, 3, 4), ((3, 5, 7),)),
    "MaxPool2x2": Case(lambda: fast_pooling.MaxPool2x2(), (2, 3, 5, 7), (2, 3, 2, 3), ((3, 5, 7), (2, 3, 1, 4))),
    "LocallyConnected2d": Case(
        lambda: locally_connected.LocallyConnected2d(3, 4, 2, size=(5, 6)),
        (2, 3, 5, 6),
        (2, 4, 4, 5),
        ((2, 3, 6, 5), (2, 4, 5, 6)),
    ),
    "LocalResponseNorm": Case(lambda: response_norm.LocalResponseNorm(3), (2, 5, 4, 4), (2, 5, 4, 4), ((2, 5),)),
    "PeepholeLSTM": Case(lambda: peephole.PeepholeLSTM(3, 4, layers=2), (2, 5, 3), (2, 5, 4), ((2, 5, 4), (5, 3), (0, 5, 3))),
    # What is wrong with their inputs, torch says.
    "FastGRU": Case(lambda: fast_recurrent.FastGRU(3, 4, num_layers=2), (5, 2, 3), (5, 2, 4), refuses=False),
    "FastLSTM": Case(
        lambda: fast_recurrent.FastLSTM(3, 4, batch_first=True, bidirectional=True), (2, 5, 3), (2, 5, 8), refuses=False
    ),
    "FastRNN": Case(lambda: fast_recurrent.FastRNN(3, 4), (5, 2, 3), (5, 2, 4), refuses=False),
    "AttentionPooling": Case(lambda: OfHalf(attention()), (4, 5, 3), (4, 3), ((4, 5, 2), (5, 3))),
    "DropPath": Case(lambda: drop_path.DropPath(0.5), (40, 3), (40, 3), ((),), random=True),
    "LockedDropout": Case(lambda: locked_dropout.LockedDropout(0.5), (4, 5, 9), (4, 5, 9), ((4, 9),), random=True),
    "FastDropout": Case(lambda: fast_dropout.FastDropout(0.5), (4, 9), (4, 9), random=True),
    # It is told apart by its modes, for in training its moments are those of the batch.
    "ConditionalBatchNorm2d": Case(
        lambda: OfClasses(conditional_norm.ConditionalBatchNorm2d(3, 2)),
        (4, 3, 5, 2),
        (4, 3, 5, 2),
        ((4, 2, 5, 2), (4, 3)),
        random=True,
    ),
    "SpectralNorm": Case(lambda: spectral.SpectralNorm(torch.randn(4, 3, 2)), (4, 3, 2), (4, 3, 2), ((3, 4, 2), (4, 3))),
    "Periodic": Case(lambda: periodic.Periodic(3, 4), (2, 3), (2, 3, 4), refuses=False),
    "PiecewiseLinear": Case(
        lambda: piecewise_linear.PiecewiseLinear([(-1.0, 0.0, 1.0)] * 3, 4), (2, 3), (2, 3, 4), refuses=False
    ),
    "BatchEnsembleLinear": Case(lambda: members.BatchEnsembleLinear(3, 4, members=2), (5, 3), (5, 2, 4), refuses=False),
    "MemberHeads": Case(lambda: members.MemberHeads(3, 4, members=2), (5, 2, 3), (5, 2, 4), refuses=False),
}
# They take codes, which have no gradient; their own tests are in test_embeddings.py and test_one_hot.py.
OF_CODES = {"CategoryEmbedding", "OneHot"}
# They read trees: test_tree_layers.py.
OF_TREES = {"ChildSumTreeLSTM", "NaryTreeLSTM", "TensorTreeRecursion", "TreeLevels", "TreeRecursion"}
# They have kernels or loops of their own, which vmap does not know.
STEP_BY_STEP = {"PeepholeLSTM", "FastGRU", "FastLSTM", "FastRNN"}
# In training each call of it brings its vectors nearer to those of its weight, so that no two are alike: test_spectral.py.
ITERATES = {"SpectralNorm"}


def first(outputs: Tensor | tuple[Tensor, object]) -> Tensor:
    return outputs[0] if isinstance(outputs, tuple) else outputs


def built(name: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return CASES[name].make(), torch.randn(CASES[name].inputs)


def test_every_layer_has_a_case() -> None:
    exported = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)}
    assert exported - OF_CODES - OF_TREES <= set(CASES)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_type(name: str, dtype: torch.dtype) -> None:
    layer, x = built(name)
    y = first(layer.to(dtype)(x.to(dtype)))
    assert tuple(y.shape) == CASES[name].outputs
    assert y.dtype == dtype
    assert bool(y.isfinite().all())


@pytest.mark.parametrize("name", CASES)
def test_float64_is_the_same_more_precisely(name: str) -> None:
    layer, x = built(name)
    layer.eval()
    assert torch.allclose(first(copy.deepcopy(layer).double()(x.double())).float(), first(layer(x)), atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_gradients_reach_the_inputs_and_every_parameter(name: str) -> None:
    layer, x = built(name)
    x.requires_grad_()
    y = first(layer(x))
    (y * torch.randn(y.shape)).sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0
    for key, parameter in layer.named_parameters():
        assert parameter.grad is not None, key
        assert float(parameter.grad.abs().sum()) > 0, key


@pytest.mark.parametrize("name", CASES)
def test_only_random_layers_differ_between_training_and_evaluation(name: str) -> None:
    layer, x = built(name)
    trained = first(layer(x))
    evaluated = first(layer.eval()(x))
    assert torch.equal(trained, evaluated) is not CASES[name].random
    assert torch.equal(first(layer(x)), evaluated)


@pytest.mark.parametrize("name", CASES)
def test_the_state_comes_back(name: str) -> None:
    layer, x = built(name)
    torch.manual_seed(1)
    other = CASES[name].make()
    stored = io.BytesIO()
    torch.save(layer.state_dict(), stored)
    stored.seek(0)
    other.load_state_dict(torch.load(stored, weights_only=True))
    assert torch.equal(first(layer.eval()(x)), first(other.eval()(x)))
    assert torch.equal(first(pickle.loads(pickle.dumps(layer))(x)), first(layer(x)))


@pytest.mark.parametrize("name", CASES)
def test_the_inputs_are_left_alone(name: str) -> None:
    layer, x = built(name)
    before = x.clone()
    layer(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", CASES)
def test_it_says_what_it_is(name: str) -> None:
    layer, _ = built(name)
    assert repr(layer).startswith(f"{name}(")
    bare = {"MaxPool2x2"}
    assert name in bare or any(figure in repr(layer) for figure in "123450"), repr(layer)


@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name, case in CASES.items() for shape in case.wrong])
def test_wrong_shapes_are_named(name: str, shape: tuple[int, ...]) -> None:
    layer, _ = built(name)
    with pytest.raises(ArgumentError) as caught:
        layer(torch.zeros(shape))
    assert str(caught.value).startswith(f"{name} cannot take these inputs. Expected ")
    assert f"float32 of shape {list(shape)}" in str(caught.value)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.refuses])
def test_whole_numbers_are_refused(name: str) -> None:
    layer, x = built(name)
    with pytest.raises(ArgumentError, match=rf"^{name} cannot take these inputs\. Expected .*; got int64 of shape "):
        layer(x.long())


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case.refuses and list(case.make().parameters())]
)  # fmt: skip
def test_another_type_than_that_of_the_weights_is_refused(name: str) -> None:
    layer, x = built(name)
    with pytest.raises(ArgumentError, match=rf"^{name} cannot take.*float32, the type of the weights; got float64"):
        layer(x.double())


def test_under_autocast_the_type_is_torchs_business() -> None:
    layer = same_convolution.SameConv2d(3, 4, 2).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.zeros(1, 3, 4, 4)).dtype == torch.bfloat16
    with pytest.raises(ArgumentError, match="the type of the weights"):
        check_shape("It", torch.zeros(1), (1,), torch.zeros(1, dtype=torch.bfloat16))


BAD = {
    "Maxout": [lambda: maxout.Maxout(0), lambda: maxout.Maxout(1.5)],  # type: ignore[arg-type]
    "MaxoutLinear": [lambda: maxout.MaxoutLinear(-1, 2), lambda: maxout.MaxoutLinear(1, 2, pieces=0)],
    "MaxoutConv2d": [lambda: maxout.MaxoutConv2d(3, 0, 2), lambda: maxout.MaxoutConv2d(3, 1, -2)],
    "WinnerTakeAll": [lambda: winner_take_all.WinnerTakeAll(-2)],
    "Softmax": [lambda: softmax.Softmax(0.0), lambda: softmax.Softmax(-1.0)],
    "SameConv2d": [
        lambda: same_convolution.SameConv2d(0, 1, 2),
        lambda: same_convolution.SameConv2d(1, 1, 2, stride=0),
        lambda: same_convolution.SameConv2d(1, 1, (2, 0)),
        lambda: same_convolution.SameConv2d(1, 1, 2, dilation=-1),
    ],
    "SameMaxPool2d": [lambda: same_pooling.SameMaxPool2d(0)],
    "SameAvgPool2d": [lambda: same_pooling.SameAvgPool2d(2, stride=-1)],
    "LocallyConnected2d": [lambda: locally_connected.LocallyConnected2d(1, -1, 2, size=(4, 4))],
    "LocalResponseNorm": [
        lambda: response_norm.LocalResponseNorm(0),
        lambda: response_norm.LocalResponseNorm(2, -1.0),
        lambda: response_norm.LocalResponseNorm(2, k=0.0),
    ],
    "PeepholeLSTM": [
        lambda: peephole.PeepholeLSTM(0, 2),
        lambda: peephole.PeepholeLSTM(1, 2, layers=0),
        lambda: peephole.PeepholeLSTM(1, 2, dropout=-0.1),
    ],
    "AttentionPooling": [lambda: lengths.AttentionPooling(0), lambda: lengths.AttentionPooling(3, -1)],
    "DropPath": [lambda: drop_path.DropPath(1.0), lambda: drop_path.DropPath(-0.1), lambda: drop_path.DropPath(float("nan"))],
    "LockedDropout": [lambda: locked_dropout.LockedDropout(1.0), lambda: locked_dropout.LockedDropout(-0.1)],
    "FastDropout": [lambda: fast_dropout.FastDropout(1.0), lambda: fast_dropout.FastDropout(-0.1)],
}


@pytest.mark.parametrize(("name", "make"), [(name, make) for name, makes in BAD.items() for make in makes])
def test_arguments_out_of_range_are_named(name: str, make: Callable[[], nn.Module]) -> None:
    with pytest.raises(ArgumentError, match=rf"^{name} cannot be built: .*Expected .*; got "):
        make()


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if not case.random and case.refuses and name not in ITERATES]
)
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's compiler, of its own doing
def test_it_compiles_as_one_graph(name: str) -> None:
    layer, x = built(name)
    torch.compiler.reset()
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    results = []
    for run in (layer, compiled):
        at = x.clone().requires_grad_()
        y = first(run(at))
        y.square().sum().backward()
        results.append((y, at.grad))
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if not case.random and name not in STEP_BY_STEP | ITERATES]
)
def test_many_of_them_at_once_are_each_of_them(name: str) -> None:
    layer, _ = built(name)
    x = torch.randn(3, *CASES[name].inputs)
    assert torch.allclose(torch.func.vmap(layer)(x), torch.stack([layer(one) for one in x]), atol=1e-6)
