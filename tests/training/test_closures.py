from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.optim import Plateau
from leadline.optim.optimizers import make_optimizer
from leadline.training import Supervised, checkpoints, run_loop
from leadline.training.closures import ClosureStep, needs_closure

Batch = tuple[Tensor, Tensor]


def data(rows: int = 200) -> Batch:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 5, generator=generator, dtype=torch.float64)
    return x, (x @ torch.randn(5, 3, generator=generator, dtype=torch.float64)).argmax(1)


def network(*, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 3)).double()


def closure_step(model: nn.Module, text: str = "lbfgs", *, weight_decay: float = 0.0, **settings: Any) -> ClosureStep:
    optimizer = make_optimizer(text, model, learning_rate=1.0, weight_decay=weight_decay)
    return ClosureStep(model, nn.functional.cross_entropy, optimizer, **settings)


def test_a_linear_model_reaches_the_solution_of_scikit_learn() -> None:
    x, targets = data()
    model = nn.Linear(5, 3).double()
    step = closure_step(model, "lbfgs(iterations=200)", weight_decay=0.01)
    step((x, targets), SimpleNamespace(fraction=0.0, step=0))
    theirs = LogisticRegression(C=1 / (0.01 * len(x)), tol=1e-10, max_iter=5000).fit(x, targets)
    weight = model.weight.detach()
    np.testing.assert_allclose((weight - weight.mean(0)).numpy(), theirs.coef_, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "settings", [{}, {"accumulate": 3}, {"schedule": lambda progress: 0.5}], ids=lambda settings: "+".join(settings) or "plain"
)
def test_with_an_optimizer_that_looks_once_it_is_the_plain_step(settings: dict[str, Any]) -> None:
    batch, now = data(), SimpleNamespace(fraction=0.5, step=0)
    results = []
    for kind in (ClosureStep, Supervised):
        model = network()
        sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
        measures = {"accuracy": lambda y, t: (y.argmax(1) == t).double().mean()}
        penalties = lambda model: {"l1": 0.1 * model[0].weight.abs().sum()}  # noqa: E731
        step = kind(model, nn.functional.cross_entropy, sgd, measures=measures, penalties=penalties, **settings)
        logs = [step(batch, now) for _ in range(3)]
        results.append((logs, list(model.parameters()), step.rate))
    (ours, weights, rate), (theirs, expected, other) = results
    assert rate == other
    for one, two in zip(ours, theirs, strict=True):
        assert one.pop("evaluations") == 1
        assert {"loss", "accuracy", "penalty_l1"} == set(one)
        torch.testing.assert_close(one, two)
    torch.testing.assert_close(weights, expected)


def test_what_is_logged_is_the_loss_before_the_step() -> None:
    batch, model = data(), network()
    before = nn.functional.cross_entropy(model(batch[0]), batch[1]).item()
    logs = closure_step(model, weight_decay=0.1)(batch, SimpleNamespace(fraction=0.0, step=0))
    assert logs["loss"].item() == pytest.approx(before)
    assert logs["evaluations"] > 3
    assert nn.functional.cross_entropy(model(batch[0]), batch[1]).item() < 0.7 * before


def test_dropout_is_the_same_throughout_a_step_and_another_in_the_next() -> None:
    batch, model = data(20), network(dropout=0.5)
    masks: list[list[Tensor]] = []
    model[2].register_forward_hook(lambda module, given, out: masks[-1].append(out == 0))
    step = closure_step(model, "lbfgs(iterations=4)")
    for number in range(2):
        masks.append([])
        step(batch, SimpleNamespace(fraction=0.0, step=number))
    assert min(len(seen) for seen in masks) > 1
    assert all(torch.equal(mask, seen[0]) for seen in masks for mask in seen)
    assert not torch.equal(masks[0][0], masks[1][0])


def test_a_checkpoint_goes_on_identically(tmp_path: Path) -> None:
    batch, now = data(), SimpleNamespace(fraction=0.0, step=0)
    (whole, one), (_, two), (resumed, three) = [
        (model, closure_step(model, "lbfgs(iterations=3)")) for model in (network(), network(), network())
    ]
    for _ in range(6):
        one(batch, now)
    for _ in range(3):
        two(batch, now)
    checkpoints.save(tmp_path / "state", two.state())
    three.load(checkpoints.load(tmp_path / "state"))
    for _ in range(3):
        three(batch, now)
    for weight, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(weight, other)


def test_it_trains_in_the_loop() -> None:
    x, targets = data()
    model = network()
    step = closure_step(model, "lbfgs(iterations=10)", weight_decay=1e-4)
    history = run_loop(step, [(x, targets)], epochs=8)
    assert history["loss"][-1] < 0.05 < history["loss"][0]
    assert history["evaluations"][0] > 1
    with step.evaluating():
        assert not model.training
    assert step.modules() == {"model": model}


def test_a_layer_that_cannot_take_the_input_is_named() -> None:
    with pytest.raises(ArgumentError, match="0"):
        closure_step(network())(
            (torch.ones(4, 7, dtype=torch.float64), torch.zeros(4, dtype=torch.long)), SimpleNamespace(fraction=0.0, step=0)
        )


def test_who_needs_a_closure_and_bad_arguments() -> None:
    model = network()
    assert needs_closure(make_optimizer("lbfgs", model, learning_rate=1.0))
    assert not any(needs_closure(make_optimizer(name, model, learning_rate=1.0)) for name in ("sgd", "adamw", "muon"))
    with pytest.raises(ArgumentError, match="accumulate"):
        closure_step(model, accumulate=0)


def test_a_plateau_goes_on_where_it_was() -> None:
    step = closure_step(network(), "lbfgs(iterations=1)", schedule=(schedule := Plateau(0.5, 1)))
    for value in (1.0, 2.0, 3.0):
        schedule.update(value)
    again = closure_step(network(), "lbfgs(iterations=1)", schedule=(resumed := Plateau(0.5, 1)))
    again.load(step.state())
    assert resumed(0.0) == schedule(0.0) == 0.25
