import copy
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.optim.muon import Muon, hidden_matrices, orthogonalized
from leadline.optim.optimizers import make_optimizer
from leadline.training import checkpoints

SIDES = st.integers(1, 24)


def matrix(rows: int, columns: int, seed: int = 0, *, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@given(SIDES, SIDES, st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_singular_values_are_near_one_and_the_directions_stay(rows: int, columns: int, seed: int, size: float) -> None:
    given_matrix = matrix(rows, columns, seed) * size
    u, singular, v = torch.linalg.svd(given_matrix, full_matrices=False)
    ours = orthogonalized(given_matrix)
    rotated = u.mT @ ours @ v.mT  # diagonal, where the singular vectors are the same
    far = singular > 0.01 * singular.norm()
    assert (rotated - torch.diag(rotated.diagonal())).abs().max() < 1e-6
    assert (rotated.diagonal()[far] >= 0.68).all()
    assert (rotated.diagonal() <= 1.21).all()


def test_more_dimensions_are_as_many_matrices() -> None:
    for rows, columns in ((7, 3), (3, 7)):
        matrices = torch.stack([matrix(rows, columns, seed) for seed in range(4)])
        together = orthogonalized(matrices)
        for one, alone in zip(together, matrices, strict=True):
            torch.testing.assert_close(one, orthogonalized(alone), rtol=1e-9, atol=1e-9)


def test_a_matrix_of_zeros_stays_zero() -> None:
    assert torch.equal(orthogonalized(torch.zeros(3, 4)), torch.zeros(3, 4))


@pytest.mark.parametrize(("shape", "iterations"), [((3,), 5), ((2, 2, 2, 2), 5), ((3, 3), 0)])
def test_what_cannot_be_orthogonalized(shape: tuple[int, ...], iterations: int) -> None:
    with pytest.raises(ArgumentError, match="cannot be orthogonalized"):
        orthogonalized(torch.ones(shape), iterations=iterations)


def steps(optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], count: int) -> None:
    for number in range(count):
        for place, weight in enumerate(weights):
            weight.grad = matrix(weight.shape[0], weight[0].numel(), 100 * number + place).to(weight.dtype).view_as(weight)
        optimizer.step()


SETTINGS = [
    {},
    {"momentum": 0.6, "nesterov": False},
    {"weight_decay": 0.3, "iterations": 3},
    {"scale": "match_adamw", "momentum": 0.0},
]


def of_torch(weights: list[nn.Parameter], settings: dict[str, object]) -> torch.optim.Optimizer:
    names = {"learning_rate": "lr", "iterations": "ns_steps", "scale": "adjust_lr_fn"}
    values = {"learning_rate": 0.05, "momentum": 0.95, "weight_decay": 0.0, **settings}
    if values.get("scale") == "match_adamw":
        values["scale"] = "match_rms_adamw"
    return torch.optim.Muon(weights, **{names.get(name, name): value for name, value in values.items()})  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_equal_to_torch_on_matrices(settings: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    # Torch rounds to bfloat16, which would hide what differs; without that the two agree to the rounding of float32.
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda tensor: tensor.clone())
    shapes = [(6, 4), (4, 6), (6, 4), (5, 5), (1, 8), (8, 1)]
    ours, theirs = ([nn.Parameter(matrix(*shape, dtype=torch.float32)) for shape in shapes] for _ in range(2))
    steps(Muon(ours, learning_rate=0.05, **settings), ours, 10)  # type: ignore[arg-type]
    steps(of_torch(theirs, settings), theirs, 10)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6)
        assert not torch.allclose(one, matrix(*one.shape, dtype=torch.float32), atol=0.01)


def test_equal_to_torch_in_bfloat16() -> None:
    for rows, columns in ((64, 48), (48, 64)):
        # One momentum-free step of rate 1 from zero is the update itself.
        weight = nn.Parameter(torch.zeros(rows, columns))
        optimizer = torch.optim.Muon([weight], lr=1.0, momentum=0.0, weight_decay=0.0)
        steps(optimizer, [weight], 1)
        assert weight.grad is not None
        ours = -orthogonalized(weight.grad, precision=torch.bfloat16) * math.sqrt(max(1, rows / columns))
        torch.testing.assert_close(weight.detach(), ours, rtol=0.02, atol=0.02)


def test_filters_are_flattened_to_matrices() -> None:
    shapes = [(8, 3, 2, 2), (8, 3, 2, 2), (8, 3, 3, 3), (4, 5, 3), (6, 2, 1, 1)]
    flat = [nn.Parameter(matrix(shape[0], math.prod(shape[1:])).float()) for shape in shapes]
    filters = [nn.Parameter(weight.detach().clone().view(shape)) for weight, shape in zip(flat, shapes, strict=True)]
    # How a filter bank lies in memory must not matter.
    filters[0] = nn.Parameter(filters[0].detach().to(memory_format=torch.channels_last))
    for weights in (flat, filters):
        steps(Muon(weights, learning_rate=0.1), weights, 5)
    for one, other in zip(flat, filters, strict=True):
        torch.testing.assert_close(one, other.flatten(1), rtol=1e-6, atol=1e-6)
    assert filters[0].is_contiguous(memory_format=torch.channels_last)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 16),
        nn.ReLU(),
        nn.Linear(16, 10),
    )


