"""The recorded step against the plain one: the same weights, logs, gradients, random numbers and checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from leadline import losses
from leadline.models import convnet, mlp, tabular
from leadline.models.resnets import BasicBlock
from leadline.optim import ExponentialAverage, make_optimizer
from leadline.training import Supervised, run_loop
from leadline.training.recorded import Recorded, stepping


class Now:
    step = 0

    def __init__(self, fraction: float = 0.0) -> None:
        self.fraction = fraction


class Classifier(nn.Module):
    """The last hidden state of an LSTM through a linear head."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(4, 8, num_layers=2, batch_first=True, dropout=dropout)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.recurrent(x)[0][:, -1])  # type: ignore[no-any-return]


def residual() -> nn.Module:
    """The parts of a ResNet: in-place additions and activations, a strided shortcut, batch norm."""
    blocks = [BasicBlock(4, 4), BasicBlock(4, 8, stride=2)]
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "perceptron": (lambda: mlp((6,), 3, width=8, batch_norm=False), (6,)),
    "normalized with dropout": (lambda: mlp((6,), 3, width=8, dropout=0.3), (6,)),
    "smooth activations": (
        lambda: nn.Sequential(
            nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 8), nn.Sigmoid(), nn.Linear(8, 3)
        ),
        (6,),
    ),
    "layer norm and gelu": (lambda: nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3)), (6,)),
    "convolutions": (lambda: convnet((3, 8, 8), 3, width=4, stages=2, dropout=0.2), (3, 8, 8)),
    "residual": (residual, (3, 8, 8)),
    "lstm": (Classifier, (5, 4)),
    "lstm with dropout": (lambda: Classifier(0.4), (5, 4)),
    "table of members": (lambda: tabular([(-1.0, 0.0, 1.0)] * 3 + [()] * 3, (), 3, "classes", width=8, members=4), (6,)),
}


def batches(shape: tuple[int, ...], count: int = 4, rows: int = 12) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(rows, *shape, generator=generator), torch.randint(0, 3, (rows,), generator=generator))
        for _ in range(count)
    ]


def supervised(build: Callable[[], nn.Module], optimizer: str = "adamw", **options: Any) -> Supervised:
    torch.manual_seed(0)
    model = build()
    made = make_optimizer(optimizer, model, learning_rate=0.01, weight_decay=0.01)
    measures = {"accuracy": losses.per_member(lambda outputs, targets: (outputs.argmax(1) == targets).float().mean())}
    return Supervised(model, losses.per_member(F.cross_entropy), made, measures=measures, **options)


def train(step: Any, data: list[Any], steps: int) -> list[dict[str, Tensor]]:
    torch.manual_seed(7)
    return [step(data[at % len(data)], Now(at / steps)) for at in range(steps)]


def assert_same(one: Supervised, other: Supervised) -> None:
    """Within the promise of 1e-5 of each tensor's size, moving averages and counters included."""
    for expected, ours in zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert (expected - ours).double().norm() <= 1e-5 * expected.double().norm()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_hundred_steps_end_at_the_same_weights(name: str) -> None:
    build, shape = NETWORKS[name]
    plain, step = supervised(build), Recorded(supervised(build))
    data = batches(shape)
    before = copy.deepcopy(step.state())
    random = torch.get_rng_state()
    assert step.record(data[0]) == ""
    assert torch.equal(torch.get_rng_state(), random), "recording drew random numbers"
    assert all(torch.equal(old, new) for old, new in zip(before["model"].values(), step.state()["model"].values(), strict=True))
    assert all(parameter.grad is None for parameter in step.step.model.parameters()), "recording left gradients"
    told = train(plain, data, 100)
    random = torch.get_rng_state()
    ours = train(step, data, 100)
    assert torch.equal(torch.get_rng_state(), random), "the recorded step drew other random numbers"
    assert_same(plain, step.step)
    for one, other in zip(told, ours, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.allclose(one[key], other[key], rtol=1e-4, atol=1e-6) for key in one)
    for one, other in zip(plain.model.parameters(), step.step.model.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-4, atol=1e-7)


