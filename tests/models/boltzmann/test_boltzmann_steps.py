"""Contrastive divergence: its update by enumeration, the gradient of the likelihood, what is learned, resuming to the bit."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.models.boltzmann.annealed_sampling import exact_log_partition, log_likelihood
from leadline.models.boltzmann.boltzmann_buffers import Draws
from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine
from leadline.models.boltzmann.boltzmann_steps import ContrastiveDivergence
from leadline.models.boltzmann.pseudo_likelihoods import BoltzmannEvaluation
from leadline.optim import make_schedule
from leadline.training import Callback, run_loop
from leadline.training.checkpoints import load, save

D, H = 4, 3


def states(units: int) -> Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=units)), dtype=torch.float64)


def machine(seed: int = 0, visible: str = "bernoulli") -> RestrictedBoltzmannMachine:
    torch.manual_seed(seed)
    made = RestrictedBoltzmannMachine((D,), H, visible=visible).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()
    return made


def now(fraction: float = 0.5, batch: int = 1) -> SimpleNamespace:
    return SimpleNamespace(fraction=fraction, batch=batch, step=batch, epoch=0)


def parameters(made: RestrictedBoltzmannMachine) -> list[Tensor]:
    return [each.detach().clone() for each in (made.weight, made.visible_bias, made.hidden_bias)]


def centered(gw: Tensor, gb: Tensor, gc: Tensor, mu: Tensor, lam: Tensor) -> list[Tensor]:
    """The update of Melchior et al. from the plain differences of the statistics."""
    g = gw - torch.outer(gc, mu) - torch.outer(lam, gb)
    return [g, gb - lam @ g, gc - g @ mu]


def by_enumeration(made: RestrictedBoltzmannMachine, rows: Tensor, steps: int) -> list[Tensor]:
    """What CD-k changes on average: the chain's transitions are a matrix over all visible states."""
    w, b, c = parameters(made)
    v, h = states(D), states(H)
    up = torch.sigmoid(v @ w.t() + c)  # of all visible states
    of_hidden = (up[:, None] * h + (1 - up[:, None]) * (1 - h)).prod(2)  # 2^D, 2^H
    down = torch.sigmoid(h @ w + b)
    of_visible = (down[:, None] * v + (1 - down[:, None]) * (1 - v)).prod(2)  # 2^H, 2^D
    places = (rows @ (2 ** torch.arange(D - 1, -1, -1, dtype=torch.float64))).long()
    ends = torch.matrix_power(of_hidden @ of_visible, steps)[places]  # B, 2^D
    first = up[places]
    gw = first.t() @ rows / len(rows) - torch.einsum("bs,sh,sd->hd", ends, up, v) / len(rows)
    gb, gc = rows.mean(0) - (ends @ v).mean(0), first.mean(0) - (ends @ up).mean(0)
    return centered(gw, gb, gc, rows.mean(0), first.mean(0))


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_update_is_that_of_enumeration(steps: int) -> None:
    made, some = machine(), states(D)[[3, 5, 6, 9, 15]]
    rows = some.repeat(20_000, 1)  # so many chains that chance averages out
    before = parameters(made)
    expected = by_enumeration(made, some, steps)
    ContrastiveDivergence(made, 0.1, steps=steps, weight_decay=0, momentum=0)(rows, now())
    for old, new, change in zip(before, parameters(made), expected, strict=True):
        torch.testing.assert_close((new - old) / 0.1, change, rtol=0, atol=0.008)  # 0.5/√100,000 is 0.0016
        assert change.abs().max() > 0.05


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("steps", [1, 3])
def test_persistent_chains_give_the_gradient_of_the_likelihood(visible: str, steps: int) -> None:
    made = machine(1, visible)
    with torch.no_grad():
        made.weight.mul_(0.7)
    rows = states(D)[[3, 5, 6, 9, 15]] * 1.3 if visible == "gaussian" else states(D)[[3, 5, 6, 9, 15]]
    step = ContrastiveDivergence(made, 1e-9, particles=50_000, steps=steps, weight_decay=0, momentum=0)
    for number in range(40):
        step(rows, now(batch=number))
    before, step.learning_rate = parameters(made), 0.1
    step(rows, now())
    w, b, c = (each.requires_grad_() for each in before)
    copy = machine(1, visible)
    h = states(H)
    inputs = h @ w + b
    other = 0.5 * (inputs.square() - b.square()) if visible == "gaussian" else torch.nn.functional.softplus(inputs)
    log_z = torch.logsumexp(h @ c + other.sum(1), 0)
    free = torch.func.functional_call(_FreeEnergy(copy), {"of.weight": w, "of.visible_bias": b, "of.hidden_bias": c}, rows)
    gradients = torch.autograd.grad(-free.mean() - log_z, [w, b, c])
    hidden = torch.sigmoid(rows @ w.t() + c).detach()
    expected = centered(*gradients, rows.mean(0), hidden.mean(0))
    for old, new, change in zip((w, b, c), parameters(made), expected, strict=True):
        torch.testing.assert_close((new - old.detach()) / 0.1, change, rtol=0, atol=0.03)
        assert change.abs().max() > 0.05