def test_the_rest_is_as_if_alone() -> None:
    for text, reference in (
        ("muon", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
        ("muon(rest='nesterov', rest_rate=0.3)", lambda p: torch.optim.SGD(p, lr=0.3, momentum=0.9, nesterov=True)),
        ("muon(rest='adamw(beta2=0.9)', rest_rate=0.01)", lambda p: torch.optim.AdamW(p, 0.01, (0.9, 0.9), weight_decay=0)),
    ):
        ours, theirs = network(), network()
        mine = make_optimizer(text, ours, learning_rate=0.1)
        names = [name for name, weight in theirs.named_parameters() if weight.ndim < 2] + ["8.weight"]
        other = reference([theirs.get_parameter(name) for name in names])
        for number in range(5):
            for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
                one.grad = two.grad = torch.randn(one.shape, generator=torch.Generator().manual_seed(number))
            mine.step()
            other.step()
        for name, weight in ours.named_parameters():
            if name in names:
                torch.testing.assert_close(weight, theirs.get_parameter(name))
            else:
                assert not torch.equal(weight, theirs.get_parameter(name)), "the hidden matrices are Muon's"


def test_what_muon_is_for() -> None:
    def chosen(module: nn.Module, *, head: bool = False) -> list[str]:
        names = {id(weight): name for name, weight in module.named_parameters()}
        return [names[id(weight)] for weight in hidden_matrices(module, head=head)]

    model = network()
    assert chosen(model) == ["0.weight", "3.weight", "6.weight"]
    assert chosen(model, head=True) == ["0.weight", "3.weight", "6.weight", "8.weight"]
    model[0].weight.requires_grad_(False)
    assert chosen(model) == ["3.weight", "6.weight"]

    tied = nn.ModuleDict(
        {"embed": nn.Embedding(5, 4), "recurrent": nn.LSTM(4, 4), "mix": nn.Linear(4, 4), "out": nn.Linear(4, 5)}
    )
    tied["out"].weight = tied["embed"].weight
    assert chosen(tied, head=True) == ["mix.weight"], "an embedding that is the head too is rows to pick, not a matrix"

    named = nn.Module()
    named.head, named.body = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), nn.Linear(4, 4)
    assert chosen(named) == ["body.weight"], "the attribute head is the head, wherever it stands"


def test_a_checkpoint_goes_on_identically(tmp_path: Path) -> None:
    def train(model: nn.Module, optimizer: torch.optim.Optimizer, numbers: range) -> None:
        for number in numbers:
            generator = torch.Generator().manual_seed(number)
            optimizer.zero_grad()
            model(torch.randn(8, 1, 8, 8, generator=generator)).square().mean().backward()
            optimizer.step()

    for text in ("muon", "muon(rest='adam', rest_rate=0.001)"):
        whole, first, second = network(), network(), network()
        make = functools.partial(make_optimizer, text, learning_rate=0.05, weight_decay=0.01)
        train(whole, make(whole), range(6))
        optimizer = make(first)
        train(first, optimizer, range(3))
        checkpoints.save(tmp_path / "state", {"model": first.state_dict(), "optimizer": optimizer.state_dict()})
        state, resumed = checkpoints.load(tmp_path / "state"), make(second)
        second.load_state_dict(state["model"])
        resumed.load_state_dict(state["optimizer"])
        train(second, resumed, range(3, 6))
        for one, other in zip(whole.parameters(), second.parameters(), strict=True):
            assert torch.equal(one, other)


def test_a_copy_goes_on_by_itself() -> None:
    model = network()
    optimizer = make_optimizer("muon", model, learning_rate=0.1)
    twin, copied = copy.deepcopy((model, optimizer))
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    assert not any(torch.equal(one, two) for one, two in zip(model.parameters(), twin.parameters(), strict=True))
    for weight in twin.parameters():
        weight.grad = torch.ones_like(weight)
    copied.step()
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), twin.parameters(), strict=True))


