"""What an autoencoder is trained for and how it steps: gradients by hand, pictures, resuming to the bit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.models.autoencoders.autoencoders import Autoencoder, autoencoder
from leadline.models.autoencoders.conv_autoencoders import conv_autoencoder
from leadline.models.autoencoders.reconstruction_objectives import OBJECTIVES, Reconstruct, objective_of
from leadline.models.autoencoders.reconstruction_scores import codes_of, log_likelihoods
from leadline.models.autoencoders.reconstruction_steps import ReconstructionEvaluation, ReconstructionStep
from leadline.models.autoencoders.variational_autoencoders import VariationalAutoencoder, variational_autoencoder
from leadline.models.autoencoders.variational_bounds import VariationalBound
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


def test_scores_of_rows() -> None:
    model, x = plain().eval(), draw(0, 7, 6)
    batches = [x[:4], (x[4:], None)]
    torch.testing.assert_close(codes_of(model, batches), model.encode(x).detach())
    expected = nn.functional.binary_cross_entropy_with_logits(model(x), x, reduction="none").sum(1).detach()
    columns = ReconstructionEvaluation(model, batches, Reconstruct(), prefix="test_")()
    assert columns == pytest.approx(
        {"test_loss": expected.mean().item(), "test_error": model.errors(x).mean().item()}, rel=1e-5
    )


def test_evaluation_is_in_the_other_mode_and_the_same_each_time() -> None:
    model, x = variational(dropout=0.5), draw(0, 9, 6)
    step = ReconstructionStep(model, VariationalBound(), sgd(model))
    evaluation = ReconstructionEvaluation(model, [x[:5], x[5:]], step.objective)
    with step.evaluating():
        assert not model.training
        first, again = evaluation(), evaluation()
    assert model.training
    assert first == again
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