def test_the_tape_is_played_and_not_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    build, shape = NETWORKS["convolutions"]
    step, data = Recorded(supervised(build)), [*batches(shape), *batches(shape, 1, rows=5)]
    assert [step.record(data[0]), step.record(data[-1])] == ["", ""]
    monkeypatch.setattr(type(step.step.model), "forward", lambda self, x: pytest.fail("the network was called"))
    train(step, data, 5)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(4, 4),
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.1),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "batch norm": lambda: nn.BatchNorm1d(4),
    "layer norm": lambda: nn.LayerNorm(4),
    "dropout": lambda: nn.Dropout(0.3),
    "twice": lambda: Twice(nn.Linear(4, 4)),
    "residual": lambda: Residual(nn.Sequential(nn.Linear(4, 4), nn.ReLU())),
    "gate": lambda: Gate(nn.Linear(4, 4)),
}


class Twice(nn.Module):
    """One layer, hence one weight, in two places."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x))  # type: ignore[no-any-return]


class Residual(Twice):
    def forward(self, x: Tensor) -> Tensor:
        return x + self.layer(x)  # type: ignore[no-any-return]


class Gate(Twice):
    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.layer(x)
        return hidden * hidden.sigmoid() + x * 0.5


@settings(max_examples=15)
@given(st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=6))
def test_any_network_gives_the_same_bits(names: list[str]) -> None:
    """Whatever is overwritten or done once on the tape, no value changes that is still to be read."""

    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 4), *(LAYERS[name]() for name in names), nn.Linear(4, 3))

    plain, step = supervised(build), Recorded(supervised(build))
    assert step.record(batches((4,))[0]) == ""
    told, ours = train(plain, batches((4,)), 5), train(step, batches((4,)), 5)
    assert told == ours
    assert all(
        torch.equal(one, other)
        for one, other in zip(plain.model.state_dict().values(), step.step.model.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam", "adamw", "rmsprop", "adagrad"])
def test_every_optimizer(optimizer: str) -> None:
    build, shape = NETWORKS["normalized with dropout"]
    options: dict[str, Any] = {"schedule": lambda progress: 1 - 0.9 * progress}
    plain, step = supervised(build, optimizer, **options), Recorded(supervised(build, optimizer, **options))
    assert step.record(batches(shape)[0]) == ""
    train(plain, batches(shape), 100)
    train(step, batches(shape), 100)
    assert_same(plain, step.step)
    assert step.rate == plain.rate < 0.01


@pytest.mark.parametrize(("optimizer", "steps"), [("adamw", 1), ("adam", 1), ("nesterov", 1), ("rmsprop", 5)])
def test_fused_optimizers_are_called_directly_once_they_have_a_state(
    optimizer: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, shape = NETWORKS["perceptron"]
    step = Recorded(supervised(build, optimizer))
    assert step.record(batches(shape)[0]) == ""
    called: list[int] = []
    usual = step.step.optimizer.step
    monkeypatch.setattr(step.step.optimizer, "step", lambda: (called.append(1), usual()))
    train(step, batches(shape), 5)
    assert len(called) == steps


def test_sgd_without_momentum() -> None:
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        model = nn.Linear(6, 3)
        made.append(Supervised(model, F.cross_entropy, torch.optim.SGD(model.parameters(), lr=0.1, fused=True)))
    step = Recorded(made[1])
    assert step.record(batches((6,))[0]) == ""
    train(made[0], batches((6,)), 20)
    train(step, batches((6,)), 20)
    assert_same(made[0], made[1])


def clip_norm(parameters: Any) -> Tensor:
    return (nn.utils.clip_grad_norm_(parameters, 0.2) > 0.2).float()


def lasso(model: nn.Module) -> dict[str, Tensor]:
    return {"l1": 0.01 * torch.stack([weight.abs().sum() for weight in model.parameters()]).sum()}


OPTIONS: dict[str, dict[str, Any]] = {
    "clip": {"clip": clip_norm},
    "penalties": {"penalties": lasso},
    "accumulate": {"accumulate": 3},
    "bfloat16": {"precision": torch.bfloat16},
    "together": {"clip": clip_norm, "penalties": lasso, "accumulate": 2},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_what_a_plain_step_can_do(options: dict[str, Any]) -> None:
    build, shape = NETWORKS["perceptron"]
    plain, step = supervised(build, **options), Recorded(supervised(build, **options))
    assert step.record(batches(shape)[0]) == ""
    told, ours = train(plain, batches(shape), 60), train(step, batches(shape), 60)
    assert_same(plain, step.step)
    assert told[-1].keys() == ours[-1].keys()
    assert all(torch.allclose(one[key], other[key]) for one, other in zip(told, ours, strict=True) for key in one)
    if "clip" in options:
        assert any(logs["clipped"] for logs in ours)


def test_channels_last() -> None:
    build, shape = NETWORKS["residual"]
    plain, step = supervised(build), Recorded(supervised(build))
    data = [(inputs.to(memory_format=torch.channels_last), targets) for inputs, targets in batches(shape)]
    for each in (plain, step.step):
        each.model.to(memory_format=torch.channels_last)
    assert step.record(data[0]) == ""
    train(plain, data, 100)
    train(step, data, 100)
    assert_same(plain, step.step)
    assert all(weight.grad.stride() == weight.stride() for weight in step.step._parameters)  # type: ignore[union-attr]


def test_the_same_bits_each_time() -> None:
    build, shape = NETWORKS["convolutions"]
    ends = []
    for _ in range(2):
        step = Recorded(supervised(build))
        assert step.record(batches(shape)[0]) == ""
        train(step, batches(shape), 20)
        ends.append(step.state()["model"])
    assert all(torch.equal(one, other) for one, other in zip(*(end.values() for end in ends), strict=True))


def test_a_short_batch_runs_plain_in_between() -> None:
    build, shape = NETWORKS["normalized with dropout"]
    plain, step = supervised(build), Recorded(supervised(build))
    data = [*batches(shape), *batches(shape, 1, rows=5)]
    assert step.record(data[0]) == ""
    train(plain, data, 50)
    train(step, data, 50)
    assert_same(plain, step.step)


def test_batches_of_dicts() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right, self.words = nn.Linear(6, 3), nn.Linear(6, 3), nn.Embedding(5, 3)

        def forward(self, x: dict[str, Tensor]) -> Tensor:
            return self.left(x["a"]) * self.right(x["b"]) + self.words(x["c"])  # type: ignore[no-any-return]

    data = [({"a": inputs, "b": inputs.flip(1), "c": targets + 1}, targets) for inputs, targets in batches((6,))]
    turned = [(dict(reversed(inputs.items())), targets) for inputs, targets in data]
    plain, step = supervised(Two), Recorded(supervised(Two))
    assert step.record(data[0]) == ""
    train(plain, data, 30)
    train(step, turned, 30)
    assert_same(plain, step.step)


def test_frozen_and_unused_parameters_stay() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frozen, self.unused, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
            self.frozen.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.frozen(x).relu())  # type: ignore[no-any-return]

    plain, step = supervised(Half), Recorded(supervised(Half))
    assert step.record(batches((6,))[0]) == ""
    first = copy.deepcopy(step.step.model.state_dict())
    step.step.model.unused.weight.grad = torch.ones(6, 6)  # type: ignore[union-attr]
    train(plain, batches((6,)), 10)
    train(step, batches((6,)), 10)
    assert_same(plain, step.step)
    kept = [name for name, tensor in step.step.model.state_dict().items() if torch.equal(tensor, first[name])]
    assert kept == ["frozen.weight", "frozen.bias", "unused.weight", "unused.bias"]


@pytest.mark.parametrize("first", ["plain", "recorded"])
def test_a_checkpoint_of_either_goes_on_with_the_other(first: str) -> None:
    build, shape = NETWORKS["normalized with dropout"]
    data = batches(shape)

    def made(kind: str) -> Any:
        step = supervised(build)
        if kind == "plain":
            return step
        recorded = Recorded(step)
        assert recorded.record(data[0]) == ""
        return recorded

    whole = made("plain")
    train(whole, data, 20)
    train(whole, data, 20)
    before = made(first)
    train(before, data, 20)
    after = made("recorded" if first == "plain" else "plain")
    train(after, data[:1], 3)  # so that what it has of its own must give way
    after.load(copy.deepcopy(before.state()))
    train(after, data, 20)
    assert_same(whole, after if isinstance(after, Supervised) else after.step)


def test_in_the_loop_with_averaged_weights() -> None:
    build, shape = NETWORKS["normalized with dropout"]
    ends = []
    for kind in ("plain", "recorded"):
        inner: Any = supervised(build)
        if kind == "recorded":
            inner = Recorded(inner)
            assert inner.record(batches(shape)[0]) == ""
        step = ExponentialAverage(inner, decay=0.9)
        torch.manual_seed(3)
        history = run_loop(step, batches(shape), epochs=3)
        records = torch.tensor([history[column] for column in ("loss", "accuracy", "rate")])
        ends.append((records, *step.modules()["model"].state_dict().values()))
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-7)


def test_a_hook_that_comes_later_is_called() -> None:
    build, shape = NETWORKS["perceptron"]
    step, data = Recorded(supervised(build)), batches(shape)
    assert step.record(data[0]) == ""
    seen: list[int] = []
    handle = step.step.model.register_forward_hook(lambda *_: seen.append(1))
    train(step, data, 3)
    handle.remove()
    train(step, data, 3)
    assert len(seen) == 3


def test_parameters_that_get_other_memory_are_followed() -> None:
    build, shape = NETWORKS["perceptron"]
    plain, step = supervised(build), Recorded(supervised(build))
    assert step.record(batches(shape)[0]) == ""
    for each in (plain, step):
        train(each, batches(shape), 5)
        for parameter in each.modules()["model"].parameters():
            parameter.data = parameter.data.clone()
        train(each, batches(shape), 5)
    assert_same(plain, step.step)


def test_gradients_of_shared_weights_are_apart() -> None:
    """An LSTM of this machine gives both biases one and the same gradient: clipping it in place must not clip it twice."""
    step = Recorded(supervised(lambda: Classifier(), clip=clip_norm))
    assert step.record(batches((5, 4))[0]) == ""
    train(step, batches((5, 4)), 2)
    places = [parameter.grad.data_ptr() for parameter in step.step._parameters]  # type: ignore[union-attr]
    assert len(set(places)) == len(places)


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if x.sum() > 0 else -self.layer(x)


class Counting(nn.Module):
    """Does something else in its second step, which a tape of the first cannot know."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls = nn.Linear(6, 3), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.layer(x) * self.calls  # type: ignore[no-any-return]