def test_rates_as_tensors_are_the_same_rates() -> None:
    (ours, optimizer), (theirs, other) = [
        (model, make_optimizer("muon", model, learning_rate=0.1, weight_decay=0.1)) for model in (network(), network())
    ]
    optimizer.param_groups[0]["lr"] = torch.tensor(0.1)
    for model, each in ((ours, optimizer), (theirs, other)):
        for weight in model.parameters():
            weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
        each.step()
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_it_learns_digits_faster_than_sgd() -> None:
    inputs, targets = (torch.from_numpy(part) for part in load_digits(return_X_y=True))
    pictures = (inputs.float() / 16).view(-1, 1, 8, 8)

    def loss_after_an_epoch(text: str, rate: float) -> float:
        model = network()
        optimizer = make_optimizer(text, model, learning_rate=rate)
        for first in range(0, 1280, 64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(pictures[first : first + 64]), targets[first : first + 64]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            return nn.functional.cross_entropy(model(pictures[1280:]), targets[1280:]).item()

    best = min(loss_after_an_epoch("sgd", rate) for rate in (0.01, 0.03, 0.1, 0.3))
    assert loss_after_an_epoch("muon", 0.03) < 0.8 * best


def test_a_weight_without_gradient_is_left_alone() -> None:
    weights = [nn.Parameter(torch.ones(2, 2)) for _ in range(2)]
    weights[0].grad = torch.ones(2, 2)
    optimizer = Muon(weights, weight_decay=0.1)
    optimizer.step()
    assert torch.equal(weights[1], torch.ones(2, 2))
    assert not torch.equal(weights[0], torch.ones(2, 2))
    for weight in weights:
        weight.grad = None
    optimizer.step()


def test_a_closure_is_called_with_gradients_on() -> None:
    weight = nn.Parameter(torch.ones(2, 2))

    def closure() -> float:
        loss = weight.square().sum()
        loss.backward()
        return loss.item()

    assert Muon([weight]).step(closure) == 4.0
    assert not torch.equal(weight, torch.ones(2, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda w: Muon([]), "matrices and filters"),
        (lambda w: Muon([nn.Parameter(torch.ones(3))]), "matrices and filters"),
        (lambda w: Muon(w, learning_rate=0.0), "cannot be built"),
        (lambda w: Muon(w, momentum=1.0), "cannot be built"),
        (lambda w: Muon(w, weight_decay=math.nan), "cannot be built"),
        (lambda w: Muon(w, iterations=0), "cannot be built"),
        (lambda w: Muon(w, scale="match_adam"), "Did you mean 'match_adamw'"),
        (lambda w: Muon(w, torch.optim.SGD(w, lr=0.1)), "too"),
        (lambda w: make_optimizer("muon", nn.Linear(3, 2), learning_rate=0.1), "nothing for Muon"),
        (lambda w: make_optimizer("muon(rest='muon')", network(), learning_rate=0.1), "no optimizer 'muon'"),
        (lambda w: make_optimizer("muon(rest_rate=-1)", network(), learning_rate=0.1), "rest_rate"),
    ],
)
def test_bad_arguments(make: Callable[[list[nn.Parameter]], object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make([nn.Parameter(torch.ones(2, 2))])


def test_relative_steps_keep_the_length_of_the_weights() -> None:
    shapes = [(8, 3, 3, 3), (4, 12), (8, 3, 3, 3)]
    weights = [nn.Parameter(7 * matrix(shape[0], math.prod(shape[1:])).float().view(shape)) for shape in shapes]
    given_weights = [weight.detach().clone() for weight in weights]
    steps(Muon(weights, learning_rate=0.25, scale="relative", iterations=3, momentum=0.0), weights, 1)
    for weight, before in zip(weights, given_weights, strict=True):
        assert weight.grad is not None
        unit = before * math.sqrt(len(before)) / before.norm()
        move = orthogonalized(weight.grad.flatten(1), iterations=3).view_as(weight)
        torch.testing.assert_close(weight.detach(), unit - 0.25 * move, rtol=1e-5, atol=1e-6)
    zero = [nn.Parameter(torch.zeros(3, 3))]
    steps(Muon(zero, learning_rate=0.1, scale="relative"), zero, 1)
    assert torch.isfinite(zero[0]).all()


@pytest.mark.parametrize("settings", [{"weight_decay": 0.3}, {"scale": "relative"}], ids=str)
def test_rates_may_be_tensors(settings: dict[str, Any]) -> None:
    ours, theirs = ([nn.Parameter(matrix(6, 4).float()), nn.Parameter(matrix(1, 5)[0].float())] for _ in range(2))
    for weights, tensors in ((ours, True), (theirs, False)):
        rest = torch.optim.SGD(weights[1:], lr=0.3, momentum=0.5, fused=True)
        optimizer = Muon(weights[:1], rest, learning_rate=0.05, **settings)
        for number, rate in enumerate((0.05, 0.02, 0.1)):
            for group in optimizer.param_groups:
                group["lr"] = torch.tensor(rate) if tensors else rate
            for place, weight in enumerate(weights):
                weight.grad = matrix(6, 4, number + 10 * place).flatten()[: weight.numel()].view_as(weight).float()
            optimizer.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)
