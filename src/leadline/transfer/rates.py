"""Fine-tuning by depth: rates that fall towards the input, and stages that thaw one after the other, the head first."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.errors import ArgumentError
from leadline.training import Step
from leadline.transfer.depths import cut_depths, head_call
from leadline.transfer.freezing import freeze_alone, frozen, unfreeze_alone
from leadline.transfer.passing import Call, calls_of

_WRITTEN = 8  # multiplications that take as long as to read and write a number
_BACKWARD = 2.0  # of a layer that trains, beside its forward pass: for its weights and for what goes into it


@dataclass(frozen=True)
class TrainedStage:
    """Modules that train together: their names, the earliest first, and the depth at which the stage ends.

    `work` is about what one input costs forward, in multiplications.

    Example:
        >>> TrainedStage("head", ("head",)).name
        'head'
    """

    name: str
    modules: tuple[str, ...]
    work: float = 1.0


def stages_of(model: nn.Module, shape: Sequence[int]) -> list[TrainedStage]:
    """A network in stages, the one at the input first and the head last; each module is in exactly one of them.

    The stages are those between the depths of `cut_depths`. A module belongs where it is first called, one that holds others
    where the last of them belongs.

    Args:
        model: any network.
        shape: of one input, without the batch.

    Errors: `ArgumentError` as `cut_depths`.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> [(stage.name, stage.modules) for stage in stages_of(network, (4,))]
        [('early', ('0', '1')), ('late', ('2', '3')), ('head', ('4', ''))]
    """
    calls = calls_of(model, shape)
    depths, head = cut_depths(model, shape), head_call(model, calls)
    last = {call.name: call.ended for call in calls}
    bounds = [last[depth.layer] for depth in depths[:-1]] + [head.begun - 1 if head else calls[-1].ended]
    begun: dict[str, int] = {}
    for call in calls:
        begun[call.name] = min(call.begun, begun.get(call.name, call.begun))
    number: dict[str, int] = {}
    for name, module in reversed(list(model.named_modules())):
        inner = [number[f"{name}.{child}" if name else child] for child, _ in module.named_children()]
        own = bisect.bisect_left(bounds, _first_call(name, begun))
        number[name] = max([own, *inner])
    names = [depth.name for depth in depths] + ["head"]
    members: list[list[str]] = [[] for _ in names]
    for name, _ in model.named_modules():
        members[number[name]].append(name)
    ordered = [sorted(each, key=lambda name: (name == "", begun.get(name, 0))) for each in members]
    work = [0.0] * len(names)
    for call in calls:
        work[number[call.name]] += _work(model.get_submodule(call.name), call)
    return [TrainedStage(name, tuple(each), cost) for name, each, cost in zip(names, ordered, work, strict=True) if each]


def _work(module: nn.Module, call: Call) -> float:
    """Multiplications of one call for one input: each matrix once for each position; the rest by what it writes."""
    if next(module.children(), None) is not None or not call.left:
        return 0.0
    positions = math.prod(call.left[2:]) if len(call.left) > 3 else math.prod(call.left[1:-1])
    matrices = sum(weight.numel() for weight in module.parameters(recurse=False) if weight.ndim > 1)
    return float(matrices * positions + _WRITTEN * math.prod(call.left[1:]))


def _first_call(name: str, begun: dict[str, int]) -> int:
    """When a module is first called, or, where it never is, the module around it that uses its weights."""
    while name not in begun and name:
        name = name.rpartition(".")[0]
    return begun.get(name, 0)


def with_depth_rates(
    optimizer: Optimizer, model: nn.Module, stages: Sequence[TrainedStage], *, decay: float = 0.5
) -> Optimizer:
    """Give each stage a learning rate of its own: ηₖ = η · decay^(S − k), with k = S for the head, the last of the stages.

    The groups of the optimizer are split, so that whatever they say of weight decay, momentum or Muon stays; a schedule that
    multiplies the rates afterwards keeps their ratios.

    Args:
        optimizer: over weights of the model, before its first step; is changed and returned.
        model: whose stages these are.
        stages: from `stages_of`.
        decay: from a stage to the one before, in (0, 1].

    Errors: `ArgumentError` for a decay out of range, an optimizer that has stepped already, or one that takes one group alone.

    Example:
        >>> from leadline.optim import make_optimizer
        >>> network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> sgd = make_optimizer("sgd", network, learning_rate=1.0)
        >>> sgd = with_depth_rates(sgd, network, stages_of(network, (4,)))
        >>> [(group["lr"], len(group["params"])) for group in sgd.param_groups]
        [(0.25, 1), (0.5, 1), (1.0, 1), (0.25, 1), (0.5, 1), (1.0, 1)]

    Source: Howard and Ruder (2018), Universal language model fine-tuning for text classification, section 3.2.
    """
    if not 0 < decay <= 1:
        raise ArgumentError("The decay of the rates is out of range", expected="a number in (0, 1]", got=decay)
    if len(optimizer.state):
        raise ArgumentError("The rates of an optimizer that has stepped already cannot be split", do="Do it before.")
    if "max_eval" in optimizer.defaults or "line_search_fn" in optimizer.defaults:
        raise ArgumentError(
            "L-BFGS has one rate for all weights", expected="an optimizer with groups", do="Take adamw, sgd or muon."
        )
    place = {id(weight): at for at, stage in enumerate(stages) for weight in weights_of(model, stage)}
    groups = []
    for group in optimizer.param_groups:
        for at in range(len(stages)):
            own = [weight for weight in group["params"] if place.get(id(weight), len(stages) - 1) == at]
            if own:
                groups.append({**group, "params": own, "lr": group["lr"] * decay ** (len(stages) - 1 - at)})
    optimizer.param_groups = groups
    return optimizer


def weights_of(model: nn.Module, stage: TrainedStage) -> Iterator[Tensor]:
    """The parameters that the modules of a stage hold themselves.

    Example:
        >>> [tuple(weight.shape) for weight in weights_of(nn.Linear(3, 2), TrainedStage("head", ("",)))]
        [(2, 3), (2,)]
    """
    for name in stage.modules:
        yield from model.get_submodule(name).parameters(recurse=False)


class GradualUnfreezing:
    """A step that begins with all stages frozen but the head, and thaws them from the head to the input.

    With S stages, stage k (S is the head) trains from the share until · (S − k) / (S − 1) of the training on; until then it is
    frozen: no gradients, evaluation mode. What thaws when depends on the progress alone, so a resumed training goes on to the
    bit. What was frozen before stays so.

    Args:
        step: the step to wrap; its optimizer must hold the weights of all stages, so it is made before.
        model: the network that it trains.
        stages: from `stages_of`.
        until: the share of the training after which everything trains, in [0, 1).

    Errors: `ArgumentError` for a share out of range.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> from leadline.training import Supervised
        >>> network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> sgd = torch.optim.SGD(network.parameters(), lr=0.1)
        >>> step = Supervised(network, nn.functional.cross_entropy, sgd)
        >>> step = GradualUnfreezing(step, network, stages_of(network, (4,)), until=0.5)
        >>> batch = torch.ones(3, 4), torch.tensor([0, 1, 1])
        >>> for share in (0.0, 0.4, 0.5):
        ...     _ = step(batch, SimpleNamespace(step=0, fraction=share))
        ...     print(step.thawed, network[0].weight.requires_grad)
        1 False
        1 False
        2 True

    Source: Howard and Ruder (2018), Universal language model fine-tuning for text classification, section 3.3.
    """

    def __init__(self, step: Step, model: nn.Module, stages: Sequence[TrainedStage], *, until: float = 0.3) -> None:
        if not 0 <= until < 1:
            raise ArgumentError("The end of unfreezing is out of range", expected="a share in [0, 1)", got=until)
        self.step, self.model, self.stages, self.until = step, model, stages, until
        self.thawed = len(stages)
        # The first of them is the head, and the last the one at the input.
        self._own = [
            [module for name in stage.modules if not frozen(module := model.get_submodule(name))] for stage in reversed(stages)
        ]
        self._thaw(1)

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        share = progress.fraction if progress is not None else 0.0
        due = self.due(share)
        if due != self.thawed:
            self._thaw(due)
        return self.step(batch, progress)

    def due(self, share: float) -> int:
        """How many stages train at this share of the training."""
        steps = max(1, len(self.stages) - 1)
        return 1 + sum(share >= self.until * at / steps for at in range(1, len(self.stages)))

    def work(self, share: float) -> float:
        """The part of the training's time that is over when this share of its steps is: steps cost more as stages thaw."""
        ends = [self.until * at / max(1, len(self.stages) - 1) for at in range(1, len(self.stages))]
        begins, ends = [0.0, *ends], [*ends, 1.0]
        forward, costs = sum(stage.work for stage in self.stages), [0.0] * len(self.stages)
        for count in range(1, len(self.stages) + 1):
            trained = sum(stage.work for stage in self.stages[len(self.stages) - count :])
            costs[count - 1] = forward + _BACKWARD * trained
        whole = sum(cost * (end - begin) for cost, begin, end in zip(costs, begins, ends, strict=True))
        done = sum(cost * max(0.0, min(share, end) - begin) for cost, begin, end in zip(costs, begins, ends, strict=True))
        return done / whole if whole else share

    def _thaw(self, count: int) -> None:
        for at, modules in enumerate(self._own):
            for module in modules:
                if at < count:
                    unfreeze_alone(module, training=self.model.training)
                else:
                    freeze_alone(module)
        self.thawed = count

    @property
    def rate(self) -> float | None:
        """The learning rate of the wrapped step."""
        return getattr(self.step, "rate", None)

    def state(self) -> dict[str, Any]:
        return {"step": self.step.state(), "thawed": self.thawed}

    def load(self, state: dict[str, Any]) -> None:
        self._thaw(state["thawed"])
        self.step.load(state["step"])

    def modules(self) -> dict[str, nn.Module]:
        return self.step.modules()

    def evaluating(self) -> AbstractContextManager[None]:
        return self.step.evaluating()