class Remembering(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layer(x)
        self.last = outputs.detach()
        return outputs


class Silent(nn.Module):
    """Fails where values are missing, without a word."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        if type(x) is not Tensor:
            raise RuntimeError
        return self.layer(x)  # type: ignore[no-any-return]


def cumulative() -> nn.Module:
    """Batch norm whose average weighs the first step by 1 and the second by 1/2: numbers that a tape would freeze."""
    return nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, momentum=None), nn.Linear(4, 3))


@pytest.mark.parametrize(
    ("build", "reason"),
    [(Branching, "cannot be traced"), (Counting, "ends at other numbers"), (Silent, "RuntimeError"), (cumulative, "")],
    ids=["branching", "counting", "silent", "cumulative"],
)
def test_what_cannot_be_recorded_runs_plain_and_says_why(build: Callable[[], nn.Module], reason: str) -> None:
    plain, step = supervised(build), Recorded(supervised(build))
    said = step.record(batches((6,))[0])
    assert said
    assert reason in said
    train(plain, batches((6,)), 10)
    train(step, batches((6,)), 10)
    assert_same(plain, step.step)


def test_a_network_that_keeps_what_it_saw_keeps_no_tensor_without_values() -> None:
    step = Recorded(supervised(Remembering))
    assert step.record(batches((6,))[0]) == ""
    assert step.step.model.last is None


def test_other_reasons() -> None:
    build, shape = NETWORKS["perceptron"]
    data = batches(shape)[0]

    class Mine(Supervised):
        pass

    model = build()
    mine = Mine(model, F.cross_entropy, torch.optim.SGD(model.parameters(), lr=0.1))
    assert "Mine" in Recorded(mine).record(data)
    hooked = supervised(build)
    hooked.model.register_forward_hook(lambda *_: None)
    assert "hooks" in Recorded(hooked).record(data)
    assert "beside tensors" in Recorded(supervised(build)).record((*data, "a word"))
    still = supervised(build)
    still.model.eval()
    assert "evaluation mode" in Recorded(still).record(data)
    assert "gradients of its own" in Recorded(supervised(build)).record((data[0].requires_grad_(), data[1]))


def test_a_wrong_gradient_is_seen_at_a_rate_that_hardly_moves_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Linear(3, 2)
    step = Supervised(model, F.mse_loss, torch.optim.SGD(model.parameters(), lr=1e-12))
    trace = stepping.trace_step

    def with_another_slope(step: Supervised, batch: Any) -> Any:
        loss = step.loss
        step.loss = lambda outputs, targets: loss(outputs, targets) + 0.5 * (outputs - outputs.detach()).sum()
        try:
            return trace(step, batch)
        finally:
            step.loss = loss

    batch = torch.randn(4, 3), torch.randn(4, 2)
    assert Recorded(step).record(batch) == ""
    monkeypatch.setattr(stepping, "trace_step", with_another_slope)
    assert "a gradient differs" in Recorded(step).record(batch)