class _FreeEnergy(torch.nn.Module):
    def __init__(self, of: RestrictedBoltzmannMachine) -> None:
        super().__init__()
        self.of = of

    def forward(self, rows: Tensor) -> Tensor:
        return self.of.free_energy(rows)


def test_momentum_decay_and_rate_are_those_of_the_formula() -> None:
    """Without hidden units that answer to the data, all chance is gone: Δb is the mean of the data less ½."""
    made = RestrictedBoltzmannMachine((2,), 1, visible="gaussian").double()
    with torch.no_grad():
        made.weight.fill_(1e-3)
        made.hidden_bias.fill_(-100)
    rows = torch.tensor([[1.0, -2.0]], dtype=torch.float64).repeat(200_000, 1)
    step = ContrastiveDivergence(made, 0.2, momentum=0.9, weight_decay=0.01, schedule=lambda fraction: 1 - fraction)
    bias, velocity, weight = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64), 1e-3
    for number, fraction in enumerate([0.0, 0.04, 0.05, 0.5]):
        step(rows, now(fraction, number))
        rate, momentum = 0.2 * (1 - fraction), 0.5 if fraction < 0.05 else 0.9
        assert step.rate == pytest.approx(rate)
        velocity = momentum * velocity + rate * (rows[0] - bias)
        bias = bias + velocity
        weight *= 1 - rate * 0.01 / (1 - momentum)
        torch.testing.assert_close(made.visible_bias.detach(), bias, rtol=0, atol=0.01)
        torch.testing.assert_close(made.weight.detach(), torch.full((1, 2), weight, dtype=torch.float64), rtol=1e-6, atol=0)


def bars(side: int = 3) -> Tensor:
    """Bars and stripes: 2 · 2^side − 2 different pictures."""
    lines = torch.tensor(list(itertools.product([0.0, 1.0], repeat=side)))
    both = torch.cat([lines[:, :, None].expand(-1, -1, side), lines[:, None, :].expand(-1, side, -1)]).flatten(1)
    return both.unique(dim=0)


@pytest.mark.parametrize(
    ("arguments", "least"),
    [
        ({"learning_rate": 0.2, "precision": torch.bfloat16}, -3.0),
        ({"learning_rate": 0.2}, -3.0),
        ({"learning_rate": 0.2, "steps": 5}, -3.0),
        ({"learning_rate": 0.02, "particles": 70, "schedule": make_schedule("polynomial")}, -3.5),
        ({"learning_rate": 0.02, "particles": 140, "steps": 2, "schedule": make_schedule("polynomial")}, -3.5),
    ],
)
def test_bars_and_stripes_are_learned(arguments: dict[str, Any], least: float) -> None:
    """Their exact log-likelihood can be −log 14 = −2.64 and begins at −9 log 2 = −6.24."""
    torch.manual_seed(0)
    made, rows = RestrictedBoltzmannMachine((1, 3, 3), 12), bars().unflatten(1, (1, 3, 3))
    made.start_from(rows)
    step = ContrastiveDivergence(made, **arguments, weight_decay=0)
    history = run_loop(
        step,
        [(rows.repeat(5, 1, 1, 1), torch.zeros(70))] * 50,
        epochs=40,
        evaluate=BoltzmannEvaluation(made, [rows], units=9),
    )
    found = log_likelihood(made, rows, exact_log_partition(made)).mean().item()
    assert least < found < -math.log(14)
    assert history["valid_pseudo_likelihood"][-1] > history["valid_pseudo_likelihood"][0] + 1
    assert history["loss"][-1] < 0.5 * history["loss"][0]


