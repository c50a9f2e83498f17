"""What an autoencoder is trained for and how it steps: gradients by hand, exact bounds, resuming to the bit."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from leadline.errors import ArgumentError
from leadline.models.autoencoders.autoencoders import Autoencoder, autoencoder
from leadline.models.autoencoders.conv_autoencoders import conv_autoencoder
from leadline.models.autoencoders.reconstruction_objectives import OBJECTIVES, Reconstruct, objective_of
from leadline.models.autoencoders.reconstruction_scores import codes_of, errors_of, log_likelihoods, surprises_of
from leadline.models.autoencoders.reconstruction_steps import ReconstructionEvaluation, ReconstructionStep
from leadline.models.autoencoders.variational_autoencoders import VariationalAutoencoder, active_units, variational_autoencoder
from leadline.models.autoencoders.variational_bounds import VariationalBound, binarized
from leadline.optim import ClipNorm, ClipPercentile
from leadline.optim.averaging import ExponentialAverage
from leadline.training import run_loop
from leadline.training.callbacks import Callback


def now(step: int, fraction: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(step=step, fraction=fraction, batch=step, epoch=0)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def plain(**settings: Any) -> Autoencoder:
    torch.manual_seed(0)
    return autoencoder((6,), **({"hidden": "8", "code": 3, "output": "bernoulli"} | settings))


def variational(**settings: Any) -> VariationalAutoencoder:
    torch.manual_seed(0)
    return variational_autoencoder((6,), **({"hidden": "8", "code": 3} | settings))


def sgd(model: nn.Module, rate: float = 0.0) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=rate)


def gradients(model: nn.Module) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def test_the_gradient_is_that_of_the_surprise_at_clean_inputs() -> None:
    model, x = plain(code_activation="sigmoid"), draw(0, 16, 6)
    objective = Reconstruct(corruption="masking(0.4)", sparsity="kl(rho=0.2, weight=2.0)", seed=5)
    logs = ReconstructionStep(model, objective, sgd(model))((x, None), now(7))
    (corrupted,) = objective.draws(model, x, 7)
    assert (corrupted == 0).any()
    code = model.encode(corrupted)
    surprise = nn.functional.binary_cross_entropy_with_logits(model.decode(code), x, reduction="sum") / 16
    mean = code.mean(0)
    sparsity = 2.0 * (0.2 * (0.2 / mean).log() + 0.8 * (0.8 / (1 - mean)).log()).sum()
    assert logs["loss"].item() == pytest.approx(surprise.item(), rel=1e-5)
    assert logs["penalty_sparsity"].item() == pytest.approx(sparsity.item(), rel=1e-5)
    for ours, theirs in zip(gradients(model), torch.autograd.grad(surprise + sparsity, list(model.parameters())), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_l1_is_added_too() -> None:
    model, x = plain(), draw(0, 16, 6)
    logs = ReconstructionStep(model, Reconstruct(sparsity="l1(0.5)"), sgd(model))(x, now(0))
    assert logs["penalty_sparsity"].item() == pytest.approx(0.5 * model.encode(x).abs().sum().item() / 16, rel=1e-5)


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


OBJECTIVES_BY_NAME = {
    "denoising": (plain, "reconstruct(corruption='gaussian(0.3)')"),
    "variational": (variational, "variational_bound(samples=2, warm_up=0.5, binarize=True)"),
}


@pytest.mark.parametrize("kind", OBJECTIVES_BY_NAME)
def test_micro_batches_have_the_noise_and_the_gradient_of_the_batch(kind: str) -> None:
    build, text = OBJECTIVES_BY_NAME[kind]
    x, found = draw(0, 15, 6).double(), []
    for accumulate in (1, 4):
        model = build().double()
        logs = ReconstructionStep(model, objective_of(text), sgd(model), accumulate=accumulate)(x, now(3, 0.3))
        found.append((gradients(model), logs["loss"]))
    torch.testing.assert_close(found[0], found[1])


class Pause(Callback):
    def __init__(self, place: Any, at: int) -> None:
        self.place, self.at = place, at

    def batch_end(self, now: Any) -> str | None:
        from leadline.training.checkpoints import save

        if now.step != self.at:
            return None
        save(self.place, now.state())
        return "enough"


class Epochs:
    """Batches that can be entered anywhere, in an order of their own in each epoch."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return 4

    def epoch(self, number: int, first: int = 0) -> Any:
        order = torch.randperm(len(self.x), generator=torch.Generator().manual_seed(number))
        for rows in order.split(len(self.x) // 4)[first:]:
            yield self.x[rows], self.x[rows]

    def __iter__(self) -> Any:
        return self.epoch(0)


def trained(kind: str, callbacks: list[Callback], state: Any = None, wrap: Any = None) -> nn.Module:
    build, text = OBJECTIVES_BY_NAME[kind]
    model, x = build(dropout=0.2), draw(0, 32, 6)
    step: Any = ReconstructionStep(
        model,
        objective_of(text, seed=3),
        torch.optim.Adam(model.parameters(), lr=0.01),
        schedule=lambda fraction: 1 - 0.5 * fraction,
        clip=ClipPercentile(50, window=5, warm_up=2),
    )
    step = wrap(step) if wrap else step
    torch.manual_seed(7)
    evaluation = ReconstructionEvaluation(model, [x], objective_of(text, seed=3))
    run_loop(step, Epochs(x), epochs=3, evaluate=evaluation, callbacks=callbacks, state=state)
    return model


@pytest.mark.parametrize("at", [2, 7])
@pytest.mark.parametrize("kind", OBJECTIVES_BY_NAME)
def test_resumed_in_the_middle_of_an_epoch_it_comes_out_the_same(tmp_path: Any, kind: str, at: int) -> None:
    from leadline.training.checkpoints import load

    whole = trained(kind, [])
    trained(kind, [Pause(tmp_path / "state", at)])
    torch.manual_seed(99)
    resumed = trained(kind, [], state=load(tmp_path / "state"))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_it_can_be_averaged() -> None:
    averaged = trained("denoising", [], wrap=lambda step: ExponentialAverage(step, decay=0.9))
    last = trained("denoising", [])
    assert any(not torch.equal(a, b) for a, b in zip(averaged.state_dict().values(), last.state_dict().values(), strict=True))


def shapes(count: int, side: int = 8) -> Tensor:
    """Bars: each row and each column of a square is on with a probability of 1/8."""
    across, down = draw(1, count, side, 1) < 1 / 8, draw(2, count, 1, side) < 1 / 8
    return (across | down).float()[:, None]


@pytest.mark.parametrize("family", ["dense", "conv", "denoising", "sparse", "half", "tied"])
def test_pictures_are_learned(family: str) -> None:
    torch.manual_seed(0)
    x = shapes(512)
    settings: dict[str, Any] = {"output": "bernoulli"}
    model: Any
    if family == "conv":
        model = conv_autoencoder((1, 8, 8), width=8, stages=2, code=16, **settings)
    else:
        sparse = {"code_activation": "sigmoid"} if family == "sparse" else {}
        model = autoencoder((1, 8, 8), hidden="64", code=16, tied=family == "tied", **sparse, **settings)
    step = ReconstructionStep(
        model,
        Reconstruct(
            corruption="masking(0.2)" if family == "denoising" else "none",
            sparsity="kl(rho=0.1, weight=1)" if family == "sparse" else "none",
        ),
        torch.optim.Adam(model.parameters(), lr=0.005),
        clip=ClipNorm(100.0),
        precision=torch.bfloat16 if family == "half" else torch.float32,
    )
    history = run_loop(
        step,
        [(part, part) for part in x[:384].split(32)],
        epochs=25,
        evaluate=ReconstructionEvaluation(model, [x[384:]], Reconstruct()),
    )
    # Told without a code each pixel costs its entropy: 64 · H(0.234) = 34.9 nats.
    assert history["valid_loss"][-1] < 20
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    if family == "sparse":
        assert model.eval().encode(x).mean(0).max() < 0.3  # without the penalty they are near a half


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


def test_scores_of_rows() -> None:
    model, x = plain().eval(), draw(0, 7, 6)
    batches = [x[:4], (x[4:], None)]
    torch.testing.assert_close(codes_of(model, batches), model.encode(x).detach())
    torch.testing.assert_close(errors_of(model, batches), model.errors(x).detach())
    expected = nn.functional.binary_cross_entropy_with_logits(model(x), x, reduction="none").sum(1).detach()
    torch.testing.assert_close(surprises_of(model, batches), expected)
    columns = ReconstructionEvaluation(model, batches, Reconstruct(), prefix="test_")()
    assert columns == pytest.approx(
        {"test_loss": expected.mean().item(), "test_error": model.errors(x).mean().item()}, rel=1e-5
    )


def test_evaluation_is_in_the_other_mode_and_the_same_each_time() -> None:
    model, x, told = variational(dropout=0.5), draw(0, 9, 6), []
    step = ReconstructionStep(model, VariationalBound(), sgd(model))
    evaluation = ReconstructionEvaluation(model, [x[:5], x[5:]], step.objective, then=told.append)
    with step.evaluating():
        assert not model.training
        first, again = evaluation(), evaluation()
    assert model.training
    assert first == again
    assert told == [first, again]
    assert sorted(first) == ["valid_error", "valid_kl", "valid_loss"]
    assert step.modules() == {"model": model}


def test_rates_follow_the_schedule_and_penalties_join() -> None:
    model, x = plain(), draw(0, 8, 6)
    step = ReconstructionStep(
        model,
        Reconstruct(),
        sgd(model, 0.8),
        schedule=lambda fraction: 1 - fraction,
        penalties=lambda network: {"l2": sum(weight.square().sum() for weight in network.parameters())},  # type: ignore[dict-item]
    )
    logs = step(x, now(0, 0.25))
    assert step.rate == pytest.approx(0.6)
    assert logs["penalty_l2"] > 0


def test_careless_arguments() -> None:
    model = plain()
    with pytest.raises(ArgumentError, match="Linear is no autoencoder"):
        ReconstructionStep(nn.Linear(2, 2), Reconstruct(), sgd(model))
    with pytest.raises(ArgumentError, match="accumulate of at least 1"):
        ReconstructionStep(model, Reconstruct(), sgd(model), accumulate=0)
    with pytest.raises(ArgumentError, match="codes of this network have no distribution.*Reconstruct"):
        ReconstructionStep(model, VariationalBound(), sgd(model))(draw(0, 2, 6), now(0))
    with pytest.raises(ArgumentError, match="values from 0 to 1"):
        ReconstructionStep(model, Reconstruct(), sgd(model))(3 * torch.ones(2, 6), now(0))
    with pytest.raises(ArgumentError, match="code_activation = sigmoid"):
        ReconstructionStep(model, Reconstruct(sparsity="kl"), sgd(model))(draw(0, 2, 6), now(0))
    with pytest.raises(ArgumentError, match="nothing to judge"):
        ReconstructionEvaluation(model, [], Reconstruct())()
    with pytest.raises(ArgumentError, match="no likelihood"):
        log_likelihoods(model, [draw(0, 2, 6)])
    with pytest.raises(ArgumentError, match="no rows to look at"):
        codes_of(model, [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("reconstuct", "Did you mean 'reconstruct'"),
        ("reconstruct(corruption='mask')", "Did you mean 'masking'"),
        ("reconstruct(sparsity='k1(0.1)')", "There is no sparsity 'k1'"),
        ("reconstruct(sparsity='kl(rho=2)')", "rho between 0 and 1"),
        ("reconstruct(sparsity='l1(0)')", "weight is out of range"),
        ("variational_bound(beta=0)", "beta is out of range"),
        ("variational_bound(samples=0)", "samples is out of range"),
        ("variational_bound(warm_up=2)", "warm_up in"),
        ("variational_bound(importance=True, beta=2)", "no divergence to weigh"),
        ("variational_bound(betta=2)", "Did you mean 'beta'"),
        ("variational_bound(beta='much')", "wrong kind of value"),
    ],
)
def test_careless_texts(text: str, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        objective_of(text)


def test_every_objective_can_be_spelled() -> None:
    for name in OBJECTIVES:
        assert objective_of(name, seed=4).seed == 4
    assert objective_of("variational_bound(seed=9)", seed=4).seed == 9
