"""A population learns what its networks would learn one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.activations import activation
from leadline.layers.drop_path import DropPath
from leadline.layers.fast_dropout import FastDropout
from leadline.layers.maxout import Maxout, MaxoutLinear
from leadline.layers.one_hot import OneHot
from leadline.layers.same_convolution import SameConv2d
from leadline.losses import cross_entropy, huber, squared_error
from leadline.models import convnet, linear, mlp, tabular
from leadline.models.resnets import BasicBlock
from leadline.optim import OPTIMIZERS, Penalties
from leadline.optim.clipping import ClipNorm, ClipPercentile, ClipValue
from leadline.training.population import UPDATES, Candidate, Population

EDGES, CATEGORIES = [(-1.0, 0.0, 1.0), ()], (3,)


def falling(progress: float) -> float:
    return 1 - 0.9 * progress


def codes(*shape: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Two numbers and a category, all in {0, 1, 2}."""
    return torch.randint(0, 3, shape, generator=generator).to(dtype)


def numbers(*shape: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, 3, generator=generator, dtype=dtype)


NETWORKS: dict[str, tuple[Callable[[int], nn.Module], tuple[int, ...], dict[str, Any]]] = {
    "linear": (lambda number: linear((1, 4, 4), 3), (1, 4, 4), {}),
    "mlp": (lambda number: mlp((5,), 3, width=8, batch_norm=False), (5,), {}),
    "mlp with batch norm and dropout": (lambda number: mlp((5,), 3, width=8, dropout=0.1 + 0.1 * number), (5,), {}),
    "convnet": (lambda number: convnet((1, 4, 4), 3, width=2, stages=2, convolutions=1, dropout=0.2), (1, 4, 4), {}),
    "table": (
        lambda number: tabular(EDGES, CATEGORIES, 3, "classes", width=8, members=4, dropout=0.1 * number),
        (3,),
        {"draw": codes},
    ),
    "table, residual": (
        lambda number: tabular(EDGES, CATEGORIES, 3, "number", width=4, members=2, block="residual", embedding="periodic"),
        (3,),
        {"draw": codes, "loss": squared_error, "targets": numbers},
    ),
    "table, gated": (
        lambda number: tabular(EDGES, CATEGORIES, 3, "classes", width=4, members=1, block="gated", activation="silu"),
        (3,),
        {"draw": codes},
    ),
    "one-hot": (lambda number: nn.Sequential(OneHot(2, CATEGORIES), mlp((5,), 3, width=4)), (3,), {"draw": codes}),
    "maxout, gates and winners": (
        lambda number: nn.Sequential(
            nn.Linear(5, 12), Maxout(3), activation("swiglu"), nn.Linear(2, 4), activation("winner_take_all"),
            MaxoutLinear(4, 3), nn.LayerNorm(3), nn.PReLU(), nn.Linear(3, 3, bias=False),
        ),
        (5,),
        {"loss": huber, "targets": numbers},
    ),
    "convolutions of all kinds": (
        lambda number: nn.Sequential(
            SameConv2d(2, 4, 2), activation("maxout(2)", dim=1), nn.Dropout2d(0.1 * number),
            nn.Conv2d(2, 4, 2, groups=2, bias=False), nn.BatchNorm2d(4, momentum=None),
            DropPath(0.2), nn.AvgPool2d(2), nn.Flatten(), FastDropout(0.3), nn.Linear(4, 3),
        ),
        (2, 3, 3),
        {},
    ),
    "residual block": (
        lambda number: nn.Sequential(BasicBlock(1, 2, stride=2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(8, 3)),
        (1, 4, 4),
        {},
    ),
}  # fmt: skip


def test_every_optimizer_of_one_network_is_there_for_many() -> None:
    """All but those that need the shapes of matrices, which a row of numbers does not have."""
    assert {"sgd", "nesterov", "adam", "adamw", "rmsprop", "adagrad"} <= set(OPTIMIZERS) & set(UPDATES)


@pytest.mark.parametrize("name", NETWORKS)
def test_float64_after_a_hundred_steps(name: str, paired: Callable[..., Any]) -> None:
    build, shape, options = NETWORKS[name]
    pair = paired(build, shape, steps=100, dtype=torch.float64, optimizer="adamw", **options)
    pair.train()
    assert max(pair.differences().values()) < 1e-9


@pytest.mark.parametrize("name", NETWORKS)
def test_float32_after_twenty_steps(name: str, paired: Callable[..., Any]) -> None:
    build, shape, options = NETWORKS[name]
    pair = paired(build, shape, steps=20, dtype=torch.float32, optimizer="sgd", **options)
    pair.train()
    assert max(pair.differences().values()) < 1e-4


@pytest.mark.parametrize(
    "optimizer",
    [
        "sgd", "nesterov", "adam", "adamw", "rmsprop", "adagrad", "adam(beta2=0.9, epsilon=0.01)",
        "rmsprop(alpha=0.8, epsilon=0.01)", "adagrad(initial=0.1, epsilon=0.01)",
    ],
)  # fmt: skip
def test_every_optimizer_and_every_option(optimizer: str, paired: Callable[..., Any]) -> None:
    """Schedule, clipping, averaging, and a shorter last batch in each epoch."""
    options = {"schedule": falling, "clips": ClipNorm(2.0), "average": 0.9, "batch": (8, 8, 5)}
    for dtype, steps, most in ((torch.float64, 100, 1e-9), (torch.float32, 20, 1e-4)):
        build, shape, _ = NETWORKS["mlp with batch norm and dropout"]
        pair = paired(build, shape, steps=steps, dtype=dtype, optimizer=optimizer, **options)
        singly, together = pair.train()
        assert max(pair.differences().values()) < most
        for ours, alone in zip(together, singly, strict=True):
            for column in ("loss", "clipped"):
                mean = torch.stack([logs[column] for logs in alone]).mean()
                torch.testing.assert_close(ours[column], mean, rtol=1e-4, atol=1e-5, check_dtype=False)
    assert 0 < sum(float(logs["clipped"]) for logs in together) < len(together)  # both sides of the limit were seen


def sizes(model: nn.Module) -> dict[str, Tensor]:
    """A penalty of a person's own, on biases too."""
    return {"l1": 0.01 * torch.stack([each.abs().sum() for each in model.parameters()]).sum()}


@pytest.mark.parametrize("clip", [ClipValue(0.05), ClipPercentile(50, window=5, warm_up=2)])
@pytest.mark.parametrize("penalties", [sizes, Penalties(l1=0.01, l2=0.1, orthogonal=0.01)], ids=["own", "ours"])
def test_every_way_of_clipping_and_penalties(clip: Any, penalties: Any, paired: Callable[..., Any]) -> None:
    def build(number: int) -> nn.Module:
        return mlp((5,), 3, width=8, batch_norm=False)

    pair = paired(build, (5,), steps=100, dtype=torch.float64, optimizer="sgd", clips=clip, penalties=penalties)
    singly, together = pair.train()
    assert max(pair.differences().values()) < 1e-9
    for ours, alone in zip(together, singly, strict=True):
        for column in (name for name in alone[0] if name not in ("loss", "accuracy")):
            mean = torch.stack([logs[column] for logs in alone]).mean()
            torch.testing.assert_close(ours[column], mean, check_dtype=False)


def test_a_batch_of_one_row(paired: Callable[..., Any]) -> None:
    pair = paired(NETWORKS["mlp"][0], (5,), steps=20, dtype=torch.float64, batch=(1,))
    pair.train()
    assert max(pair.differences().values()) < 1e-12


def test_one_network_is_a_population_too() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    before = model.weight.detach().clone()
    population = Population([Candidate(model)], cross_entropy)
    population((torch.randn(1, 4, 3), torch.zeros(1, 4, dtype=torch.long)), Any)
    assert torch.equal(model.weight, before)  # the candidates are left alone
    assert not torch.equal(population.write(0, nn.Linear(3, 2)).weight, before)  # type: ignore[arg-type]


def test_measures_and_the_rate_are_means(paired: Callable[..., Any]) -> None:
    def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs.argmax(1) == targets).double().mean()

    pair = paired(NETWORKS["mlp"][0], (5,), steps=3, dtype=torch.float64, measures={"accuracy": accuracy}, schedule=falling)
    singly, together = pair.train()
    for ours, alone in zip(together, singly, strict=True):
        assert float(ours["accuracy"]) == pytest.approx(float(torch.stack([logs["accuracy"] for logs in alone]).mean()))
    assert pair.population.rate == pytest.approx(sum(one.step.rate for one in pair.alone) / 3)