def test_gaussian_units_learn_which_columns_go_together() -> None:
    draw = torch.Generator().manual_seed(0)
    cause = torch.randint(0, 2, (600, 1), generator=draw).float()
    rows = torch.cat([cause * 4 - 3, 1 - 6 * cause, torch.zeros(600, 1)], 1) + torch.randn(600, 3, generator=draw)
    made = RestrictedBoltzmannMachine((3,), 4, visible="gaussian", noise=0.5)
    made.start_from(rows)
    torch.manual_seed(0)
    without = log_likelihood(made, rows, exact_log_partition(made)).mean().item()
    step = ContrastiveDivergence(made, 0.01)
    run_loop(step, list(rows.split(50)), epochs=60)
    found = log_likelihood(made, rows, exact_log_partition(made)).mean().item()
    normal = torch.distributions.MultivariateNormal(rows.mean(0), rows.T.cov()).log_prob(rows).mean().item()
    assert found > without + 1
    assert found > normal - 0.4


@pytest.mark.parametrize("particles", [0, 8, 40])
def test_the_loss_is_the_error_of_reconstruction(particles: int) -> None:
    made, rows = machine(2), states(D)
    first = machine(2)
    hidden = torch.sigmoid(first.hidden_inputs(rows))
    step = ContrastiveDivergence(made, 1e-9, particles=particles)
    losses = [step(rows, now(batch=number))["loss"].item() for number in range(400)]
    if particles:  # from the probabilities of the hidden units: no chance in it
        expected = (first.visible_means(hidden) - rows)[:2].square().sum(1).mean().item()  # of an eighth of the rows
        assert losses[-1] == pytest.approx(expected, rel=1e-5)
    else:
        h = states(H)
        chances = (hidden[:, None] * h + (1 - hidden[:, None]) * (1 - h)).prod(2)
        errors = (first.visible_means(h)[None] - rows[:, None]).square().sum(2)
        assert sum(losses) / 400 == pytest.approx((chances * errors).sum(1).mean().item(), rel=0.02)


