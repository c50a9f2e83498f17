"""The captured step against the plain one. Without a GPU a rehearsal stands in for the graph; all else is as on a GPU."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from recording import NETWORKS, Now, assert_same, batches, clip_norm, supervised, train
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.optim import Penalties, make_clip, make_optimizer, make_schedule
from leadline.training import Supervised
from leadline.training.captured import Captured

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
OPTIMIZERS = ("sgd", "nesterov", "adam", "adamw(amsgrad=True)", "muon(head=True)", "muon(head=True, rest='adamw')")


class Rehearsal:
    """As a graph: a capture leaves everything as it was, and a replay writes the same tensors anew, reading the same ones."""

    def __init__(self, step: Supervised, *, fails: bool = False) -> None:
        self.step, self.fails, self.captures, self.replays = step, fails, 0, 0

    def living(self) -> list[Tensor]:
        states = self.step.optimizer.state.values()
        clip = self.step.clip.state().values() if hasattr(self.step.clip, "state") else []
        return [*self.step.model.state_dict().values(), *(v for s in states for v in s.values()), *clip]

    def warm_up(self, action: Callable[[], Tensor]) -> None:
        for _ in range(2):
            action()

    @torch.no_grad()
    def capture(self, action: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        if self.fails:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        self.captures += 1
        places = [tensor.data_ptr() for tensor in self.living()]
        kept = [tensor.clone() for tensor in self.living()]
        rates = [group["lr"] for group in self.step.optimizer.param_groups]
        assert all(isinstance(rate, Tensor) for rate in rates), "a rate would be part of the graph"
        assert all(group.get("capturable", True) for group in self.step.optimizer.param_groups)
        with torch.enable_grad():
            values = action()
        gradients = [parameter.grad for parameter in self.step.parameters]
        assert [tensor.data_ptr() for tensor in self.living()] == places, "what a graph reads must be there before it"
        for tensor, before in zip(self.living(), kept, strict=True):
            tensor.copy_(before)

        def replay() -> None:
            self.replays += 1
            now = [group["lr"] for group in self.step.optimizer.param_groups]
            assert all(one is other for one, other in zip(now, rates, strict=True)), "the graph reads other rates"
            assert [tensor.data_ptr() for tensor in self.living()] == places, "the graph reads other memory"
            values.copy_(action())
            for gradient, parameter in zip(gradients, self.step.parameters, strict=True):
                if gradient is not None and parameter.grad is not None:
                    gradient.copy_(parameter.grad)

        return replay, values


def captured(plain: Supervised, **options: Any) -> tuple[Captured, Rehearsal]:
    rehearsal = Rehearsal(plain, **options)
    return Captured(plain, graphs=rehearsal), rehearsal


@pytest.mark.parametrize("name", NETWORKS)
def test_a_hundred_steps_end_at_the_same_weights(name: str) -> None:
    build, shape = NETWORKS[name]
    plain, (step, rehearsal) = supervised(build), captured(supervised(build))
    data = batches(shape)
    random, before = torch.get_rng_state(), copy.deepcopy(step.step.model.state_dict())
    assert step.record(data[0]) == ""
    assert torch.equal(torch.get_rng_state(), random), "recording drew random numbers"
    assert all(torch.equal(old, new) for old, new in zip(before.values(), step.step.model.state_dict().values(), strict=True))
    assert all(parameter.grad is None for parameter in step.step.model.parameters()), "recording left gradients"
    told, ours = train(plain, data, 100), train(step, data, 100)
    assert rehearsal.replays == 100
    assert_same(plain, step.step)
    for one, other in zip(told, ours, strict=True):  # kept over all steps: none may be overwritten by the next
        assert one.keys() == other.keys()
        assert all(torch.allclose(one[key], other[key], rtol=1e-4, atol=1e-6) for key in one)
    for one, other in zip(plain.model.parameters(), step.step.model.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("begun", [False, True])
def test_every_optimizer_with_everything_around_it(optimizer: str, begun: bool) -> None:
    build, shape = NETWORKS["convolutions"]
    around: dict[str, Any] = {"schedule": make_schedule("one_cycle"), "penalties": Penalties(l2=0.01)}
    plain = supervised(build, optimizer, clip=make_clip("percentile(50, window=8, warm_up=2)"), **around)
    step, _ = captured(supervised(build, optimizer, clip=make_clip("percentile(50, window=8, warm_up=2)"), **around))
    data = [*batches(shape), *batches(shape, 1, rows=5)]
    if begun:  # the optimizer and the clip remember something by now
        train(plain, data, 3), train(step, data, 3)
    assert step.record(data[0]) == ""
    told, ours = train(plain, data, 23), train(step, data, 23)
    assert_same(plain, step.step)
    assert told[-1].keys() == ours[-1].keys() == {"loss", "accuracy", "penalty_l2", "clipped"}
    assert [round(float(log["clipped"])) for log in told] == [round(float(log["clipped"])) for log in ours]
    assert step.rate == pytest.approx(plain.rate)


def test_other_shapes_and_evaluation_and_hooks_run_plain() -> None:
    build, shape = NETWORKS["perceptron"]
    step, rehearsal = captured(supervised(build))
    whole, short = batches(shape, 1)[0], batches(shape, 1, rows=5)[0]
    step.record(whole)
    step(short, Now())
    step.step.model.eval()
    step(whole, Now())
    step.step.model.train()
    with step.step.model.register_forward_hook(lambda *_: None):
        step(whole, Now())
    step(["no tensors beside", *whole][1:], Now())
    assert rehearsal.replays == 1
    gradients = [parameter.grad for parameter in step.step.parameters]
    step(short, Now())
    step(whole, Now())
    assert all(one is other.grad for one, other in zip(gradients, step.step.parameters, strict=True))


@pytest.mark.parametrize("optimizer", ["nesterov", "adamw", "muon(head=True)"])
def test_checkpoints_are_exchanged_with_the_plain_step(optimizer: str) -> None:
    build, shape = NETWORKS["convolutions"]
    data = batches(shape)
    schedule = make_schedule("cosine")
    whole = supervised(build, optimizer, schedule=schedule)
    train(whole, data, 8), train(whole, data, 8)
    one, rehearsal = captured(supervised(build, optimizer, schedule=schedule))
    one.record(data[0])
    train(one, data, 8)
    state = copy.deepcopy(one.state())
    assert all(isinstance(group["lr"], float) for group in state["optimizer"]["param_groups"])
    plain = supervised(build, optimizer, schedule=schedule)
    assert state["optimizer"]["param_groups"][0].keys() == plain.state()["optimizer"]["param_groups"][0].keys()
    plain.load(copy.deepcopy(state))  # torch keeps the tensors that it is given
    train(plain, data, 8)
    assert_same(whole, plain)
    train(one, data, 5)  # somewhere else, and back
    one.load(state)
    train(one, data, 8)
    assert rehearsal.captures == 2, "after loading it must be captured anew"
    assert_same(whole, one.step)


def test_weights_that_were_moved_or_frozen_are_captured_anew() -> None:
    build, shape = NETWORKS["perceptron"]
    plain, (step, rehearsal) = supervised(build), captured(supervised(build))
    data = batches(shape)
    step.record(data[0])
    for each in (plain, step.step):
        each.model[-1].weight.data = each.model[-1].weight.data.clone()  # type: ignore[index]
    train(plain, data, 4), train(step, data, 4)
    for each in (plain, step.step):
        each.model[-1].weight.requires_grad_(False)  # type: ignore[index]
    train(plain, data, 4), train(step, data, 4)
    assert rehearsal.captures == 3
    assert_same(plain, step.step)


def test_what_a_graph_cannot_hold_runs_plain_and_says_why() -> None:
    build, shape = NETWORKS["normalized with dropout"]
    step, _ = captured(supervised(build), fails=True)
    data, before = batches(shape), copy.deepcopy(step.step.model.state_dict())
    assert "not permitted when stream is capturing" in step.record(data[0])
    assert all(torch.equal(old, new) for old, new in zip(before.values(), step.step.model.state_dict().values(), strict=True))
    plain = supervised(build)
    train(plain, data, 5), train(step, data, 5)
    assert_same(plain, step.step)


def of(optimizer: Callable[[Any], torch.optim.Optimizer]) -> Captured:
    model = nn.Linear(6, 3)
    return captured(Supervised(model, F.cross_entropy, optimizer(model.parameters())))[0]


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda p: torch.optim.SGD(p, lr=0.1), "fused=True"),
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1, fused=True), "dampening"),
        (lambda p: torch.optim.RMSprop(p, lr=0.1), "RMSprop"),
    ],
)
def test_optimizers_that_would_wait_for_the_device_are_refused(build: Any, said: str) -> None:
    assert said in of(build).record(batches((6,))[0])


def test_batches_that_cannot_be_given_to_a_graph() -> None:
    step = of(lambda p: torch.optim.SGD(p, lr=0.1, fused=True))
    inputs, targets = batches((6,))[0]
    assert "gradients of its own" in step.record((inputs.clone().requires_grad_(), targets))
    assert "not on the device" in step.record((inputs.to("meta"), targets))
    assert "str" in step.record((inputs, "targets"))
    step.step.model.eval()
    assert "evaluation mode" in step.record((inputs, targets))


def test_no_gpu_no_capture() -> None:
    build, _ = NETWORKS["perceptron"]
    with pytest.raises(ArgumentError, match="captured on a CUDA device alone"):
        Captured(supervised(build))


def test_only_what_is_captured_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    class Compiled(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.module = module

        def forward(self, x: Tensor) -> Any:
            calls.append(len(x))
            return self.module(x)

    monkeypatch.setattr(torch, "compile", lambda module, dynamic: Compiled(module))
    build, shape = NETWORKS["perceptron"]
    penalties = Penalties(l1=0.001)
    plain, ours = supervised(build, penalties=penalties), supervised(build, penalties=penalties)
    step = Captured(ours, compiled=True, graphs=Rehearsal(ours))
    data = [*batches(shape), *batches(shape, 1, rows=5)]
    step.record(data[0])
    train(plain, data, 10), train(step, data, 10)
    assert set(calls) == {12}
    assert_same(plain, ours)
    assert list(step.state()["model"]) == list(plain.state()["model"])


@needs_cuda
@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # of torch's own compiler
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("compiled", [False, True])
def test_on_a_gpu(optimizer: str, compiled: bool) -> None:
    build, shape = NETWORKS["normalized with dropout" if shape_is_flat(optimizer) else "convolutions"]
    device = torch.device("cuda")
    steps = []
    for _ in range(2):
        torch.manual_seed(0)
        model = build().to(device)
        made = make_optimizer(optimizer, model, learning_rate=0.01)
        steps.append(
            Supervised(model, F.cross_entropy, made, schedule=make_schedule("cosine"), clip=clip_norm)  # type: ignore[arg-type]
        )
    for each in steps:
        for module in each.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # a compiler draws other numbers
    plain, step = steps[0], Captured(steps[1], compiled=compiled)
    data = [(x.to(device), y.to(device)) for x, y in [*batches(shape), *batches(shape, 1, rows=5)]]
    assert step.record(data[0]) == ""
    told, ours = train(plain, data, 12), train(step, data, 12)
    assert [float(log["loss"]) for log in ours] == pytest.approx([float(log["loss"]) for log in told], rel=1e-2)
    state = step.state()
    step.load(copy.deepcopy(state))
    train(step, data, 12)
    assert all(torch.isfinite(value).all() for value in step.state()["model"].values())


def shape_is_flat(optimizer: str) -> bool:
    return not optimizer.startswith("muon")
