"""Fine-tuning by depth: which weight has which rate, when it trains, and that a resumed training does not notice the break."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from leadline.errors import ArgumentError
from leadline.models import convnet, resnet18
from leadline.optim import ClipNorm, make_optimizer, make_schedule
from leadline.training import Callback, Checkpoint, Supervised, Training, checkpoints, run_loop
from leadline.transfer.freezing import freeze
from leadline.transfer.networks import with_new_head
from leadline.transfer.rates import GradualUnfreezing, TrainedStage, stages_of, weights_of, with_depth_rates

SHAPE = (1, 12, 12)


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return with_new_head(convnet(SHAPE, 3, width=4, stages=2), "before 15", SHAPE, 4, frozen=False)


class Batches:
    """Nine batches an epoch that can be entered anywhere."""

    def __len__(self) -> int:
        return 9

    def __iter__(self) -> Any:
        return self.epoch(0)

    def epoch(self, number: int, first: int = 0) -> Any:
        for at in range(first, 9):
            generator = torch.Generator().manual_seed(100 * number + at)
            yield torch.randn(8, *SHAPE, generator=generator), torch.randint(0, 4, (8,), generator=generator)


def step_of(model: nn.Module, optimizer: str = "adamw", until: float = 0.5) -> GradualUnfreezing:
    stages = stages_of(model, SHAPE)
    made = with_depth_rates(make_optimizer(optimizer, model, learning_rate=0.01, weight_decay=0.1), model, stages)
    step = Supervised(model, nn.functional.cross_entropy, made, schedule=make_schedule("one_cycle"), clip=ClipNorm(1.0))
    return GradualUnfreezing(step, model, stages, until=until)


@pytest.mark.parametrize(
    "model",
    [
        network(),
        resnet18(classes=3),
        nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten(), nn.Linear(32, 4)),
    ],
)
def test_every_weight_is_in_one_stage_and_the_head_is_last(model: nn.Module) -> None:
    shape = {"ResNet": (3, 32, 32)}.get(type(model).__name__, SHAPE if hasattr(model, "backbone") else (4, 8))
    stages = stages_of(model, shape)
    found = [id(weight) for stage in stages for weight in weights_of(model, stage)]
    assert sorted(found) == sorted(id(weight) for weight in model.parameters())
    assert sorted(name for stage in stages for name in stage.modules) == sorted(name for name, _ in model.named_modules())
    assert [len(weight) for weight in weights_of(model, stages[-1])] == [len(list(model.parameters())[-1])] * 2
    assert stages[-1].name == "head"


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon", "rmsprop"])
def test_rates_fall_by_the_decay_towards_the_input(optimizer: str) -> None:
    model = network()
    stages = stages_of(model, SHAPE)
    plain = {
        id(w): g
        for g in make_optimizer(optimizer, model, learning_rate=0.1, weight_decay=0.01).param_groups
        for w in g["params"]
    }
    made = with_depth_rates(make_optimizer(optimizer, model, learning_rate=0.1, weight_decay=0.01), model, stages, decay=0.5)
    place = {id(weight): at for at, stage in enumerate(stages) for weight in weights_of(model, stage)}
    seen = set()
    for group in made.param_groups:
        for weight in group["params"]:
            seen.add(id(weight))
            before = plain[id(weight)]
            assert group["lr"] == pytest.approx(before["lr"] * 0.5 ** (len(stages) - 1 - place[id(weight)]))
            assert {k: v for k, v in group.items() if k not in ("lr", "params", "initial_lr")} == {
                k: v for k, v in before.items() if k not in ("lr", "params", "initial_lr")
            }
    assert seen == {id(weight) for weight in model.parameters()}


def test_one_step_of_sgd_moves_each_stage_by_its_own_rate() -> None:
    model = network()
    stages = stages_of(model, SHAPE)
    sgd = with_depth_rates(torch.optim.SGD(model.parameters(), lr=1.0), model, stages, decay=0.1)
    before = copy.deepcopy(model)
    batch = next(Batches().epoch(0))
    nn.functional.cross_entropy(model(batch[0]), batch[1]).backward()
    sgd.step()
    old = dict(before.named_parameters())
    names = {id(weight): name for name, weight in model.named_parameters()}
    for at, stage in enumerate(stages):
        for weight in weights_of(model, stage):
            assert weight.grad is not None
            expected = old[names[id(weight)]] - 0.1 ** (len(stages) - 1 - at) * weight.grad
            torch.testing.assert_close(weight.detach(), expected.detach(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_stages_thaw_one_after_the_other_and_nothing_frozen_moves(optimizer: str) -> None:
    model = network()
    step = step_of(model, optimizer)
    count = len(step.stages)
    assert count == 3
    seen = []
    for number in range(20):
        before = copy.deepcopy(model.state_dict())
        model.train()
        step(next(Batches().epoch(0, number % 9)), SimpleNamespace(step=number, fraction=number / 20))
        changed = {name for name, each in model.state_dict().items() if not torch.equal(each, before[name])}
        frozen = {
            f"{name}.{key}".removeprefix(".")
            for stage in step.stages[: count - step.thawed]
            for name in stage.modules
            for key in model.get_submodule(name).state_dict()
        }
        assert len(frozen) > 0 or step.thawed == count
        assert not changed & frozen
        seen.append(step.thawed)
    assert seen == [1] * 5 + [2] * 5 + [3] * 10
    assert "backbone.network.1.running_mean" in changed  # batch normalization learns again


class Break(Callback):
    def __init__(self, at: int) -> None:
        self.at = at

    def batch_end(self, now: Training) -> str | None:
        return "enough for now" if now.step == self.at else None


@pytest.mark.parametrize("at", [4, 13, 20])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_resumed_training_goes_on_to_the_bit(at: int, optimizer: str, tmp_path: Path) -> None:
    def train(model: nn.Module, callbacks: list[Callback], state: dict[str, Any] | None = None) -> dict[str, Tensor]:
        model.train()
        run_loop(step_of(model, optimizer), Batches(), epochs=3, callbacks=callbacks, state=state)
        return model.state_dict()

    whole = train(network(), [])
    train(network(), [Break(at), Checkpoint(tmp_path / "training.safetensors")])
    resumed = train(network(seed=5), [], checkpoints.load(tmp_path / "training.safetensors"))
    assert all(torch.equal(each, resumed[name]) for name, each in whole.items())


def test_what_a_person_froze_stays_frozen() -> None:
    model = network()
    freeze(model.get_submodule("backbone.network.0"))
    step = step_of(model)
    step(next(Batches().epoch(0)), SimpleNamespace(step=0, fraction=0.9))
    assert step.thawed == 3
    assert not model.get_submodule("backbone.network.0").weight.requires_grad
    assert model.get_submodule("backbone.network.3").weight.requires_grad


def test_evaluation_and_rates_pass_through() -> None:
    model = network().train()
    step = step_of(model)
    with step.evaluating():
        assert not model.training
    assert model.training
    step(next(Batches().epoch(0)), SimpleNamespace(step=0, fraction=0.3))
    assert step.rate is not None
    assert step.modules() == {"model": model}


def test_careless_arguments() -> None:
    model = network()
    stages = stages_of(model, SHAPE)
    with pytest.raises(ArgumentError, match="decay of the rates"):
        with_depth_rates(torch.optim.SGD(model.parameters(), lr=1.0), model, stages, decay=0.0)
    with pytest.raises(ArgumentError, match="L-BFGS has one rate"):
        with_depth_rates(make_optimizer("lbfgs", model, learning_rate=1.0), model, stages)
    adam = torch.optim.Adam(model.parameters())
    model(torch.zeros(2, *SHAPE)).sum().backward()
    adam.step()
    with pytest.raises(ArgumentError, match="stepped already"):
        with_depth_rates(adam, model, stages)
    with pytest.raises(ArgumentError, match="end of unfreezing"):
        step_of(network(), until=1.0)


def test_what_is_over_when_is_known_before_it_begins() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    stages = [TrainedStage("late", ("0",), 1.0), TrainedStage("head", ("2",), 1.0)]
    step = GradualUnfreezing(Supervised(model, nn.functional.cross_entropy, torch.optim.SGD(model.parameters(), lr=0.1)),
                             model, stages, until=0.5)  # fmt: skip
    # A step costs 2 forward, and 2 or 4 backward: 0.5 · 4 of 0.5 · 4 + 0.5 · 6.
    assert [step.work(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)] == pytest.approx([0.0, 0.2, 0.4, 0.7, 1.0])
    alone = GradualUnfreezing(step.step, model, stages[:1], until=0.5)
    assert alone.work(0.3) == pytest.approx(0.3)


def test_a_step_costs_more_when_more_of_it_trains() -> None:
    step = step_of(network(), until=0.4)
    shares = [at / 100 for at in range(101)]
    over = [step.work(share) for share in shares]
    costs = [after - before for before, after in itertools.pairwise(over)]
    assert over[0] == 0
    assert over[-1] == pytest.approx(1)
    assert all(after >= before - 1e-12 for before, after in itertools.pairwise(costs))
    assert costs[0] < 0.7 * costs[-1]
    thawed = [step.due(share + 0.005) for share in shares[:-1]]
    assert sum(after > before + 1e-9 for before, after in itertools.pairwise(costs)) == len(set(thawed)) - 1


def test_the_work_of_stages_is_that_of_their_multiplications() -> None:
    model = resnet18(classes=3).eval()
    stages = stages_of(model, (3, 64, 64))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 64, 64))
    assert sum(stage.work for stage in stages) == pytest.approx(counter.get_total_flops() / 2, rel=0.1)
    inner = [stage.work for stage in stages if stage.name not in ("early", "head")]
    assert max(inner) < 1.5 * min(inner), "a ResNet spends about as much in each of its stages"