@pytest.mark.parametrize("arguments", [{}, {"particles": 10}, {"steps": 3}])
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_rounded_products_learn_the_same(arguments: dict[str, Any], visible: str) -> None:
    rows = (torch.rand(80, 30, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    found = []
    for precision in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        made = RestrictedBoltzmannMachine((30,), 20, visible=visible)
        with torch.no_grad():
            made.weight.normal_()
        before = parameters(made)
        step = ContrastiveDivergence(made, 0.1, precision=precision, **arguments)
        step(rows, now(batch=0))
        found.append([after - old for old, after in zip(before, parameters(made), strict=True)])
        step(rows, now())
        step.machine.load_state_dict(dict(zip(("weight", "visible_bias", "hidden_bias"), before, strict=True)), strict=False)
        parts, out = step._parts(), torch.empty(80, 20)
        parts.products.up(rows, out)
        torch.testing.assert_close(out, made(rows).detach(), rtol=0, atol=0.02)
    for exact, rounded in zip(*found, strict=True):
        # A few units are drawn otherwise; apart from them the update is the same to bfloat16's two or three digits.
        assert torch.corrcoef(torch.stack([exact.flatten(), rounded.flatten()]))[0, 1] > 0.97
        assert (exact - rounded).norm() < 0.25 * exact.norm()
        assert exact.norm() > 1e-3


class Pause(Callback):
    def __init__(self, step: int, path: Path) -> None:
        self.at, self.path = step, path

    def batch_end(self, now: Any) -> str | None:
        if now.step != self.at:
            return None
        save(self.path, now.state())
        return "enough"


class Rows:
    """Batches that can be entered anywhere, the last one short."""

    def __init__(self) -> None:
        self.rows = (torch.rand(50, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()

    def __len__(self) -> int:
        return 4

    def epoch(self, number: int, first: int = 0) -> Any:
        order = torch.randperm(50, generator=torch.Generator().manual_seed(number))
        return (self.rows[part] for part in order.split(14)[first:])


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"steps": 2, "precision": torch.bfloat16},
        {"particles": 9},
        {"particles": 20, "steps": 2, "precision": torch.bfloat16},
    ],
)
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("pause", [1, 7, 8])
def test_a_resumed_training_is_the_same_to_the_bit(arguments: dict[str, Any], visible: str, pause: int, tmp_path: Path) -> None:
    def fresh() -> ContrastiveDivergence:
        made = RestrictedBoltzmannMachine((6,), 5, visible=visible)
        return ContrastiveDivergence(made, 0.1, **arguments, schedule=make_schedule("cosine"))

    torch.manual_seed(0)
    whole = fresh()
    history = run_loop(whole, Rows(), epochs=3)
    torch.manual_seed(0)
    run_loop(fresh(), Rows(), epochs=3, callbacks=[Pause(pause, tmp_path / "state")])
    torch.manual_seed(99)
    resumed = fresh()
    again = run_loop(resumed, Rows(), epochs=3, state=load(tmp_path / "state"))
    for name, value in whole.machine.state_dict().items():
        assert torch.equal(value, resumed.machine.state_dict()[name]), name
    assert history["loss"] == again["loss"]


def test_another_seed_is_another_training() -> None:
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)
        made = RestrictedBoltzmannMachine((6,), 5)
        torch.manual_seed(seed)
        run_loop(ContrastiveDivergence(made, 0.1), Rows(), epochs=1)
        found.append(made.weight.detach().clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def addresses(held: Any) -> list[int]:
    """Where all tensors lie that something holds, however deep."""
    if isinstance(held, Tensor):
        return [held.data_ptr()]
    inner = (
        held.values() if isinstance(held, dict) else held if isinstance(held, tuple) else getattr(held, "__dict__", {}).values()
    )
    return [address for each in inner for address in addresses(each)]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("particles", [0, 3])
def test_memory_is_taken_once(particles: int, precision: torch.dtype) -> None:
    step = ContrastiveDivergence(RestrictedBoltzmannMachine((6,), 5), particles=particles, precision=precision)
    run_loop(step, Rows(), epochs=2)
    first = addresses((step._buffers, step._kept))
    assert sorted(step._buffers) == [8, 14]
    assert len(first) >= 2 * 8 + 5 + 3, "buffers, velocities and means, weights and biases"
    run_loop(step, Rows(), epochs=2)
    assert addresses((step._buffers, step._kept)) == first
    for rows in (5, 3, 14):
        step(torch.rand(rows, 6), now())
    assert len(step._buffers) <= 2


@pytest.mark.parametrize("count", [1, 3, 4, 5, 1001])
def test_draws_have_their_probabilities(count: int) -> None:
    draws, times = Draws(torch.device("cpu"), 0), 400_001 // count
    wanted = (torch.linspace(0, 1, count) if count > 1 else torch.tensor([0.3])).repeat(times, 1)
    first, second = (draws.units(wanted, out=torch.empty(times, count)) for _ in range(2))
    assert set(first.flatten().tolist()) == {0.0, 1.0}
    share = wanted[0]
    assert ((first.mean(0) - share).abs() <= 5 * (share * (1 - share) / times).sqrt() + 2**-17).all()
    both = ((first - wanted) * (second - wanted)).mean()
    assert both.abs() < 5 * 0.25 / math.sqrt(times * count), "no draw knows of the one before"


def test_draws_from_one_number_are_independent() -> None:
    draws = Draws(torch.device("cpu"), 1)
    out = draws.units(torch.full((100_000, 4), 0.5), out=torch.empty(100_000, 4))
    assert (torch.corrcoef(out.t()) - torch.eye(4)).abs().max() < 5 / math.sqrt(100_000)
    kept = draws.state()
    one = draws.units(torch.full((9,), 0.5), out=torch.empty(9))
    draws.load(kept)
    assert torch.equal(one, draws.units(torch.full((9,), 0.5), out=torch.empty(9)))


@pytest.mark.parametrize(
    "arguments", [{"learning_rate": 0}, {"steps": 0}, {"particles": -1}, {"momentum": 1.0}, {"weight_decay": -1}]
)
def test_arguments_that_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="Contrastive divergence cannot be built"):
        ContrastiveDivergence(machine(), **arguments)


def test_more_that_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no Boltzmann machine"):
        ContrastiveDivergence(torch.nn.Linear(2, 2))
    with pytest.raises(ArgumentError, match="torch.float32 or torch.bfloat16; got torch.float16"):
        ContrastiveDivergence(machine(), precision=torch.float16)
    step = ContrastiveDivergence(machine())
    with pytest.raises(ArgumentError, match=r"numbers in \[0, 1\]"):
        step(2 * states(D), now(batch=0))
    with pytest.raises(ArgumentError, match=r"shape \[B, 4\]; got shape \[16, 3\]"):
        step(states(D)[:, :3], now())
