"""The variational bound: its gradient by hand, against exact likelihoods of linear models, and what it learns."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from leadline.errors import ArgumentError
from leadline.models.autoencoders.reconstruction_scores import codes_of, log_likelihoods
from leadline.models.autoencoders.reconstruction_steps import ReconstructionEvaluation, ReconstructionStep
from leadline.models.autoencoders.variational_autoencoders import (
    VariationalAutoencoder,
    active_units,
    generated,
    variational_autoencoder,
)
from leadline.models.autoencoders.variational_bounds import VariationalBound, binarized
from leadline.training import run_loop


def now(step: int, fraction: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(step=step, fraction=fraction, batch=step, epoch=0)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def variational(**settings: Any) -> VariationalAutoencoder:
    torch.manual_seed(0)
    return variational_autoencoder((6,), **({"hidden": "8", "code": 3} | settings))


def sgd(model: nn.Module, rate: float = 0.0) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=rate)


def gradients(model: nn.Module) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def shapes(count: int, side: int = 8) -> Tensor:
    """Bars: each row and each column of a square is on with a probability of 1/8."""
    across, down = draw(1, count, side, 1) < 1 / 8, draw(2, count, 1, side) < 1 / 8
    return (across | down).float()[:, None]


@pytest.mark.parametrize("free_bits", [0.0, 0.3])
def test_the_bound_and_its_gradient(free_bits: float) -> None:
    model, x = variational().double(), draw(0, 12, 6).double()
    objective = VariationalBound(beta=2.0, samples=4, warm_up=0.5, free_bits=free_bits)
    logs = ReconstructionStep(model, objective, sgd(model))(x, now(3, fraction=0.25))
    (noise,) = objective.draws(model, x, 3)
    assert noise.shape == (12, 4, 3)
    q = torch.distributions.Normal(*(part if at == 0 else (0.5 * part).exp() for at, part in enumerate(model.posterior(x))))
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
    surprise = torch.zeros((), dtype=torch.float64)
    for k in range(4):
        outputs = model.decode(q.mean + q.stddev * noise[:, k])
        surprise = surprise + nn.functional.binary_cross_entropy_with_logits(outputs, x, reduction="sum") / (12 * 4)
    assert logs["beta"].item() == pytest.approx(1.0)  # half of a warm-up to 2
    assert logs["kl"].item() == pytest.approx(kl.sum().item() / 12, rel=1e-6)
    assert logs["loss"].item() == pytest.approx((surprise + kl.sum() / 12).item(), rel=1e-6)
    costs = kl.mean(0).clamp(min=free_bits).sum() if free_bits else kl.sum(1).mean()
    for ours, theirs in zip(gradients(model), torch.autograd.grad(surprise + costs, list(model.parameters())), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_importance_with_one_draw_has_the_bound_in_the_mean() -> None:
    model, x = variational(), draw(0, 4, 6).repeat(4000, 1)
    one = VariationalBound(importance=True)
    other = VariationalBound(samples=1)
    found = one(model, x, one.draws(model, x, 0), 1.0)[1]["loss"]
    expected = other(model, x, other.draws(model, x, 0), 1.0)[1]["loss"]
    assert found.item() == pytest.approx(expected.item(), abs=0.05)
    many = VariationalBound(importance=True, samples=20)
    tighter = many(model, x[:4000], many.draws(model, x[:4000], 0), 1.0)[1]["loss"]
    assert tighter < expected


def linear_gaussian() -> tuple[VariationalAutoencoder, MultivariateNormal, Tensor]:
    """A network whose likelihood is known: x = Wz + b + 0.5 ε (probabilistic PCA), with an encoder of another mind."""
    torch.manual_seed(0)
    model = variational_autoencoder((6,), hidden="none", code=3, output="gaussian(0.5)").double().eval()
    linear = next(layer for layer in model.decoder if isinstance(layer, nn.Linear))
    weight, bias = linear.weight.detach(), linear.bias.detach()
    exact = MultivariateNormal(bias, weight @ weight.T + 0.25 * torch.eye(6, dtype=torch.float64))
    return model, exact, exact.sample((40,))


def test_many_draws_find_the_exact_likelihood() -> None:
    model, exact, x = linear_gaussian()
    with torch.no_grad():  # broader than the posterior, so that no weight is far larger than all others
        for parameter in (*model.mean.parameters(), *model.log_variance.parameters()):
            parameter.fill_(0.0)
        model.log_variance.bias.fill_(0.7)
    found = log_likelihoods(model, [x[:25], x[25:]], samples=20_000)
    assert found.dtype == torch.float64
    assert (found - exact.log_prob(x)).abs().max() < 0.1
    assert (found - exact.log_prob(x)).mean().abs() < 0.01
    assert torch.equal(found, log_likelihoods(model, [x[:25], x[25:]], samples=20_000))
    assert not torch.equal(found, log_likelihoods(model, [x[:25], x[25:]], samples=20_000, seed=1))


def test_of_large_inputs_few_drawings_are_decoded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadline.models.autoencoders.reconstruction_scores._VALUES_AT_ONCE", 60)
    model, sizes = variational().eval(), list[int]()
    model.decoder.register_forward_pre_hook(lambda _, codes: sizes.append(len(codes[0])))
    assert log_likelihoods(model, [draw(0, 5, 6)], samples=7).shape == (5,)
    assert sizes == [10, 10, 10, 5]  # of 6 values each


def test_with_the_exact_posterior_the_bound_is_the_likelihood_for_every_draw() -> None:
    model, exact, x = linear_gaussian()
    linear = next(layer for layer in model.decoder if isinstance(layer, nn.Linear))
    # Orthogonal columns make the posterior independent from unit to unit, as q is.
    with torch.no_grad():
        linear.weight.copy_(torch.linalg.qr(linear.weight)[0] * torch.tensor([1.0, 0.7, 0.4]))
        weight, bias = linear.weight, linear.bias
        precision = (weight.T @ weight).diagonal() / 0.25 + 1
        model.mean.weight.copy_((weight / 0.25 / precision).T)
        model.mean.bias.copy_(-model.mean.weight @ bias)
        model.log_variance.weight.zero_()
        model.log_variance.bias.copy_(-precision.log())
    exact = MultivariateNormal(bias, weight @ weight.T + 0.25 * torch.eye(6, dtype=torch.float64))
    objective = VariationalBound(importance=True, samples=2)
    torch.testing.assert_close(objective.judge(model, x, 0)["loss"], -exact.log_prob(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(log_likelihoods(model, [x], samples=1), exact.log_prob(x), rtol=1e-5, atol=1e-5)
    bound = VariationalBound(samples=4000).judge(model, x[:5], 0)["loss"]
    torch.testing.assert_close(bound, -exact.log_prob(x[:5]), rtol=0, atol=0.1)


def test_the_gap_of_the_bound_is_the_divergence_from_the_posterior() -> None:
    model, exact, x = linear_gaussian()
    linear = next(layer for layer in model.decoder if isinstance(layer, nn.Linear))
    weight, bias = linear.weight.detach(), linear.bias.detach()
    covariance = torch.linalg.inv(weight.T @ weight / 0.25 + torch.eye(3, dtype=torch.float64))
    posterior = MultivariateNormal((x - bias) @ weight @ covariance / 0.25, covariance)
    mean, log_variance = (part.detach() for part in model.posterior(x))
    gap = torch.distributions.kl_divergence(MultivariateNormal(mean, torch.diag_embed(log_variance.exp())), posterior)
    bound = -VariationalBound(samples=5000).judge(model, x, 0)["loss"]
    torch.testing.assert_close(exact.log_prob(x) - bound, gap, rtol=0.05, atol=0.1)


def test_binarized_inputs_are_drawn_anew_at_each_step_and_once_where_judged() -> None:
    model, x = variational(), torch.full((400, 6), 0.3)
    objective = VariationalBound(binarize=True)
    first, second = (objective.draws(model, x, step)[1] for step in (0, 1))
    assert first.unique().tolist() == [0.0, 1.0]
    assert not torch.equal(first, second)
    assert torch.equal(first, objective.draws(model, x, 0)[1])
    assert first.mean().item() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(objective.judge(model, x, -1)["loss"], objective.judge(model, x, -1)["loss"])
    with pytest.raises(ArgumentError, match="values from 0 to 1"):
        binarized(torch.tensor([2.0]), torch.Generator())
    assert log_likelihoods(model, [x[:3]], samples=10, binarize=True).shape == (3,)


def test_a_variational_autoencoder_learns_bars_and_bounds_their_likelihood() -> None:
    torch.manual_seed(0)
    x = shapes(768)
    model = variational_autoencoder((1, 8, 8), hidden="64", code=12)
    objective = VariationalBound(warm_up=0.3)
    step = ReconstructionStep(model, objective, torch.optim.Adam(model.parameters(), lr=0.004))
    batches = [(part, part) for part in x[:640].split(32)]
    history = run_loop(step, batches, epochs=25, evaluate=ReconstructionEvaluation(model, [x[640:]], objective))
    model.eval()
    exact = 16 * (1 / 8 * math.log(8) + 7 / 8 * math.log(8 / 7))  # the entropy of the bars, which no model can beat
    found = -log_likelihoods(model, [x[640:]], samples=500).mean().item()
    assert exact < found < history["valid_loss"][-1] < 30
    assert history["kl"][-1] > 2
    assert 4 <= int(active_units(codes_of(model, [x])).sum()) <= 12


def test_without_a_warm_up_beta_is_whole_and_a_large_one_silences_the_code() -> None:
    assert VariationalBound(beta=3.0).beta_at(0.0) == 3.0
    assert [VariationalBound(warm_up=0.5).beta_at(fraction) for fraction in (0.0, 0.25, 0.5, 1.0)] == [0.0, 0.5, 1.0, 1.0]
    x, found = shapes(256), []
    for beta in (1.0, 50.0):
        torch.manual_seed(0)
        model = variational_autoencoder((1, 8, 8), hidden="32", code=4)
        step = ReconstructionStep(model, VariationalBound(beta=beta), torch.optim.Adam(model.parameters(), lr=0.005))
        history = run_loop(step, [(part, part) for part in x.split(32)], epochs=12)
        found.append(history["kl"][-1])
    assert found[0] > 1
    assert found[1] < 0.1


def test_many_are_made_up_a_few_at_a_time() -> None:
    """Maps of 10,000 pictures would not fit into memory."""
    torch.manual_seed(0)
    model, seen = variational_autoencoder((4,), hidden="8", code=2).eval(), list[int]()
    model.decoder.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    made = generated(model, 600, seed=3)
    assert sum(seen) == 600
    assert max(seen) <= 256
    codes = torch.randn(600, 2, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(made, torch.sigmoid(model.decode(codes)).detach())