def test_a_network_that_runs_away_leaves_the_others_and_the_log_alone(paired: Callable[..., Any]) -> None:
    pair = paired(NETWORKS["mlp"][0], (5,), steps=30, dtype=torch.float64)
    with torch.no_grad():
        pair.population.live.trained[1] = torch.nan
    _, together = pair.train()
    assert all(torch.isfinite(logs["loss"]) for logs in together)
    pair.alone.pop(1)
    pair.population.keep([0, 2])
    pair.population.active = [0, 1]
    assert max(pair.differences().values()) < 1e-9


def test_compaction_leaves_the_others_as_they_are(paired: Callable[..., Any]) -> None:
    """Two networks that go on without the third learn, to the bit, what they learn beside it."""
    build, shape, _ = NETWORKS["mlp with batch norm and dropout"]
    whole = paired(build, shape, steps=40, dtype=torch.float64, average=0.9).population
    pair = paired(build, shape, steps=40, dtype=torch.float64, average=0.9)
    for step, (inputs, targets) in enumerate(pair.batches):
        whole((inputs, targets), None)
        if step == 20:
            with pair.population.evaluating():  # where early stopping does it
                pair.population.keep([0, 2])
        chosen = [0, 1, 2] if step < 20 else [0, 2]
        pair.population((inputs[chosen], targets[chosen]), None)
    assert pair.population.active == [0, 2]
    for number in (0, 2):
        one, other = build(number).double(), build(number).double()
        for name, tensor in pair.population.write(number, one).state_dict().items():
            torch.testing.assert_close(whole.write(number, other).state_dict()[name], tensor, rtol=1e-12, atol=1e-14)
    with pytest.raises(ArgumentError, match="Network 1 is not active"):
        pair.population.write(1, one)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 0.0}, "Network 1 cannot be trained"),
        ({"momentum": 1.0}, "Network 1 cannot be trained"),
        ({"weight_decay": -0.1}, "Network 1 cannot be trained"),
        ({"learning_rate": float("nan")}, "Network 1 cannot be trained"),
        ({"model": nn.Linear(3, 3)}, r"in 'weight'.*\[2, 3\].*\[3, 3\]"),
        ({"model": nn.Linear(3, 2, bias=False)}, "in 'bias'.*no such tensor"),
        ({"model": nn.Linear(3, 2).double()}, "float64"),
    ],
)
def test_candidates_that_do_not_fit(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        Population([Candidate(nn.Linear(3, 2)), Candidate(nn.Linear(3, 2))._replace(**change)], cross_entropy)


def test_layers_of_one_shape_and_other_settings_are_noticed() -> None:
    one, other = (nn.Sequential(nn.Linear(3, 2), nn.LeakyReLU(slope)) for slope in (0.1, 0.2))
    with pytest.raises(ArgumentError, match="0.1.*0.2"):
        Population([Candidate(one), Candidate(other)], cross_entropy)


def test_other_mistakes() -> None:
    with pytest.raises(ArgumentError, match="population is empty"):
        Population([], cross_entropy)
    with pytest.raises(ArgumentError, match="no parameter"):
        Population([Candidate(nn.Flatten())], cross_entropy)
    population = Population([Candidate(nn.Linear(3, 2))], cross_entropy)
    with pytest.raises(ArgumentError, match=r"inputs \[1, B, …\]; got \[2, 4, 3\]"):
        population((torch.zeros(2, 4, 3), torch.zeros(2, 4, dtype=torch.long)), None)
    with pytest.raises(ArgumentError, match="No network would be left"):
        population.keep([])
    with pytest.raises(ArgumentError, match="cannot be averaged"):
        Population([Candidate(nn.Linear(3, 2))], cross_entropy, average=1.0)
    for text, words in (("adamw(amsgrad=True)", "amsgrad"), ("muon(head=True)", "muon"), ("adam(beta2=2)", "cannot be built")):
        with pytest.raises(ArgumentError, match=words):
            Population([Candidate(nn.Linear(3, 2))], cross_entropy, optimizer=text)
    with pytest.raises(ArgumentError, match="Did you mean 'adamw'"):
        Population([Candidate(nn.Linear(3, 2))], cross_entropy, optimizer="adamww")
